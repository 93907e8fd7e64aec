// Orders that wait outside the book: stops for their price, at-the-close orders for the closing auction.
//
//     Waiting ──▶ Ladder (buy stops, sell stops) ──▶ Level of one stopPx ──▶ Order ⇄ Order
//             └─▶ Level of all at-the-close orders ──▶ Order ⇄ Order
//
// A stop is reached the sooner the greater its level's key, as a level is the better: buy stops stand in a ladder like
// asks, sell stops in one like bids. A book has a Waiting from when the first order waits in it.
#pragma once
#include "services/matcher/book.hpp"

namespace tapewire::matcher {

struct Waiting {
    Ladder stops[2];  // to buy: key(ticks, 1); to sell: key(ticks, 0)
    uint32_t at_close;  // level with key and quantity 0; 0: none waits; also links free slots
    uint32_t unused;

    void close() {
        for (Ladder& ladder : stops) ladder.close();
    }
    bool empty() const { return !stops[0].best_level && !stops[1].best_level && !at_close; }
    bool any_stops() const { return stops[0].best_level || stops[1].best_level; }

    static bool stop(const Order& order) { return order.ord_type >= uint8_t(wire::OrdType::stop); }

    // To the back of the queue of its stop price, or of the at-the-close orders. `key`: of its stop price, in its ladder.
    void append(Store& store, uint32_t slot, int64_t key) {
        Order& order = store.orders[slot];
        uint32_t at = stop(order) ? stops[order.side].find(key) : at_close;
        if (!at) {
            at = store.levels.take();
            store.levels[at] = {stop(order) ? key : 0, 0, 0, 0, 0, 0};
            if (stop(order)) stops[order.side].insert(store, key, at);
            else at_close = at;
        }
        Level& level = store.levels[at];
        order.level = at;
        store.link(level, slot, level.tail);
        if (stop(order)) level.qty += order.leaves;
        ++level.count;
    }

    void unlink(Store& store, uint32_t slot) {
        const Order& order = store.orders[slot];
        Level& level = store.levels[order.level];
        store.unlink(level, order);
        if (stop(order)) level.qty -= order.leaves;
        if (--level.count) return;
        if (stop(order)) stops[order.side].erase(store, level.key);
        else at_close = 0;
        store.give_level(order.level);
    }

    void set_leaves(Store& store, uint32_t slot, int64_t leaves) {
        Order& order = store.orders[slot];
        if (stop(order)) store.levels[order.level].qty += leaves - order.leaves;
        store.set_leaves(order, leaves);
    }
};

}  // namespace tapewire::matcher
