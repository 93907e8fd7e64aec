// Flat messages: make, check and recover them. layout.hpp says where everything lies.
//
//   make<NewOrder>(room)      a blank message, ready for its fields to be assigned
//   check(bytes, n)           is this exactly a flat message? bounded, safe on hostile bytes
//   relayout(in, n, out, cap) any Cap'n Proto encoding of a known message -> the flat one; fields this build
//                             does not know are dropped, fields the writer did not know are 0
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

// Follows pointers through any Cap'n Proto message; every access is bounded by its segment.
class Walker {
  public:
    struct Target {
        const uint8_t* at = nullptr;  // the object's first byte; null for a null pointer
        size_t words = 0;             // what may be read from there
        uint64_t pointer = 0;
    };

    Fault open(const uint8_t* p, size_t n) {
        if (n < 8) return Fault::truncated;
        uint32_t last;
        std::memcpy(&last, p, 4);
        if (last >= MAX_SEGMENTS) return Fault::not_flat;
        count_ = last + 1;
        size_t at = pad8(4 + 4 * count_);
        for (size_t i = 0; i < count_; ++i) {
            if (n < 8 + 4 * i) return Fault::truncated;
            uint32_t words;
            std::memcpy(&words, p + 4 + 4 * i, 4);
            if (at > n || words > (n - at) / 8) return Fault::truncated;
            start_[i] = p + at;
            words_[i] = words;
            at += size_t{8} * words;
        }
        return words_[0] ? Fault::none : Fault::truncated;
    }

    Fault follow(const uint8_t* where, Target& out) const {
        uint64_t pointer = load64(where);
        out = {};
        if (pointer == 0) return Fault::none;
        if ((pointer & 3) == 2) {  // far: the pointer itself stands in another segment
            size_t pad = (pointer & 4) ? 2 : 1, segment = pointer >> 32, offset = uint32_t(pointer) >> 3;
            if (segment >= count_ || offset + pad > words_[segment]) return Fault::bad_pointer;
            const uint8_t* landing = start_[segment] + 8 * offset;
            if (pad == 1) {
                pointer = load64(landing);
                if ((pointer & 3) == 2) return Fault::bad_pointer;
                return place(landing, pointer, out);
            }
            uint64_t far = load64(landing);
            size_t target = far >> 32, word = uint32_t(far) >> 3;
            if ((far & 7) != 2 || target >= count_ || word > words_[target]) return Fault::bad_pointer;
            out.pointer = load64(landing + 8);
            out.at = start_[target] + 8 * word;
            out.words = words_[target] - word;
            return Fault::none;
        }
        return place(where, pointer, out);
    }

    const uint8_t* root() const { return start_[0]; }

  private:
    static constexpr size_t MAX_SEGMENTS = 64;

    Fault place(const uint8_t* where, uint64_t pointer, Target& out) const {
        for (size_t i = 0; i < count_; ++i) {
            if (where < start_[i] || where >= start_[i] + 8 * words_[i]) continue;
            int64_t word = (where - start_[i]) / 8 + 1 + (int32_t(uint32_t(pointer)) >> 2);
            if (word < 0 || size_t(word) > words_[i]) return Fault::bad_pointer;
            out = {start_[i] + 8 * word, words_[i] - size_t(word), pointer};
            return Fault::none;
        }
        return Fault::bad_pointer;
    }

    size_t count_ = 0;
    const uint8_t* start_[MAX_SEGMENTS] = {};
    size_t words_[MAX_SEGMENTS] = {};
};

namespace detail {

struct StructAt {
    const uint8_t* data = nullptr;
    size_t data_words = 0, pointer_words = 0;
};

inline Fault struct_at(const Walker& walker, const uint8_t* where, StructAt& out) {
    Walker::Target t;
    if (Fault f = walker.follow(where, t); f != Fault::none) return f;
    out = {};
    if (!t.at) return Fault::none;
    if (t.pointer & 3) return Fault::bad_pointer;
    out = {t.at, size_t(t.pointer >> 32 & 0xffff), size_t(t.pointer >> 48)};
    return out.data_words + out.pointer_words <= t.words ? Fault::none : Fault::bad_pointer;
}

inline Fault copy_text(const Walker::Target& t, const PointerLayout& at, const MessageLayout& layout, uint8_t* out, size_t cap, size_t& end) {
    size_t count = t.pointer >> 35;
    if ((t.pointer & 3) != 1 || (t.pointer >> 32 & 7) != 2 || count == 0 || pad8(count) > 8 * t.words) return Fault::bad_pointer;
    if (t.at[count - 1]) return Fault::bad_pointer;
    if (at.kind == 1) {
        if (count > at.room) return Fault::too_long;
        size_t where = layout.pointers_at + 8 * at.index;
        std::memcpy(out + at.room_at, t.at, count);
        store64(out + where, list_offset(where, at.room_at) | uint64_t(2 | count << 3) << 32);
        return Fault::none;
    }
    if (layout.bytes + pad8(count) > cap) return Fault::too_long;
    end = set_tail_text(out, at, layout, reinterpret_cast<const char*>(t.at), count - 1);
    return Fault::none;
}

inline Fault copy_list(const Walker::Target& t, const PointerLayout& at, const MessageLayout& layout, uint8_t* out, size_t cap, size_t& end) {
    if ((t.pointer & 3) != 1 || (t.pointer >> 32 & 7) != 7 || t.words == 0) return Fault::bad_pointer;
    uint64_t tag = load64(t.at);
    size_t count = uint32_t(tag) >> 2, words = tag >> 32 & 0xffff, stride = words + (tag >> 48), all = t.pointer >> 35;
    if ((tag & 3) || all > t.words - 1 || stride * count > all) return Fault::bad_pointer;
    if (count > (cap - layout.bytes) / (8 * at.element_words)) return Fault::too_long;
    if (layout.bytes + 8 + 8 * count * at.element_words > cap) return Fault::too_long;
    end = set_tail_list(out, at, layout, count);
    size_t both = words < at.element_words ? words : at.element_words;
    for (size_t i = 0; i < count; ++i) {
        uint8_t* element = out + layout.bytes + 8 + 8 * i * at.element_words;
        std::memset(element, 0, 8 * at.element_words);
        std::memcpy(element, t.at + 8 + 8 * i * stride, 8 * both);
    }
    return Fault::none;
}

}  // namespace detail

// `length` receives the flat message's size. `out` must not overlap `in`; cap >= MAX_MESSAGE takes any.
inline Fault relayout(const uint8_t* in, size_t n, uint8_t* out, size_t cap, size_t& length) {
    Walker walker;
    if (Fault f = walker.open(in, n); f != Fault::none) return f;
    detail::StructAt root, head;
    if (Fault f = detail::struct_at(walker, walker.root(), root); f != Fault::none) return f;
    if (!root.data || root.pointer_words == 0) return Fault::not_flat;
    const uint8_t* pointers = root.data + 8 * root.data_words;
    if (Fault f = detail::struct_at(walker, pointers, head); f != Fault::none) return f;
    Header header{};
    if (head.data) std::memcpy(&header, head.data, 8 * (head.data_words < 7 ? head.data_words : 7));
    static_assert(sizeof(Header) == 56);
    size_t type = size_t(header.type);
    if (type >= TYPE_COUNT || !LAYOUTS[type].bytes) return Fault::unknown_type;
    const MessageLayout& layout = LAYOUTS[type];
    if (layout.bytes > cap) return Fault::too_long;
    std::memcpy(out, BLANKS[type], layout.bytes);
    std::memcpy(out + HEADER_AT, &header, sizeof header);
    size_t both = root.data_words < layout.data_words ? root.data_words : layout.data_words;
    std::memcpy(out + layout.data_at, root.data, 8 * both);
    length = layout.bytes;
    for (size_t i = 0; i < layout.pointer_count; ++i) {
        const PointerLayout& at = layout.pointers[i];
        if (at.index >= root.pointer_words) continue;
        Walker::Target t;
        if (Fault f = walker.follow(pointers + 8 * at.index, t); f != Fault::none) return f;
        if (!t.at) continue;
        Fault f = at.kind == 3 ? detail::copy_list(t, at, layout, out, cap, length) : detail::copy_text(t, at, layout, out, cap, length);
        if (f != Fault::none) return f;
    }
    return Fault::none;
}

}  // namespace tapewire::wire
