// The C library over the matcher: include/tapewire/book.h says what each function does. Built by `make abi`.
#include "include/tapewire/book.h"

#include <memory>
#include <new>
#include <vector>

#include "services/matcher/abi_events.hpp"
#include "services/matcher/sha256.hpp"

namespace wire = tapewire::wire;
using tapewire::matcher::AbiEvents;
using tapewire::matcher::Matcher;

// The numbers that C knows are those of the schemas.
static_assert(TW_MAX_PRICE == tapewire::matcher::MAX_PRICE && TW_MAX_QTY == tapewire::matcher::MAX_QTY);
static_assert(TW_MAX_ORDER_ID == tapewire::matcher::MAX_ORDER_ID && TW_MAX_LIVE_ORDERS == tapewire::matcher::MAX_LIVE_ORDERS);
static_assert(TW_MAX_INSTRUMENT == tapewire::matcher::MAX_INSTRUMENTS - 1);
static_assert(sizeof(tw_event) == 112 && sizeof(tw_event_header) == 32 && sizeof(tw_new_order) == 96 && sizeof(tw_level) == 24);

struct tw_book {
    explicit tw_book(size_t max_live_orders) : matcher(max_live_orders) {
        wire::make<wire::NewOrder>(&order);
        wire::make<wire::CancelOrder>(&cancel);
        wire::make<wire::ReplaceOrder>(&replace);
        wire::make<wire::NewOrder>(&limit);
        limit.ord_type = wire::OrdType::limit;
        limit.time_in_force = wire::TimeInForce::gtc;
        limit.self_trade = wire::SelfTrade::allow;
    }

    template <class M>
    int apply(M& m, uint32_t instrument) {
        if (events.count() >= events_max) [[unlikely]] return events_max ? TW_ERR_UNDRAINED : TW_ERR_MEMORY;
        m.header.seq = ++commands;
        m.header.ts = now;
        m.header.instrument = instrument;
        events.command(commands, now, instrument);
        try {
            matcher.apply(reinterpret_cast<const uint8_t*>(&m), events);
        } catch (const std::bad_alloc&) {
            return broken();
        }
        return events.refused() ? TW_REFUSED : TW_OK;
    }

    // Half a command may be done: nothing may follow. Such a book lets no event in.
    int broken() {
        events_max = 0;
        return TW_ERR_MEMORY;
    }

    uint64_t id_or_next(uint64_t order_id) const { return order_id ? order_id : matcher.last_order_id() + 1; }

    Matcher matcher;
    AbiEvents events;
    size_t events_max = TW_MAX_HELD_EVENTS;
    uint64_t commands = 0;
    int64_t now = 0;
    // What is the same in each of a kind stays written.
    wire::NewOrder order, limit;
    wire::CancelOrder cancel;
    wire::ReplaceOrder replace;
};

namespace {

template <class M>
M blank() {
    M m;
    wire::make<M>(&m);
    return m;
}

// What does not fit a field must not become a number that means something.
uint16_t field(int number) { return number < 0 || number > UINT16_MAX ? UINT16_MAX : uint16_t(number); }

// False: no such side, or no such instrument.
bool find(const tw_book* book, uint32_t instrument, int side, wire::Side& out) {
    out = side == TW_BUY ? wire::Side::buy : wire::Side::sell;
    return (side == TW_BUY || side == TW_SELL) && book->matcher.defined(instrument);
}

template <class M>
void set_trade(M& m, const tw_trade& trade) {
    m.match_id = trade.match_id;
    m.maker_order_id = trade.maker_order_id;
    m.taker_order_id = trade.taker_order_id;
    m.price = trade.price;
    m.qty = trade.qty;
    m.maker_account = trade.maker_account;
    m.taker_account = trade.taker_account;
    m.taker_side = wire::Side(trade.taker_side);
}

std::vector<uint8_t> snapshot(const tw_book* book) {
    std::vector<uint8_t> bytes;
    book->matcher.snapshot(bytes);
    return bytes;
}

}  // namespace

uint32_t tw_abi_version(void) { return TW_ABI_VERSION; }
const char* tw_version(void) { return TAPEWIRE_VERSION; }

tw_book* tw_book_create(uint64_t max_live_orders) {
    if (max_live_orders > TW_MAX_LIVE_ORDERS) return nullptr;
    try {
        return new tw_book(max_live_orders ? max_live_orders : TW_MAX_LIVE_ORDERS);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

void tw_book_destroy(tw_book* book) { delete book; }

int tw_book_open(tw_book* book, uint32_t instrument, int64_t tick_size, int64_t lot_size) {
    tw_instrument terms{};
    terms.instrument = instrument;
    terms.tick_size = tick_size;
    terms.lot_size = lot_size;
    terms.status = TW_TRADING;
    return tw_book_define(book, &terms);
}

int tw_book_new(tw_book* book, uint32_t instrument, uint64_t order_id, int side, int64_t price, int64_t qty) {
    wire::NewOrder& m = book->limit;
    m.order_id = book->id_or_next(order_id);
    m.side = wire::Side(field(side));
    m.price = price;
    m.qty = qty;
    return book->apply(m, instrument);
}

int tw_book_cancel(tw_book* book, uint64_t order_id) {
    wire::CancelOrder& m = book->cancel;
    m.order_id = order_id;
    m.cl_ord_id = 0;
    m.account = 0;
    return book->apply(m, 0);
}

int tw_book_replace(tw_book* book, uint64_t order_id, int64_t price, int64_t qty) {
    wire::ReplaceOrder& m = book->replace;
    m.order_id = order_id;
    m.cl_ord_id = 0;
    m.price = price;
    m.qty = qty;
    m.stop_px = 0;
    m.account = 0;
    return book->apply(m, 0);
}

int tw_book_new_order(tw_book* book, const tw_new_order* order) {
    wire::NewOrder& m = book->order;
    m.order_id = book->id_or_next(order->order_id);
    m.cl_ord_id = order->cl_ord_id;
    m.price = order->price;
    m.qty = order->qty;
    m.stop_px = order->stop_px;
    m.display_qty = order->display_qty;
    m.min_qty = order->min_qty;
    m.expire_time = order->expire_time;
    m.account = order->account;
    m.session = order->session;
    m.self_trade_group = order->self_trade_group;
    m.side = wire::Side(order->side);
    m.ord_type = wire::OrdType(order->ord_type);
    m.time_in_force = wire::TimeInForce(order->time_in_force);
    m.self_trade = wire::SelfTrade(order->self_trade);
    m.set_post_only(order->post_only);
    m.set_slide(order->slide);
    m.set_hidden(order->hidden);
    return book->apply(m, order->instrument);
}

int tw_book_cancel_order(tw_book* book, const tw_cancel_order* cancel) {
    wire::CancelOrder& m = book->cancel;
    m.order_id = cancel->order_id;
    m.cl_ord_id = cancel->cl_ord_id;
    m.account = cancel->account;
    return book->apply(m, 0);
}

int tw_book_replace_order(tw_book* book, const tw_replace_order* replace) {
    wire::ReplaceOrder& m = book->replace;
    m.order_id = replace->order_id;
    m.cl_ord_id = replace->cl_ord_id;
    m.price = replace->price;
    m.qty = replace->qty;
    m.stop_px = replace->stop_px;
    m.account = replace->account;
    return book->apply(m, 0);
}

int tw_book_mass_cancel(tw_book* book, const tw_mass_cancel* cancel) {
    auto m = blank<wire::MassCancel>();
    m.cl_ord_id = cancel->cl_ord_id;
    m.account = cancel->account;
    m.session = cancel->session;
    m.side = wire::Side(cancel->side);
    m.reason = wire::CancelReason(cancel->reason);
    return book->apply(m, cancel->instrument);
}

int tw_book_define(tw_book* book, const tw_instrument* terms) {
    auto m = blank<wire::InstrumentDefinition>();
    m.tick_size = terms->tick_size;
    m.lot_size = terms->lot_size;
    m.max_qty = terms->max_qty;
    m.min_price = terms->min_price;
    m.max_price = terms->max_price;
    m.reference_price = terms->reference_price;
    m.static_band_bps = terms->static_band_bps;
    m.dynamic_band_bps = terms->dynamic_band_bps;
    m.limit_state_ms = terms->limit_state_ms;
    m.pause_ms = terms->pause_ms;
    m.status = wire::InstrumentStatus(terms->status);
    return book->apply(m, terms->instrument);
}

int tw_book_set_status(tw_book* book, uint32_t instrument, int status, int reason, int64_t resume_time) {
    auto m = blank<wire::SetInstrumentStatus>();
    m.status = wire::InstrumentStatus(field(status));
    m.reason = wire::StatusReason(field(reason));
    m.resume_time = resume_time;
    return book->apply(m, instrument);
}

int tw_book_remove(tw_book* book, uint32_t instrument) {
    return tw_book_set_status(book, instrument, TW_DELISTED, TW_REASON_REQUESTED, 0);
}

int tw_book_bust_trade(tw_book* book, const tw_trade* trade) {
    auto m = blank<wire::BustTrade>();
    set_trade(m, *trade);
    return book->apply(m, trade->instrument);
}

int tw_book_correct_trade(tw_book* book, const tw_trade* trade, int64_t new_price, int64_t new_qty) {
    auto m = blank<wire::CorrectTrade>();
    set_trade(m, *trade);
    m.new_price = new_price;
    m.new_qty = new_qty;
    return book->apply(m, trade->instrument);
}

void tw_book_set_time(tw_book* book, int64_t now) { book->now = now; }

int tw_book_advance_clock(tw_book* book, int64_t up_to) {
    auto m = blank<wire::AdvanceClock>();
    m.up_to = up_to;
    return book->apply(m, 0);
}

size_t tw_book_events(const tw_book* book, const tw_event** events) {
    *events = book->events.data();
    return book->events.count();
}

void tw_book_clear(tw_book* book) { book->events.clear(); }

size_t tw_book_drain(tw_book* book, tw_event* events, size_t room) {
    const size_t n = std::min(room, book->events.count());
    if (n == 0) return 0;
    std::memcpy(events, book->events.data(), n * sizeof *events);
    book->events.forget(n);
    return n;
}

int tw_book_best(const tw_book* book, uint32_t instrument, tw_top* top) {
    *top = {};
    if (!book->matcher.defined(instrument)) return TW_ERR_INSTRUMENT;
    const Matcher::Top found = book->matcher.best(instrument);
    *top = {found.bid, found.bid_qty, found.ask, found.ask_qty};
    return TW_OK;
}

int64_t tw_book_depth_at(const tw_book* book, uint32_t instrument, int side, int64_t price) {
    wire::Side s;
    return find(book, instrument, side, s) ? book->matcher.at(instrument, s, price).qty : 0;
}

size_t tw_book_depth(const tw_book* book, uint32_t instrument, int side, tw_level* levels, size_t room) {
    wire::Side s;
    size_t n = 0;
    if (!room || !find(book, instrument, side, s)) return 0;
    book->matcher.each_shown(instrument, s, [&](const Matcher::Depth& level) {
        levels[n++] = {level.price, level.qty, level.orders};
        return n < room;
    });
    return n;
}

uint64_t tw_book_order_count(const tw_book* book) { return book->matcher.live_orders(); }
int tw_book_is_live(const tw_book* book, uint64_t order_id) { return book->matcher.is_live(order_id); }
int tw_book_status(const tw_book* book, uint32_t instrument) { return int(book->matcher.status(instrument)); }
int64_t tw_book_next_due(const tw_book* book) { return book->matcher.next_due(); }
uint64_t tw_book_last_order_id(const tw_book* book) { return book->matcher.last_order_id(); }
uint64_t tw_book_next_match_id(const tw_book* book) { return book->matcher.next_match_id(); }

int tw_book_snapshot(const tw_book* book, uint8_t** bytes, size_t* count) {
    *bytes = nullptr;
    *count = 0;
    try {
        const std::vector<uint8_t> made = snapshot(book);
        auto* copy = static_cast<uint8_t*>(std::malloc(made.size()));
        if (!copy) return TW_ERR_MEMORY;
        std::memcpy(copy, made.data(), made.size());
        *bytes = copy;
        *count = made.size();
        return TW_OK;
    } catch (const std::bad_alloc&) {
        return TW_ERR_MEMORY;
    }
}

int tw_book_restore(tw_book* book, const uint8_t* bytes, size_t count) {
    if (!book->events_max) return TW_ERR_MEMORY;
    book->events.clear();
    try {
        return book->matcher.restore(bytes, count) ? TW_OK : TW_ERR_SNAPSHOT;
    } catch (const std::bad_alloc&) {
        return book->broken();
    }
}

int tw_book_digest(const tw_book* book, uint8_t digest[32]) {
    try {
        const std::vector<uint8_t> made = snapshot(book);
        const auto hash = tapewire::matcher::Sha256::of(made.data(), made.size());
        std::memcpy(digest, hash.data(), hash.size());
        return TW_OK;
    } catch (const std::bad_alloc&) {
        return TW_ERR_MEMORY;
    }
}

void tw_free(void* bytes) { std::free(bytes); }
