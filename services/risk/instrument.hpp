// What risk knows of an instrument: the bounds of its prices and quantities, and the collar around its last price.
//
// A price is a mantissa at the instrument's exponent. Nothing here overflows: all that comes in is bounded.
#pragma once
#include <algorithm>
#include <cstdint>

#include "tapewire/wire/flat.hpp"

namespace tapewire::risk {

inline constexpr int64_t MAX_PRICE = int64_t{1} << 50;
inline constexpr int64_t MAX_QTY = int64_t{1} << 50;
inline constexpr uint32_t MAX_INSTRUMENTS = 1 << 20;
inline constexpr uint32_t MAX_COLLAR_BPS = 100'000;

struct Verdict {
    wire::RejectReason reason = wire::RejectReason::unspecified;  // unspecified: accepted
    int64_t value = 0, limit = 0;
};

// The price an order goes to the matcher with, and the one its notional is counted at.
struct Pricing {
    Verdict verdict;
    int64_t price = 0, worth = 0;
};

struct Instrument {
    int64_t tick = 0, lot = 0, max_qty = 0, min_price = 0, max_price = 0;
    uint32_t collar_bps = 0;
    uint32_t defined = 0;
    int64_t reference = 0, highest = 0, lowest = 0;  // set_reference()

    // The last price, and from it the collar's edges.
    void set_reference(int64_t price) {
        const Edges e = edges(price);
        reference = price, highest = e.highest, lowest = e.lowest;
    }

    // Whether a definition can be folded. Status, bands, and whether tick and lot may change now: the matcher's to say.
    static Verdict check(const wire::InstrumentDefinition& d) {
        const uint32_t id = d.header.instrument;
        if (id == 0 || id >= MAX_INSTRUMENTS) return {Reason::capacity, int64_t(id), MAX_INSTRUMENTS - 1};
        if (!printable(d.ticker, wire::text_length(d.ticker_pointer))) return {Reason::invalid_field, 0, 0};
        if (d.tick_size <= 0 || d.tick_size > MAX_PRICE) return {Reason::invalid_price, d.tick_size, MAX_PRICE};
        if (d.lot_size <= 0 || d.lot_size > MAX_QTY) return {Reason::invalid_qty, d.lot_size, MAX_QTY};
        if (d.max_qty < 0 || d.max_qty > MAX_QTY) return {Reason::invalid_qty, d.max_qty, MAX_QTY};
        if (d.min_price < 0 || d.min_price > MAX_PRICE) return {Reason::invalid_price, d.min_price, MAX_PRICE};
        if (d.max_price < 0 || d.max_price > MAX_PRICE) return {Reason::invalid_price, d.max_price, MAX_PRICE};
        if (d.max_price && d.min_price > d.max_price) return {Reason::invalid_price, d.min_price, d.max_price};
        // Somewhere in the range lies a tick: the collar is clamped to it.
        const int64_t most = d.max_price ? d.max_price : MAX_PRICE;
        if (most / d.tick_size * d.tick_size < std::max<int64_t>(d.min_price, 1)) return {Reason::invalid_price, d.tick_size, most};
        if (d.reference_price < 0 || d.reference_price > MAX_PRICE) return {Reason::invalid_price, d.reference_price, MAX_PRICE};
        if (d.collar_bps > MAX_COLLAR_BPS) return {Reason::invalid_field, d.collar_bps, MAX_COLLAR_BPS};
        return {};
    }

    // Lot and tick are the matcher's to check: nothing in risk depends on them.
    Verdict check_qty(int64_t qty) const {
        if (qty <= 0) return {Reason::invalid_qty, qty, lot};
        if (qty > max_qty) return {Reason::invalid_qty, qty, max_qty};
        return {};
    }

    // `stop_px` is 0 unless the order waits for it: the collar of one that does stands where it will act.
    Pricing price(wire::OrdType type, bool buy, int64_t price, int64_t stop_px) const {
        if (type == wire::OrdType::stop || type == wire::OrdType::stop_limit)
            if (Verdict v = check_range(stop_px); v.reason != Reason::unspecified) return {v};
        if (type == wire::OrdType::market || type == wire::OrdType::stop) {
            if (price) return {{Reason::invalid_price, price, 0}};
            const int64_t edge = collar(buy, stop_px);
            return {{}, edge, edge ? edge : stop_px ? stop_px : reference};
        }
        if (Verdict v = check_range(price); v.reason != Reason::unspecified) return {v};
        const int64_t edge = collar(buy, stop_px);
        if (edge && (buy ? price > edge : price < edge)) return {{Reason::price_collar, price, edge}};
        return {{}, price, price};
    }

  private:
    using Reason = wire::RejectReason;

    // One word of ASCII: it becomes part of subjects and file names, and every reader must be able to write it.
    static bool printable(const char* text, size_t n) {
        return n && std::all_of(text, text + n, [](char c) { return c > ' ' && c <= '~'; });
    }

    struct Edges {
        int64_t highest = 0, lowest = 0;  // to buy at, to sell at; 0: none
    };

    Edges edges(int64_t price) const {
        if (!collar_bps || !price) return {};
        // price * collar_bps / 10'000 without its product, which could overflow; what is left stays below 2^54
        const int64_t width = price / 10'000 * collar_bps + price % 10'000 * collar_bps / 10'000;
        const int64_t high = price + width, low = price - width;
        const auto within = [&](int64_t edge) { return edge < tick ? tick : std::min(edge, max_price); };
        return {within(high - high % tick), within(low + (tick - low % tick) % tick)};
    }

    // 0: no collar.
    int64_t collar(bool buy, int64_t stop_px) const {
        const Edges e = stop_px ? edges(stop_px) : Edges{highest, lowest};
        return buy ? e.highest : e.lowest;
    }

    Verdict check_range(int64_t price) const {
        if (price < min_price) return {Reason::invalid_price, price, min_price};
        if (price > max_price) return {Reason::invalid_price, price, max_price};
        return {};
    }
};

}  // namespace tapewire::risk
