// What a fuzzer's bytes mean: small decisions, small numbers, and now and then the numbers where arithmetic breaks.
//
// Any bytes are a sequence of commands, and most sequences are a market in which orders meet. So a generator that knows
// nothing comes far, and one that follows coverage (libFuzzer) changes commands, not garbage.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>

namespace tapewire::fuzz {

class Input {
  public:
    Input(const uint8_t* p, size_t n) : at_(p), end_(p + n) {}

    bool more() const { return at_ < end_; }
    uint8_t byte() { return more() ? *at_++ : 0; }
    uint64_t word() {
        uint64_t out = 0;
        for (int i = 0; i < 8; ++i) out |= uint64_t(byte()) << 8 * i;
        return out;
    }
    uint32_t below(uint32_t n) { return n <= 256 ? byte() % n : (byte() << 8 | byte()) % n; }
    bool one_in(uint32_t n) { return below(n) == n - 1; }  // zeros, which follow the end, are the usual case
    bool rarely() { return byte() >= 253; }

    template <class T, size_t N>
    T any(const T (&of)[N]) {
        return of[below(N)];
    }

    int64_t extreme() {
        static constexpr int64_t EXTREMES[] = {0,
                                               1,
                                               -1,
                                               INT64_MIN,
                                               INT64_MIN + 1,
                                               INT64_MAX,
                                               INT64_MAX - 1,
                                               int64_t{1} << 50,
                                               (int64_t{1} << 50) + 1,
                                               (int64_t{1} << 50) - 1,
                                               -(int64_t{1} << 50),
                                               int64_t{1} << 60,
                                               int64_t{1} << 62,
                                               int64_t{1} << 44,
                                               int64_t{1} << 32,
                                               10'000,
                                               10'001};
        const uint8_t which = byte();
        return which < 200 ? EXTREMES[which % std::size(EXTREMES)] : int64_t(word() >> (which - 200));
    }
    // Far from where a few more would overflow.
    int64_t moment() { return extreme() / 4; }
    // 1 to `most`, seldom anything.
    int64_t number(uint32_t most) { return rarely() ? extreme() : 1 + int64_t(below(most)); }

    template <class Enum>
    Enum some(uint16_t least, uint16_t most) {
        return Enum(rarely() ? uint16_t(extreme()) : uint16_t(least + below(uint32_t(most - least) + 1)));
    }

  private:
    const uint8_t *at_, *end_;
};

}  // namespace tapewire::fuzz
