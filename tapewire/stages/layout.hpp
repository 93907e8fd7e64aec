// The bytes of a stage log, drawn here and nowhere else.
//
//      0  ┌ identity: written once, before the file has its name ───────────────────────────┐
//         │ magic u64 │ version u32 │ slots u32 │ check u64                                 │
//    128  ├ count u64: batches recorded since the log was made; the writer writes it        ┤
//   4096  ├ slots: `slots` of 64 bytes, a power of two ─────────────────────────────────────┤
//         │  ┌ batch number i (from 0) lies in slot i & (slots - 1) ─────────────────────┐  │
//         │  │ stamp u64 │ first seq u64 │ last seq u64 │ began │ matched │ written │    │  │
//         │  │ durable │ released: i64 each, UTC ns; 0: this stage was not looked at     │  │
//         │  └───────────────────────────────────────────────────────────────────────────┘  │
//         └─────────────────────────────────────────────────────────────────────────────────┘
//
// `stamp` is i + 1 once batch i is whole, and 0 while a batch is being written: a reader looks at it before and after it
// copies, and takes only what had the stamp it expects both times. So it never waits for the writer, nor the writer for
// it, and it can tell when it was overtaken. A writer killed at any instruction leaves one slot with stamp 0, which
// lies past `count` and is the first that the next writer writes.
//
// It lies in memory and not beside the segments: who writes into a page of a file on a disk may have to wait for that disk.
#pragma once
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace tapewire::stages {

inline constexpr uint64_t MAGIC = 0x5345474154505754;  // "TWPTAGES"
inline constexpr uint32_t VERSION = 1;
inline constexpr size_t DATA_AT = 4096;
inline constexpr uint32_t SLOTS_MIN = 4, SLOTS_MAX = 1 << 24, SLOTS = 1 << 16;

struct Identity {
    uint64_t magic;
    uint32_t version, slots;
    uint64_t check;

    uint64_t expected_check() const {
        uint64_t sum = 0xcbf29ce484222325;
        for (uint64_t word : {magic, uint64_t(version) << 32 | slots}) sum = (sum ^ word) * 0x9e3779b97f4a7c15, sum ^= sum >> 29;
        return sum;
    }
};

// One batch: the records first to last of the tape, and when each stage was behind it. UTC ns.
struct Batch {
    uint64_t first, last;
    int64_t began, matched, written, durable, released;
};

struct Shared {
    Identity identity;
    alignas(128) std::atomic<uint64_t> count;
};

struct Slot {
    static constexpr size_t WORDS = sizeof(Batch) / 8;
    std::atomic<uint64_t> stamp, words[WORDS];
};

static_assert(std::atomic<uint64_t>::is_always_lock_free, "a lock inside shared memory would not survive its holder");
static_assert(sizeof(Slot) == 64 && sizeof(Batch) == 56 && offsetof(Shared, count) == 128 && sizeof(Shared) <= DATA_AT);
static_assert(std::endian::native == std::endian::little);

constexpr bool slots_ok(uint64_t slots) { return std::has_single_bit(slots) && slots >= SLOTS_MIN && slots <= SLOTS_MAX; }

}  // namespace tapewire::stages
