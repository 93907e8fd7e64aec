// What the matcher refuses of a NewOrder, and the two numbers it compared. Reads state, changes none but the last order id.
#pragma once
#include "services/matcher/matcher.hpp"

namespace tapewire::matcher {

namespace detail {

// What most orders are: a limit or market order whose terms go together, and nothing beside.
TAPEWIRE_HOT bool plain(const wire::NewOrder& c) {
    const auto within = [](auto value, auto first, auto last) { return unsigned(value) - unsigned(first) <= unsigned(last) - unsigned(first); };
    // Without a branch on what differs from order to order.
    const bool takes = (c.ord_type == wire::OrdType::market) | (c.time_in_force >= wire::TimeInForce::ioc);
    return within(c.side, wire::Side::buy, wire::Side::sell) && within(c.ord_type, wire::OrdType::limit, wire::OrdType::market) &&
           within(c.time_in_force, wire::TimeInForce::day, wire::TimeInForce::fok) && c.self_trade <= wire::SelfTrade::decrement_and_cancel &&
           !(c.post_only() & takes) && !c.hidden() && !c.slide() && (c.stop_px | c.display_qty | c.min_qty | c.expire_time) == 0;
}

inline bool stops(const wire::NewOrder& c) { return c.ord_type >= wire::OrdType::stop; }
inline bool priced(const wire::NewOrder& c) { return c.ord_type == wire::OrdType::limit || c.ord_type == wire::OrdType::stop_limit; }
inline bool now_or_never(const wire::NewOrder& c) {
    return c.time_in_force == wire::TimeInForce::ioc || c.time_in_force == wire::TimeInForce::fok;
}
inline bool for_auction(const wire::NewOrder& c) { return c.time_in_force >= wire::TimeInForce::at_open; }

// How many quantities of `part` make up `whole`, the last one perhaps smaller.
inline int64_t parts(int64_t whole, int64_t part) { return (whole - 1) / part + 1; }

}  // namespace detail

TAPEWIRE_HOT Matcher::Refusal Matcher::check_qty(const Book& book, int64_t qty) {
    if (qty <= 0) return {Reason::invalid_qty, qty, book.lot.value()};
    if (qty > book.max_qty) return {Reason::invalid_qty, qty, book.max_qty};
    if (book.lot.quotient(qty) * book.lot.value() != qty) return {Reason::invalid_qty, qty, book.lot.value()};
    return {};
}

TAPEWIRE_HOT Matcher::Refusal Matcher::check_price(const Book& book, int64_t price, int64_t& ticks) {
    if (price < book.min_price) return {Reason::invalid_price, price, book.min_price};
    if (price > book.max_price) return {Reason::invalid_price, price, book.max_price};
    ticks = book.tick.quotient(price);
    if (ticks * book.tick.value() != price) return {Reason::off_tick, price, book.tick.value()};
    return {};
}

// Enumerants, alone and together.
TAPEWIRE_SELDOM inline Matcher::Refusal Matcher::check_terms(const wire::NewOrder& c) {
    const auto refused = [](auto value) { return Refusal{Reason::invalid_field, int64_t(value), 0}; };
    if (c.side != wire::Side::buy && c.side != wire::Side::sell) return refused(c.side);
    if (c.ord_type < wire::OrdType::limit || c.ord_type > wire::OrdType::stop_limit) return refused(c.ord_type);
    if (c.time_in_force < wire::TimeInForce::day || c.time_in_force > wire::TimeInForce::at_close) return refused(c.time_in_force);
    if (c.self_trade > wire::SelfTrade::decrement_and_cancel) return refused(c.self_trade);
    const bool never_rests = c.ord_type == wire::OrdType::market || c.ord_type == wire::OrdType::stop;
    const bool now = detail::now_or_never(c), stop = detail::stops(c), auction = detail::for_auction(c);
    if (c.post_only()) {
        if (c.ord_type != wire::OrdType::limit) return refused(c.ord_type);
        if (now || auction) return refused(c.time_in_force);
    }
    if (c.slide() && !c.post_only()) return refused(1);
    if (stop && (now || auction)) return refused(c.time_in_force);
    if (c.hidden() && never_rests) return refused(c.ord_type);
    if (c.hidden() && now) return refused(c.time_in_force);
    if (c.display_qty) {
        if (never_rests) return refused(c.ord_type);
        if (now) return refused(c.time_in_force);
        if (c.hidden()) return refused(c.display_qty);
    }
    if (c.min_qty) {
        if (stop) return refused(c.ord_type);
        if (c.time_in_force == wire::TimeInForce::fok || auction) return refused(c.time_in_force);
        if (c.post_only()) return refused(c.min_qty);
    }
    const bool expires = c.time_in_force == wire::TimeInForce::gtd;
    if (expires ? c.expire_time <= std::max<int64_t>(c.header.ts, 0) : c.expire_time != 0) return refused(c.expire_time);
    if (!stop && c.stop_px) return refused(c.stop_px);
    return {};
}

// The quantities within its quantity, which has been checked.
TAPEWIRE_SELDOM inline Matcher::Refusal Matcher::check_parts(const Book& b, const wire::NewOrder& c, Incoming& in) {
    const auto fits = [&](int64_t qty) { return qty >= 0 && qty <= c.qty && b.lot.quotient(qty) * b.lot.value() == qty; };
    if (!fits(c.display_qty)) return {Reason::invalid_qty, c.display_qty, c.qty};
    const int64_t least = detail::parts(c.qty, MAX_PARTS);
    if (c.display_qty && c.display_qty < least) return {Reason::invalid_qty, c.display_qty, least};
    if (!fits(c.min_qty)) return {Reason::invalid_qty, c.min_qty, c.qty};
    in.display_qty = c.display_qty == c.qty ? 0 : c.display_qty;
    return {};
}

// What cannot be asked for in the status the instrument is in.
TAPEWIRE_SELDOM inline Matcher::Refusal Matcher::check_status(const Book& b, const wire::NewOrder& c) {
    const auto refused = [&](auto value) { return Refusal{Reason::wrong_status, int64_t(value), int64_t(b.status)}; };
    if (b.in_call()) {
        if (detail::now_or_never(c)) return refused(c.time_in_force);
        if (c.min_qty) return refused(c.min_qty);
        if (c.post_only()) return refused(1);
    }
    if (c.time_in_force == wire::TimeInForce::at_open && b.status != Status::opening_auction) return refused(c.time_in_force);
    return {};
}

inline Matcher::Refusal Matcher::check_stop(const Book& b, unsigned side, int64_t stop_px, int64_t& ticks) {
    if (Refusal r = check_price(b, stop_px, ticks)) return r;
    if (b.last && (side ? stop_px >= b.last : stop_px <= b.last)) return {Reason::would_trigger, stop_px, b.last};
    return {};
}

// A post-only order that crosses is refused, or slides to the nearest price where it does not.
TAPEWIRE_SELDOM inline Matcher::Refusal Matcher::make_passive(const Book& b, unsigned side, bool slide, int64_t price, int64_t& key) {
    const int64_t beside = ~b.sides[!side].best_key - 1, slid = b.price(beside, side);
    if (!slide || slid < b.min_price || slid > b.max_price) return {Reason::would_cross, price, b.best_price(!side)};
    key = beside;
    return {};
}

// `ladder`: where its level would be; null if it will stand in none.
TAPEWIRE_HOT Matcher::Refusal Matcher::check_room(const Ladder* ladder, Incoming& in) const {
    if (live_orders() >= store_.orders.capacity()) return {Reason::capacity, int64_t(live_orders()), store_.orders.capacity()};
    if (ladder) {
        in.level = ladder->find(in.key);
        if (in.level && store_.levels[in.level].qty > MAX_LEVEL_QTY - in.qty)
            return {Reason::capacity, store_.levels[in.level].qty + in.qty, MAX_LEVEL_QTY};
    }
    if (in.display_qty) [[unlikely]] {
        const int64_t refreshes = store_.refreshes + Store::refreshes_of(in.display_qty, in.qty);
        if (refreshes > MAX_REFRESHES) return {Reason::capacity, refreshes, MAX_REFRESHES};
    }
    return {};
}

// An order that waits for its stop price or for the closing auction.
TAPEWIRE_SELDOM inline Matcher::Refusal Matcher::check_waiting(const wire::NewOrder& c, Incoming& in) const {
    const Book& b = *in.book;
    int64_t ticks = 0;
    if (!detail::priced(c) && c.price < 0) return {Reason::invalid_price, c.price, 0};
    if (detail::priced(c))
        if (Refusal r = check_price(b, c.price, ticks)) return r;
    in.waits = true;
    in.reach = OUT_OF_REACH;
    if (!detail::stops(c)) return check_room(nullptr, in);
    if (Refusal r = check_stop(b, in.side, c.stop_px, ticks)) return r;
    in.key = Book::key(ticks, !in.side);
    const Waiting* there = waiting(b);
    return check_room(there ? &there->stops[in.side] : nullptr, in);
}

// In a call every order joins the book, and none trades.
TAPEWIRE_SELDOM inline Matcher::Refusal Matcher::check_call(const wire::NewOrder& c, Incoming& in) const {
    const Book& b = *in.book;
    if (detail::priced(c)) {
        int64_t ticks = 0;
        if (Refusal r = check_price(b, c.price, ticks)) return r;
        in.key = Book::key(ticks, in.side);
    } else {
        if (c.price < 0) return {Reason::invalid_price, c.price, 0};
        in.key = resting_key(b, c.price, in.side);
        in.price = b.price(in.key, in.side);
    }
    in.rests = true;
    in.reach = OUT_OF_REACH;
    return check_room(&b.sides[in.side], in);
}

inline Matcher::Refusal Matcher::check_market(const wire::NewOrder& c, Incoming& in) const {
    const Book& b = *in.book;
    if (c.price < 0) return {Reason::invalid_price, c.price, 0};
    if (!b.sides[!in.side].best_level) return {Reason::no_liquidity, c.qty, 0};
    in.reach = std::max(protection_reach(b, c.price, in.side), b.edge[in.side]);
    return {};
}

TAPEWIRE_HOT Matcher::Refusal Matcher::check_limit(const wire::NewOrder& c, Incoming& in) const {
    const Book& b = *in.book;
    int64_t ticks = 0;
    if (Refusal r = check_price(b, c.price, ticks)) return r;
    in.key = Book::key(ticks, in.side);
    if (~in.key < b.edge[in.side]) [[unlikely]] return {Reason::price_band, c.price, b.edge_price(in.side)};
    if (c.post_only() && b.sides[!in.side].best_key >= ~in.key) [[unlikely]] {
        if (Refusal r = make_passive(b, in.side, c.slide(), c.price, in.key)) return r;
        in.price = b.price(in.key, in.side);
    }
    in.reach = ~in.key;
    in.rests = !detail::now_or_never(c);
    return in.rests ? check_room(&b.sides[in.side], in) : Refusal{};
}

TAPEWIRE_SELDOM inline Matcher::Refusal Matcher::check_available(const wire::NewOrder& c, const Incoming& in) const {
    const int64_t enough = c.time_in_force == wire::TimeInForce::fok ? c.qty : c.min_qty;
    const int64_t there = available(in, enough);
    return there < enough ? Refusal{Reason::would_not_fill, enough, there} : Refusal{};
}

// How far a market order with this protection price goes; the price need not lie on a tick: the last tick within counts.
inline int64_t Matcher::protection_reach(const Book& b, int64_t price, unsigned side) {
    if (price == 0) return NO_KEY;
    price = std::min(price, MAX_PRICE + 1);
    return Book::key(side ? b.ticks_up(price) : b.tick.quotient(price), !side);
}

// Where a market order stands in a call: at its protection price, or before every limit order.
inline int64_t Matcher::resting_key(const Book& b, int64_t price, unsigned side) {
    const int64_t lowest = b.ticks_up(b.min_price), highest = b.tick.quotient(b.max_price);
    if (price == 0) return Book::key(side ? lowest : highest, side);
    price = std::min(price, MAX_PRICE + 1);
    return Book::key(std::clamp(side ? b.ticks_up(price) : b.tick.quotient(price), lowest, highest), side);
}

TAPEWIRE_HOT Matcher::Refusal Matcher::check_new(const wire::NewOrder& c, Incoming& in) {
    if (c.order_id <= last_order_id_) return {Reason::invalid_field, int64_t(c.order_id), 0};
    if (c.order_id > MAX_ORDER_ID) return {Reason::capacity, int64_t(c.order_id), int64_t(MAX_ORDER_ID)};
    last_order_id_ = c.order_id;
    in.book = book(c.header.instrument);
    if (!in.book) return {Reason::unknown_instrument, c.header.instrument, 0};
    const Book& b = *in.book;
    if (b.refuses()) return {Reason::instrument_halted, c.header.instrument, int64_t(b.status)};
    in.id = c.order_id;
    in.leaves = in.qty = c.qty;
    in.price = c.price;
    in.display_qty = 0;
    in.avoid(c.self_trade_group, c.self_trade);
    in.level = 0;
    in.account = c.account;
    in.side = c.side == wire::Side::sell;
    in.rests = in.waits = false;
    in.plain = detail::plain(c);
    if (!in.plain) [[unlikely]]
        if (Refusal r = check_terms(c)) return r;
    if (Refusal r = check_qty(b, c.qty)) return r;
    if (!in.plain) [[unlikely]]
        if (Refusal r = check_parts(b, c, in)) return r;
    if (!in.plain || !b.trading()) [[unlikely]] {
        if (Refusal r = check_status(b, c)) return r;
        const bool at_close = c.time_in_force == wire::TimeInForce::at_close && b.status != Status::closing_auction;
        if (detail::stops(c) || at_close) return check_waiting(c, in);
        if (!b.trading()) return check_call(c, in);
    }
    if (Refusal r = c.ord_type == wire::OrdType::market ? check_market(c, in) : check_limit(c, in)) return r;
    if (c.time_in_force == wire::TimeInForce::fok || c.min_qty) return check_available(c, in);
    return {};
}

}  // namespace tapewire::matcher
