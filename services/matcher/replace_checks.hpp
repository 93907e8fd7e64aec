// What the matcher refuses of commands about orders that are live, and the two numbers it compared.
#pragma once
#include "services/matcher/matcher.hpp"

namespace tapewire::matcher {

inline Matcher::Refusal Matcher::check_owner(uint64_t id, uint32_t account, uint32_t& slot) const {
    slot = store_.index.find(id);
    if (!slot) return {Reason::unknown_order, int64_t(id), 0};
    if (store_.orders[slot].account != account) return {Reason::not_your_order, int64_t(id), 0};
    return {};
}

inline Matcher::Refusal Matcher::check_replace(const wire::ReplaceOrder& c, Change& to) const {
    if (Refusal r = check_owner(c.order_id, c.account, to.slot)) return r;
    const Order& o = store_.orders[to.slot];
    const Book& b = books_[o.instrument];
    if (b.refuses()) return {Reason::instrument_halted, o.instrument, int64_t(b.status)};
    if (o.ord_type == uint8_t(wire::OrdType::market)) return {Reason::invalid_field, o.ord_type, 0};
    const bool stop = o.waiting() && Waiting::stop(o);
    if (c.stop_px && !stop) return {Reason::invalid_field, c.stop_px, 0};
    if (Refusal r = check_qty(b, c.qty)) return r;
    to.leaves = c.qty - (o.qty - o.leaves);
    to.price = c.price;
    if (o.extra && to.leaves > 0) [[unlikely]] {
        const int64_t display = store_.extras[o.extra].display_qty, least = detail::parts(to.leaves, MAX_PARTS);
        if (display && display < least) return {Reason::invalid_qty, display, least};
    }
    int64_t ticks = 0;
    if (o.ord_type == uint8_t(wire::OrdType::stop)) {
        if (c.price < 0) return {Reason::invalid_price, c.price, 0};
    } else if (Refusal r = check_price(b, c.price, ticks)) {
        return r;
    }
    if (to.leaves <= 0) return {};  // cancels it, wherever the price
    if (stop) return check_replace_stop(c, o, b, to);
    if (o.waiting()) return check_refreshes(o, to.leaves);
    to.key = Book::key(ticks, o.side);
    if (b.trading()) {
        if (~to.key < b.edge[o.side]) [[unlikely]] return {Reason::price_band, c.price, b.edge_price(o.side)};
        // A promise not to take liquidity outlives a change of price.
        if (o.post_only() && b.sides[!o.side].best_key >= ~to.key) [[unlikely]] {
            if (Refusal r = make_passive(b, o.side, o.slide(), c.price, to.key)) return r;
            to.price = b.price(to.key, o.side);
        }
    }
    return check_replace_room(o, b.sides[o.side], to);
}

TAPEWIRE_SELDOM inline Matcher::Refusal Matcher::check_replace_stop(const wire::ReplaceOrder& c, const Order& o, const Book& b, Change& to) const {
    int64_t ticks = 0;
    to.stop_px = c.stop_px ? c.stop_px : store_.extras[o.extra].stop_px;
    if (Refusal r = check_stop(b, o.side, to.stop_px, ticks)) return r;
    to.key = Book::key(ticks, !o.side);
    return check_replace_room(o, waiting(b)->stops[o.side], to);
}

// `ladder`: in which it stands, and will.
inline Matcher::Refusal Matcher::check_replace_room(const Order& o, const Ladder& ladder, const Change& to) const {
    if (const uint32_t at = ladder.find(to.key)) {
        const int64_t others = store_.levels[at].qty - (at == o.level ? o.leaves : 0);
        if (others > MAX_LEVEL_QTY - to.leaves) return {Reason::capacity, others + to.leaves, MAX_LEVEL_QTY};
    }
    return o.extra ? check_refreshes(o, to.leaves) : Refusal{};
}

TAPEWIRE_SELDOM inline Matcher::Refusal Matcher::check_refreshes(const Order& o, int64_t leaves) const {
    const int64_t display = store_.extras[o.extra].display_qty;
    const int64_t refreshes = store_.refreshes - Store::refreshes_of(display, o.leaves) + Store::refreshes_of(display, leaves);
    if (display && refreshes > MAX_REFRESHES) return {Reason::capacity, refreshes, MAX_REFRESHES};
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
