// CRC32C (Castagnoli): the processor's instruction where it has one, a table of eight slices where it has not.
//
// State goes in and out without the customary inversions, so that a sum can be continued; value() applies them.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace tapewire::tape::crc32c {

inline constexpr uint32_t POLYNOMIAL = 0x82f63b78;  // reflected

inline constexpr auto TABLES = [] {
    std::array<std::array<uint32_t, 256>, 8> t{};
    for (uint32_t i = 0; i < 256; ++i) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
        t[0][i] = crc;
    }
    for (size_t slice = 1; slice < 8; ++slice)
        for (uint32_t i = 0; i < 256; ++i) t[slice][i] = t[slice - 1][i] >> 8 ^ t[0][t[slice - 1][i] & 0xff];
    return t;
}();

inline uint32_t extend_table(uint32_t crc, const uint8_t* p, size_t n) {
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t word;
        std::memcpy(&word, p, 8);
        word ^= crc;
        crc = 0;
        for (int i = 0; i < 8; ++i) crc ^= TABLES[size_t(7 - i)][word >> (8 * i) & 0xff];
    }
    for (; n; ++p, --n) crc = crc >> 8 ^ TABLES[0][(crc ^ *p) & 0xff];
    return crc;
}

#if defined(__x86_64__)
// To clang the instruction is a feature of its own.
#if defined(__clang__)
#define TAPEWIRE_CRC32 __attribute__((target("sse4.2,crc32")))
#else
#define TAPEWIRE_CRC32 __attribute__((target("sse4.2")))
#endif
TAPEWIRE_CRC32 inline uint32_t extend_sse42(uint32_t crc, const uint8_t* p, size_t n) {
    uint64_t wide = crc;
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t word;
        std::memcpy(&word, p, 8);
        wide = _mm_crc32_u64(wide, word);
    }
    crc = uint32_t(wide);
    if (n >= 4) {
        uint32_t word;
        std::memcpy(&word, p, 4);
        crc = _mm_crc32_u32(crc, word);
        p += 4, n -= 4;
    }
    for (; n; ++p, --n) crc = _mm_crc32_u8(crc, *p);
    return crc;
}
inline const bool HAS_SSE42 = __builtin_cpu_supports("sse4.2");
#else
inline uint32_t extend_sse42(uint32_t crc, const uint8_t* p, size_t n) { return extend_table(crc, p, n); }
inline constexpr bool HAS_SSE42 = false;
#endif

inline uint32_t extend(uint32_t crc, const uint8_t* p, size_t n) {
    return HAS_SSE42 ? extend_sse42(crc, p, n) : extend_table(crc, p, n);
}

inline uint32_t value(const uint8_t* p, size_t n) { return ~extend(~0u, p, n); }

}  // namespace tapewire::tape::crc32c
