// How an instrument changes its status: by command, or because its time has come.
#pragma once
#include "services/matcher/matcher.hpp"

namespace tapewire::matcher {

namespace detail {

inline bool may_resume(wire::InstrumentStatus status) {
    return status == wire::InstrumentStatus::halted ||
           (status >= wire::InstrumentStatus::opening_auction && status <= wire::InstrumentStatus::halt_auction);
}

}  // namespace detail

inline Matcher::Refusal Matcher::check_set_status(const wire::SetInstrumentStatus& c) const {
    if (c.status < Status::trading || c.status > Status::delisted) return {Reason::invalid_field, int64_t(c.status), 0};
    if (c.reason > wire::StatusReason::market_wide) return {Reason::invalid_field, int64_t(c.reason), 0};
    if (c.resume_time < 0 || (c.resume_time && !detail::may_resume(c.status))) return {Reason::invalid_field, c.resume_time, 0};
    if (c.resume_time && c.resume_time <= c.header.ts) return {Reason::invalid_field, c.resume_time, c.header.ts};
    if (c.header.instrument && !book(c.header.instrument)) return {Reason::unknown_instrument, c.header.instrument, 0};
    return {};
}

template <class Sink>
void Matcher::set_status(const wire::SetInstrumentStatus& c, Sink& sink) {
    if (const Refusal r = check_set_status(c)) return refuse<wire::OrderRejected>(0, 0, 0, r, sink);
    const NewStatus to{c.status, c.reason, c.resume_time};
    uint32_t changed = 0;
    if (c.header.instrument) changed = change_status(books_[c.header.instrument], to, c.header.ts, sink);
    else
        for (const uint32_t id : instruments_) changed += change_status(books_[id], to, c.header.ts, sink);
    if (c.status == Status::delisted) std::erase_if(instruments_, [this](uint32_t id) { return !books_[id].defined(); });
    complete(c, changed, sink);
}

// False if that is its status already; then only the time at which trading resumes is set anew. A delisted book is to be
// taken off instruments_ by the caller, who may be walking them.
template <class Sink>
bool Matcher::change_status(Book& b, const NewStatus& to, int64_t ts, Sink& sink) {
    if (b.status == to.status) {
        if (detail::may_resume(to.status)) set_timer(b, to.resume_time);
        return false;
    }
    Rules& r = rules_[b.id];
    const uint64_t first_match = next_match_id_;
    Cross cross;
    if (to.status == Status::trading || to.status == Status::closed) cross = uncross(b, sink);
    cancel_for(b, to.status, sink);
    auto* e = sink.template begin<wire::InstrumentStatusChanged>();
    e->header.instrument = b.id;
    e->status = to.status;
    e->old_status = b.status;
    e->reason = to.reason;
    e->resume_time = to.resume_time;
    e->auction_price = cross.price;
    e->auction_qty = cap(cross.qty);
    sink.end(e);
    if (to.status == Status::delisted) return forget_book(b), true;
    b.status = to.status;
    r.reason = to.reason;
    r.limit_state = wire::LimitState::normal;
    r.indicated = {};
    if (cross.qty) r.static_reference = cross.price;
    set_timer(b, to.resume_time);
    set_edges(b);
    watch(b);
    keep_pivot(b);
    if (b.trading()) enforce_band(b, sink);
    if (b.status == Status::closing_auction) join_closing(b, sink);
    if (b.watch) settle(b, ts, next_match_id_ != first_match, sink);
    return true;
}

// Orders that do not outlive the change, by id. Time in force decides before the order's type.
template <class Sink>
void Matcher::cancel_for(Book& b, Status status, Sink& sink) {
    using wire::CancelReason;
    const auto why = [status](const Order& o) {
        const auto time_in_force = wire::TimeInForce(o.time_in_force);
        const bool closing = status == Status::closed;
        if (status == Status::delisted) return CancelReason::delisted;
        if (closing && time_in_force == wire::TimeInForce::day) return CancelReason::expired;
        if (time_in_force >= wire::TimeInForce::at_open && (closing || !o.waiting())) return CancelReason::auction_remainder;
        if (o.ord_type == uint8_t(wire::OrdType::market) && !o.waiting()) return CancelReason::market_remainder;
        return CancelReason::unspecified;
    };
    if (status != Status::trading && status != Status::closed && status != Status::delisted) return;
    collect(b.id, [&](const Order& o) { return why(o) != CancelReason::unspecified; });
    for (const uint32_t slot : scratch_) cancel(slot, 0, why(store_.orders[slot]), sink);
    scratch_.clear();
}

template <class Sink>
void Matcher::advance(const wire::AdvanceClock& c, Sink& sink) {
    if (c.up_to <= 0 || c.up_to < clock_) {
        const Refusal r{Reason::invalid_field, c.up_to, c.up_to <= 0 ? 0 : clock_};
        return refuse<wire::OrderRejected>(0, 0, 0, r, sink);
    }
    clock_ = c.up_to;
    store_.expiries.each_due(clock_, [&](uint32_t extra) { scratch_.push_back(store_.extras[extra].order); });
    sort_collected();
    cancel_collected(0, wire::CancelReason::expired, c.header.ts, sink);
    timers_.each_due(clock_, [&](uint32_t id) { touched_.push_back(id); });
    std::sort(touched_.begin(), touched_.end());
    for (const uint32_t id : touched_) timer_due(books_[id], c.header.ts, sink);
    complete(c, uint32_t(touched_.size()), sink);
    touched_.clear();
}

// A limit state has lasted too long, or a halt or call has.
template <class Sink>
void Matcher::timer_due(Book& b, int64_t ts, Sink& sink) {
    using wire::StatusReason;
    const Rules& r = rules_[b.id];
    if (b.trading()) change_status(b, {Status::halt_auction, StatusReason::price_band, r.pause_ms ? after(clock_, r.pause_ms) : 0}, ts, sink);
    else change_status(b, {Status::trading, r.reason == StatusReason::price_band ? StatusReason::price_band : StatusReason::schedule, 0}, ts, sink);
}

}  // namespace tapewire::matcher
