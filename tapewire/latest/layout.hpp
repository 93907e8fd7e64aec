// The bytes of a page of latest values, drawn here and nowhere else. One page per feed, one writer, any number of readers.
//
//      0  ┌ identity: written once, before the file has its name ─────────────────────────────────────┐
//         │ magic u64 │ version u32 │ instruments u32 │ quotes u32 │ trades u32 │ references u32 │     │
//         │ bytes of a quote, a trade, a reference u32 each │ check u64                               │
//    128  ├ state: named u32 (instruments in use) │ retired u32 │ updates u64 │ refused u64 ────────────┤
//   4096  ├ instrument 0 ───────────────────────────────────────────────────────────────────────────────┤
//         │  ticker 32 │ cell: version u64, 3 values of VALUE_WORDS u64 each, in turn                   │
//         │  three logs: count u64, then entries: stamp u64 and a flat message                          │
//         │    quotes │ trades │ references (definitions, status, limit states)                         │
//         ├ instrument 1, at a multiple of 4096 … ──────────────────────────────────────────────────────┤
//         └─────────────────────────────────────────────────────────────────────────────────────────────┘
//
// A cell is as the tape's Cursor: the newest value is never the one being written, so a writer killed half-way leaves
// the last whole one in sight, and a reader begins again only if it was overtaken twice while it copied.
// An entry's stamp is i + 1 once message i is whole and 0 while it is written, as in a stage log.
// An instrument's room is taken from the file system before it is named: no reader meets a page that has no memory.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "tapewire/wire/layout.hpp"

namespace tapewire::latest {

inline constexpr uint64_t MAGIC = 0x545345544c505754;  // "TWPLTEST"
inline constexpr uint32_t VERSION = 1;
inline constexpr size_t PAGE = 4096, TICKER = 32;
inline constexpr uint32_t INSTRUMENTS_MAX = 1 << 16, ENTRIES_MAX = 1 << 20;

// How one instrument stands. Prices and quantities are mantissas; each part has its own exponents, because a definition
// may change them while an older trade is still the latest. A seq of 0: this part was never told.
struct Value {
    uint64_t updates;  // of this instrument since the page was made
    uint64_t seq;      // of the newest message
    int64_t ts, ts_event, ts_recv;
    uint64_t gaps;  // how often something of it is known to be missing here
    uint64_t trade_seq, trade_id;
    int64_t trade_ts, trade_price, trade_qty;
    uint64_t quote_seq;
    int64_t quote_ts, bid_price, bid_qty, ask_price, ask_qty;
    uint64_t top_seq, book_seq;
    int64_t top_ts, top_bid_price, top_bid_qty, top_ask_price, top_ask_qty;
    uint64_t status_seq;
    int64_t status_ts, resume_time;
    uint64_t feed_gaps, feed_resyncs, feed_dropped;
    uint32_t instrument;
    uint16_t status, status_reason, limit_state, feed_state, feed_quality;
    uint16_t trade_quality, quote_quality, top_quality, aggressor;
    int8_t trade_price_exponent, trade_qty_exponent, quote_price_exponent, quote_qty_exponent, top_price_exponent, top_qty_exponent;
    int8_t gap_[4];
};
inline constexpr size_t VALUE_WORDS = sizeof(Value) / 8;
static_assert(sizeof(Value) % 8 == 0 && sizeof(Value) == 272);

class Cell {
  public:
    void load(Value& value) const {
        uint64_t words[VALUE_WORDS];
        for (;;) {
            const uint64_t version = version_.load(std::memory_order_acquire);
            const std::atomic<uint64_t>* slot = slots_[version % 3];
            for (size_t i = 0; i < VALUE_WORDS; ++i) words[i] = slot[i].load(std::memory_order_relaxed);
            std::atomic_thread_fence(std::memory_order_acquire);
            if (version_.load(std::memory_order_relaxed) - version < 2) break;
        }
        std::memcpy(&value, words, sizeof value);
    }

    uint64_t version() const { return version_.load(std::memory_order_acquire); }

    void store(const Value& value) {
        uint64_t words[VALUE_WORDS];
        std::memcpy(words, &value, sizeof words);
        const uint64_t next = version_.load(std::memory_order_relaxed) + 1;
        std::atomic_thread_fence(std::memory_order_release);
        std::atomic<uint64_t>* slot = slots_[next % 3];
        for (size_t i = 0; i < VALUE_WORDS; ++i) slot[i].store(words[i], std::memory_order_relaxed);
        version_.store(next, std::memory_order_release);
    }

  private:
    std::atomic<uint64_t> version_;
    std::atomic<uint64_t> slots_[3][VALUE_WORDS];
};
static_assert(std::atomic<uint64_t>::is_always_lock_free, "a lock inside shared memory would not survive its holder");

inline constexpr size_t REFERENCE = sizeof(wire::InstrumentDefinition);
static_assert(REFERENCE >= sizeof(wire::InstrumentStatusChanged) && REFERENCE >= sizeof(wire::LimitStateChanged));

struct Sizes {
    uint32_t instruments, quotes, trades, references;

    bool ok() const {
        return instruments >= 1 && instruments <= INSTRUMENTS_MAX && quotes <= ENTRIES_MAX && trades <= ENTRIES_MAX && references <= ENTRIES_MAX;
    }
    bool operator==(const Sizes&) const = default;

    static constexpr size_t entry(size_t message) { return 8 + message; }
    size_t trades_at() const { return TICKER + sizeof(Cell) + 8 + quotes * entry(sizeof(wire::Quote)); }
    size_t references_at() const { return trades_at() + 8 + trades * entry(sizeof(wire::Trade)); }
    size_t stride() const { return (references_at() + 8 + references * entry(REFERENCE) + PAGE - 1) / PAGE * PAGE; }
    size_t bytes() const { return PAGE + stride() * instruments; }
};

struct Identity {
    uint64_t magic;
    uint32_t version;
    Sizes sizes;
    uint32_t quote_bytes, trade_bytes, reference_bytes;
    uint64_t check;

    uint64_t expected_check() const {
        uint64_t sum = 0xcbf29ce484222325;
        const auto* bytes = reinterpret_cast<const uint8_t*>(this);
        for (size_t i = 0; i < offsetof(Identity, check); ++i) sum = (sum ^ bytes[i]) * 0x100000001b3;
        return sum;
    }
};

struct State {
    Identity identity;
    alignas(128) std::atomic<uint32_t> named;
    std::atomic<uint32_t> retired;  // 1: the writer has made another page of this name
    std::atomic<uint64_t> updates, refused;
};
static_assert(sizeof(State) <= PAGE && offsetof(State, named) == 128);
static_assert(offsetof(State, retired) == 132, "it stays there in every version: who replaces a page says so in it");

// A log of flat messages of one length, the newest over the oldest.
struct Log {
    std::atomic<uint64_t>* count = nullptr;
    std::atomic<uint64_t>* entries = nullptr;
    size_t capacity = 0, words = 0;  // words of a message

    std::atomic<uint64_t>* entry(uint64_t i) const { return entries + (i % capacity) * (1 + words); }

    void append(const uint8_t* message, size_t n) const {
        if (!capacity) return;
        const uint64_t at = count->load(std::memory_order_relaxed);
        std::atomic<uint64_t>* to = entry(at);
        to[0].store(0, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_release);
        for (size_t i = 0; i < n / 8; ++i) {
            uint64_t word;
            std::memcpy(&word, message + 8 * i, 8);
            to[1 + i].store(word, std::memory_order_relaxed);
        }
        to[0].store(at + 1, std::memory_order_release);
        count->store(at + 1, std::memory_order_release);
    }

    // Whether this very message is one of those it keeps. For the writer.
    bool holds(const uint8_t* message, size_t n) const {
        const uint64_t end = count->load(std::memory_order_relaxed);
        for (uint64_t i = end; i > 0 && end - i < capacity; --i) {
            const std::atomic<uint64_t>* from = entry(i - 1);
            if (from[0].load(std::memory_order_relaxed) == i && std::memcmp(from + 1, message, n) == 0) return true;
        }
        return false;
    }

    // False: it was overwritten, or is being. `out` has room for `words`.
    bool read(uint64_t i, uint64_t* out) const {
        const std::atomic<uint64_t>* from = entry(i);
        if (from[0].load(std::memory_order_acquire) != i + 1) return false;
        for (size_t n = 0; n < words; ++n) out[n] = from[1 + n].load(std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_acquire);
        return from[0].load(std::memory_order_relaxed) == i + 1;
    }
};

}  // namespace tapewire::latest
