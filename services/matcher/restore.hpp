// The matcher out of the bytes of snapshot.hpp. It takes only what snapshot() writes: anything else, to the last bit, is
// refused.
#pragma once
#include "services/matcher/snapshot.hpp"

namespace tapewire::matcher {

// An order as its words say it, and where they say it.
struct Matcher::Restored {
    RestoredPlace place;
    unsigned side = 0;
    int64_t key = 0;    // of its level, in the book or among the stops
    int64_t price = 0;  // of its level
    Order order{};
    Extra extra{};
    bool has_extra = false;
};

inline bool Matcher::restore(const uint8_t* p, size_t n) {
    clear();
    wire::WordReader r(p, n);
    bool ok = r.get() == SNAPSHOT_MAGIC;
    next_match_id_ = r.get();
    last_order_id_ = r.get();
    clock_ = int64_t(r.get());
    ok = ok && next_match_id_ != 0 && last_order_id_ <= MAX_ORDER_ID && clock_ >= 0 && restore_amended(r);
    for (uint64_t left = ok ? r.count(detail::BOOK_WORDS) : 0; ok && left; --left) ok = restore_book(r);
    if (!ok || !r.done()) return clear(), false;
    return true;
}

inline bool Matcher::restore_amended(wire::WordReader& r) {
    const uint64_t count = r.count(3);
    for (uint64_t left = count, last = 0; left; --left) {
        const uint64_t match_id = r.get();
        const Amended stands{int64_t(r.get()), int64_t(r.get())};
        if (match_id <= last || match_id >= next_match_id_ || stands.price <= 0 || stands.qty < 0) return false;
        if (stands.qty && (stands.price > MAX_PRICE || stands.qty > MAX_QTY)) return false;
        amended_.emplace_hint(amended_.end(), match_id, stands);
        last = match_id;
    }
    return r.ok() && count <= MAX_AMENDED;
}

inline bool Matcher::restore_book(wire::WordReader& r) {
    const uint64_t id = r.get();
    const auto tick = int64_t(r.get()), lot = int64_t(r.get()), max_qty = int64_t(r.get());
    const auto min_price = int64_t(r.get()), max_price = int64_t(r.get());
    const uint64_t status = r.get();
    if (id >= MAX_INSTRUMENTS || (!instruments_.empty() && id <= instruments_.back())) return false;
    if (status < uint64_t(Status::trading) || status > uint64_t(Status::halt_auction)) return false;
    wire::InstrumentDefinition d{};
    d.header.instrument = uint32_t(id);
    d.tick_size = tick, d.lot_size = lot, d.max_qty = max_qty, d.min_price = min_price, d.max_price = max_price;
    // Bounds that were not given are in a snapshot as what they stand for.
    if (max_qty == 0 || min_price == 0 || max_price == 0 || check_definition(d)) return false;
    Book& b = add_book(uint32_t(id));
    b.set_terms(d);
    b.status = Status(status);
    if (!restore_rules(r, b)) return false;
    for (unsigned side = 0; side < 2; ++side)
        if (!restore_ladder(r, b, RestoredPlace::book, side)) return false;
    for (unsigned side = 0; side < 2; ++side)
        if (!restore_ladder(r, b, RestoredPlace::stop, side)) return false;
    for (uint64_t left = r.count(detail::ORDER_WORDS + detail::EXTRA_WORDS); left; --left)
        if (!restore_order(r, b, {RestoredPlace::close})) return false;
    watch(b);
    keep_pivot(b);
    return r.ok() && consistent(b);
}

inline bool Matcher::restore_rules(wire::WordReader& r, Book& b) {
    Rules& rules = rules_[b.id];
    const auto price = [&](int64_t& out) { return out = int64_t(r.get()), out >= 0 && out <= MAX_PRICE; };
    const auto pair = [&](uint32_t& low, uint32_t& high) {
        const uint64_t word = r.get();
        low = uint32_t(word), high = uint32_t(word >> 32);
    };
    uint32_t limit_state, reason;
    if (!price(rules.reference) || !price(rules.static_reference) || !price(b.last)) return false;
    pair(rules.static_bps, rules.dynamic_bps);
    pair(rules.limit_state_ms, rules.pause_ms);
    pair(limit_state, reason);
    const auto limit_due = int64_t(r.get()), resume_time = int64_t(r.get());
    Indication& told = rules.indicated;
    told.price = int64_t(r.get()), told.qty = int64_t(r.get()), told.imbalance_qty = int64_t(r.get());
    const uint64_t side = r.get();
    if (rules.static_bps > MAX_BPS || rules.dynamic_bps > MAX_BPS || side > uint64_t(wire::Side::sell)) return false;
    if (limit_state < uint32_t(wire::LimitState::normal) || limit_state > uint32_t(wire::LimitState::limit_down)) return false;
    if (reason > uint32_t(wire::StatusReason::market_wide)) return false;
    if (limit_due && limit_state == uint32_t(wire::LimitState::normal)) return false;
    if (resume_time < 0 || (resume_time && !detail::may_resume(b.status))) return false;
    rules.limit_state = wire::LimitState(limit_state);
    rules.reason = wire::StatusReason(reason);
    told.imbalance_side = wire::Side(side);
    set_timer(b, b.trading() ? limit_due : resume_time);
    set_edges(b);
    return b.trading() || (!limit_due && rules.limit_state == wire::LimitState::normal);
}

// What follows from the rest of a book's state is what it was said to be.
inline bool Matcher::consistent(const Book& b) const {
    const Rules& r = rules_[b.id];
    if (b.trading()) return !b.crossed() && r.limit_state == limit_state(b) && r.indicated == Indication{};
    Pivot pivot = sum_up(b);
    return r.indicated == (b.in_call() ? indication(b, pivot) : Indication{});
}

inline bool Matcher::restore_ladder(wire::WordReader& r, Book& b, RestoredPlace place, unsigned side) {
    const bool stops = place == RestoredPlace::stop;
    int64_t last_key = INT64_MAX;
    for (uint64_t levels = r.count(detail::LEVEL_WORDS); levels; --levels) {
        const auto price = int64_t(r.get());
        if (price <= 0 || price > MAX_PRICE) return false;
        const int64_t ticks = b.tick.quotient(price), key = Book::key(ticks, stops ? !side : side);
        const uint64_t orders = r.count(detail::ORDER_WORDS);
        if (ticks * b.tick.value() != price || key >= last_key || orders == 0) return false;
        last_key = key;
        bool hidden = false;
        for (uint64_t i = 0; i < orders; ++i) {
            const uint32_t slot = restore_order(r, b, {place, side, key, price});
            if (!slot) return false;
            const bool last_hidden = !stops && store_.orders[slot].hidden();
            if (hidden && !last_hidden) return false;  // displayed ones come before
            hidden = last_hidden;
        }
    }
    return r.ok();
}

// Its slot, or 0.
inline uint32_t Matcher::restore_order(wire::WordReader& r, Book& b, Restored&& into) {
    Order& o = into.order;
    o.id = r.get();
    o.leaves = int64_t(r.get()), o.qty = int64_t(r.get());
    const uint64_t terms = r.get(), owners = r.get(), flags = terms >> 56;
    o.account = uint32_t(terms), o.session = uint32_t(owners), o.self_trade_group = uint32_t(owners >> 32);
    o.time_in_force = uint8_t(terms >> 32), o.ord_type = uint8_t(terms >> 40), o.self_trade = uint8_t(terms >> 48);
    o.flags = flags & (Order::POST_ONLY | Order::SLIDE | Order::HIDDEN);
    into.has_extra = flags & detail::HAS_EXTRA;
    if (into.place == RestoredPlace::close && (flags & detail::TO_SELL)) into.side = 1;
    else if (flags & detail::TO_SELL) return 0;
    o.side = uint8_t(into.side), o.instrument = b.id;
    if (flags >> 5) return 0;
    if (into.has_extra) {
        Extra& extra = into.extra;
        extra.price = int64_t(r.get()), extra.stop_px = int64_t(r.get()), extra.display_qty = int64_t(r.get());
        extra.shown = int64_t(r.get()), extra.expire_time = int64_t(r.get());
    }
    return r.ok() && plausible(b, into) ? stand(b, into) : 0;
}

// Could this order have come to stand there?
inline bool Matcher::plausible(const Book& b, const Restored& in) const {
    using wire::OrdType;
    using wire::TimeInForce;
    const Order& o = in.order;
    const Extra& extra = in.extra;
    const auto lots = [&](int64_t qty) { return b.lot.quotient(qty) * b.lot.value() == qty; };
    const auto type = OrdType(o.ord_type);
    const auto until = TimeInForce(o.time_in_force);
    const bool book = in.place == RestoredPlace::book, close = in.place == RestoredPlace::close;
    const bool auction = until == TimeInForce::at_open || until == TimeInForce::at_close;
    if (o.id == 0 || o.id > last_order_id_ || store_.index.find(o.id)) return false;
    if (o.leaves <= 0 || o.leaves > o.qty || o.qty > MAX_QTY || !lots(o.leaves) || !lots(o.qty)) return false;
    if (o.self_trade > uint8_t(wire::SelfTrade::decrement_and_cancel)) return false;
    if (until != TimeInForce::day && until != TimeInForce::gtc && until != TimeInForce::gtd && !auction) return false;
    if (b.status == Status::closed && (auction || until == TimeInForce::day)) return false;
    if (o.slide() && !o.post_only()) return false;
    if (o.post_only() && (type != OrdType::limit || auction)) return false;
    if (o.hidden() && type != OrdType::limit && type != OrdType::stop_limit) return false;
    if (in.has_extra != (!book || extra.display_qty || until == TimeInForce::gtd)) return false;
    if (until == TimeInForce::gtd ? extra.expire_time <= 0 : extra.expire_time != 0) return false;
    if (extra.display_qty) {
        if (extra.display_qty < 0 || extra.display_qty > MAX_QTY || !lots(extra.display_qty) || o.hidden()) return false;
        if (type != OrdType::limit && type != OrdType::stop_limit) return false;
        if (extra.display_qty < detail::parts(o.leaves, MAX_PARTS)) return false;
    }
    if (book) {
        if (type == OrdType::market ? !detail::may_resume(b.status) : type != OrdType::limit && type != OrdType::stop_limit) return false;
        if (auction && (b.trading() || type == OrdType::stop_limit)) return false;
        if (!in.has_extra) return true;
        const int64_t most = extra.display_qty ? std::min(extra.display_qty, o.leaves) : o.hidden() ? 0 : o.leaves;
        if (extra.shown > most || (extra.display_qty ? extra.shown <= 0 || !lots(extra.shown) : extra.shown != most)) return false;
        return extra.price == in.price && extra.stop_px == 0;
    }
    const bool priced = type == OrdType::limit || type == OrdType::stop_limit;
    const int64_t ticks = b.tick.quotient(std::clamp<int64_t>(extra.price, 0, MAX_PRICE));
    if (extra.shown || extra.price < 0 || (priced && (extra.price == 0 || ticks * b.tick.value() != extra.price))) return false;
    if (close)
        return until == TimeInForce::at_close && b.status != Status::closing_auction && extra.stop_px == 0 &&
               (type == OrdType::limit || type == OrdType::market);
    return !auction && extra.stop_px == in.price && (type == OrdType::stop || type == OrdType::stop_limit);
}

// Puts it there, if there is room. Its slot, or 0.
inline uint32_t Matcher::stand(Book& b, const Restored& in) {
    const Order& o = in.order;
    if (live_orders() >= store_.orders.capacity()) return 0;
    if (store_.refreshes + Store::refreshes_of(in.extra.display_qty, o.leaves) > MAX_REFRESHES) return 0;
    const bool book = in.place == RestoredPlace::book;
    const Waiting* there = waiting(b);
    const uint32_t at = book ? b.sides[in.side].find(in.key) : there ? there->stops[in.side].find(in.key) : 0;
    if (at && in.place != RestoredPlace::close && store_.levels[at].qty > MAX_LEVEL_QTY - o.leaves) return 0;
    const uint32_t slot = store_.add(o.id);
    store_.orders[slot] = o;
    if (in.has_extra) {
        store_.add_extra(slot, in.extra);
        Extra& extra = store_.extras[store_.orders[slot].extra];
        if (book) extra.price = 0;
    }
    if (book) {
        b.append(store_, slot, in.key, at);
        if (in.extra.display_qty) b.show(store_, slot, in.extra.shown);
        else if (in.has_extra) store_.extras[store_.orders[slot].extra].shown = 0;
        return slot;
    }
    store_.orders[slot].flags |= Order::WAITING;
    ++store_.waiting;
    waiting_of(b).append(store_, slot, in.key);
    return slot;
}

}  // namespace tapewire::matcher
