// A frame: the head of schemas/tape.capnp and one flat message. Written and judged here, and nowhere else.
//
//      0        4        8     10    12       16
//      | length | crc32c | type| flg | index  | one flat message: whole words, so the next frame is aligned
//
// The sum covers all but itself. A frame always leaves PADDING_MIN bytes or more at the end of its segment, even if it
// turns out shorter than what was reserved, so that a padding frame has room there; its message is zeros, and its end
// is the segment's end.
#pragma once
#include <algorithm>

#include "tapewire/tape/crc32c.hpp"
#include "tapewire/wire/flat.hpp"

namespace tapewire::tape {

struct FrameHead {
    uint32_t length;
    uint32_t crc;
    uint16_t type;
    uint16_t flags;
    uint32_t index;
};
static_assert(sizeof(FrameHead) == 16 && offsetof(FrameHead, crc) == 4 && offsetof(FrameHead, index) == 12);

inline constexpr uint64_t HEAD = sizeof(FrameHead);
inline constexpr uint64_t PADDING_MIN = HEAD + 8;
inline constexpr uint16_t FLAG_DISK = 1, FLAG_PADDING = 2;
inline constexpr uint16_t FLAGS_KNOWN = FLAG_DISK | FLAG_PADDING;
inline constexpr uint64_t MESSAGE_MIN = wire::DATA_AT;      // bytes: framing, root pointer and header
inline constexpr uint64_t MESSAGE_MAX = wire::MAX_MESSAGE;  // bytes

constexpr uint64_t frame_bytes(uint64_t message) { return HEAD + message; }

// May a frame of `bytes` stand where `room` bytes are left in the segment?
constexpr bool fits(uint64_t bytes, uint64_t room) { return bytes + PADDING_MIN <= room; }

inline FrameHead load_head(const uint8_t* frame) {
    FrameHead head;
    std::memcpy(&head, frame, HEAD);
    return head;
}

#if defined(__x86_64__)
TAPEWIRE_CRC32 inline uint32_t frame_crc_sse42(const uint8_t* frame, size_t n) {
    uint32_t length;
    std::memcpy(&length, frame, 4);
    uint64_t crc = _mm_crc32_u32(~0u, length);
    for (const uint8_t *p = frame + 8, *end = frame + HEAD + n; p < end; p += 8) {
        uint64_t word;
        std::memcpy(&word, p, 8);
        crc = _mm_crc32_u64(crc, word);
    }
    return ~uint32_t(crc);
}
#endif

inline uint32_t frame_crc_table(const uint8_t* frame, size_t n) {
    return ~crc32c::extend_table(crc32c::extend_table(~0u, frame, 4), frame + 8, 8 + n);
}

// `n` is a multiple of 8.
inline uint32_t frame_crc(const uint8_t* frame, size_t n) {
#if defined(__x86_64__)
    if (crc32c::HAS_SSE42) [[likely]] return frame_crc_sse42(frame, n);
#endif
    return frame_crc_table(frame, n);
}

// Completes the frame whose message of `n` bytes already stands behind the head.
inline void seal_frame(uint8_t* frame, uint32_t n, uint16_t type, uint16_t flags, uint32_t index) {
    FrameHead head{n, 0, type, flags, index};
    std::memcpy(frame, &head, HEAD);
    const uint32_t crc = frame_crc(frame, n);
    std::memcpy(frame + offsetof(FrameHead, crc), &crc, 4);
}

// The head of a padding frame over `room` bytes of which all but the head are zero, wherever they are.
inline FrameHead padding_head(uint64_t room, uint16_t flags) {
    static constexpr uint8_t ZEROS[4096] = {};
    FrameHead head{uint32_t(room - HEAD), 0, 0, uint16_t(flags | FLAG_PADDING), 0};
    const auto* p = reinterpret_cast<const uint8_t*>(&head);
    uint32_t crc = crc32c::extend(crc32c::extend(~0u, p, 4), p + 8, 8);
    for (uint64_t left = head.length; left;) {
        const uint64_t n = std::min<uint64_t>(left, sizeof ZEROS);
        crc = crc32c::extend(crc, ZEROS, n);
        left -= n;
    }
    head.crc = ~crc;
    return head;
}

// Is this head one that a writer could have written where `room` bytes are left? Says nothing about the sum.
inline bool head_plausible(const FrameHead& head, uint64_t room) {
    if (head.length % 8 || head.length == 0 || (head.flags & ~FLAGS_KNOWN) || room < PADDING_MIN) return false;
    if (head.flags & FLAG_PADDING) return frame_bytes(head.length) == room && head.type == 0 && head.index == 0;
    return head.length >= MESSAGE_MIN && head.length <= MESSAGE_MAX && fits(frame_bytes(head.length), room);
}

inline bool frame_ok(const uint8_t* frame, const FrameHead& head, uint64_t room) {
    return head_plausible(head, room) && frame_crc(frame, head.length) == head.crc;
}

// Of a frame that is not padding: does its message agree with its head?
inline bool message_agrees(const uint8_t* message, const FrameHead& head, uint64_t seq) {
    const wire::Header& header = wire::header(message);
    return header.seq == seq && uint16_t(header.type) == head.type && head.index < seq;
}

inline bool all_zero(const uint8_t* p, uint64_t n) {
    for (; n && (reinterpret_cast<uintptr_t>(p) & 7); ++p, --n)
        if (*p) return false;
    for (; n >= 64; p += 64, n -= 64) {
        uint64_t sum = 0;
        for (size_t i = 0; i < 64; i += 8) sum |= wire::load64(p + i);
        if (sum) return false;
    }
    for (; n; ++p, --n)
        if (*p) return false;
    return true;
}

// What is wrong with the frame at `frame`, for people.
inline std::string describe_fault(const uint8_t* frame, uint64_t room, uint64_t seq) {
    if (room < HEAD) return "the segment ends inside a frame";
    const FrameHead head = load_head(frame);
    char text[160];
    if (head.length == 0) return all_zero(frame, room) ? "nothing was written here" : "a frame of length 0 before other bytes";
    if (!head_plausible(head, room)) {
        std::snprintf(text, sizeof text, "a frame head that no writer writes (length %u, type %u, flags %u, room %llu)", head.length, head.type,
                      head.flags, (unsigned long long)room);
    } else if (const uint32_t crc = frame_crc(frame, head.length); crc != head.crc) {
        std::snprintf(text, sizeof text, "crc32c is %08x, the frame says %08x", crc, head.crc);
    } else {
        const wire::Header& header = wire::header(frame + HEAD);
        std::snprintf(text, sizeof text, "a record with seq %llu and type %u (frame type %u), expected seq %llu", (unsigned long long)header.seq,
                      unsigned(header.type), head.type, (unsigned long long)seq);
    }
    return text;
}

}  // namespace tapewire::tape
