/* A C program against include/tapewire/book.h: every function, and what the header promises. Built by test_book_library.py. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tapewire/book.h"

static int checks;

#define CHECK(what)                                                    \
    do {                                                               \
        ++checks;                                                      \
        if (!(what)) {                                                 \
            printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #what);  \
            exit(1);                                                   \
        }                                                              \
    } while (0)

static const tw_event *last(const tw_book *book) {
    const tw_event *events;
    const size_t count = tw_book_events(book, &events);
    CHECK(count > 0);
    return &events[count - 1];
}

static void short_way(void) {
    const tw_event *events;
    tw_event copies[2];
    tw_top top;
    tw_level levels[4];
    tw_book *book = tw_book_create(0);
    CHECK(book != NULL);
    CHECK(tw_book_events(book, &events) == 0);
    CHECK(tw_book_new(book, 1, 1, TW_BUY, 100, 1) == TW_REFUSED);
    CHECK(last(book)->header.type == TW_ORDER_REJECTED && last(book)->rejected.reason == TW_REJECT_UNKNOWN_INSTRUMENT);
    CHECK(tw_book_best(book, 1, &top) == TW_ERR_INSTRUMENT && !tw_book_status(book, 1));
    CHECK(tw_book_open(book, 1, 5, 2) == TW_OK && tw_book_status(book, 1));
    tw_book_clear(book);

    CHECK(tw_book_new(book, 1, 10, TW_SELL, 105, 4) == TW_OK);
    CHECK(tw_book_new(book, 1, 10, TW_SELL, 105, 4) == TW_REFUSED); /* ids rise */
    CHECK(last(book)->rejected.reason == TW_REJECT_INVALID_FIELD && last(book)->rejected.value == 10);
    CHECK(tw_book_new(book, 1, 0, TW_SELL, 110, 6) == TW_OK); /* the book takes the next one */
    CHECK(last(book)->accepted.order_id == 11 && tw_book_last_order_id(book) == 11);
    CHECK(tw_book_new(book, 1, 1000000, 3, 110, 6) == TW_REFUSED && last(book)->rejected.value == 3);
    CHECK(tw_book_new(book, 1, 1000001, TW_BUY, 110, 6) == TW_OK);
    CHECK(tw_book_events(book, &events) == 7);
    CHECK(events[4].header.type == TW_ORDER_ACCEPTED && events[5].header.type == TW_ORDER_EXECUTED);
    CHECK(events[5].executed.maker_order_id == 10 && events[5].executed.price == 105 && events[5].executed.qty == 4);
    CHECK(events[6].executed.maker_order_id == 11 && events[6].executed.maker_leaves_qty == 4);
    CHECK(events[6].executed.match_id == 2 && tw_book_next_match_id(book) == 3);
    CHECK(events[4].header.command == 7 && events[6].header.command == 7 && events[6].header.seq == events[4].header.seq + 2);
    CHECK(tw_book_drain(book, copies, 2) == 2 && copies[0].accepted.order_id == 10 && copies[1].rejected.order_id == 10);
    CHECK(tw_book_events(book, &events) == 5 && events[0].accepted.order_id == 11);
    tw_book_clear(book);
    CHECK(tw_book_drain(book, copies, 2) == 0);

    CHECK(!tw_book_is_live(book, 10) && tw_book_is_live(book, 11) && tw_book_order_count(book) == 1);
    CHECK(tw_book_replace(book, 11, 115, 8) == TW_OK && last(book)->replaced.leaves_qty == 6);
    CHECK(tw_book_new(book, 1, 1000002, TW_BUY, 95, 2) == TW_OK && tw_book_new(book, 1, 1000003, TW_BUY, 90, 4) == TW_OK);
    CHECK(tw_book_best(book, 1, &top) == TW_OK && top.bid == 95 && top.bid_qty == 2 && top.ask == 115 && top.ask_qty == 6);
    CHECK(tw_book_depth_at(book, 1, TW_BUY, 90) == 4 && tw_book_depth_at(book, 1, TW_SELL, 90) == 0);
    CHECK(tw_book_depth_at(book, 1, TW_BUY, 91) == 0 && tw_book_depth_at(book, 1, TW_BUY, INT64_MIN) == 0);
    CHECK(tw_book_depth_at(book, 2, TW_BUY, 90) == 0 && tw_book_depth_at(book, 1, 7, 90) == 0);
    CHECK(tw_book_depth(book, 1, TW_BUY, levels, 4) == 2 && levels[1].price == 90 && levels[1].qty == 4 && levels[1].orders == 1);
    CHECK(tw_book_depth(book, 1, TW_BUY, levels, 1) == 1 && tw_book_depth(book, 1, TW_BUY, NULL, 0) == 0);
    CHECK(tw_book_cancel(book, 11) == TW_OK && last(book)->cancelled.cum_qty == 2 && last(book)->cancelled.cancelled_qty == 6);
    CHECK(tw_book_cancel(book, 11) == TW_REFUSED && last(book)->header.type == TW_CANCEL_REJECTED);
    tw_book_destroy(book);
}

static void whole_way(void) {
    tw_instrument terms;
    tw_new_order order;
    tw_cancel_order cancel;
    tw_replace_order replace;
    tw_mass_cancel mass;
    tw_book *book = tw_book_create(2);
    memset(&terms, 0, sizeof terms);
    terms.instrument = 7;
    terms.tick_size = 1;
    terms.lot_size = 1;
    terms.status = TW_TRADING;
    CHECK(tw_book_define(book, &terms) == TW_OK);
    terms.lot_size = 0;
    CHECK(tw_book_define(book, &terms) == TW_REFUSED && last(book)->rejected.reason == TW_REJECT_INVALID_QTY);

    tw_book_set_time(book, 1700000000);
    memset(&order, 0, sizeof order);
    order.instrument = 7;
    order.account = 3;
    order.session = 9;
    order.cl_ord_id = 77;
    order.side = TW_SELL;
    order.ord_type = TW_LIMIT;
    order.time_in_force = TW_DAY;
    order.price = 50;
    order.qty = 10;
    CHECK(tw_book_new_order(book, &order) == TW_OK);
    CHECK(last(book)->header.ts == 1700000000 && last(book)->header.instrument == 7 && last(book)->accepted.cl_ord_id == 77);
    CHECK(last(book)->accepted.time_in_force == TW_DAY && last(book)->accepted.account == 3);
    order.side = TW_BUY;
    order.time_in_force = TW_FOK;
    order.qty = 11;
    CHECK(tw_book_new_order(book, &order) == TW_REFUSED && last(book)->rejected.reason == TW_REJECT_WOULD_NOT_FILL);
    CHECK(last(book)->rejected.value == 11 && last(book)->rejected.limit == 10);
    order.time_in_force = TW_GTC;
    order.post_only = 1;
    CHECK(tw_book_new_order(book, &order) == TW_REFUSED && last(book)->rejected.reason == TW_REJECT_WOULD_CROSS);
    order.post_only = 0;
    order.price = 40;
    CHECK(tw_book_new_order(book, &order) == TW_OK);
    CHECK(tw_book_new_order(book, &order) == TW_REFUSED && last(book)->rejected.reason == TW_REJECT_CAPACITY);

    memset(&cancel, 0, sizeof cancel);
    cancel.order_id = tw_book_last_order_id(book) - 1;
    CHECK(tw_book_cancel_order(book, &cancel) == TW_REFUSED && last(book)->rejected.reason == TW_REJECT_NOT_YOUR_ORDER);
    memset(&replace, 0, sizeof replace);
    replace.order_id = cancel.order_id;
    replace.account = 3;
    replace.cl_ord_id = 78;
    replace.price = 40;
    replace.qty = 9;
    CHECK(tw_book_replace_order(book, &replace) == TW_OK && last(book)->replaced.priority_kept == 1);
    cancel.account = 3;
    cancel.cl_ord_id = 79;
    CHECK(tw_book_cancel_order(book, &cancel) == TW_OK && last(book)->cancelled.reason == TW_CANCEL_REQUESTED);

    memset(&mass, 0, sizeof mass);
    mass.account = 3;
    mass.reason = TW_CANCEL_DISCONNECTED;
    CHECK(tw_book_mass_cancel(book, &mass) == TW_OK && tw_book_order_count(book) == 0);
    tw_book_destroy(book);
}

static void rules(void) {
    const tw_event *events;
    tw_new_order order;
    tw_trade trade;
    tw_top top;
    tw_book *book = tw_book_create(0);
    CHECK(tw_book_open(book, 1, 1, 1) == TW_OK && last(book)->header.type == TW_COMMAND_COMPLETED);
    CHECK(last(book)->completed.command == TW_COMMAND_DEFINE && tw_book_status(book, 1) == TW_TRADING);

    memset(&order, 0, sizeof order); /* an iceberg, and a stop that a trade sets off */
    order.instrument = 1;
    order.side = TW_SELL;
    order.ord_type = TW_LIMIT;
    order.time_in_force = TW_GTC;
    order.price = 100;
    order.qty = 10;
    order.display_qty = 4;
    CHECK(tw_book_new_order(book, &order) == TW_OK && tw_book_depth_at(book, 1, TW_SELL, 100) == 4);
    CHECK(tw_book_new(book, 1, 0, TW_BUY, 100, 1) == TW_OK);
    order.display_qty = 0;
    order.ord_type = TW_STOP;
    order.price = 0;
    order.stop_px = 101;
    order.side = TW_BUY;
    order.qty = 2;
    CHECK(tw_book_new_order(book, &order) == TW_OK && last(book)->accepted.waiting == 1 && last(book)->accepted.stop_px == 101);
    CHECK(tw_book_new(book, 1, 0, TW_BUY, 101, 12) == TW_OK && tw_book_depth_at(book, 1, TW_BUY, 101) == 3);
    CHECK(tw_book_mass_cancel(book, &(tw_mass_cancel){0, 1, 0, 0, 0, 0}) == TW_OK && last(book)->completed.count == 2);
    tw_book_clear(book);

    CHECK(tw_book_set_status(book, 1, TW_OPENING_AUCTION, TW_REASON_SCHEDULE, 0) == TW_OK); /* an auction */
    CHECK(tw_book_status(book, 1) == TW_OPENING_AUCTION && tw_book_next_due(book) == 0);
    CHECK(tw_book_new(book, 1, 50, TW_BUY, 105, 5) == TW_OK && tw_book_new(book, 1, 51, TW_SELL, 103, 3) == TW_OK);
    CHECK(last(book)->header.type == TW_AUCTION_INDICATED && last(book)->auction_indicated.qty == 3);
    CHECK(last(book)->auction_indicated.imbalance_side == TW_BUY && last(book)->auction_indicated.imbalance_qty == 2);
    CHECK(tw_book_best(book, 1, &top) == TW_OK && top.bid == 105 && top.ask == 103);
    tw_book_clear(book);
    CHECK(tw_book_set_status(book, 1, TW_TRADING, 0, 0) == TW_OK && tw_book_events(book, &events) == 3);
    CHECK(events[0].header.type == TW_ORDER_EXECUTED && events[0].executed.auction == 1 && events[0].executed.maker_order_id == 50);
    CHECK(events[1].header.type == TW_STATUS_CHANGED && events[1].status_changed.old_status == TW_OPENING_AUCTION);
    CHECK(events[1].status_changed.auction_price == events[0].executed.price && events[1].status_changed.auction_qty == 3);
    CHECK(events[2].completed.count == 1 && events[2].completed.command == TW_COMMAND_SET_STATUS);
    CHECK(tw_book_set_status(book, 1, -1, 0, 0) == TW_REFUSED && tw_book_set_status(book, 1, 65537, 0, 0) == TW_REFUSED);

    memset(&trade, 0, sizeof trade); /* a correction, a bust */
    trade.instrument = 1;
    trade.match_id = tw_book_next_match_id(book) - 1;
    trade.price = 105;
    trade.qty = 3;
    CHECK(tw_book_correct_trade(book, &trade, 104, 2) == TW_OK);
    CHECK(tw_book_bust_trade(book, &trade) == TW_REFUSED && last(book)->rejected.reason == TW_REJECT_UNKNOWN_TRADE);
    trade.price = 104;
    trade.qty = 2;
    tw_book_clear(book);
    CHECK(tw_book_bust_trade(book, &trade) == TW_OK && tw_book_events(book, &events) == 2);
    CHECK(events[0].header.type == TW_TRADE_BUSTED && events[0].trade_busted.price == 104 && events[0].trade_busted.qty == 2);

    tw_book_set_time(book, 1000); /* time, and the end */
    order.ord_type = TW_LIMIT;
    order.stop_px = 0;
    order.price = 90;
    order.time_in_force = TW_GTD;
    order.expire_time = 1000;
    CHECK(tw_book_new_order(book, &order) == TW_REFUSED);
    order.expire_time = 2000;
    CHECK(tw_book_new_order(book, &order) == TW_OK && tw_book_next_due(book) == 2000);
    CHECK(tw_book_advance_clock(book, 1999) == TW_OK && tw_book_order_count(book) == 2);
    CHECK(tw_book_advance_clock(book, 2000) == TW_OK && tw_book_order_count(book) == 1);
    CHECK(tw_book_advance_clock(book, 1999) == TW_REFUSED);
    CHECK(tw_book_remove(book, 1) == TW_OK && tw_book_order_count(book) == 0 && tw_book_status(book, 1) == 0);
    tw_book_destroy(book);
}

static void state(void) {
    tw_book *book = tw_book_create(100), *other = tw_book_create(100), *small = tw_book_create(1);
    const tw_event *events;
    uint8_t *bytes, *again, digest[32], same[32];
    size_t count, as_many;
    tw_book_open(book, 1, 1, 1);
    CHECK(tw_book_new(book, 1, 1, TW_BUY, 100, 1) == TW_OK && tw_book_new(book, 1, 2, TW_BUY, 99, 1) == TW_OK);
    CHECK(tw_book_snapshot(book, &bytes, &count) == TW_OK && tw_book_digest(book, digest) == TW_OK);
    tw_book_open(other, 9, 1, 1);
    CHECK(tw_book_restore(other, bytes, count) == TW_OK && tw_book_events(other, &events) == 0);
    CHECK(tw_book_digest(other, same) == TW_OK && memcmp(digest, same, 32) == 0);
    CHECK(tw_book_snapshot(other, &again, &as_many) == TW_OK && as_many == count && memcmp(bytes, again, count) == 0);
    CHECK(tw_book_restore(small, bytes, count) == TW_ERR_SNAPSHOT && tw_book_order_count(small) == 0);
    bytes[0] ^= 1;
    CHECK(tw_book_restore(other, bytes, count) == TW_ERR_SNAPSHOT && !tw_book_status(other, 1));
    CHECK(tw_book_restore(other, bytes, 0) == TW_ERR_SNAPSHOT);
    CHECK(tw_book_cancel(book, 1) == TW_OK && tw_book_digest(book, same) == TW_OK && memcmp(digest, same, 32) != 0);
    tw_free(bytes);
    tw_free(again);
    tw_free(NULL);
    tw_book_destroy(book);
    tw_book_destroy(other);
    tw_book_destroy(small);
    tw_book_destroy(NULL);
}

/* Nobody takes the events: they are kept up to the bound, then commands are not carried out until some are taken. */
static void undrained(void) {
    const tw_event *events;
    static tw_event room[1000];
    tw_book *book = tw_book_create(0);
    uint32_t i;
    int result = TW_OK;
    for (i = 0; i <= TW_MAX_HELD_EVENTS && result != TW_ERR_UNDRAINED; ++i) result = tw_book_cancel(book, 1);
    CHECK(result == TW_ERR_UNDRAINED && i == TW_MAX_HELD_EVENTS + 1);
    CHECK(tw_book_events(book, &events) == TW_MAX_HELD_EVENTS && events[TW_MAX_HELD_EVENTS - 1].header.seq == TW_MAX_HELD_EVENTS);
    CHECK(tw_book_drain(book, room, 1000) == 1000 && room[999].header.command == 1000);
    CHECK(tw_book_cancel(book, 1) == TW_REFUSED && last(book)->header.seq == TW_MAX_HELD_EVENTS + 1);
    while (tw_book_drain(book, room, 1000) == 1000) continue;
    CHECK(tw_book_events(book, &events) == 0);
    tw_book_destroy(book);
}

int main(int argc, char **argv) {
    CHECK(tw_abi_version() == TW_ABI_VERSION && strlen(tw_version()) > 0);
    CHECK(tw_book_create(TW_MAX_LIVE_ORDERS + 1) == NULL);
    short_way();
    whole_way();
    rules();
    state();
    if (argc > 1 && strcmp(argv[1], "undrained") == 0) undrained();
    printf("%d checks\n", checks);
    return 0;
}
