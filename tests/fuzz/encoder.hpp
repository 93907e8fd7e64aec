// A Cap'n Proto message as some other writer might lay it out, made of a fuzzer's bytes: an older or newer schema's sizes,
// texts and lists anywhere, several segments, far and double-far pointers.
#pragma once
#include <algorithm>
#include <vector>

#include "tapewire/wire/flat.hpp"
#include "tests/fuzz/input.hpp"

namespace tapewire::fuzz {

class Encoder {
  public:
    explicit Encoder(Input& in) : in_(in), segments_(1 + in.below(3)) {}

    std::vector<uint8_t> message() {
        const Place root = allocate(1, 0);
        do type_ = in_.below(uint32_t(wire::TYPE_COUNT));
        while (in_.more() && !wire::LAYOUTS[type_].bytes);
        const wire::MessageLayout& layout = wire::LAYOUTS[type_];
        const uint32_t data = in_.one_in(2) ? in_.below(24) : uint32_t(layout.data_words);
        const uint32_t pointers = in_.one_in(2) ? in_.below(5) : uint32_t(layout.pointer_count) + 1;
        const Place body = allocate(data + pointers, in_.below(uint32_t(segments_.size())));
        for (uint32_t i = 0; i < data; ++i) put({body.segment, body.word + i}, in_.one_in(4) ? in_.word() : in_.byte());
        point(root, body, 0, uint64_t(data) | uint64_t(pointers) << 16);
        for (uint32_t i = 0; i < pointers; ++i) {
            const Place at{body.segment, body.word + data + i};
            if (i == layout.header_index) header(at);
            else if (!in_.one_in(3)) content(at, layout, i);
        }
        return framed();
    }

  private:
    struct Place {
        uint32_t segment, word;
    };

    void put(Place at, uint64_t value) { segments_[at.segment][at.word] = value; }

    Place allocate(uint32_t words, uint32_t segment) {
        const auto at = uint32_t(segments_[segment].size());
        segments_[segment].resize(at + words);
        return {segment, at};
    }

    static uint64_t near(Place at, Place to, uint32_t kind, uint64_t upper) {
        return uint64_t(uint32_t(int32_t(to.word) - int32_t(at.word) - 1) << 2 | kind) | upper << 32;
    }

    // `upper`: the half of the pointer that says how large its target is.
    void point(Place at, Place to, uint32_t kind, uint64_t upper) {
        if (at.segment == to.segment && !in_.one_in(9)) return put(at, near(at, to, kind, upper));
        if (in_.one_in(2)) {  // far: the pointer itself lies beside its target
            const Place pad = allocate(1, to.segment);
            put(pad, near(pad, to, kind, upper));
            return put(at, 2 | uint64_t(pad.word) << 3 | uint64_t(pad.segment) << 32);
        }
        const Place pad = allocate(2, in_.below(uint32_t(segments_.size())));
        put(pad, 2 | uint64_t(to.word) << 3 | uint64_t(to.segment) << 32);
        put({pad.segment, pad.word + 1}, kind | upper << 32);
        put(at, 6 | uint64_t(pad.word) << 3 | uint64_t(pad.segment) << 32);
    }

    void header(Place at) {
        const uint32_t words = in_.one_in(9) ? 7 + in_.below(3) : 7;
        const Place to = allocate(words, in_.below(uint32_t(segments_.size())));
        for (uint32_t i = 0; i < words; ++i) put({to.segment, to.word + i}, in_.byte());
        put({to.segment, to.word + 6}, type_ | uint64_t(in_.byte()) << 32);
        point(at, to, 0, words);
    }

    void content(Place at, const wire::MessageLayout& layout, uint32_t index) {
        const auto* end = layout.pointers + layout.pointer_count;
        const auto* found = std::find_if(layout.pointers, end, [&](const auto& p) { return p.index == index; });
        if (found != end && found->kind == 3) return list(at);
        const uint32_t n = in_.below(80);
        const Place to = allocate(n / 8 + 1, in_.below(uint32_t(segments_.size())));
        for (uint32_t i = 0; i < n / 8; ++i) put({to.segment, to.word + i}, in_.word());
        point(at, to, 1, 2 | uint64_t(n / 8 * 8 + 1) << 3);
    }

    void list(Place at) {
        const uint32_t count = in_.below(6), data = in_.below(5), pointers = in_.below(2), words = count * (data + pointers);
        const Place to = allocate(1 + words, in_.below(uint32_t(segments_.size())));
        put(to, uint64_t(count) << 2 | uint64_t(data) << 32 | uint64_t(pointers) << 48);
        for (uint32_t i = 1; i <= words; ++i) put({to.segment, to.word + i}, in_.byte());
        point(at, to, 1, 7 | uint64_t(words) << 3);
    }

    std::vector<uint8_t> framed() const {
        std::vector<uint32_t> table{uint32_t(segments_.size() - 1)};
        for (const auto& segment : segments_) table.push_back(uint32_t(segment.size()));
        if (table.size() % 2) table.push_back(0);
        std::vector<uint8_t> out(4 * table.size());
        std::memcpy(out.data(), table.data(), out.size());
        for (const auto& segment : segments_) {
            const auto* p = reinterpret_cast<const uint8_t*>(segment.data());
            out.insert(out.end(), p, p + 8 * segment.size());
        }
        return out;
    }

    Input& in_;
    std::vector<std::vector<uint64_t>> segments_;
    size_t type_ = 0;
};

}  // namespace tapewire::fuzz
