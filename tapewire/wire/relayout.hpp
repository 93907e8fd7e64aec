// Messages that others laid out: by another library, or by another version of the schemas.
//
//   relayout(in, n, out, cap, length, drops)  any Cap'n Proto encoding of a known message -> the flat one
//
// As Cap'n Proto has it, what is missing at the end of a section is 0: fields the writer did not know are empty, fields
// this build does not know are dropped. `drops` says whether one of those was set: if none was, both hold the same value.
#pragma once
#include "tapewire/wire/flat.hpp"

namespace tapewire::wire {

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

// Whether any of the words from `from` up to `to` is not 0.
inline bool any_word(const uint8_t* p, size_t from, size_t to) {
    for (size_t i = from; i < to; ++i)
        if (load64(p + 8 * i)) return true;
    return false;
}

// `set` becomes true if a pointer leads to something else than a default: none, an empty text or list, a struct of which
// nothing is set.
inline Fault look_behind(const Walker& walker, const uint8_t* where, bool& set) {
    Walker::Target t;
    if (Fault f = walker.follow(where, t); f != Fault::none) return f;
    if (!t.at) return Fault::none;
    const size_t count = t.pointer >> 35;
    switch (t.pointer & 3) {
        case 0: {
            const size_t words = (t.pointer >> 32 & 0xffff) + (t.pointer >> 48);
            if (words > t.words) return Fault::bad_pointer;
            set |= any_word(t.at, 0, words);
            return Fault::none;
        }
        case 1:
            if (count == 1 && (t.pointer >> 32 & 7) == 2) {
                if (!t.words) return Fault::bad_pointer;
                set |= t.at[0] != 0;
            } else {
                set |= count != 0 || ((t.pointer >> 32 & 7) == 7 && t.words && load64(t.at) >> 2 & 0x3fffffff);
            }
            return Fault::none;
        default: set = true; return Fault::none;
    }
}

// Whether a struct has something set behind the `data_words` and `pointer_words` that this build knows.
inline Fault look_beyond(const Walker& walker, const StructAt& from, size_t data_words, size_t pointer_words, bool& set) {
    set |= any_word(from.data, data_words, from.data_words);
    for (size_t i = pointer_words; i < from.pointer_words; ++i)
        if (Fault f = look_behind(walker, from.data + 8 * (from.data_words + i), set); f != Fault::none) return f;
    return Fault::none;
}

inline Fault copy_list(const Walker::Target& t, const PointerLayout& at, const MessageLayout& layout, uint8_t* out, size_t cap, size_t& end,
                       bool& drops) {
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
        drops |= any_word(t.at + 8 + 8 * i * stride, both, stride);
    }
    return Fault::none;
}

}  // namespace detail

// `length` receives the flat message's size, `drops` whether a field is set that has no place in it. `out` must not overlap
// `in`; cap >= MAX_MESSAGE takes any.
inline Fault relayout(const uint8_t* in, size_t n, uint8_t* out, size_t cap, size_t& length, bool& drops) {
    drops = false;
    Walker walker;
    if (Fault f = walker.open(in, n); f != Fault::none) return f;
    detail::StructAt root, head;
    if (Fault f = detail::struct_at(walker, walker.root(), root); f != Fault::none) return f;
    if (!root.data || root.pointer_words == 0) return Fault::not_flat;
    const uint8_t* pointers = root.data + 8 * root.data_words;
    if (Fault f = detail::struct_at(walker, pointers, head); f != Fault::none) return f;
    Header header{};
    constexpr size_t HEADER_WORDS = sizeof header / 8;
    if (head.data) std::memcpy(&header, head.data, 8 * (head.data_words < HEADER_WORDS ? head.data_words : HEADER_WORDS));
    if (Fault f = detail::look_beyond(walker, head, HEADER_WORDS, 0, drops); f != Fault::none) return f;
    size_t type = size_t(header.type);
    if (type >= TYPE_COUNT || !LAYOUTS[type].bytes) return Fault::unknown_type;
    const MessageLayout& layout = LAYOUTS[type];
    if (layout.bytes > cap) return Fault::too_long;
    if (Fault f = detail::look_beyond(walker, root, layout.data_words, layout.pointer_words, drops); f != Fault::none) return f;
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
        Fault f = at.kind == 3 ? detail::copy_list(t, at, layout, out, cap, length, drops) : detail::copy_text(t, at, layout, out, cap, length);
        if (f != Fault::none) return f;
    }
    return Fault::none;
}

// Of a reader, who does not miss what it does not know.
inline Fault relayout(const uint8_t* in, size_t n, uint8_t* out, size_t cap, size_t& length) {
    bool drops;
    return relayout(in, n, out, cap, length, drops);
}

}  // namespace tapewire::wire
