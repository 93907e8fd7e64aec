// A log-linear histogram of durations in ns: 128 buckets for each power of two, so a bucket is at most 1/128 (0.8 %)
// as wide as the values in it.
//
//   value   0 … 127 │ 128 … 255 │ 256 … 511 │ 512 … 1023 │ …  │ 2^39 … 2^40-1 (18 minutes) and beyond
//   bucket  one each│ one each  │ 2 wide    │ 4 wide     │ …  │ 2^32 wide
//   index   0         128         256         384                4224 … 4351
//
// Plain memory without pointers: it may lie in a page that other processes read while one thread writes. Readers see
// counts that are each whole; a percentile taken while the writer runs is that of some moment during the reading.
#pragma once
#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace tapewire::histogram {

struct alignas(64) Histogram {
    static constexpr int SUB_BITS = 7, TOP_BITS = 40;
    static constexpr uint64_t SUB = 1 << SUB_BITS;
    static constexpr size_t BUCKETS = size_t(TOP_BITS - SUB_BITS + 1) * SUB;
    static constexpr uint64_t VALUE_MAX = (uint64_t{1} << TOP_BITS) - 1;

    uint64_t sum = 0, max = 0;  // of the values themselves, not of their buckets
    uint64_t counts[BUCKETS] = {};

    static size_t bucket_of(uint64_t value) {
        if (value > VALUE_MAX) [[unlikely]] value = VALUE_MAX;
        int shift = 63 - SUB_BITS - std::countl_zero(value | SUB);
        return size_t(shift) * SUB + size_t(value >> shift);
    }

    static uint64_t lowest_of(size_t bucket) {
        if (bucket < SUB) return bucket;
        size_t shift = bucket / SUB - 1;
        return (SUB + bucket % SUB) << shift;
    }

    static uint64_t highest_of(size_t bucket) { return bucket + 1 == BUCKETS ? VALUE_MAX : lowest_of(bucket + 1) - 1; }

    // One writer. A negative duration (a clock that was set back) counts as 0, one above 18 minutes in the last bucket.
    void record(int64_t ns) {
        uint64_t value = ns < 0 ? 0 : uint64_t(ns);
        bump(counts[bucket_of(value)], 1);
        bump(sum, value);
        if (value > max) store(max, value);
    }

    void merge(const Histogram& other) {
        for (size_t i = 0; i < BUCKETS; ++i)
            if (uint64_t n = load(other.counts[i])) bump(counts[i], n);
        bump(sum, load(other.sum));
        if (uint64_t theirs = load(other.max); theirs > max) store(max, theirs);
    }

    void reset() {
        for (uint64_t& n : counts) store(n, 0);
        store(sum, 0), store(max, 0);
    }

    uint64_t count() const {
        uint64_t total = 0;
        for (const uint64_t& n : counts) total += load(n);
        return total;
    }

    double mean() const {
        uint64_t total = count();
        return total ? double(load(sum)) / double(total) : 0.0;
    }

    // The smallest value that `percent` (0 to 100) of all values do not exceed, rounded up to the end of its bucket
    // but never above max; 0 if there is none.
    uint64_t percentile(double percent) const {
        uint64_t total = count(), seen = 0, greatest = load(max);
        // A hair less, so that 99.9 % of 20,000 are 19,980 and not, by the rounding of 0.999, one more.
        double exact = percent / 100.0 * double(total) * (1.0 - 1e-12);
        uint64_t wanted = exact <= 1.0 ? 1 : uint64_t(std::ceil(exact));
        if (total == 0) return 0;
        for (size_t i = 0; i < BUCKETS; ++i) {
            seen += load(counts[i]);
            if (seen >= wanted) return i + 1 == BUCKETS || highest_of(i) > greatest ? greatest : highest_of(i);
        }
        return greatest;
    }

  private:
    static uint64_t load(const uint64_t& at) { return std::atomic_ref<uint64_t>(const_cast<uint64_t&>(at)).load(std::memory_order_relaxed); }
    static void store(uint64_t& at, uint64_t value) { std::atomic_ref<uint64_t>(at).store(value, std::memory_order_relaxed); }
    static void bump(uint64_t& at, uint64_t n) { store(at, load(at) + n); }  // one writer: no locked instruction needed
};

static_assert(sizeof(Histogram) == (16 + 8 * Histogram::BUCKETS + 63) / 64 * 64);

}  // namespace tapewire::histogram
