// Rows in PostgreSQL's binary COPY format, appended to a buffer.
//
//   "PGCOPY\n\xff\r\n\0" flags:u32 extension:u32      once, before the first row
//   fields:u16 { length:i32 bytes }*                  a row; length -1 = NULL; all numbers big endian
//   0xffff                                            once, after the last
//
// NUMERIC is sent as groups of four decimal digits: ndigits, weight (of the first group, in groups), sign, scale, groups.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace tapewire::postgres {

using i128 = __int128;
using u128 = unsigned __int128;

inline constexpr int64_t EPOCH_2000_US = 946'684'800'000'000;
inline constexpr int64_t DAY_NS = 86'400'000'000'000;

constexpr int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

class CopyBuffer {
public:
    std::vector<uint8_t> bytes;
    uint64_t rows = 0;

    void clear() { bytes.clear(), rows = 0; }

    void begin_row(int16_t fields) {
        if (bytes.empty()) {
            static constexpr uint8_t HEAD[19] = {'P', 'G', 'C', 'O', 'P', 'Y', '\n', 0xff, '\r', '\n', 0};
            append(HEAD, sizeof HEAD);
        }
        put16(uint16_t(fields));
        ++rows;
    }

    void end() {
        if (!bytes.empty()) put16(0xffff);
    }

    void null() { put32(0xffffffff); }
    void int2(int16_t v) { put32(2), put16(uint16_t(v)); }
    void int4(int32_t v) { put32(4), put32(uint32_t(v)); }
    void int8(int64_t v) { put32(8), put64(uint64_t(v)); }
    void boolean(bool v) { put32(1), bytes.push_back(v); }
    void timestamp(int64_t ns) { int8(floor_div(ns, 1000) - EPOCH_2000_US); }

    // A text that is UTF-8 already and holds no NUL.
    void text(std::string_view s) {
        put32(uint32_t(s.size()));
        append(s.data(), s.size());
    }

    // A text from outside. PostgreSQL refuses what is not UTF-8, and NUL: such bytes are taken for latin-1, NUL for U+FFFD.
    void foreign_text(std::string_view s);

    // mantissa x 10^exponent, exactly. `exponent` from -999 to 999.
    void numeric(i128 mantissa, int exponent);

    void numeric(uint64_t v) { numeric(i128(v), 0); }

private:
    void append(const void* from, size_t n) {
        const size_t at = bytes.size();
        bytes.resize(at + n);
        std::memcpy(bytes.data() + at, from, n);
    }
    void put16(uint16_t v) { v = __builtin_bswap16(v), append(&v, 2); }
    void put32(uint32_t v) { v = __builtin_bswap32(v), append(&v, 4); }
    void put64(uint64_t v) { v = __builtin_bswap64(v), append(&v, 8); }
};

inline void CopyBuffer::numeric(i128 mantissa, int exponent) {
    static constexpr uint32_t POW[4] = {1, 10, 100, 1000};
    const bool negative = mantissa < 0;
    u128 rest = negative ? -u128(mantissa) : u128(mantissa);
    uint16_t groups[16];  // the lowest first; 39 digits and a partial group need eleven
    int count = 0, lowest = 0;  // `lowest`: the weight of groups[0]
    // The lowest group may be cut by the point: its digits are taken off alone, so that nothing has to be multiplied.
    const int digits = exponent < 0 ? -exponent & 3 : 4 - (exponent & 3);
    lowest = exponent < 0 ? -((-exponent + 3) / 4) : exponent / 4;
    if (digits != 0 && digits != 4) {
        const uint32_t cut = POW[digits];
        groups[count++] = uint16_t(uint32_t(rest % cut) * POW[4 - digits]);
        rest /= cut;
    }
    while (rest >> 64) groups[count++] = uint16_t(rest % 10'000), rest /= 10'000;
    for (uint64_t low = uint64_t(rest); low; low /= 10'000) groups[count++] = uint16_t(low % 10'000);
    while (count && groups[count - 1] == 0) --count;
    int first = 0;
    while (first < count && groups[first] == 0) ++first;
    const int weight = count > first ? lowest + count - 1 : 0;
    put32(uint32_t(8 + 2 * (count - first)));
    put16(uint16_t(count - first));
    put16(uint16_t(weight));
    put16(negative && count > first ? 0x4000 : 0);
    put16(uint16_t(exponent < 0 ? -exponent : 0));
    for (int at = count; at-- > first;) put16(groups[at]);
}

// The length of the UTF-8 character at `p`, 0 if there is none (overlong, surrogate, cut off, above U+10FFFF).
inline size_t utf8_length(const uint8_t* p, size_t n) {
    const uint8_t a = p[0];
    if (a < 0x80) return 1;
    if (a < 0xc2 || a > 0xf4) return 0;
    const size_t length = a < 0xe0 ? 2 : a < 0xf0 ? 3 : 4;
    if (n < length) return 0;
    for (size_t i = 1; i < length; ++i)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if ((a == 0xe0 && p[1] < 0xa0) || (a == 0xed && p[1] > 0x9f) || (a == 0xf0 && p[1] < 0x90) || (a == 0xf4 && p[1] > 0x8f)) return 0;
    return length;
}

inline void CopyBuffer::foreign_text(std::string_view s) {
    const auto* p = reinterpret_cast<const uint8_t*>(s.data());
    bool good = true;
    for (size_t at = 0; at < s.size() && good;) {
        const size_t length = p[at] ? utf8_length(p + at, s.size() - at) : 0;
        good = length != 0, at += length;
    }
    if (good) return text(s);
    std::string made;
    for (uint8_t c : s) {
        if (c == 0)
            made += "\xef\xbf\xbd";
        else if (c < 0x80)
            made += char(c);
        else
            made += char(0xc0 | c >> 6), made += char(0x80 | (c & 0x3f));
    }
    text(made);
}

}  // namespace tapewire::postgres
