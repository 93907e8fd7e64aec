// What must hold between any two commands. Walks everything, so it is for tests: with -DTAPEWIRE_CHECK every apply() ends
// with it. Each check throws std::logic_error that names what does not hold.
#pragma once
#include <stdexcept>
#include <string>

#include "services/matcher/matcher.hpp"

namespace tapewire::matcher {

namespace detail {

inline void require(bool holds, const char* what) {
    if (!holds) throw std::logic_error(std::string("matcher invariant broken: ") + what);
}

// Every slot is either in use or on the free list, once.
template <class P, class Next>
void check_free_list(const P& pool, Next next) {
    uint32_t free = 0;
    for (uint32_t slot = pool.first_free(); slot; slot = next(slot)) {
        require(slot <= pool.used(), "a free slot lies beyond those ever used");
        require(++free <= pool.used(), "a free list runs in a circle");
    }
    require(free + pool.size() == pool.used(), "used and free slots do not add up");
}

template <class Place>
void check_dues(const Dues& dues, Place&& place) {
    for (uint32_t at = 0; at < dues.size(); ++at) {
        require(!at || dues.due((at - 1) / 2) <= dues.due(at), "the next to be due is not the first");
        require(place(dues.item(at)) == at, "a due entry does not know its place");
    }
}

}  // namespace detail

// What was met on the way through all books.
struct Matcher::Census {
    size_t orders = 0, levels = 0, extras = 0, unshown = 0, waiting_books = 0, pivots = 0, timers = 0, expiries = 0;
    uint32_t icebergs = 0, waiting = 0;
    int64_t refreshes = 0;
};

// `deep`: look at every slot of the window, too.
inline void Ladder::check(const Store& store, bool deep) const {
    using detail::require;
    uint32_t walked = 0;
    int64_t last = INT64_MAX;
    each(store, [&](uint32_t level) {
        const int64_t key = store.levels[level].key;
        require(key < last, "levels are not in order");
        require(walked || (key == best_key && level == best_level), "the best level is not the first");
        require(find(key) == level && at_or_above(key) == level, "a level is not found by its key");
        require(!walked || store.levels[at_or_above(key + 1)].key == last, "the level above another is not found");
        last = key;
        return ++walked <= count_;
    });
    require(walked == count_, "the number of levels is wrong");
    require(count_ || (best_key == NO_KEY && !best_level), "an empty side has a best price");
    const uint64_t* bits = bits_;
    for (uint32_t i = 0; deep && i < size_; ++i)
        require((slots_[i] != 0) == (bits[i / 64] >> (i % 64) & 1), "a bitmap does not say which slots are used");
    uint32_t in_window = 0;
    for (uint32_t w = 0; w < words(size_); ++w) in_window += uint32_t(std::popcount(bits[w]));
    for (uint32_t n = size_; n > 64; n = words(n)) {
        const uint64_t* above = bits + words(n);
        for (uint32_t w = 0; w < words(n); ++w) require((bits[w] != 0) == (above[w / 64] >> (w % 64) & 1), "bitmaps disagree");
        bits = above;
    }
    require(in_window + far_count() == count_, "window and far map do not add up");
    require(!far_ || !far_->empty(), "an empty far map is kept");
    if (!far_) return;
    for (const auto& [key, level] : *far_) require(uint64_t(key) - uint64_t(base_) >= size_, "a far level lies in the window");
}

inline void Matcher::check_invariants(bool deep) const {
    using detail::require;
    check_pools();
    Census seen;
    for (const uint32_t id : instruments_) check_book(books_[id], deep, seen), require(books_[id].id == id, "an instrument is listed under another id");
    check_totals(seen);
    require(!deep || seen.orders == store_.index.live(), "the index knows an order that is not live");
    require(scratch_.empty() && touched_.empty() && elected_.empty(), "work is left over");
}

inline void Matcher::check_pools() const {
    using detail::require;
    detail::check_free_list(store_.orders, [&](uint32_t slot) {
        require(store_.orders[slot].level == 0, "a free order stands in a level");
        return store_.orders[slot].next;
    });
    detail::check_free_list(store_.levels, [&](uint32_t slot) { return store_.levels[slot].head; });
    detail::check_free_list(store_.extras, [&](uint32_t slot) { return store_.extras[slot].order; });
    detail::check_free_list(store_.unshown, [&](uint32_t slot) { return store_.unshown[slot].last_shown; });
    detail::check_free_list(waiting_, [&](uint32_t slot) { return waiting_[slot].at_close; });
    detail::check_free_list(store_.pivots, [&](uint32_t slot) { return store_.pivots[slot].link; });
    detail::check_dues(store_.expiries, [&](uint32_t extra) { return store_.extras[extra].due_at; });
    detail::check_dues(timers_, [&](uint32_t id) { return rules_[id].due_at; });
}

inline void Matcher::check_totals(const Census& seen) const {
    using detail::require;
    require(seen.levels == store_.levels.size(), "a level belongs to no book");
    require(seen.orders == store_.orders.size(), "an order stands in no queue");
    require(seen.extras == store_.extras.size(), "an extra belongs to no order");
    require(seen.unshown == store_.unshown.size(), "what is not shown belongs to no level");
    require(seen.waiting_books == waiting_.size(), "what waits belongs to no book");
    require(seen.pivots == store_.pivots.size(), "a pivot belongs to no book");
    require(seen.timers == timers_.size(), "a timer belongs to no instrument");
    require(seen.expiries == store_.expiries.size(), "the expiries are not those of the GTD orders");
    require(seen.icebergs == store_.icebergs && seen.waiting == store_.waiting, "icebergs or waiting orders are miscounted");
    require(seen.refreshes == store_.refreshes && seen.refreshes <= MAX_REFRESHES, "the refreshes to come are miscounted");
}

inline void Matcher::check_book(const Book& b, bool deep, Census& seen) const {
    using detail::require;
    const Rules& r = rules_[b.id];
    require(b.defined(), "an instrument is listed but not defined");
    require(!b.trading() || !b.crossed(), "a book is crossed");
    require(b.watch == watched(b), "a book does not watch what it should");
    const auto [buy, sell] = edges(b);
    require(!b.trading() || (b.edge[0] == buy && b.edge[1] == sell), "the edges are not those of the references");
    require(!(b.watch & Book::BANDS) || r.banded_last == b.last, "the edges are not those of the last price");
    require(consistent(b), "limit state or indication are not as last told");
    require(!r.due || timers_.due(r.due_at) == r.due, "a timer is not set");
    require(!r.due || (b.trading() ? r.limit_state != wire::LimitState::normal : detail::may_resume(b.status)), "a timer has nothing to end");
    seen.timers += r.due != 0;
    for (unsigned side = 0; side < 2; ++side) {
        b.sides[side].check(store_, deep);
        b.sides[side].each(store_, [&](uint32_t at) {
            check_queue(b, side, at, seen);
            return true;
        });
    }
    if (const Waiting* there = waiting(b)) check_waiting(b, *there, deep, seen);
    require(b.in_call() == (b.pivot != 0), "a book in a call has no pivot, or another has one");
    if (b.pivot) check_pivot(b, seen);
}

inline void Matcher::check_pivot(const Book& b, Census& seen) const {
    const Pivot& pivot = store_.pivots[b.pivot];
    Wide sums[2] = {0, 0};
    for (unsigned side = 0; side < 2; ++side)
        b.sides[side].each(store_, [&](uint32_t at) {
            const Level& level = store_.levels[at];
            if (level.key >= Book::key(pivot.ticks, side)) sums[side] += level.qty;
            return true;
        });
    detail::require(sums[0] == pivot.demand && sums[1] == pivot.supply, "a pivot's sums are wrong");
    ++seen.pivots;
}

// A level of the book: displayed orders, then hidden ones.
inline void Matcher::check_queue(const Book& b, unsigned side, uint32_t at, Census& seen) const {
    using detail::require;
    const Level& level = store_.levels[at];
    Unshown unshown{};
    int64_t qty = 0;
    uint32_t before = 0, count = 0;
    bool veiled = false;
    for (uint32_t slot = level.head; slot; slot = store_.orders[slot].next) {
        const Order& o = store_.orders[slot];
        require(++count <= level.count, "a queue is longer than its level says");
        require(o.prev == before && o.side == side && !o.waiting(), "an order stands in the wrong queue");
        require(!unshown.orders || o.hidden(), "a displayed order stands behind a hidden one");
        check_order(b, slot, at, seen);
        const int64_t shown = store_.shown(o);
        require(o.hidden() ? shown == 0 : shown > 0 && shown <= o.leaves, "what an order shows is impossible");
        require(!store_.iceberg(o) || shown <= store_.extras[o.extra].display_qty, "an iceberg shows more than a part");
        require(!o.extra || (!store_.extras[o.extra].price && !store_.extras[o.extra].stop_px), "an order in the book remembers what it waited for");
        qty += o.leaves;
        unshown.qty += o.leaves - shown;
        unshown.orders += o.hidden();
        if (!o.hidden()) unshown.last_shown = slot;
        veiled |= o.hidden() || store_.iceberg(o);
        before = slot;
    }
    require(count == level.count && level.tail == before && count > 0, "a queue does not end where its level says");
    require(qty == level.qty && qty <= MAX_LEVEL_QTY, "a level's total is not the sum of its orders");
    require(!veiled || level.unshown, "a level does not know that it does not show everything");
    ++seen.levels;
    if (!level.unshown) return;
    ++seen.unshown;
    const Unshown& told = store_.unshown[level.unshown];
    require(told.qty == unshown.qty && told.orders == unshown.orders && told.last_shown == unshown.last_shown, "what a level does not show is miscounted");
}

// Wherever it stands.
inline void Matcher::check_order(const Book& b, uint32_t slot, uint32_t at, Census& seen) const {
    using detail::require;
    const Order& o = store_.orders[slot];
    require(o.level == at && o.instrument == b.id, "an order does not know where it stands");
    require(o.leaves > 0 && o.leaves <= o.qty && o.qty <= MAX_QTY, "an order's quantities are impossible");
    require(o.id <= last_order_id_ && store_.index.find(o.id) == slot, "an order is not found by its id");
    ++seen.orders;
    seen.waiting += o.waiting();
    const bool expires = o.time_in_force == GTD;
    require((o.extra != 0) == (o.waiting() || expires || store_.iceberg(o)), "an order has an extra that it does not need, or lacks one");
    if (!o.extra) return;
    const Extra& extra = store_.extras[o.extra];
    require(extra.order == slot, "an extra does not know its order");
    require(!expires || (extra.due_at < store_.expiries.size() && store_.expiries.item(extra.due_at) == o.extra), "a GTD order will not expire");
    require(!expires || store_.expiries.due(extra.due_at) == extra.expire_time, "a GTD order will expire at another time");
    ++seen.extras;
    seen.expiries += expires;
    seen.icebergs += extra.display_qty != 0;
    seen.refreshes += Store::refreshes_of(extra.display_qty, o.leaves);
}

inline void Matcher::check_waiting(const Book& b, const Waiting& there, bool deep, Census& seen) const {
    ++seen.waiting_books;
    for (unsigned side = 0; side < 2; ++side) {
        there.stops[side].check(store_, deep);
        there.stops[side].each(store_, [&](uint32_t at) {
            check_waiting_queue(b, at, int(side), seen);
            return true;
        });
    }
    if (there.at_close) check_waiting_queue(b, there.at_close, -1, seen);
}

// `side` of stops; -1: orders for the close.
inline void Matcher::check_waiting_queue(const Book& b, uint32_t at, int side, Census& seen) const {
    using detail::require;
    const Level& level = store_.levels[at];
    int64_t qty = 0;
    uint32_t before = 0, count = 0;
    for (uint32_t slot = level.head; slot; slot = store_.orders[slot].next) {
        const Order& o = store_.orders[slot];
        const bool stop = side >= 0;
        require(++count <= level.count, "a queue is longer than its level says");
        require(o.prev == before && o.waiting() && Waiting::stop(o) == stop && (!stop || o.side == side), "an order waits in the wrong queue");
        check_order(b, slot, at, seen);
        const int64_t stop_px = store_.extras[o.extra].stop_px;
        require(stop ? stop_px == b.price(level.key, !side) : stop_px == 0, "a stop waits for another price");
        require(store_.extras[o.extra].shown == 0, "a waiting order shows something");
        if (stop) qty += o.leaves;
        before = slot;
    }
    require(count == level.count && level.tail == before && count > 0, "a queue does not end where its level says");
    require(qty == level.qty && qty <= MAX_LEVEL_QTY && !level.unshown, "a level's total is not the sum of its orders");
    ++seen.levels;
}

}  // namespace tapewire::matcher
