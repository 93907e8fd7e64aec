// Price bands: how far a price may move from where it was, and what is said when it has.
#pragma once
#include "services/matcher/matcher.hpp"

namespace tapewire::matcher {

// The band around the static reference and the one around the last price: the narrower edge of both counts. Where they do
// not overlap, or no tick lies between, only one price is left.
inline Matcher::Edges Matcher::edges(const Book& b) const {
    const Rules& r = rules_[b.id];
    int64_t upper = INT64_MAX, lower = 0;  // ticks
    const auto narrow = [&](int64_t reference, uint32_t bps) {
        if (!reference || !bps) return;
        const int64_t width = reference / MAX_BPS * bps + reference % MAX_BPS * bps / MAX_BPS;
        upper = std::min(upper, std::max<int64_t>(b.tick.quotient(reference + width), 1));
        lower = std::max(lower, std::max<int64_t>(b.ticks_up(reference - width), 1));
    };
    narrow(r.static_reference, r.static_bps);
    narrow(b.last, r.dynamic_bps);
    if (!lower) return {NO_KEY, NO_KEY};
    return {Book::key(upper, 1), Book::key(std::min(lower, upper), 0)};
}

inline void Matcher::set_edges(Book& b) {
    const auto [buy, sell] = edges(b);
    b.edge[0] = buy;
    b.edge[1] = sell;
    rules_[b.id].banded_last = b.last;
}

// Without an edge the complement of NO_KEY is above every key.
inline wire::LimitState Matcher::limit_state(const Book& b) const {
    if (b.sides[0].best_key >= ~b.edge[0]) return wire::LimitState::limit_up;
    if (b.sides[1].best_key >= ~b.edge[1]) return wire::LimitState::limit_down;
    return wire::LimitState::normal;
}

// While trading. A limit state is timed from when it is entered.
template <class Sink>
void Matcher::tell_limit_state(Book& b, int64_t ts, Sink& sink) {
    Rules& r = rules_[b.id];
    const wire::LimitState now = limit_state(b);
    if (now == r.limit_state) [[likely]] return;
    r.limit_state = now;
    set_timer(b, now != wire::LimitState::normal && r.limit_state_ms ? after(ts, r.limit_state_ms) : 0);
    auto* e = sink.template begin<wire::LimitStateChanged>();
    e->header.instrument = b.id;
    e->lower_price = b.edge_price(1);
    e->upper_price = b.edge_price(0);
    e->state = now;
    sink.end(e);
}

// Cancels what stands beyond the band, after it was laid otherwise than by trading.
template <class Sink>
void Matcher::enforce_band(Book& b, Sink& sink) {
    for (unsigned side = 0; side < 2; ++side)
        b.sides[side].each(store_, [&](uint32_t at) {
            if (store_.levels[at].key <= ~b.edge[side]) return false;
            collect_level(at, [](const Order&) { return true; });
            return true;
        });
    sort_collected();
    for (const uint32_t slot : scratch_) cancel(slot, 0, wire::CancelReason::price_band, sink);
    scratch_.clear();
}

}  // namespace tapewire::matcher
