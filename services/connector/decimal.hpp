// Venue text to integers, exactly and without floats: decimals, RFC 3339 times, lists of [price, quantity] levels.
//
//   "61737.63000000" at exponent -2 -> 6173763        "0.1" at exponent 0 -> -1 (finer than the exponent)
//   1e-8             at exponent -8 -> 1              "-1", "", "1.2.3"   -> -1 (not a plain non-negative decimal)
//
// No function here allocates, throws or reads past `end`.
#pragma once
#include <cstddef>
#include <cstdint>

namespace tapewire::connector {

inline constexpr int64_t REFUSED = -1;
// Below 2^62, so that the sum or difference of two mantissas fits 64 bits.
inline constexpr int64_t MAX_MANTISSA = 4'000'000'000'000'000'000;
inline constexpr int MAX_SHIFT = 64;  // more decimal places than any number a venue writes

inline bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

// Reads `e-8` and the like at *p into *power. False if what stands there is not a small JSON exponent.
inline bool read_power(const char*& p, const char* end, int* power) noexcept {
  bool negative = false;
  if (p < end && (*p == '-' || *p == '+')) negative = *p++ == '-';
  int value = 0, digits = 0;
  for (; p < end && is_digit(*p); ++p, ++digits) {
    value = value * 10 + (*p - '0');
    if (value > MAX_SHIFT) return false;
  }
  *power = negative ? -value : value;
  return digits > 0;
}

// The integer m with text = m x 10^exponent, or REFUSED: malformed, negative, finer than the exponent, too large.
inline int64_t mantissa(const char* p, const char* end, int exponent) noexcept {
  int64_t value = 0;
  int digits = 0, scale = 0;  // text so far = value x 10^scale
  int pending = 0;            // zeros seen after the point that have not been multiplied in yet
  for (; p < end && is_digit(*p); ++p, ++digits) {
    value = value * 10 + (*p - '0');
    if (value > MAX_MANTISSA) return REFUSED;
  }
  if (p < end && *p == '.') {
    const char* first = ++p;
    for (; p < end && is_digit(*p); ++p) {
      if (*p == '0') {
        ++pending;
        continue;
      }
      for (; pending >= 0; --pending, --scale) {
        if (value > MAX_MANTISSA / 10) return REFUSED;
        value *= 10;
      }
      pending = 0;
      value += *p - '0';
    }
    if (p == first) return REFUSED;
  }
  if (digits == 0) return REFUSED;
  if (p < end && (*p == 'e' || *p == 'E')) {
    int power = 0;
    if (!read_power(++p, end, &power)) return REFUSED;
    scale += power;
  }
  if (p != end) return REFUSED;
  if (value == 0) return 0;
  for (; scale > exponent; --scale) {
    if (value > MAX_MANTISSA / 10) return REFUSED;
    value *= 10;
  }
  for (; scale < exponent; ++scale) {
    if (value % 10) return REFUSED;
    value /= 10;
  }
  return value;
}

// How many decimal places the text writes, trailing zeros included; REFUSED if it is not a plain decimal.
inline int decimals(const char* p, const char* end) noexcept {
  const char* start = p;
  while (p < end && is_digit(*p)) ++p;
  if (p == start) return REFUSED;
  if (p == end) return 0;
  if (*p != '.') return REFUSED;
  const char* first = ++p;
  while (p < end && is_digit(*p)) ++p;
  return p == end && p != first ? static_cast<int>(p - first) : REFUSED;
}

inline int read_number(const char* p, int count) noexcept {
  int value = 0;
  for (int i = 0; i < count; ++i) {
    if (!is_digit(p[i])) return REFUSED;
    value = value * 10 + (p[i] - '0');
  }
  return value;
}

// Days since 1970-01-01 of a proleptic Gregorian date (Hinnant's algorithm).
inline int64_t days_from_civil(int year, int month, int day) noexcept {
  year -= month <= 2;
  const int era = (year >= 0 ? year : year - 399) / 400;
  const int year_of_era = year - era * 400;
  const int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return static_cast<int64_t>(era) * 146097 + day_of_era - 719468;
}

// `2021-04-17T16:43:30.244075Z` as UTC ns; REFUSED if malformed, not UTC, or outside 1970 to 2261.
inline int64_t rfc3339_ns(const char* p, const char* end) noexcept {
  if (end - p < 20 || p[4] != '-' || p[7] != '-' || p[10] != 'T' || p[13] != ':' || p[16] != ':') return REFUSED;
  const int year = read_number(p, 4), month = read_number(p + 5, 2), day = read_number(p + 8, 2);
  const int hour = read_number(p + 11, 2), minute = read_number(p + 14, 2), second = read_number(p + 17, 2);
  if (year < 1970 || year > 2261 || month < 1 || month > 12 || day < 1 || day > 31) return REFUSED;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return REFUSED;
  p += 19;
  int64_t fraction = 0;
  if (*p == '.') {
    int places = 0;
    for (++p; p < end && is_digit(*p) && places < 9; ++p, ++places) fraction = fraction * 10 + (*p - '0');
    if (places == 0) return REFUSED;
    for (; places < 9; ++places) fraction *= 10;
  }
  if (end - p != 1 || *p != 'Z') return REFUSED;
  const int64_t days = days_from_civil(year, month, day);
  return (days * 86400 + hour * 3600 + minute * 60 + second) * 1'000'000'000 + fraction;
}

struct Level {
  int64_t price, qty;
};

// Walks `[["61737.63","0.5"],["61737.62","0"]]`: the levels of Binance and of a Coinbase snapshot.
class LevelScanner {
 public:
  enum class Step { level, done, refused };

  LevelScanner(const char* p, size_t n, int price_exponent, int qty_exponent) noexcept
      : p_(p), end_(p + n), price_exponent_(price_exponent), qty_exponent_(qty_exponent) {}

  // `refused`: not such a list, or a price that is not positive, or a number that its exponent cannot express.
  Step next(Level* out) noexcept {
    if (!begun_) {
      if (!take('[')) return Step::refused;
      begun_ = true;
      if (take(']')) return finish();
    } else {
      if (take(']')) return finish();
      if (!take(',')) return Step::refused;
    }
    if (!take('[') || !number(price_exponent_, &out->price) || out->price == 0 || !take(',')) return Step::refused;
    if (!number(qty_exponent_, &out->qty)) return Step::refused;
    while (take(',')) {  // Coinbase writes the count of orders as a third element in some snapshots
      if (!skip_scalar()) return Step::refused;
    }
    return take(']') ? Step::level : Step::refused;
  }

 private:
  void skip_space() noexcept {
    while (p_ < end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\t' || *p_ == '\r')) ++p_;
  }
  bool take(char c) noexcept {
    skip_space();
    if (p_ >= end_ || *p_ != c) return false;
    ++p_;
    return true;
  }
  bool number(int exponent, int64_t* out) noexcept {
    if (!take('"')) return false;
    const char* start = p_;
    while (p_ < end_ && *p_ != '"') ++p_;
    if (p_ >= end_) return false;
    *out = mantissa(start, p_++, exponent);
    return *out != REFUSED;
  }
  bool skip_scalar() noexcept {
    if (take('"')) {
      while (p_ < end_ && *p_ != '"') ++p_;
      return take('"');
    }
    const char* start = p_;
    while (p_ < end_ && is_digit(*p_)) ++p_;
    return p_ > start;
  }
  Step finish() noexcept {
    skip_space();
    return p_ == end_ ? Step::done : Step::refused;
  }

  const char* p_;
  const char* end_;
  int price_exponent_, qty_exponent_;
  bool begun_ = false;
};

}  // namespace tapewire::connector
