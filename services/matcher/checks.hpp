// What the matcher refuses, and the two numbers it compared. Reads state, changes none but the last order id.
#pragma once
#include "services/matcher/matcher.hpp"

namespace tapewire::matcher {

inline Matcher::Refusal Matcher::check_qty(const Book& book, int64_t qty) {
    if (qty <= 0) return {Reason::invalid_qty, qty, book.lot.value()};
    if (qty > book.max_qty) return {Reason::invalid_qty, qty, book.max_qty};
    if (book.lot.quotient(qty) * book.lot.value() != qty) return {Reason::invalid_qty, qty, book.lot.value()};
    return {};
}

inline Matcher::Refusal Matcher::check_price(const Book& book, int64_t price, int64_t& ticks) {
    if (price < book.min_price) return {Reason::invalid_price, price, book.min_price};
    if (price > book.max_price) return {Reason::invalid_price, price, book.max_price};
    ticks = book.tick.quotient(price);
    if (ticks * book.tick.value() != price) return {Reason::off_tick, price, book.tick.value()};
    return {};
}

// Enumerants, alone and together.
inline Matcher::Refusal Matcher::check_terms(const wire::NewOrder& c) const {
    if (c.side != wire::Side::buy && c.side != wire::Side::sell) return {Reason::invalid_field, int64_t(c.side), 0};
    if (c.ord_type != wire::OrdType::limit && c.ord_type != wire::OrdType::market)
        return {Reason::invalid_field, int64_t(c.ord_type), 0};
    if (c.time_in_force < wire::TimeInForce::day || c.time_in_force > wire::TimeInForce::fok)
        return {Reason::invalid_field, int64_t(c.time_in_force), 0};
    if (c.post_only()) {
        if (c.ord_type == wire::OrdType::market) return {Reason::invalid_field, int64_t(c.ord_type), 0};
        if (c.time_in_force >= wire::TimeInForce::ioc) return {Reason::invalid_field, int64_t(c.time_in_force), 0};
    }
    return {};
}

inline Matcher::Refusal Matcher::check_market(const wire::NewOrder& c, Incoming& in) const {
    const Book& b = *in.book;
    if (c.price < 0) return {Reason::invalid_price, c.price, 0};
    if (!b.sides[!in.side].best_level) return {Reason::no_liquidity, c.qty, 0};
    in.reach = NO_KEY;
    if (c.price == 0) return {};
    // The protection price need not lie on a tick: the last tick within it counts.
    const int64_t price = std::min(c.price, MAX_PRICE + 1);
    int64_t ticks = b.tick.quotient(price);
    if (in.side == 1 && ticks * b.tick.value() != price) ++ticks;
    in.reach = Book::key(ticks, !in.side);
    return {};
}

inline Matcher::Refusal Matcher::check_limit(const wire::NewOrder& c, Incoming& in) const {
    const Book& b = *in.book;
    int64_t ticks = 0;
    if (Refusal r = check_price(b, c.price, ticks)) return r;
    in.key = Book::key(ticks, in.side);
    in.reach = Book::key(ticks, !in.side);
    in.rests = c.time_in_force <= wire::TimeInForce::gtc;
    if (c.post_only() && b.sides[!in.side].best_key >= in.reach) return {Reason::would_cross, c.price, b.best_price(!in.side)};
    if (!in.rests) return {};
    if (live_orders() >= store_.orders.capacity()) return {Reason::capacity, int64_t(live_orders()), store_.orders.capacity()};
    in.level = b.sides[in.side].find(in.key);
    if (in.level && store_.levels[in.level].qty > MAX_LEVEL_QTY - c.qty)
        return {Reason::capacity, store_.levels[in.level].qty + c.qty, MAX_LEVEL_QTY};
    return {};
}

inline Matcher::Refusal Matcher::check_new(const wire::NewOrder& c, Incoming& in) {
    if (c.order_id <= last_order_id_) return {Reason::invalid_field, int64_t(c.order_id), 0};
    if (c.order_id > MAX_ORDER_ID) return {Reason::capacity, int64_t(c.order_id), int64_t(MAX_ORDER_ID)};
    last_order_id_ = c.order_id;
    in.book = book(c.header.instrument);
    if (!in.book) return {Reason::unknown_instrument, c.header.instrument, 0};
    if (in.book->status != wire::InstrumentStatus::trading)
        return {Reason::instrument_halted, c.header.instrument, int64_t(in.book->status)};
    if (Refusal r = check_terms(c)) return r;
    if (Refusal r = check_qty(*in.book, c.qty)) return r;
    in.id = c.order_id;
    in.leaves = c.qty;
    in.account = c.account;
    in.side = c.side == wire::Side::sell;
    if (Refusal r = c.ord_type == wire::OrdType::limit ? check_limit(c, in) : check_market(c, in)) return r;
    if (c.time_in_force == wire::TimeInForce::fok) {
        const int64_t available = in.book->available(store_, !in.side, in.reach, c.qty);
        if (available < c.qty) return {Reason::would_not_fill, c.qty, available};
    }
    return {};
}

inline Matcher::Refusal Matcher::check_owner(uint64_t id, uint32_t account, uint32_t& slot) const {
    slot = store_.index.find(id);
    if (!slot) return {Reason::unknown_order, int64_t(id), 0};
    if (store_.orders[slot].account != account) return {Reason::not_your_order, int64_t(id), 0};
    return {};
}

// `key`: where the order would stand.
inline Matcher::Refusal Matcher::check_replace(const wire::ReplaceOrder& c, uint32_t& slot, int64_t& key) const {
    if (Refusal r = check_owner(c.order_id, c.account, slot)) return r;
    const Order& order = store_.orders[slot];
    const Book& b = books_[order.instrument];
    if (b.status != wire::InstrumentStatus::trading) return {Reason::instrument_halted, order.instrument, int64_t(b.status)};
    if (Refusal r = check_qty(b, c.qty)) return r;
    int64_t ticks = 0;
    if (Refusal r = check_price(b, c.price, ticks)) return r;
    key = Book::key(ticks, order.side);
    const int64_t cum = order.qty - order.leaves;
    if (c.qty <= cum) return {};  // cancels it, wherever the price
    // A promise not to take liquidity outlives a change of price.
    if (order.post_only && b.sides[!order.side].best_key >= Book::key(ticks, !order.side))
        return {Reason::would_cross, c.price, b.best_price(!order.side)};
    const uint32_t at = b.sides[order.side].find(key);
    if (!at) return {};
    const int64_t others = store_.levels[at].qty - (at == order.level ? order.leaves : 0);
    if (others > MAX_LEVEL_QTY - (c.qty - cum)) return {Reason::capacity, others + (c.qty - cum), MAX_LEVEL_QTY};
    return {};
}

inline Matcher::Refusal Matcher::check_definition(const wire::InstrumentDefinition& d) {
    const uint32_t id = d.header.instrument;
    if (id == 0 || id >= MAX_INSTRUMENTS) return {Reason::capacity, id, MAX_INSTRUMENTS - 1};
    if (d.tick_size <= 0 || d.tick_size > MAX_PRICE) return {Reason::invalid_price, d.tick_size, MAX_PRICE};
    if (d.lot_size <= 0 || d.lot_size > MAX_QTY) return {Reason::invalid_qty, d.lot_size, MAX_QTY};
    if (d.max_qty < 0 || d.max_qty > MAX_QTY) return {Reason::invalid_qty, d.max_qty, MAX_QTY};
    if (d.min_price < 0 || d.min_price > MAX_PRICE) return {Reason::invalid_price, d.min_price, MAX_PRICE};
    if (d.max_price < 0 || d.max_price > MAX_PRICE) return {Reason::invalid_price, d.max_price, MAX_PRICE};
    if (d.max_price && d.min_price > d.max_price) return {Reason::invalid_price, d.min_price, d.max_price};
    if (d.status < wire::InstrumentStatus::trading || d.status > wire::InstrumentStatus::closed)
        return {Reason::invalid_field, int64_t(d.status), 0};
    return {};
}

// Prices and quantities of live orders are multiples of tick and lot, so those only change while there are none.
inline Matcher::Refusal Matcher::check_define(const wire::InstrumentDefinition& d) const {
    if (Refusal r = check_definition(d)) return r;
    const Book* b = book(d.header.instrument);
    if (!b || b->empty()) return {};
    if (d.tick_size != b->tick.value()) return {Reason::instrument_exists, d.tick_size, b->tick.value()};
    if (d.lot_size != b->lot.value()) return {Reason::instrument_exists, d.lot_size, b->lot.value()};
    return {};
}

inline Matcher::Refusal Matcher::check_mass(const wire::MassCancel& c) {
    if (c.side > wire::Side::sell) return {Reason::invalid_field, int64_t(c.side), 0};
    switch (c.reason) {
        case wire::CancelReason::unspecified:
        case wire::CancelReason::requested:
        case wire::CancelReason::mass_cancel:
        case wire::CancelReason::disconnected:
        case wire::CancelReason::kill_switch: return {};
        default: return {Reason::invalid_field, int64_t(c.reason), 0};
    }
}

}  // namespace tapewire::matcher
