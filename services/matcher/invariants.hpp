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

}  // namespace detail

// `deep`: look at every slot of the window, too.
inline void Ladder::check(const Store& store, bool deep) const {
    using detail::require;
    uint32_t walked = 0;
    int64_t last = INT64_MAX;
    each(store, [&](uint32_t level) {
        const int64_t key = store.levels[level].key;
        require(key < last, "levels are not in order");
        require(walked || (key == best_key && level == best_level), "the best level is not the first");
        require(find(key) == level, "a level is not found by its key");
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
    detail::check_free_list(store_.orders, [&](uint32_t slot) {
        require(store_.orders[slot].level == 0, "a free order stands in a level");
        return store_.orders[slot].next;
    });
    detail::check_free_list(store_.levels, [&](uint32_t slot) { return store_.levels[slot].head; });
    size_t orders = 0, levels = 0;
    for (const uint32_t id : instruments_) {
        const Book& b = books_[id];
        require(b.id == id && b.defined(), "an instrument is listed but not defined");
        require(!b.crossed(), "a book is crossed");
        for (unsigned side = 0; side < 2; ++side) {
            b.sides[side].check(store_, deep);
            b.sides[side].each(store_, [&](uint32_t at) {
                ++levels;
                orders += check_queue(b, side, at);
                return true;
            });
        }
    }
    require(levels == store_.levels.size(), "a level belongs to no book");
    require(orders == store_.orders.size(), "an order stands in no queue");
    require(!deep || orders == store_.index.live(), "the index knows an order that is not live");
}

// Returns how many orders stand in the level's queue.
inline size_t Matcher::check_queue(const Book& b, unsigned side, uint32_t at) const {
    using detail::require;
    const Level& level = store_.levels[at];
    int64_t qty = 0;
    uint32_t before = 0, count = 0;
    for (uint32_t slot = level.head; slot; slot = store_.orders[slot].next) {
        const Order& o = store_.orders[slot];
        require(++count <= level.count, "a queue is longer than its level says");
        require(o.prev == before && o.level == at && o.side == side && o.instrument == b.id, "an order stands in the wrong queue");
        require(o.leaves > 0 && o.leaves <= o.qty && o.qty <= MAX_QTY, "an order's quantities are impossible");
        require(o.id <= last_order_id_ && store_.index.find(o.id) == slot, "an order is not found by its id");
        qty += o.leaves;
        before = slot;
    }
    require(count == level.count && level.tail == before && count > 0, "a queue does not end where its level says");
    require(qty == level.qty && qty <= MAX_LEVEL_QTY, "a level's total is not the sum of its orders");
    return count;
}

}  // namespace tapewire::matcher
