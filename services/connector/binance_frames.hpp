// The three hot frames of Binance's combined stream, read in one pass without making an object of anything in between.
//
//   {"stream":"btcusdt@trade","data":{"e":"trade","t":3735683259,"p":"61837.63000000","q":"0.02000000",...}}
//    `---- any other key ----´ `data`: the keys that are wanted, in any order; all others are skipped
//
// Strict where it matters: whole objects, nothing after them, wanted keys present and of their kind. A number that is
// well-formed but impossible (negative, finer than its exponent) is REFUSED as a value, the frame is not.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "services/connector/decimal.hpp"

namespace tapewire::connector {

inline constexpr int MAX_NESTING = 32;
inline constexpr int64_t MAX_MILLIS = 9'000'000'000'000;  // the year 2255: in ns it still fits 64 bits

class JsonScanner {
 public:
  JsonScanner(const char* p, size_t n) noexcept : p_(p), end_(p + n) {}

  void skip_space() noexcept {
    while (p_ < end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\t' || *p_ == '\r')) ++p_;
  }
  bool take(char c) noexcept {
    skip_space();
    if (p_ >= end_ || *p_ != c) return false;
    ++p_;
    return true;
  }
  bool at_end() noexcept {
    skip_space();
    return p_ == end_;
  }

  // The text between quotes as it stands; its escapes are not resolved, so an escaped text equals nothing we know.
  bool text(std::string_view* out) noexcept {
    if (!take('"')) return false;
    const char* start = p_;
    for (; p_ < end_ && *p_ != '"'; ++p_) {
      if (*p_ == '\\') ++p_;
    }
    if (p_ >= end_) return false;
    *out = {start, static_cast<size_t>(p_++ - start)};
    return true;
  }

  // A whole number of 0 to 2^63 - 1.
  bool integer(int64_t* out) noexcept {
    skip_space();
    const char* start = p_;
    uint64_t value = 0;
    for (; p_ < end_ && is_digit(*p_); ++p_) {
      value = value * 10 + static_cast<uint64_t>(*p_ - '0');
      if (p_ - start > 18 || value > INT64_MAX) return false;
    }
    *out = static_cast<int64_t>(value);
    return p_ > start;
  }

  bool boolean(bool* out) noexcept {
    skip_space();
    *out = literal("true");
    return *out || literal("false");
  }

  // A text that holds a decimal; REFUSED if it holds something else.
  bool decimal(int exponent, int64_t* out) noexcept {
    std::string_view digits;
    if (!text(&digits)) return false;
    *out = mantissa(digits.data(), digits.data() + digits.size(), exponent);
    return true;
  }

  // Anything; what it spans goes to *out.
  bool value(std::string_view* out) noexcept {
    skip_space();
    const char* start = p_;
    if (!skip_value()) return false;
    *out = {start, static_cast<size_t>(p_ - start)};
    return true;
  }

  // Calls f(key) for each member of an object; f reads the value, or returns false to give up.
  template <class F>
  bool object(F&& f) noexcept {
    if (!take('{')) return false;
    if (take('}')) return true;
    do {
      std::string_view key;
      if (!text(&key) || !take(':') || !f(key)) return false;
    } while (take(','));
    return take('}');
  }

  bool skip_value() noexcept {
    skip_space();
    if (p_ >= end_) return false;
    std::string_view ignored;
    if (*p_ == '"') return text(&ignored);
    if (*p_ == '{' || *p_ == '[') return skip_nested();
    if (literal("true") || literal("false") || literal("null")) return true;
    const char* start = p_;
    while (p_ < end_ && (is_digit(*p_) || *p_ == '-' || *p_ == '+' || *p_ == '.' || *p_ == 'e' || *p_ == 'E')) ++p_;
    return p_ > start;
  }

 private:
  bool literal(std::string_view word) noexcept {
    if (static_cast<size_t>(end_ - p_) < word.size() || std::string_view(p_, word.size()) != word) return false;
    p_ += word.size();
    return true;
  }

  // Brackets must pair up; what stands between them is not looked at more closely.
  bool skip_nested() noexcept {
    char closing[MAX_NESTING];
    int depth = 0;
    std::string_view ignored;
    while (p_ < end_) {
      const char c = *p_;
      if (c == '"') {
        if (!text(&ignored)) return false;
        continue;
      }
      ++p_;
      if (c == '{' || c == '[') {
        if (depth == MAX_NESTING) return false;
        closing[depth++] = c == '{' ? '}' : ']';
      } else if (c == '}' || c == ']') {
        if (closing[--depth] != c) return false;
        if (depth == 0) return true;
      }
    }
    return false;
  }

  const char* p_;
  const char* end_;
};

// The stream named at the very beginning of a frame, as Binance writes it; empty where a frame begins otherwise.
inline std::string_view stream_of(const char* p, size_t n) noexcept {
  constexpr std::string_view head = "{\"stream\":\"";
  const std::string_view frame(p, n);
  if (!frame.starts_with(head)) return {};
  const size_t end = frame.find('"', head.size());
  return end == frame.npos ? std::string_view{} : frame.substr(head.size(), end - head.size());
}

// Reads the member `data` of a combined-stream frame with f(scanner, key); false: not such a frame, or not whole.
template <class F>
inline bool read_data(const char* p, size_t n, F&& f) noexcept {
  JsonScanner in(p, n);
  bool found = false;
  const bool whole = in.object([&](std::string_view key) {
    if (key != "data") return in.skip_value();
    found = true;
    return in.object([&](std::string_view inner) { return f(in, inner); });
  });
  return whole && found && in.at_end();
}

struct TradeFields {
  int64_t id, price, qty, time_ms;
  bool buyer_is_maker;
};

inline bool read_trade(const char* p, size_t n, int price_exponent, int qty_exponent, TradeFields* out) noexcept {
  unsigned seen = 0;
  const bool whole = read_data(p, n, [&](JsonScanner& in, std::string_view key) {
    if (key.size() == 1) switch (key[0]) {
        case 't': seen |= 1; return in.integer(&out->id);
        case 'p': seen |= 2; return in.decimal(price_exponent, &out->price);
        case 'q': seen |= 4; return in.decimal(qty_exponent, &out->qty);
        case 'T': seen |= 8; return in.integer(&out->time_ms) && out->time_ms < MAX_MILLIS;
        case 'm': seen |= 16; return in.boolean(&out->buyer_is_maker);
        default: break;
      }
    return in.skip_value();
  });
  return whole && seen == 31;
}

struct TopFields {
  int64_t id, bid, bid_qty, ask, ask_qty;
};

inline bool read_top(const char* p, size_t n, int price_exponent, int qty_exponent, TopFields* out) noexcept {
  unsigned seen = 0;
  const bool whole = read_data(p, n, [&](JsonScanner& in, std::string_view key) {
    if (key.size() == 1) switch (key[0]) {
        case 'u': seen |= 1; return in.integer(&out->id);
        case 'b': seen |= 2; return in.decimal(price_exponent, &out->bid);
        case 'B': seen |= 4; return in.decimal(qty_exponent, &out->bid_qty);
        case 'a': seen |= 8; return in.decimal(price_exponent, &out->ask);
        case 'A': seen |= 16; return in.decimal(qty_exponent, &out->ask_qty);
        default: break;
      }
    return in.skip_value();
  });
  return whole && seen == 31;
}

struct DepthFields {
  int64_t time_ms, first, last;
  std::string_view bids, asks;  // still text: what they are worth depends on exponents that a level may refine
};

inline bool read_depth(const char* p, size_t n, DepthFields* out) noexcept {
  unsigned seen = 0;
  const bool whole = read_data(p, n, [&](JsonScanner& in, std::string_view key) {
    if (key.size() == 1) switch (key[0]) {
        case 'E': seen |= 1; return in.integer(&out->time_ms) && out->time_ms < MAX_MILLIS;
        case 'U': seen |= 2; return in.integer(&out->first);
        case 'u': seen |= 4; return in.integer(&out->last);
        case 'b': seen |= 8; return in.value(&out->bids);
        case 'a': seen |= 16; return in.value(&out->asks);
        default: break;
      }
    return in.skip_value();
  });
  return whole && seen == 31;
}

}  // namespace tapewire::connector
