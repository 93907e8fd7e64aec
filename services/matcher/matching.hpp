// What commands do to the books, and the events that say so.
#pragma once
#include "services/matcher/matcher.hpp"

namespace tapewire::matcher {

namespace detail {

// The command, unless risk refused it.
template <class Command>
const Command* accepted(const uint8_t* command) {
    const auto* c = reinterpret_cast<const Command*>(command);
    return c->decision == wire::RejectReason::unspecified ? c : nullptr;
}

}  // namespace detail

template <class Sink>
void Matcher::apply(const uint8_t* command, Sink& sink) {
    dispatch(command, sink);
#ifdef TAPEWIRE_CHECK
    check_invariants(wire::header(command).seq % 64 == 0);
#endif
}

template <class Sink>
void Matcher::dispatch(const uint8_t* command, Sink& sink) {
    switch (wire::header(command).type) {
        case wire::MessageType::new_order:
            if (const auto* c = detail::accepted<wire::NewOrder>(command)) new_order(*c, sink);
            return;
        case wire::MessageType::cancel_order:
            if (const auto* c = detail::accepted<wire::CancelOrder>(command)) cancel_order(*c, sink);
            return;
        case wire::MessageType::replace_order:
            if (const auto* c = detail::accepted<wire::ReplaceOrder>(command)) replace_order(*c, sink);
            return;
        case wire::MessageType::mass_cancel:
            if (const auto* c = detail::accepted<wire::MassCancel>(command)) mass_cancel(*c, sink);
            return;
        case wire::MessageType::kill_switch:
            if (const auto* c = detail::accepted<wire::KillSwitch>(command)) kill_switch(*c, sink);
            return;
        case wire::MessageType::instrument_definition:
            if (const auto* c = detail::accepted<wire::InstrumentDefinition>(command)) define(*c, sink);
            return;
        default: return;
    }
}

template <class Sink>
void Matcher::new_order(const wire::NewOrder& c, Sink& sink) {
    Incoming in;
    if (const Refusal r = check_new(c, in)) return refuse<wire::OrderRejected>(c.order_id, c.cl_ord_id, c.account, r, sink);
    auto* e = sink.template begin<wire::OrderAccepted>();
    e->order_id = c.order_id;
    e->cl_ord_id = c.cl_ord_id;
    e->price = c.price;
    e->qty = c.qty;
    e->account = c.account;
    e->side = c.side;
    e->ord_type = c.ord_type;
    e->time_in_force = c.time_in_force;
    sink.end(e);
    if (in.book->sides[!in.side].best_key >= in.reach) match(in, sink);
    if (in.leaves == 0) return;
    if (in.rests) {
        const uint32_t slot = store_.add(in.id);
        Order& o = store_.orders[slot];
        o.leaves = in.leaves, o.qty = c.qty, o.account = in.account, o.instrument = in.book->id;
        o.side = uint8_t(in.side), o.time_in_force = uint8_t(c.time_in_force), o.post_only = c.post_only();
        return in.book->append(store_, slot, in.key, in.level);
    }
    auto* rest = sink.template begin<wire::OrderCancelled>();
    rest->order_id = in.id;
    rest->price = c.price;
    rest->cancelled_qty = in.leaves;
    rest->cum_qty = c.qty - in.leaves;
    rest->account = in.account;
    rest->side = c.side;
    rest->reason = c.ord_type == wire::OrdType::market ? wire::CancelReason::market_remainder : wire::CancelReason::immediate_or_cancel;
    sink.end(rest);
}

// Trades `in` against the other side as far as it reaches; one event per match, at the maker's price.
template <class Sink>
void Matcher::match(Incoming& in, Sink& sink) {
    Book& b = *in.book;
    Ladder& makers = b.sides[!in.side];
    while (in.leaves && makers.best_level && makers.best_key >= in.reach) {
        const uint32_t at = makers.best_level;
        Level& level = store_.levels[at];
        const int64_t price = b.price(level.key, !in.side);
        uint32_t slot = level.head;
        do {
            Order& maker = store_.orders[slot];
            const int64_t qty = std::min(in.leaves, maker.leaves);
            in.leaves -= qty;
            maker.leaves -= qty;
            level.qty -= qty;
            auto* e = sink.template begin<wire::OrderExecuted>();
            e->header.instrument = b.id;
            e->match_id = next_match_id_++;
            e->maker_order_id = maker.id;
            e->taker_order_id = in.id;
            e->price = price;
            e->qty = qty;
            e->maker_leaves_qty = maker.leaves;
            e->taker_leaves_qty = in.leaves;
            e->maker_account = maker.account;
            e->taker_account = in.account;
            e->aggressor = side_of(in.side);
            sink.end(e);
            if (maker.leaves) break;
            const uint32_t next = maker.next;
            store_.retire(slot);
            --level.count;
            slot = next;
        } while (slot && in.leaves);
        level.head = slot;
        if (slot) store_.orders[slot].prev = 0;
        else b.drop_level(store_, !in.side, at);
    }
}

template <class Sink>
void Matcher::cancel_order(const wire::CancelOrder& c, Sink& sink) {
    uint32_t slot = 0;
    if (const Refusal r = check_owner(c.order_id, c.account, slot))
        return refuse<wire::CancelRejected>(c.order_id, c.cl_ord_id, c.account, r, sink);
    cancel(slot, c.cl_ord_id, wire::CancelReason::requested, sink);
}

template <class Sink>
void Matcher::cancel(uint32_t slot, uint64_t cl_ord_id, wire::CancelReason reason, Sink& sink) {
    const Order& o = store_.orders[slot];
    Book& b = books_[o.instrument];
    auto* e = sink.template begin<wire::OrderCancelled>();
    e->header.instrument = o.instrument;
    e->order_id = o.id;
    e->cl_ord_id = cl_ord_id;
    e->price = b.price(store_.levels[o.level].key, o.side);
    e->cancelled_qty = o.leaves;
    e->cum_qty = o.qty - o.leaves;
    e->account = o.account;
    e->side = side_of(o.side);
    e->reason = reason;
    sink.end(e);
    b.unlink(store_, slot);
    store_.retire(slot);
}

template <class Sink>
void Matcher::replace_order(const wire::ReplaceOrder& c, Sink& sink) {
    uint32_t slot = 0;
    int64_t key = 0;
    if (const Refusal r = check_replace(c, slot, key))
        return refuse<wire::CancelRejected>(c.order_id, c.cl_ord_id, c.account, r, sink);
    Order& o = store_.orders[slot];
    Book& b = books_[o.instrument];
    Level& level = store_.levels[o.level];
    const int64_t leaves = c.qty - (o.qty - o.leaves);
    if (leaves <= 0) return cancel(slot, c.cl_ord_id, wire::CancelReason::requested, sink);
    const bool keeps = key == level.key && leaves <= o.leaves;
    auto* e = sink.template begin<wire::OrderReplaced>();
    e->header.instrument = o.instrument;
    e->order_id = o.id;
    e->cl_ord_id = c.cl_ord_id;
    e->price = c.price;
    e->qty = c.qty;
    e->leaves_qty = leaves;
    e->old_price = b.price(level.key, o.side);
    e->old_leaves_qty = o.leaves;
    e->account = o.account;
    e->side = side_of(o.side);
    e->set_priority_kept(keeps);
    sink.end(e);
    if (!keeps) b.unlink(store_, slot);
    else level.qty += leaves - o.leaves;
    o.qty = c.qty;
    o.leaves = leaves;
    if (!keeps) requeue(slot, key, sink);
}

// An order that stands in no queue trades as far as its new price reaches; what is left queues there.
template <class Sink>
void Matcher::requeue(uint32_t slot, int64_t key, Sink& sink) {
    Order& o = store_.orders[slot];
    Incoming in;
    in.book = &books_[o.instrument];
    in.id = o.id;
    in.leaves = o.leaves;
    in.side = o.side;
    in.reach = ~key;  // the same price on the other side
    in.account = o.account;
    match(in, sink);
    o.leaves = in.leaves;
    if (in.leaves) return in.book->append(store_, slot, key, in.book->sides[o.side].find(key));
    store_.retire(slot);
}

template <class Sink>
void Matcher::mass_cancel(const wire::MassCancel& c, Sink& sink) {
    Refusal r = check_mass(c);
    if (!r && c.header.instrument && !book(c.header.instrument)) r = {Reason::unknown_instrument, c.header.instrument, 0};
    if (r) return refuse<wire::CancelRejected>(0, c.cl_ord_id, c.account, r, sink);
    const bool plain = c.reason == wire::CancelReason::unspecified || c.reason == wire::CancelReason::requested;
    cancel_all(c.account, c.header.instrument, c.side, c.cl_ord_id, plain ? wire::CancelReason::mass_cancel : c.reason, sink);
}

template <class Sink>
void Matcher::kill_switch(const wire::KillSwitch& c, Sink& sink) {
    if (c.cancel_open()) cancel_all(c.account, 0, wire::Side::unspecified, 0, wire::CancelReason::kill_switch, sink);
}

// By instrument, then order id, so that the order of events depends on nothing else.
template <class Sink>
void Matcher::cancel_all(uint32_t account, uint32_t instrument, wire::Side side, uint64_t cl_ord_id, wire::CancelReason reason, Sink& sink) {
    collect(account, instrument, side);
    for (const uint32_t slot : scratch_) cancel(slot, cl_ord_id, reason, sink);
    scratch_.clear();
}

// Fills scratch_ with the live orders that fit, in that order. Account and instrument 0, side unspecified: any.
inline void Matcher::collect(uint32_t account, uint32_t instrument, wire::Side side) {
    const auto take = [&](uint32_t slot) {
        const Order& o = store_.orders[slot];
        if (account && o.account != account) return;
        if (side == wire::Side::unspecified || side == side_of(o.side)) scratch_.push_back(slot);
    };
    if (instrument) {
        for (const Ladder& ladder : books_[instrument].sides)
            ladder.each(store_, [&](uint32_t level) {
                for (uint32_t slot = store_.levels[level].head; slot; slot = store_.orders[slot].next) take(slot);
                return true;
            });
    } else {
        for (uint32_t slot = 1; slot <= store_.orders.used(); ++slot)
            if (store_.orders[slot].level) take(slot);
    }
    std::sort(scratch_.begin(), scratch_.end(), [&](uint32_t x, uint32_t y) {
        const Order &a = store_.orders[x], &b = store_.orders[y];
        return a.instrument != b.instrument ? a.instrument < b.instrument : a.id < b.id;
    });
}

template <class Sink>
void Matcher::define(const wire::InstrumentDefinition& d, Sink& sink) {
    if (const Refusal r = check_define(d)) return refuse<wire::OrderRejected>(0, 0, 0, r, sink);
    Book* b = book(d.header.instrument);
    (b ? *b : add_book(d.header.instrument)).set_terms(d);
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

// No branch depends on the command: in a mixed flow it would be mispredicted, which costs more than is won. So the id of
// a new order is looked up, too: it is not there yet, but its page is. What other commands have in its place does no harm.
TAPEWIRE_PREFETCHES inline void Matcher::Trail::start(const Matcher& m, const uint8_t* command) {
    constexpr size_t AT = offsetof(wire::NewOrder, order_id);
    static_assert(AT == offsetof(wire::CancelOrder, order_id) && AT == offsetof(wire::ReplaceOrder, order_id));
    static_assert(AT + 8 <= wire::DATA_AT + 8, "every message has a word there: data, or the pointer to its header");
    id_ = wire::load64(command + AT);
    m.store_.index.prefetch(id_);
}

TAPEWIRE_PREFETCHES inline void Matcher::Trail::order(const Matcher& m) {
    slot_ = m.store_.index.find(id_);
    __builtin_prefetch(&m.store_.orders[slot_]);
}

TAPEWIRE_PREFETCHES inline void Matcher::Trail::around(const Matcher& m) const {
    const Order& o = m.store_.orders[slot_];
    __builtin_prefetch(&m.store_.orders[o.prev]);
    __builtin_prefetch(&m.store_.orders[o.next]);
    __builtin_prefetch(&m.store_.levels[o.level]);
}

}  // namespace tapewire::matcher
