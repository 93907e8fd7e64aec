// How an instrument is defined, and defined anew.
#pragma once
#include "services/matcher/matcher.hpp"

namespace tapewire::matcher {

// All but its status.
inline Matcher::Refusal Matcher::check_definition(const wire::InstrumentDefinition& d) {
    const uint32_t id = d.header.instrument;
    if (id == 0 || id >= MAX_INSTRUMENTS) return {Reason::capacity, id, MAX_INSTRUMENTS - 1};
    if (d.tick_size <= 0 || d.tick_size > MAX_PRICE) return {Reason::invalid_price, d.tick_size, MAX_PRICE};
    if (d.lot_size <= 0 || d.lot_size > MAX_QTY) return {Reason::invalid_qty, d.lot_size, MAX_QTY};
    if (d.max_qty < 0 || d.max_qty > MAX_QTY) return {Reason::invalid_qty, d.max_qty, MAX_QTY};
    if (d.min_price < 0 || d.min_price > MAX_PRICE) return {Reason::invalid_price, d.min_price, MAX_PRICE};
    if (d.max_price < 0 || d.max_price > MAX_PRICE) return {Reason::invalid_price, d.max_price, MAX_PRICE};
    if (d.max_price && d.min_price > d.max_price) return {Reason::invalid_price, d.min_price, d.max_price};
    const int64_t lowest = std::max<int64_t>(d.min_price, 1), highest = d.max_price ? d.max_price : MAX_PRICE;
    if (highest / d.tick_size * d.tick_size < lowest) return {Reason::invalid_price, d.tick_size, highest};
    if (d.reference_price < 0 || d.reference_price > MAX_PRICE) return {Reason::invalid_price, d.reference_price, MAX_PRICE};
    if (d.static_band_bps > MAX_BPS) return {Reason::invalid_field, d.static_band_bps, MAX_BPS};
    if (d.dynamic_band_bps > MAX_BPS) return {Reason::invalid_field, d.dynamic_band_bps, MAX_BPS};
    return {};
}

// Prices and quantities of live orders are multiples of tick and lot, so those only change while there are none.
inline Matcher::Refusal Matcher::check_define(const wire::InstrumentDefinition& d) const {
    if (Refusal r = check_definition(d)) return r;
    const Book* b = book(d.header.instrument);
    if (!b) {
        const bool known = d.status >= Status::trading && d.status <= Status::halt_auction;
        return known ? Refusal{} : Refusal{Reason::invalid_field, int64_t(d.status), 0};
    }
    if (d.status != Status::unspecified && d.status != b->status) return {Reason::invalid_field, int64_t(d.status), int64_t(b->status)};
    if (unused(*b)) return {};
    if (d.tick_size != b->tick.value()) return {Reason::instrument_exists, d.tick_size, b->tick.value()};
    if (d.lot_size != b->lot.value()) return {Reason::instrument_exists, d.lot_size, b->lot.value()};
    return {};
}

template <class Sink>
void Matcher::define(const wire::InstrumentDefinition& d, Sink& sink) {
    if (const Refusal r = check_define(d)) return refuse<wire::OrderRejected>(0, 0, 0, r, sink);
    Book* known = book(d.header.instrument);
    Book& b = known ? *known : add_book(d.header.instrument);
    if (!known) b.status = d.status;
    set_rules(b, d);
    keep_pivot(b);
    // Bands that are gone leave no limit state behind.
    if (b.trading()) {
        enforce_band(b, sink);
        tell_limit_state(b, d.header.ts, sink);
    }
    if (b.in_call()) indicate(b, sink);
    complete(d, 0, sink);
}

inline void Matcher::set_rules(Book& b, const wire::InstrumentDefinition& d) {
    Rules& r = rules_[b.id];
    if (b.tick.value() != d.tick_size) close_ladders(b);  // they count in ticks
    b.set_terms(d);
    if (d.reference_price) r.reference = r.static_reference = d.reference_price;
    r.static_bps = d.static_band_bps;
    r.dynamic_bps = d.dynamic_band_bps;
    r.limit_state_ms = d.limit_state_ms;
    r.pause_ms = d.pause_ms;
    set_edges(b);
    watch(b);
}

}  // namespace tapewire::matcher
