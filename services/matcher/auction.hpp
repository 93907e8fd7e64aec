// Auctions: at which price what was collected trades, and what is told of that while it is being collected.
#pragma once
#include "services/matcher/matcher.hpp"

namespace tapewire::matcher {

// Walks the prices from the best ask up to the best bid at which an order stands, and the reference. `demand` is what
// bids would buy there, `supply` what asks would sell. Most volume wins, then the least that is left over, then who is
// nearest to the reference, then the lowest price.
inline Matcher::Cross Matcher::find_cross(const Book& b) const {
    Cross best;
    if (!b.crossed()) return best;
    const int64_t top = b.sides[0].best_key, bottom = ~b.sides[1].best_key;
    Wide demand = 0, supply = 0;
    bids_.clear();
    b.sides[0].each(store_, [&](uint32_t at) {
        const Level& level = store_.levels[at];
        if (level.key < bottom) return false;
        bids_.emplace_back(level.key, level.qty);
        demand += level.qty;
        return true;
    });
    const int64_t reference = b.last ? b.last : rules_[b.id].reference;
    const auto distance = [&](int64_t price) { return reference ? std::abs(price - reference) : 0; };
    const auto consider = [&](int64_t ticks) {
        const Wide qty = std::min(demand, supply), left = demand - supply;
        const Wide least = best.imbalance < 0 ? -best.imbalance : best.imbalance, over = left < 0 ? -left : left;
        const int64_t price = ticks * b.tick.value();
        if (qty < best.qty || (qty == best.qty && (over > least || (over == least && distance(price) >= distance(best.price))))) return;
        best = {price, qty, left};
    };
    // The reference is one more price, if it lies on a tick; INT64_MAX stands for none.
    int64_t between = reference && b.ticks_up(reference) == b.tick.quotient(reference) ? b.tick.quotient(reference) : INT64_MAX;
    if (between < bottom) between = INT64_MAX;
    uint32_t ask = b.sides[1].best_level;
    while (demand >= best.qty) {  // there will be no more of it
        const int64_t ask_ticks = ask ? ~store_.levels[ask].key : INT64_MAX;
        const int64_t bid_ticks = bids_.empty() ? INT64_MAX : bids_.back().first;
        const int64_t ticks = std::min({ask_ticks, bid_ticks, between});
        if (ticks > top) break;
        if (ticks == ask_ticks) {
            supply += store_.levels[ask].qty;
            ask = b.sides[1].at_or_below(store_.levels[ask].key - 1);
        }
        consider(ticks);
        if (ticks == bid_ticks) {
            demand -= bids_.back().second;
            bids_.pop_back();
        }
        if (ticks == between) between = INT64_MAX;
    }
    return best;
}

// Trades what a call has collected, all at one price; nothing if the book is not crossed.
template <class Sink>
Matcher::Cross Matcher::uncross(Book& b, Sink& sink) {
    const Cross cross = find_cross(b);
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
    const Indication now = indication(b);
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

inline Indication Matcher::indication(const Book& b) const {
    const Cross cross = find_cross(b);
    const auto side = cross.imbalance > 0 ? wire::Side::buy : cross.imbalance < 0 ? wire::Side::sell : wire::Side::unspecified;
    return {cross.price, cap(cross.qty), cap(cross.imbalance < 0 ? -cross.imbalance : cross.imbalance), side};
}

}  // namespace tapewire::matcher
