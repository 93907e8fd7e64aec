/* A book in C: orders in, events out. Build and run from the root of the repository:
 *
 *     make abi
 *     cc -std=c99 -Iinclude -o build/book examples/book.c build/abi/libtapewire_book.so -Wl,-rpath,build/abi && build/book
 */
#include <inttypes.h>
#include <stdio.h>

#include "tapewire/book.h"

static void show(const tw_event *e) {
    printf("%2" PRIu64 "  ", e->header.command);
    switch (e->header.type) {
    case TW_ORDER_ACCEPTED:
        printf("order %" PRIu64 " accepted: %s %" PRId64 " at %" PRId64 "\n", e->accepted.order_id,
               e->accepted.side == TW_BUY ? "buy" : "sell", e->accepted.qty, e->accepted.price);
        break;
    case TW_ORDER_EXECUTED:
        printf("order %" PRIu64 " takes %" PRId64 " at %" PRId64 " from order %" PRIu64 "\n", e->executed.taker_order_id,
               e->executed.qty, e->executed.price, e->executed.maker_order_id);
        break;
    case TW_ORDER_REPLACED:
        printf("order %" PRIu64 " is now %" PRId64 " at %" PRId64 "\n", e->replaced.order_id, e->replaced.leaves_qty,
               e->replaced.price);
        break;
    case TW_ORDER_CANCELLED:
        printf("order %" PRIu64 " cancelled, %" PRId64 " executed\n", e->cancelled.order_id, e->cancelled.cum_qty);
        break;
    case TW_ORDER_REJECTED:
    case TW_CANCEL_REJECTED:
        printf("order %" PRIu64 " refused, reason %d: %" PRId64 " against %" PRId64 "\n", e->rejected.order_id,
               (int)e->rejected.reason, e->rejected.value, e->rejected.limit);
        break;
    case TW_COMMAND_COMPLETED:
        printf("done\n");
        break;
    default:
        printf("event of type %d\n", (int)e->header.type);
    }
}

int main(void) {
    const tw_event *events;
    size_t count, i;
    tw_top top;
    tw_book *book = tw_book_create(100000);
    if (!book || tw_abi_version() != TW_ABI_VERSION) return 1;

    tw_book_open(book, 1, 5, 1); /* instrument 1: ticks of 5, lots of 1 */
    tw_book_new(book, 1, 1001, TW_SELL, 10010, 7);
    tw_book_new(book, 1, 1002, TW_SELL, 10005, 4);
    tw_book_new(book, 1, 1003, TW_BUY, 10010, 6); /* the best price first: 4 at 10005, then 2 at 10010 */
    tw_book_replace(book, 1001, 10015, 7);
    tw_book_new(book, 1, 1004, TW_BUY, 10002, 1); /* off tick */
    tw_book_new(book, 1, 1005, TW_BUY, 10000, 9);

    count = tw_book_events(book, &events);
    for (i = 0; i < count; ++i) show(&events[i]);
    tw_book_clear(book);

    tw_book_best(book, 1, &top);
    printf("bid %" PRId64 " x %" PRId64 ", ask %" PRId64 " x %" PRId64 ", %" PRIu64 " orders, %" PRId64 " wanted at 10000\n",
           top.bid, top.bid_qty, top.ask, top.ask_qty, tw_book_order_count(book), tw_book_depth_at(book, 1, TW_BUY, 10000));
    tw_book_destroy(book);
    return 0;
}
