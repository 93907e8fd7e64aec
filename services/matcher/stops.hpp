// How orders stop waiting: stops that a trade has reached, at-the-close orders when the closing auction is called.
#pragma once
#include "services/matcher/matcher.hpp"

namespace tapewire::matcher {

// Takes an order out of what waits; it stands in no queue then.
TAPEWIRE_SELDOM inline void Matcher::stop_waiting(uint32_t slot) {
    Order& o = store_.orders[slot];
    Book& b = books_[o.instrument];
    waiting_of(b).unlink(store_, slot);
    o.flags &= uint8_t(~Order::WAITING);
    --store_.waiting;
    watch(b);
}

// An order that waited joins the book, without what only waiting orders need.
inline void Matcher::enter_book(uint32_t slot, int64_t key, uint32_t at) {
    Order& o = store_.orders[slot];
    Extra& extra = store_.extras[o.extra];
    extra.price = extra.stop_px = 0;
    if (!extra.display_qty && o.time_in_force != GTD) store_.drop_extra(o);
    books_[o.instrument].append(store_, slot, key, at);
}

template <class Sink>
void Matcher::triggered(const Order& o, int64_t price, wire::TriggerReason reason, Sink& sink) {
    auto* e = sink.template begin<wire::OrderTriggered>();
    e->header.instrument = o.instrument;
    e->order_id = o.id;
    e->price = price;
    e->leaves_qty = o.leaves;
    e->stop_px = store_.extras[o.extra].stop_px;
    e->last_px = books_[o.instrument].last;
    e->account = o.account;
    e->side = side_of(o.side);
    e->reason = reason;
    sink.end(e);
}

// This command has traded. The stops it has reached act one after the other, each to its end, then those that they have
// reached: behind the ones elected before.
template <class Sink>
void Matcher::elect(Book& b, Sink& sink) {
    elect_reached(b, sink);
    for (size_t next = 0; next < elected_.size(); ++next) {
        const uint64_t first_match = next_match_id_;
        trigger(elected_[next], sink);
        if (next_match_id_ != first_match) elect_reached(b, sink);
    }
    elected_.clear();
    watch(b);
}

// Buys by ascending stop price, then sells by descending one; the last price lies on a tick, as it has just traded.
template <class Sink>
void Matcher::elect_reached(Book& b, Sink& sink) {
    Waiting& there = waiting_of(b);
    const int64_t last = b.tick.quotient(b.last);
    for (unsigned side = 0; side < 2; ++side) {
        Ladder& stops = there.stops[side];
        while (stops.best_level && stops.best_key >= Book::key(last, !side)) {
            const uint32_t at = stops.best_level;
            for (uint32_t slot = store_.levels[at].head; slot; slot = store_.orders[slot].next) {
                Order& o = store_.orders[slot];
                o.flags &= uint8_t(~Order::WAITING);
                --store_.waiting;
                triggered(o, store_.extras[o.extra].price, wire::TriggerReason::stop_price, sink);
                elected_.push_back(slot);
            }
            stops.erase(store_, stops.best_key);
            store_.give_level(at);
        }
    }
}

// An elected stop comes in: as a limit order, or as a market order with its protection price. Neither trades beyond the
// band, and what is left of a limit beyond it does not rest there.
template <class Sink>
void Matcher::trigger(uint32_t slot, Sink& sink) {
    Order& o = store_.orders[slot];
    Book& b = books_[o.instrument];
    const bool market = o.ord_type == uint8_t(wire::OrdType::stop);
    Incoming in = returning(o, store_.extras[o.extra].price);
    in.key = Book::key(b.tick.quotient(market ? 0 : in.price), o.side);
    const int64_t wanted = market ? protection_reach(b, in.price, o.side) : ~in.key;
    in.reach = std::max(wanted, b.edge[o.side]);
    match(in, sink);
    o.qty = in.qty;
    store_.set_leaves(o, in.leaves);
    if (in.leaves) {
        const bool cut = !market && wanted < in.reach;
        const uint32_t at = b.sides[o.side].find(in.key);
        const bool room = !at || store_.levels[at].qty <= MAX_LEVEL_QTY - in.leaves;
        if (!market && !cut && room) return enter_book(slot, in.key, at);
        cancelled(in, cut ? wire::CancelReason::price_band : wire::CancelReason::market_remainder, sink);
    }
    store_.retire(slot);
}

// The closing auction is called: orders for it join the book in the order they came.
template <class Sink>
void Matcher::join_closing(Book& b, Sink& sink) {
    while (const uint32_t queue = b.waiting ? waiting_[b.waiting].at_close : 0) {
        const uint32_t slot = store_.levels[queue].head;
        const Order& o = store_.orders[slot];
        const int64_t given = store_.extras[o.extra].price;
        const bool market = o.ord_type == uint8_t(wire::OrdType::market);
        const int64_t key = market ? resting_key(b, given, o.side) : Book::key(b.tick.quotient(given), o.side);
        const int64_t price = b.price(key, o.side);
        stop_waiting(slot);
        triggered(o, price, wire::TriggerReason::closing_auction, sink);
        const uint32_t at = b.sides[o.side].find(key);
        if (!at || store_.levels[at].qty <= MAX_LEVEL_QTY - o.leaves) {
            enter_book(slot, key, at);
            continue;
        }
        cancelled(returning(o, price), wire::CancelReason::market_remainder, sink);
        store_.retire(slot);
    }
}

}  // namespace tapewire::matcher
