// How an order comes in, trades and rests, and the events that say so.
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
TAPEWIRE_HOT void Matcher::dispatch(const uint8_t* command, Sink& sink) {
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
        default: return dispatch_seldom(command, sink);
    }
}

template <class Sink>
TAPEWIRE_SELDOM void Matcher::dispatch_seldom(const uint8_t* command, Sink& sink) {
    switch (wire::header(command).type) {
        case wire::MessageType::mass_cancel:
            if (const auto* c = detail::accepted<wire::MassCancel>(command)) mass_cancel(*c, sink);
            return;
        case wire::MessageType::kill_switch:
            if (const auto* c = detail::accepted<wire::KillSwitch>(command)) kill_switch(*c, sink);
            return;
        case wire::MessageType::account_limits:
            if (const auto* c = detail::accepted<wire::AccountLimits>(command)) complete(*c, 0, sink);
            return;
        case wire::MessageType::instrument_definition:
            if (const auto* c = detail::accepted<wire::InstrumentDefinition>(command)) define(*c, sink);
            return;
        case wire::MessageType::set_instrument_status:
            if (const auto* c = detail::accepted<wire::SetInstrumentStatus>(command)) set_status(*c, sink);
            return;
        case wire::MessageType::advance_clock:
            if (const auto* c = detail::accepted<wire::AdvanceClock>(command)) advance(*c, sink);
            return;
        case wire::MessageType::bust_trade:
            if (const auto* c = detail::accepted<wire::BustTrade>(command)) bust(*c, sink);
            return;
        case wire::MessageType::correct_trade:
            if (const auto* c = detail::accepted<wire::CorrectTrade>(command)) correct(*c, sink);
            return;
        default: return;
    }
}

template <class Sink>
void Matcher::new_order(const wire::NewOrder& c, Sink& sink) {
    Incoming in;
    if (const Refusal r = check_new(c, in)) return refuse<wire::OrderRejected>(c.order_id, c.cl_ord_id, c.account, r, sink);
    const uint64_t first_match = next_match_id_;
    accept(c, in, sink);
    if (in.book->sides[!in.side].best_key >= in.reach) match(in, sink);
    if (in.leaves) {
        if (in.rests) rest(c, in);
        else if (in.waits) wait(c, in);
        else cancelled(in, c.ord_type == wire::OrdType::market ? wire::CancelReason::market_remainder : wire::CancelReason::immediate_or_cancel, sink);
    }
    if (in.book->watch) [[unlikely]] settle(*in.book, c.header.ts, next_match_id_ != first_match, sink);
}

template <class Sink>
void Matcher::accept(const wire::NewOrder& c, const Incoming& in, Sink& sink) {
    auto* e = sink.template begin<wire::OrderAccepted>();
    e->order_id = c.order_id;
    e->cl_ord_id = c.cl_ord_id;
    e->price = in.price;
    e->qty = c.qty;
    e->account = c.account;
    e->side = c.side;
    e->ord_type = c.ord_type;
    e->time_in_force = c.time_in_force;
    e->session = c.session;
    e->set_post_only(c.post_only());
    if (!in.plain) [[unlikely]] {
        e->stop_px = c.stop_px;
        e->display_qty = in.display_qty;
        e->expire_time = c.expire_time;
        e->set_hidden(c.hidden());
        e->set_waiting(in.waits);
    }
    sink.end(e);
}

// Makes the order live; it stands in no queue yet.
TAPEWIRE_HOT uint32_t Matcher::add_order(const wire::NewOrder& c, const Incoming& in) {
    const uint32_t slot = store_.add(in.id);
    Order& o = store_.orders[slot];
    o.leaves = in.leaves, o.qty = in.qty, o.account = in.account, o.instrument = in.book->id;
    o.session = c.session, o.self_trade_group = c.self_trade_group, o.side = uint8_t(in.side);
    o.time_in_force = uint8_t(c.time_in_force), o.ord_type = uint8_t(c.ord_type), o.self_trade = uint8_t(c.self_trade);
    o.flags = uint8_t(c.post_only() * Order::POST_ONLY);
    if (!in.plain) [[unlikely]] {
        o.flags |= uint8_t(c.slide() * Order::SLIDE | c.hidden() * Order::HIDDEN);
        if (in.waits || in.display_qty || c.time_in_force == wire::TimeInForce::gtd)
            store_.add_extra(slot, {in.waits ? in.price : 0, c.stop_px, in.display_qty, 0, c.expire_time, 0, 0});
    }
    return slot;
}

TAPEWIRE_HOT void Matcher::rest(const wire::NewOrder& c, const Incoming& in) {
    in.book->append(store_, add_order(c, in), in.key, in.level);
}

TAPEWIRE_SELDOM inline void Matcher::wait(const wire::NewOrder& c, const Incoming& in) {
    const uint32_t slot = add_order(c, in);
    store_.orders[slot].flags |= Order::WAITING;
    ++store_.waiting;
    waiting_of(*in.book).append(store_, slot, in.key);
    watch(*in.book);
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
        if (level.unshown) [[unlikely]] {
            match_front(in, level, price, sink);
            continue;
        }
        uint32_t slot = level.head;
        bool own;
        do {
            Order& maker = store_.orders[slot];
            own = maker.self_trade_group == in.group;
            if (own) [[unlikely]] break;
            __builtin_prefetch(&store_.orders[maker.next]);
            const int64_t qty = std::min(in.leaves, maker.leaves);
            in.leaves -= qty;
            maker.leaves -= qty;
            level.qty -= qty;
            executed(b, maker, in, price, qty, sink);
            if (maker.leaves) break;
            const uint32_t next = maker.next;
            store_.retire(slot);
            --level.count;
            slot = next;
        } while (slot && in.leaves);
        level.head = slot;
        if (slot) store_.orders[slot].prev = 0;
        else b.drop_level(store_, !in.side, at);
        if (own) [[unlikely]] prevent(in, slot, sink);
    }
}

// One match with the first order of a level that does not show everything: an iceberg trades the part it shows, then
// shows the next one behind the other displayed orders.
template <class Sink>
TAPEWIRE_SELDOM void Matcher::match_front(Incoming& in, Level& level, int64_t price, Sink& sink) {
    Book& b = *in.book;
    const uint32_t slot = level.head;
    Order& maker = store_.orders[slot];
    if (maker.self_trade_group == in.group) return prevent(in, slot, sink);
    const bool iceberg = store_.iceberg(maker);
    const int64_t shown = store_.shown(maker);
    const int64_t qty = std::min(in.leaves, iceberg ? shown : maker.leaves);
    in.leaves -= qty;
    b.set_leaves(store_, slot, maker.leaves - qty);
    if (iceberg) b.show(store_, slot, shown - qty);
    executed(b, maker, in, price, qty, sink);
    if (maker.leaves == 0) {
        b.unlink(store_, slot);
        store_.retire(slot);
    } else if (iceberg && qty == shown) {
        b.refresh(store_, slot);
        restated(slot, wire::RestateReason::display_refresh, false, sink);
    }
}

// After its leaves and the taker's were reduced.
template <class Sink>
void Matcher::executed(Book& b, const Order& maker, const Incoming& in, int64_t price, int64_t qty, Sink& sink) {
    b.last = price;
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
    e->taker_side = side_of(in.side);
    sink.end(e);
}

// The venue has changed an order in the book.
template <class Sink>
void Matcher::restated(uint32_t slot, wire::RestateReason reason, bool kept, Sink& sink) {
    const Order& o = store_.orders[slot];
    auto* e = sink.template begin<wire::OrderRestated>();
    e->header.instrument = o.instrument;
    e->order_id = o.id;
    e->price = price_of(o);
    e->qty = o.qty;
    e->leaves_qty = o.leaves;
    e->displayed_qty = store_.shown(o);
    e->account = o.account;
    e->side = side_of(o.side);
    e->reason = reason;
    e->set_priority_kept(kept);
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
