// Auctions: at which price what was collected trades, and what is told of that while it is being collected.
#pragma once
#include "services/matcher/matcher.hpp"

namespace tapewire::matcher {

// From below all prices.
inline Pivot Matcher::sum_up(const Book& b) const {
    Pivot all{};
    b.sides[0].each(store_, [&](uint32_t at) {
        all.demand += store_.levels[at].qty;
        return true;
    });
    return all;
}

// A book has one while it is in a call.
inline void Matcher::keep_pivot(Book& b) {
    if (b.in_call() == (b.pivot != 0)) return;
    if (b.pivot) {
        store_.pivots.give(std::exchange(b.pivot, 0));
    } else {
        b.pivot = store_.pivots.take();
        store_.pivots[b.pivot] = sum_up(b);
    }
}

// The next price, in ticks, at which an order stands, or the reference; NO_KEY: there is none.
inline int64_t Matcher::price_above(const Book& b, int64_t ticks, int64_t reference) const {
    const uint32_t bid = b.sides[0].at_or_above(ticks + 1), ask = b.sides[1].at_or_below(~(ticks + 1));
    int64_t next = reference > ticks ? reference : INT64_MAX;
    if (bid) next = std::min(next, store_.levels[bid].key);
    if (ask) next = std::min(next, ~store_.levels[ask].key);
    return next == INT64_MAX ? NO_KEY : next;
}

inline int64_t Matcher::price_below(const Book& b, int64_t ticks, int64_t reference) const {
    const uint32_t bid = b.sides[0].at_or_below(ticks - 1), ask = b.sides[1].at_or_above(~(ticks - 1));
    int64_t next = reference < ticks ? reference : NO_KEY;
    if (bid) next = std::max(next, store_.levels[bid].key);
    if (ask) next = std::max(next, ~store_.levels[ask].key);
    return next;
}

inline int64_t Matcher::qty_at(const Book& b, unsigned side, int64_t ticks) const {
    const uint32_t at = b.sides[side].find(Book::key(ticks, side));
    return at ? store_.levels[at].qty : 0;
}

// To the next price, between which and this one nothing stands.
inline void Matcher::step_up(const Book& b, Pivot& at, int64_t ticks) const {
    at.demand -= qty_at(b, 0, at.ticks);
    at.supply += qty_at(b, 1, ticks);
    at.ticks = ticks;
}

inline void Matcher::step_down(const Book& b, Pivot& at, int64_t ticks) const {
    at.demand += qty_at(b, 0, ticks);
    at.supply -= qty_at(b, 1, at.ticks);
    at.ticks = ticks;
}

// Of the prices from the best ask up to the best bid at which an order stands, and the reference: most volume wins, then
// the least that is left over, then who is nearest to the reference, then the lowest.
//
// Going up, demand falls and supply rises. The pivot is moved to the lowest price at which supply meets demand. Volume is
// greatest there or just below, and where it is the same further on, so is what is left over, or it is more. Prices at
// which both are the same have nothing but an ask at the lower and a bid at the upper one, and perhaps the reference
// between them: so no more than three to either side come into question.
inline Matcher::Cross Matcher::find_cross(const Book& b, Pivot& pivot) const {
    Cross best;
    if (!b.crossed()) return best;
    const int64_t given = b.last ? b.last : rules_[b.id].reference;
    const int64_t reference = given && b.ticks_up(given) == b.tick.quotient(given) ? b.tick.quotient(given) : NO_KEY;
    for (int64_t next; pivot.supply < pivot.demand && (next = price_above(b, pivot.ticks, reference)) != NO_KEY;) step_up(b, pivot, next);
    for (int64_t next; (next = price_below(b, pivot.ticks, reference)) != NO_KEY;) {
        Pivot below = pivot;
        step_down(b, below, next);
        if (below.supply < below.demand) break;
        pivot = below;
    }
    const auto distance = [&](int64_t price) { return given ? std::abs(price - given) : 0; };
    const auto consider = [&](const Pivot& at) {
        if (at.ticks < ~b.sides[1].best_key || at.ticks > b.sides[0].best_key) return;
        const int64_t price = at.ticks * b.tick.value();
        const Wide qty = std::min(at.demand, at.supply), left = at.demand - at.supply;
        const Wide over = left < 0 ? -left : left, least = best.imbalance < 0 ? -best.imbalance : best.imbalance;
        if (qty < best.qty || (qty == best.qty && over > least)) return;
        const int64_t nearer = distance(price) - distance(best.price);
        if (qty > best.qty || over < least || nearer < 0 || (nearer == 0 && price < best.price)) best = {price, qty, left};
    };
    Pivot at = pivot;
    if (at.ticks == reference || qty_at(b, 0, at.ticks) || qty_at(b, 1, at.ticks)) consider(at);
    for (int i = 0; i < 3; ++i) {
        const int64_t next = price_above(b, at.ticks, reference);
        if (next == NO_KEY) break;
        step_up(b, at, next);
        consider(at);
    }
    at = pivot;
    for (int i = 0; i < 3; ++i) {
        const int64_t next = price_below(b, at.ticks, reference);
        if (next == NO_KEY) break;
        step_down(b, at, next);
        consider(at);
    }
    return best;
}

// Trades what a call has collected, all at one price; nothing if the book is not crossed.
template <class Sink>
Matcher::Cross Matcher::uncross(Book& b, Sink& sink) {
    Pivot pivot = b.pivot ? store_.pivots[b.pivot] : sum_up(b);
    const Cross cross = find_cross(b, pivot);
    uint32_t in_part[2] = {0, 0};
    for (Wide left = cross.qty; left;) {
        uint32_t front[2];
        Wide most = left;
        for (unsigned side = 0; side < 2; ++side) {
            front[side] = store_.levels[b.sides[side].best_level].head;
            most = std::min<Wide>(most, store_.orders[front[side]].leaves);
        }
        left -= most;
        fill(b, front, cross.price, int64_t(most), sink);
        for (unsigned side = 0; side < 2; ++side) {
            in_part[side] = store_.orders[front[side]].leaves ? front[side] : 0;
            if (in_part[side]) continue;
            b.unlink(store_, front[side]);
            store_.retire(front[side]);
        }
    }
    if (cross.qty) b.last = cross.price;
    for (const uint32_t slot : in_part) {
        if (!slot || !store_.iceberg(store_.orders[slot])) continue;
        const Order& o = store_.orders[slot];
        b.show(store_, slot, std::min(store_.extras[o.extra].display_qty, o.leaves));
        restated(slot, wire::RestateReason::display_refresh, true, sink);
    }
    return cross;
}

// A bid and an ask trade; the older order is called the maker.
template <class Sink>
void Matcher::fill(Book& b, const uint32_t (&pair)[2], int64_t price, int64_t qty, Sink& sink) {
    for (const uint32_t slot : pair) b.set_leaves(store_, slot, store_.orders[slot].leaves - qty);
    const bool bid_first = store_.orders[pair[0]].id < store_.orders[pair[1]].id;
    const Order &maker = store_.orders[pair[!bid_first]], &taker = store_.orders[pair[bid_first]];
    auto* e = sink.template begin<wire::OrderExecuted>();
    e->header.instrument = b.id;
    e->match_id = next_match_id_++;
    e->maker_order_id = maker.id;
    e->taker_order_id = taker.id;
    e->price = price;
    e->qty = qty;
    e->maker_leaves_qty = maker.leaves;
    e->taker_leaves_qty = taker.leaves;
    e->maker_account = maker.account;
    e->taker_account = taker.account;
    e->taker_side = side_of(taker.side);
    e->set_auction(true);
    sink.end(e);
}

// Tells what the auction would do if it ended now, when that has changed.
template <class Sink>
void Matcher::indicate(Book& b, Sink& sink) {
    Rules& r = rules_[b.id];
    const Indication now = indication(b, store_.pivots[b.pivot]);
    if (now == r.indicated) return;
    r.indicated = now;
    auto* e = sink.template begin<wire::AuctionIndicated>();
    e->header.instrument = b.id;
    e->price = now.price;
    e->qty = now.qty;
    e->imbalance_qty = now.imbalance_qty;
    e->imbalance_side = now.imbalance_side;
    sink.end(e);
}

inline Indication Matcher::indication(const Book& b, Pivot& pivot) const {
    const Cross cross = find_cross(b, pivot);
    const auto side = cross.imbalance > 0 ? wire::Side::buy : cross.imbalance < 0 ? wire::Side::sell : wire::Side::unspecified;
    return {cross.price, cap(cross.qty), cap(cross.imbalance < 0 ? -cross.imbalance : cross.imbalance), side};
}

}  // namespace tapewire::matcher
