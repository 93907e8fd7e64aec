// The bytes of a ring, drawn here and nowhere else.
//
//      0  ┌ identity: written once, before the file has its name ──────────────────────────┐
//         │ magic u64 │ version u32 │ data_at u32 │ capacity u64 │ first u64 │ id u64 │ check u64
//    128  ├ tail u64: position just past the last published record; the producer writes it ┤
//    256  ├ head u64: position just past the last released record; the consumer writes it  ┤
//   4096  ├ data: `capacity` bytes, a power of two ────────────────────────────────────────┤
//         │  ┌ record at a multiple of 8 ─────────────────────────────┐                    │
//         │  │ length u32 │ mark u32 │ `length` bytes │ up to 7 spare │ next record …      │
//         │  └────────────────────────────────────────────────────────┘                    │
//         └────────────────────────────────────────────────────────────────────────────────┘
//
// A position counts bytes since the ring began (from `first`, which lets a ring made anew go on counting where the
// lost one stopped). It never wraps in practice: 2^64 bytes are 58 years at 10 GB/s. Its place is data[position & (capacity - 1)].
// A record never wraps: where it would, a padding record fills the rest and the record starts at data[0]; both are
// published by one store of `tail`. What lies past `tail` does not exist, so a producer killed at any instruction
// leaves nothing half-written in sight, and the next one simply writes over it.
// `mark` is the record's kind mixed with its own position: stale or foreign bytes are not taken for a record.
//
// Exclusivity and life are byte-range locks of the open file description on bytes 0 (producer) and 1 (consumer):
// the kernel drops them on death, however it came. Only who holds both may remove the file, and nobody may shorten it: a
// side that has it open would find its memory gone (SIGBUS), and no check on its way could see that coming.
#pragma once
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace tapewire::ring {

inline constexpr uint64_t MAGIC = 0x474e495257504154;  // "TAPWRING"
inline constexpr uint32_t VERSION = 1;
inline constexpr uint32_t DATA_AT = 4096;
inline constexpr uint64_t CAPACITY_MIN = 4096, CAPACITY_MAX = uint64_t{1} << 32;
inline constexpr uint64_t RECORD_HEAD = 8;
inline constexpr uint64_t RECORDS_PER_CAPACITY_MIN = 4;  // max_record is capacity / 4: one always fits an empty ring, padding included
inline constexpr uint32_t MARK_RECORD = 0x7e1a5000, MARK_PADDING = 0x9d0c3000;

enum class Status : int {
    ok = 0,
    missing,       // no such file
    bad_magic,     // a file, but no ring
    bad_capacity,  // not a power of two within bounds, or the file's length disagrees with it
    busy,          // another live producer or consumer holds that side
    io,            // the operating system refused; the message says why
    exists,        // create: something of that name is there already
    bad_version,   // a ring of another version of Tapewire
    bad_position,  // not a multiple of 8, or the ring that is there is behind the position asked for
    damaged,       // its identity, a cursor or a record does not hold
};

enum class Role : int { producer = 0, consumer = 1, observer = 2 };

struct Identity {
    uint64_t magic;
    uint32_t version, data_at;
    uint64_t capacity, first, id, check;

    uint64_t expected_check() const {
        uint64_t sum = 0xcbf29ce484222325;
        for (uint64_t word : {magic, uint64_t(version) << 32 | data_at, capacity, first, id}) sum = (sum ^ word) * 0x9e3779b97f4a7c15, sum ^= sum >> 29;
        return sum;
    }
};

// 128 and not 64: the hardware fetches lines in pairs, which would make two cursors on neighbouring lines fight.
struct Shared {
    Identity identity;
    alignas(128) std::atomic<uint64_t> tail;
    alignas(128) std::atomic<uint64_t> head;
};

static_assert(std::atomic<uint64_t>::is_always_lock_free, "a lock inside shared memory would not survive its holder");
static_assert(offsetof(Shared, tail) == 128 && offsetof(Shared, head) == 256 && sizeof(Shared) <= DATA_AT && sizeof(Identity) == 48);
static_assert(std::endian::native == std::endian::little);

constexpr uint64_t stride_of(uint64_t length) { return (RECORD_HEAD + length + 7) & ~uint64_t{7}; }
constexpr uint64_t head_word(uint32_t length, uint32_t kind, uint64_t position) {
    return length | uint64_t(kind ^ uint32_t(position >> 3)) << 32;
}
// Where a record of `length` bytes ends that is written at `position`: the same in every ring of this capacity.
constexpr uint64_t end_after(uint64_t position, uint64_t length, uint64_t capacity) {
    const uint64_t left = capacity - (position & (capacity - 1)), stride = stride_of(length);
    return position + (stride > left ? left : 0) + stride;
}
constexpr bool capacity_ok(uint64_t capacity) {
    return std::has_single_bit(capacity) && capacity >= CAPACITY_MIN && capacity <= CAPACITY_MAX;
}

}  // namespace tapewire::ring
