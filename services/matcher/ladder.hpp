// The price levels of one side of a book, ordered from the best down.
//
// A level is known by its key: the price in ticks for bids, the complement of it for asks. On either side a greater key
// is a better price, so both sides run the same code and no branch depends on the side.
//
//     key    base                                  best            base + size
//            |------------- window: one slot per tick, -------------|
//     far    |              bitmaps say which are used              |        far
//     (map)  ---------------------------------------------------------      (map)
//
// Near the best price, finding a level is one array access and finding the next worse one is a search through up to
// four words of 64-ary bitmaps. Prices beyond the window live in an ordered map. Every touch of the map costs patience;
// when that is used up the window is laid anew around the best price, grown to take in 15 of 16 levels where their number
// justifies it. So the cost of a rebuild is spread, and no sequence of prices makes a single touch more than a map's.
// Where the window lies never shows in what the book does.
#pragma once
#include <bit>
#include <climits>
#include <cstring>
#include <map>

#include "services/matcher/orders.hpp"

namespace tapewire::matcher {

inline constexpr int64_t NO_KEY = INT64_MIN;

struct Ladder {
    // Greatest key <= bound that has a level; 0 if there is none.
    uint32_t at_or_below(int64_t bound) const {
        const uint64_t i = uint64_t(bound) - uint64_t(base_);
        if (i < size_) [[likely]]
            if (const uint32_t level = window_below(i)) return level;
        return at_or_below_anywhere(bound);
    }

    // Least key >= bound that has a level; 0 if there is none.
    uint32_t at_or_above(int64_t bound) const {
        if (bound > best_key) return 0;
        const uint64_t i = bound < base_ ? 0 : uint64_t(bound) - uint64_t(base_);
        const uint32_t near = i < size_ ? window_above(i) : 0;
        return far_ ? at_or_above_far(bound, near) : near;
    }

    // The level of exactly this key, or 0.
    uint32_t find(int64_t key) const {
        const uint64_t i = uint64_t(key) - uint64_t(base_);
        if (i < size_) [[likely]] return slots_[i];
        if (!far_) return 0;
        const auto found = far_->find(key);
        return found == far_->end() ? 0 : found->second;
    }

    // `key` has no level yet.
    void insert(Store& store, int64_t key, uint32_t level) {
        ++count_;
        if (key > best_key) best_key = key, best_level = level;
        const uint64_t i = uint64_t(key) - uint64_t(base_);
        if (i < size_) [[likely]] return set(i, level);
        insert_far(store, key, level);
    }

    // `key` has a level.
    void erase(Store& store, int64_t key) {
        --count_;
        const uint64_t i = uint64_t(key) - uint64_t(base_);
        if (i < size_) [[likely]] clear(i);
        else erase_far(key);
        if (key == best_key) next_best(store);
    }

    // f(level) from the best down, until it returns false.
    template <class F>
    void each(const Store& store, F&& f) const {
        for (uint32_t level = best_level; level && f(level);) level = at_or_below(store.levels[level].key - 1);
    }

    void open() { *this = Ladder{}; }

    void close() {
        std::free(slots_);
        delete far_;
        open();
    }

    uint32_t count() const { return count_; }
    uint32_t window() const { return size_; }
    size_t far_count() const { return far_ ? far_->size() : 0; }

    void check(const Store& store, bool deep) const;  // see invariants.hpp

    int64_t best_key = NO_KEY;
    uint32_t best_level = 0;

  private:
    using Far = std::pmr::map<int64_t, uint32_t, std::greater<>>;

    static constexpr uint32_t MIN_WINDOW = 1 << 8, MAX_WINDOW = 1 << 20, TICKS_PER_LEVEL = 1 << 8;
    static constexpr uint32_t PATIENCE = 16;

    // The bitmaps lie behind the slots, each level's words behind the one below it: bit i of a level says that word i
    // of the level below is not zero.
    static constexpr uint32_t words(uint32_t bits) { return (bits + 63) / 64; }

    void set(uint64_t i, uint32_t level) {
        slots_[i] = level;
        uint64_t* bits = bits_;
        for (uint32_t n = size_;; n = words(n)) {
            uint64_t& word = bits[i / 64];
            const bool known = word != 0;
            word |= uint64_t{1} << (i % 64);
            if (known || n <= 64) return;
            bits += words(n);
            i /= 64;
        }
    }

    void clear(uint64_t i) {
        slots_[i] = 0;
        uint64_t* bits = bits_;
        for (uint32_t n = size_;; n = words(n)) {
            uint64_t& word = bits[i / 64];
            word &= ~(uint64_t{1} << (i % 64));
            if (word || n <= 64) return;
            bits += words(n);
            i /= 64;
        }
    }

    uint32_t window_below(uint64_t i) const {
        const uint64_t* bits = bits_;
        uint64_t word = bits[i / 64] & (~uint64_t{0} >> (63 - i % 64));
        if (word) [[likely]] return slots_[(i & ~uint64_t{63}) + 63 - std::countl_zero(word)];
        uint32_t n = size_;
        int height = 0;
        while (!word) {  // climb until some word further down has a bit
            if (n <= 64) return 0;
            bits += words(n);
            n = words(n);
            i /= 64;
            ++height;
            word = bits[i / 64] & ((uint64_t{1} << (i % 64)) - 1);
        }
        for (i = (i & ~uint64_t{63}) + 63 - std::countl_zero(word); height; --height) {
            bits = bits_;
            n = size_;
            for (int below = 1; below < height; ++below) bits += words(n), n = words(n);
            i = i * 64 + 63 - std::countl_zero(bits[i]);
        }
        return slots_[i];
    }

    uint32_t window_above(uint64_t i) const {
        const uint64_t* bits = bits_;
        uint64_t word = bits[i / 64] & (~uint64_t{0} << (i % 64));
        uint32_t n = size_;
        int height = 0;
        while (!word) {  // climb until some word further up has a bit
            if (n <= 64) return 0;
            bits += words(n);
            n = words(n);
            i /= 64;
            ++height;
            word = bits[i / 64] & (~uint64_t{1} << (i % 64));
        }
        for (i = (i & ~uint64_t{63}) + std::countr_zero(word); height; --height) {
            bits = bits_;
            n = size_;
            for (int below = 1; below < height; ++below) bits += words(n), n = words(n);
            i = i * 64 + std::countr_zero(bits[i]);
        }
        return slots_[i];
    }

    uint32_t at_or_below_anywhere(int64_t bound) const;
    uint32_t at_or_above_far(int64_t bound, uint32_t near) const;
    void next_best(Store& store);
    void insert_far(Store& store, int64_t key, uint32_t level);
    void erase_far(int64_t key);
    void touched_far(Store& store);
    void rebuild(Store& store);
    uint32_t wanted_window(const std::vector<std::pair<int64_t, uint32_t>>& all) const;

    int64_t base_ = 0;
    uint32_t* slots_ = nullptr;
    uint64_t* bits_ = nullptr;
    Far* far_ = nullptr;  // null or not empty
    uint32_t size_ = 0;   // ticks in the window, a power of two; 0: there is none yet
    uint32_t count_ = 0;
    uint32_t patience_ = 0;  // touches of the far map until the window is laid anew
    uint32_t unused_ = 0;
};
static_assert(sizeof(Ladder) == 64);

// For a bound above the window, or with nothing in the window below it.
inline uint32_t Ladder::at_or_below_anywhere(int64_t bound) const {
    const bool above = size_ && bound >= base_ + int64_t(size_);
    if (!far_) return above ? window_below(size_ - 1) : 0;
    const auto far = far_->lower_bound(bound);  // the greatest key <= bound
    const bool found = far != far_->end();
    if (above && !(found && far->first > base_))
        if (const uint32_t level = window_below(size_ - 1)) return level;
    return found ? far->second : 0;
}

// `near`: the least one in the window, if there is one.
inline uint32_t Ladder::at_or_above_far(int64_t bound, uint32_t near) const {
    auto far = far_->lower_bound(bound);  // the greatest key <= bound
    if (far == far_->end() || far->first != bound) {
        if (far == far_->begin()) return near;
        --far;
    }
    return near && far->first >= base_ ? near : far->second;
}

inline void Ladder::next_best(Store& store) {
    best_level = count_ ? at_or_below(best_key - 1) : 0;
    const Level& level = store.levels[best_level];
    best_key = best_level ? level.key : NO_KEY;
    __builtin_prefetch(&store.orders[level.head]);  // who trades next; of no level: slot 0, which is there
    if (best_level && uint64_t(best_key) - uint64_t(base_) >= size_) [[unlikely]] touched_far(store);
}

inline void Ladder::insert_far(Store& store, int64_t key, uint32_t level) {
    if (!far_) far_ = new Far(store.nodes.get());
    far_->emplace(key, level);
    touched_far(store);
}

inline void Ladder::erase_far(int64_t key) {
    far_->erase(key);
    if (!far_->empty()) return;
    delete far_;
    far_ = nullptr;
}

inline void Ladder::touched_far(Store& store) {
    if (patience_) --patience_;
    else rebuild(store);
}

// How many ticks take in 15 of 16 levels, three quarters of the window lying below the best.
inline uint32_t Ladder::wanted_window(const std::vector<std::pair<int64_t, uint32_t>>& all) const {
    const uint64_t depth = uint64_t(best_key) - uint64_t(all[all.size() - 1 - all.size() / 16].first);
    const uint64_t affordable = std::min<uint64_t>(MAX_WINDOW, std::bit_floor(uint64_t{TICKS_PER_LEVEL} * all.size()));
    const uint64_t wanted = std::bit_ceil(std::min<uint64_t>(depth, MAX_WINDOW) * 3 / 2 + 1);
    return std::max({MIN_WINDOW, size_, uint32_t(std::min(wanted, affordable))});
}

inline void Ladder::rebuild(Store& store) {
    std::vector<std::pair<int64_t, uint32_t>> all;  // from the best down
    all.reserve(count_);
    each(store, [&](uint32_t level) {
        all.emplace_back(store.levels[level].key, level);
        return true;
    });
    const uint32_t size = wanted_window(all);
    if (size == size_) {
        for (const auto& [key, level] : all)
            if (const uint64_t i = uint64_t(key) - uint64_t(base_); i < size_) clear(i);
    } else {
        uint32_t bitmap_words = 0;
        for (uint32_t n = size; n > 1; n = words(n)) bitmap_words += words(n);
        std::free(slots_);
        slots_ = static_cast<uint32_t*>(std::calloc(1, size * sizeof(uint32_t) + bitmap_words * sizeof(uint64_t)));
        if (!slots_) throw std::bad_alloc();
        bits_ = reinterpret_cast<uint64_t*>(slots_ + size);
        size_ = size;
    }
    base_ = best_key - int64_t(size / 4 * 3);
    if (far_) far_->clear();
    for (const auto& [key, level] : all) {
        const uint64_t i = uint64_t(key) - uint64_t(base_);
        if (i < size_) {
            set(i, level);
            continue;
        }
        if (!far_) far_ = new Far(store.nodes.get());
        far_->emplace_hint(far_->end(), key, level);
    }
    if (far_ && far_->empty()) {
        delete far_;
        far_ = nullptr;
    }
    patience_ = PATIENCE + 2 * uint32_t(all.size());
}

}  // namespace tapewire::matcher
