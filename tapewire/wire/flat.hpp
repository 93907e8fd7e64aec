// Flat messages: make and check them. layout.hpp says where everything lies, relayout.hpp reads those that are not flat.
//
//   make<NewOrder>(room)      a blank message, ready for its fields to be assigned
//   check(bytes, n)           is this exactly a flat message? bounded, safe on hostile bytes
#pragma once
#include <bit>
#include <cstring>
#include <type_traits>

#include "tapewire/wire/layout.hpp"

namespace tapewire::wire {

static_assert(std::endian::native == std::endian::little, "Cap'n Proto is little endian, and so is the flat layout");

inline constexpr size_t HEADER_AT = 16;
inline constexpr size_t DATA_AT = HEADER_AT + sizeof(Header);
inline constexpr size_t MAX_MESSAGE = 1 << 20;  // what NATS carries by default, too

enum class Fault : int {
    none = 0,
    truncated = 1,     // shorter than it says
    not_flat = 2,      // Cap'n Proto perhaps, but not of the flat layout: relayout may help
    unknown_type = 3,  // header.type is none of ours
    bad_pointer = 4,   // a pointer leads outside, or to something of the wrong kind
    too_long = 5,      // a text exceeds its room, or the message MAX_MESSAGE
};

inline uint64_t load64(const uint8_t* p) {
    uint64_t v;
    std::memcpy(&v, p, 8);
    return v;
}

inline void store64(uint8_t* p, uint64_t v) { std::memcpy(p, &v, 8); }

constexpr size_t pad8(size_t n) { return (n + 7) & ~size_t{7}; }

// The low half of a list pointer that lies at byte `from` and leads to byte `to`.
inline uint32_t list_offset(size_t from, size_t to) { return uint32_t((to - from - 8) / 8) << 2 | 1; }

template <class M>
inline M* make(void* room) {
    static_assert(std::is_trivially_copyable_v<M>);
    std::memcpy(room, BLANKS[size_t(M::TYPE)], sizeof(M));
    return static_cast<M*>(room);
}

inline const Header& header(const uint8_t* message) { return *reinterpret_cast<const Header*>(message + HEADER_AT); }
inline uint16_t type_of(const uint8_t* message) { return uint16_t(header(message).type); }
inline Header& header(uint8_t* message) { return *reinterpret_cast<Header*>(message + HEADER_AT); }

// Sets a text that has room; `n` excludes the NUL. False if it does not fit.
template <size_t Room>
inline bool set_text(uint64_t& pointer, char (&room)[Room], const char* text, size_t n) {
    if (n >= Room) return false;
    std::memcpy(room, text, n);
    std::memset(room + n, 0, Room - n);
    pointer = (pointer & 0xffffffffull) | uint64_t(2 | (n + 1) << 3) << 32;
    return true;
}

inline size_t text_length(uint64_t pointer) { return pointer ? size_t(pointer >> 35) - 1 : 0; }

// Appends the tail text of the message `m` that has nothing in its tail yet; returns the whole length.
inline size_t set_tail_text(uint8_t* m, const PointerLayout& at, const MessageLayout& layout, const char* text, size_t n) {
    if (n == 0) return layout.bytes;
    size_t where = layout.pointers_at + 8 * at.index, total = layout.bytes + pad8(n + 1);
    std::memset(m + layout.bytes, 0, total - layout.bytes);
    std::memcpy(m + layout.bytes, text, n);
    store64(m + where, list_offset(where, layout.bytes) | uint64_t(2 | (n + 1) << 3) << 32);
    store64(m, uint64_t(total / 8 - 1) << 32);
    return total;
}

// Sets pointer and tag of a tail list of `count` elements, whose data follow at layout.bytes + 8; returns the whole length.
inline size_t set_tail_list(uint8_t* m, const PointerLayout& at, const MessageLayout& layout, size_t count) {
    size_t where = layout.pointers_at + 8 * at.index;
    size_t total = layout.bytes + (count ? 8 + 8 * count * at.element_words : 0);
    if (count) {
        store64(m + where, list_offset(where, layout.bytes) | uint64_t(7 | (count * at.element_words) << 3) << 32);
        store64(m + layout.bytes, uint64_t(count) << 2 | uint64_t(at.element_words) << 32);
    }
    store64(m, uint64_t(total / 8 - 1) << 32);
    return total;
}

inline Fault check(const uint8_t* p, size_t n) {
    if (n < DATA_AT || n % 8) return Fault::truncated;
    if (n > MAX_MESSAGE) return Fault::too_long;
    uint64_t framing = load64(p);
    if (uint32_t(framing)) return Fault::not_flat;
    if ((framing >> 32) * 8 + 8 != n) return Fault::truncated;
    size_t type = size_t(header(p).type);
    if (type >= TYPE_COUNT || !LAYOUTS[type].bytes) return load64(p + 8) >> 2 & 0x3fffffff ? Fault::unknown_type : Fault::not_flat;
    const MessageLayout& layout = LAYOUTS[type];
    if (load64(p + 8) != layout.root || n < layout.bytes) return Fault::not_flat;
    if (load64(p + layout.pointers_at + 8 * layout.header_index) != layout.header_pointer) return Fault::not_flat;
    size_t end = layout.bytes;
    for (size_t i = 0; i < layout.pointer_count; ++i) {
        const PointerLayout& at = layout.pointers[i];
        size_t where = layout.pointers_at + 8 * at.index;
        uint64_t pointer = load64(p + where);
        if (pointer == 0 && at.kind != 1) continue;
        if (uint32_t(pointer) != list_offset(where, at.room_at)) return Fault::not_flat;
        size_t count = pointer >> 35;
        if (at.kind == 3) {
            if ((pointer >> 32 & 7) != 7 || count % at.element_words || count > (n - layout.bytes) / 8) return Fault::bad_pointer;
            end = layout.bytes + 8 + 8 * count;
            if (end > n) return Fault::bad_pointer;
            if (load64(p + layout.bytes) != (uint64_t(count / at.element_words) << 2 | uint64_t(at.element_words) << 32)) return Fault::not_flat;
        } else {
            if ((pointer >> 32 & 7) != 2 || count == 0) return Fault::bad_pointer;
            if (at.kind == 1 ? count > at.room : count > n - layout.bytes) return Fault::bad_pointer;
            if (p[at.room_at + count - 1]) return Fault::bad_pointer;
            if (at.kind == 2) end = layout.bytes + pad8(count);
        }
    }
    return end == n ? Fault::none : Fault::not_flat;
}

}  // namespace tapewire::wire
