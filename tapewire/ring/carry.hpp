// Records of one ring put into another of the same capacity, at the very positions they had: what makes carrying them over
// repeatable. They come as Consumer::poll_into copies them: length u32, 0 u32, the bytes, padded to a multiple of 8.
#pragma once
#include "tapewire/ring/ring.hpp"

namespace tapewire::ring {

enum class Carried : int {
    taken = 0,  // all of them are in the ring, now or from before
    full,       // some, in order; there is no room for the next
    gap,        // they begin behind what the ring has; nothing was written
    damaged,    // they are no records, or not of a ring like this one; nothing was written
    broken,     // the ring itself does not hold; error() of the producer says what was found
};

// `position` is where the first of the `n` bytes at `p` was written, `end` just past the last. What the ring has already
// is passed over.
inline Carried carry(Producer& to, const uint8_t* p, uint64_t n, uint64_t position, uint64_t end) {
    const uint64_t tail = to.tail();
    if (position > tail) return Carried::gap;
    uint64_t from = position == tail ? 0 : n + 1, word;
    for (uint64_t at = 0; at < n;) {
        if (n - at < RECORD_HEAD) return Carried::damaged;
        std::memcpy(&word, p + at, sizeof word);
        if (word > to.max_record() || stride_of(word) > n - at) return Carried::damaged;
        position = end_after(position, word, to.capacity());
        at += stride_of(word);
        if (position == tail) from = at;
    }
    if (position != end) return Carried::damaged;
    if (end <= tail) return Carried::taken;  // all of it from before
    if (from > n) return Carried::damaged;   // none of them ends where the ring does
    Write outcome = Write::ok;
    for (uint64_t at = from; at < n && outcome == Write::ok; at += stride_of(word)) {
        std::memcpy(&word, p + at, sizeof word);
        outcome = to.stage(p + at + RECORD_HEAD, uint32_t(word));
    }
    to.publish();
    return outcome == Write::ok ? Carried::taken : outcome == Write::full ? Carried::full : Carried::broken;
}

}  // namespace tapewire::ring
