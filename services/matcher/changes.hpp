// How orders are replaced and cancelled, one or many.
#pragma once
#include "services/matcher/matcher.hpp"

namespace tapewire::matcher {

template <class Sink>
void Matcher::cancel_order(const wire::CancelOrder& c, Sink& sink) {
    uint32_t slot = 0;
    if (const Refusal r = check_owner(c.order_id, c.account, slot))
        return refuse<wire::CancelRejected>(c.order_id, c.cl_ord_id, c.account, r, sink);
    Book& b = books_[store_.orders[slot].instrument];
    cancel(slot, c.cl_ord_id, wire::CancelReason::requested, sink);
    if (b.watch) [[unlikely]] settle(b, c.header.ts, false, sink);
}

template <class Sink>
void Matcher::cancel(uint32_t slot, uint64_t cl_ord_id, wire::CancelReason reason, Sink& sink) {
    const Order& o = store_.orders[slot];
    auto* e = sink.template begin<wire::OrderCancelled>();
    e->header.instrument = o.instrument;
    e->order_id = o.id;
    e->cl_ord_id = cl_ord_id;
    e->price = price_of(o);
    e->cancelled_qty = o.leaves;
    e->cum_qty = o.qty - o.leaves;
    e->account = o.account;
    e->side = side_of(o.side);
    e->reason = reason;
    sink.end(e);
    if (o.waiting()) [[unlikely]] stop_waiting(slot);
    else books_[o.instrument].unlink(store_, slot);
    store_.retire(slot);
}

// What is left of an order that stands in no queue.
template <class Sink>
void Matcher::cancelled(const Incoming& in, wire::CancelReason reason, Sink& sink) {
    auto* e = sink.template begin<wire::OrderCancelled>();
    e->header.instrument = in.book->id;
    e->order_id = in.id;
    e->price = in.price;
    e->cancelled_qty = in.leaves;
    e->cum_qty = in.qty - in.leaves;
    e->account = in.account;
    e->side = side_of(in.side);
    e->reason = reason;
    sink.end(e);
}

template <class Sink>
void Matcher::replace_order(const wire::ReplaceOrder& c, Sink& sink) {
    Change to;
    if (const Refusal r = check_replace(c, to)) return refuse<wire::CancelRejected>(c.order_id, c.cl_ord_id, c.account, r, sink);
    Order& o = store_.orders[to.slot];
    Book& b = books_[o.instrument];
    const uint64_t first_match = next_match_id_;
    if (to.leaves <= 0) {
        cancel(to.slot, c.cl_ord_id, wire::CancelReason::requested, sink);
    } else {
        const bool keeps = to.key == store_.levels[o.level].key && to.leaves <= o.leaves;
        auto* e = sink.template begin<wire::OrderReplaced>();
        e->header.instrument = o.instrument;
        e->order_id = o.id;
        e->cl_ord_id = c.cl_ord_id;
        e->price = to.price;
        e->qty = c.qty;
        e->leaves_qty = to.leaves;
        e->old_price = price_of(o);
        e->old_leaves_qty = o.leaves;
        e->account = o.account;
        e->side = side_of(o.side);
        e->set_priority_kept(keeps);
        sink.end(e);
        o.qty = c.qty;
        if (o.waiting()) [[unlikely]] replace_waiting(to, keeps);
        else if (keeps) b.set_leaves(store_, to.slot, to.leaves);
        else requeue(to, sink);
    }
    if (b.watch) [[unlikely]] settle(b, c.header.ts, next_match_id_ != first_match, sink);
}

inline void Matcher::replace_waiting(const Change& to, bool keeps) {
    const Order& o = store_.orders[to.slot];
    Waiting& there = waiting_of(books_[o.instrument]);
    store_.extras[o.extra].price = to.price;
    store_.extras[o.extra].stop_px = to.stop_px;
    if (!keeps) there.unlink(store_, to.slot);
    if (keeps) there.set_leaves(store_, to.slot, to.leaves);
    else store_.set_leaves(store_.orders[to.slot], to.leaves);
    if (!keeps) there.append(store_, to.slot, to.key);
}

// The order leaves its queue, trades as far as its new price reaches, and what is left queues there.
template <class Sink>
void Matcher::requeue(const Change& to, Sink& sink) {
    Order& o = store_.orders[to.slot];
    Book& b = books_[o.instrument];
    b.unlink(store_, to.slot);
    store_.set_leaves(o, to.leaves);
    if (b.sides[!o.side].best_key >= ~to.key && b.trading()) {
        Incoming in = returning(o, to.price);
        in.reach = ~to.key;  // the same price on the other side
        match(in, sink);
        o.qty = in.qty;
        store_.set_leaves(o, in.leaves);
        if (in.leaves == 0) return store_.retire(to.slot);
    }
    b.append(store_, to.slot, to.key, b.sides[o.side].find(to.key));
}

// A live order that stands in no queue, on its way in again.
inline Matcher::Incoming Matcher::returning(const Order& o, int64_t price) {
    Incoming in;
    in.book = &books_[o.instrument];
    in.id = o.id;
    in.leaves = o.leaves;
    in.qty = o.qty;
    in.price = price;
    in.side = o.side;
    in.account = o.account;
    in.avoid(o.self_trade_group, wire::SelfTrade(o.self_trade));
    return in;
}

template <class Sink>
void Matcher::mass_cancel(const wire::MassCancel& c, Sink& sink) {
    Refusal r = check_mass(c);
    if (!r && c.header.instrument && !book(c.header.instrument)) r = {Reason::unknown_instrument, c.header.instrument, 0};
    if (r) return refuse<wire::CancelRejected>(0, c.cl_ord_id, c.account, r, sink);
    const bool plain = c.reason == wire::CancelReason::unspecified || c.reason == wire::CancelReason::requested;
    const auto fits = [&](const Order& o) {
        return (!c.account || o.account == c.account) && (!c.session || o.session == c.session) &&
               (c.side == wire::Side::unspecified || c.side == side_of(o.side));
    };
    collect(c.header.instrument, fits);
    const size_t count = scratch_.size();
    cancel_collected(c.cl_ord_id, plain ? wire::CancelReason::mass_cancel : c.reason, c.header.ts, sink);
    complete(c, uint32_t(count), sink);
}

template <class Sink>
void Matcher::kill_switch(const wire::KillSwitch& c, Sink& sink) {
    if (c.cancel_open()) collect(0, [&](const Order& o) { return !c.account || o.account == c.account; });
    const size_t count = scratch_.size();
    cancel_collected(0, wire::CancelReason::kill_switch, c.header.ts, sink);
    complete(c, uint32_t(count), sink);
}

// Fills scratch_ with the live orders that fit, by instrument, then order id, so that the order of events depends on
// nothing else. Instrument 0: of all.
template <class F>
void Matcher::collect(uint32_t instrument, F&& fits) {
    if (instrument) {
        collect_book(books_[instrument], fits);
        if (const Waiting* there = waiting(books_[instrument])) collect_waiting(*there, fits);
    } else {
        for (uint32_t slot = 1; slot <= store_.orders.used(); ++slot)
            if (store_.orders[slot].level && fits(store_.orders[slot])) scratch_.push_back(slot);
    }
    sort_collected();
}

template <class F>
void Matcher::collect_book(const Book& b, F&& fits) {
    for (const Ladder& ladder : b.sides) collect_ladder(ladder, fits);
}

template <class F>
void Matcher::collect_waiting(const Waiting& there, F&& fits) {
    for (const Ladder& ladder : there.stops) collect_ladder(ladder, fits);
    if (there.at_close) collect_level(there.at_close, fits);
}

template <class F>
void Matcher::collect_ladder(const Ladder& ladder, F&& fits) {
    ladder.each(store_, [&](uint32_t level) {
        collect_level(level, fits);
        return true;
    });
}

template <class F>
void Matcher::collect_level(uint32_t level, F&& fits) {
    for (uint32_t slot = store_.levels[level].head; slot; slot = store_.orders[slot].next)
        if (fits(store_.orders[slot])) scratch_.push_back(slot);
}

inline void Matcher::sort_collected() {
    std::sort(scratch_.begin(), scratch_.end(), [&](uint32_t x, uint32_t y) {
        const Order &a = store_.orders[x], &b = store_.orders[y];
        return a.instrument != b.instrument ? a.instrument < b.instrument : a.id < b.id;
    });
}

// All cancels first, then the end of the command for each instrument that has one.
template <class Sink>
void Matcher::cancel_collected(uint64_t cl_ord_id, wire::CancelReason reason, int64_t ts, Sink& sink) {
    for (const uint32_t slot : scratch_) {
        const uint32_t id = store_.orders[slot].instrument;
        if (books_[id].watch && (touched_.empty() || touched_.back() != id)) touched_.push_back(id);
        cancel(slot, cl_ord_id, reason, sink);
    }
    scratch_.clear();
    for (const uint32_t id : touched_) settle(books_[id], ts, false, sink);
    touched_.clear();
}

template <class M, class Sink>
void Matcher::refuse(uint64_t order_id, uint64_t cl_ord_id, uint32_t account, const Refusal& r, Sink& sink) {
    auto* e = sink.template begin<M>();
    e->order_id = order_id;
    e->cl_ord_id = cl_ord_id;
    e->value = r.value;
    e->limit = r.limit;
    e->account = account;
    e->reason = r.reason;
    sink.end(e);
}

// Says that a command is done which has no event of its own to say so.
template <class Command, class Sink>
void Matcher::complete(const Command& c, uint32_t count, Sink& sink) {
    auto* e = sink.template begin<wire::CommandCompleted>();
    if constexpr (requires { c.cl_ord_id; }) e->cl_ord_id = c.cl_ord_id;
    if constexpr (requires { c.account; }) e->account = c.account;
    e->count = count;
    e->command = Command::TYPE;
    sink.end(e);
}

}  // namespace tapewire::matcher
