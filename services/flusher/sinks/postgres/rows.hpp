// Records of a tape into rows of PostgreSQL. Each record gives the rows of the one table that is about it; a match gives
// a trade, an execution of each side, and the positions after it. Every row begins with tape, seq, ts, ts_ns.
//
//   commands             risk_decisions       accepted, replaced, cancelled, triggered, restated    orders
//   OrderExecuted, Bust, Correct              trades, executions, positions
//   OrderRejected, CancelRejected, InputRefused                                                     rejects
//   EpochStarted, FixSessionChanged, VenueChanged                                                   sessions
//   InstrumentDefinition, InstrumentStatusChanged                                                   instruments
//   Trade, Quote of a feed                    trades, quotes
//   of a router's tape                        parents, routes, children, venue_reports: rows_router.hpp
//
// Columns stand in tables.py in the order in which they are put here.
#pragma once
#include <set>

#include "services/flusher/sinks/postgres/tops.hpp"

namespace tapewire::postgres {

enum Table : int { ORDERS, EXECUTIONS, TRADES, REJECTS, RISK_DECISIONS, POSITIONS, SESSIONS, INSTRUMENTS, QUOTES, PARENTS, ROUTES, CHILDREN, VENUE_REPORTS, TABLES };

// The words of each enumeration, by its numbers; read off the schema by whoever makes a Rows.
enum Words : int {
    MESSAGE_TYPE, REJECT_REASON, CANCEL_REASON, SIDE, ORD_TYPE, TIME_IN_FORCE, TRIGGER_REASON, RESTATE_REASON,
    INSTRUMENT_STATUS, STATUS_REASON, BOOK_QUALITY, FIX_SESSION_STATE, VENUE_STATE, REFUSAL_REASON,
    ALGORITHM, PARENT_STATE, REPORT_KIND, REPORT_ORIGIN, LIQUIDITY, UNUSABLE, WORDS
};

struct Command {
    uint64_t seq = 0;
    uint16_t type = 0;
    std::string text;  // what the client calls the order
};

class Rows {
public:
    std::vector<std::string> words[WORDS];
    CopyBuffer out[TABLES];
    std::set<int64_t> days;  // UTC days since 1970 that rows of partitioned tables fall on
    Tops state;
    Command command;
    uint64_t at = 0;  // the last record folded
    int16_t tape = 0;
    std::string feed;
    bool router = false;  // the tape is a router's

    // `raw` is a checked flat message. Without `put` only the state moves.
    void take(const uint8_t* raw, bool put);

    void clear() {
        for (auto& one : out) one.clear();
        days.clear();
    }

private:
    template <class M>
    static const M& as(const uint8_t* raw) { return *reinterpret_cast<const M*>(raw); }
    template <class M>
    static std::string_view tail(const M& m, uint64_t pointer) {
        return {reinterpret_cast<const char*>(&m) + sizeof(M), wire::text_length(pointer)};
    }

    CopyBuffer& row(Table table, const wire::Header& h, int16_t fields) {
        CopyBuffer& o = out[table];
        o.begin_row(fields);
        o.int2(tape), o.int8(int64_t(h.seq)), o.timestamp(h.ts), o.int8(h.ts);
        if (table != INSTRUMENTS) days.insert(floor_div(h.ts, DAY_NS));
        return o;
    }
    template <class E>
    void word(CopyBuffer& o, Words which, E value) const {
        const auto& known = words[which];
        const size_t at = size_t(value);
        if (at == 0 && which != REJECT_REASON)
            o.null();
        else if (at < known.size())
            o.text(known[at]);
        else
            o.text("unknown " + std::to_string(at));
    }
    static void number(CopyBuffer& o, int64_t v) { v ? o.int8(v) : o.null(); }
    static void id(CopyBuffer& o, uint64_t v) { v ? o.numeric(v) : o.null(); }
    static void words_of(CopyBuffer& o, std::string_view s) { s.empty() ? o.null() : o.foreign_text(s); }
    static void price(CopyBuffer& o, const Instrument* i, i128 v) { i && i->known ? o.numeric(v, i->price_exponent) : o.null(); }
    static void qty(CopyBuffer& o, const Instrument* i, i128 v) { i && i->known ? o.numeric(v, i->qty_exponent) : o.null(); }
    static void notional(CopyBuffer& o, const Instrument* i, i128 v) {
        i && i->known ? o.numeric(v, i->price_exponent + i->qty_exponent) : o.null();
    }
    static void price_or_none(CopyBuffer& o, const Instrument* i, int64_t v) { v ? price(o, i, v) : o.null(); }
    static void qty_or_none(CopyBuffer& o, const Instrument* i, int64_t v) { v ? qty(o, i, v) : o.null(); }
    const Instrument* instrument(uint32_t number) const {
        auto found = state.instruments.find(number);
        return found == state.instruments.end() ? nullptr : &found->second;
    }

    // What commands have in common; the rest of the row is `put_asked`, or NULL.
    struct Asked {
        uint32_t account = 0, session = 0;
        uint64_t order_id = 0, cl_ord_id = 0;
        wire::RejectReason decision = wire::RejectReason::unspecified;
        wire::Side side = wire::Side::unspecified;
        wire::OrdType ord_type = wire::OrdType::unspecified;
        wire::TimeInForce time_in_force = wire::TimeInForce::unspecified;
        bool has_price = false, has_qty = false, post_only = false, hidden = false;
        int64_t price = 0, qty = 0, stop_px = 0, display_qty = 0, min_qty = 0, expire_time = 0;
        std::string_view text;
    };
    bool asked_by(const uint8_t* raw, Asked& asked) const;
    void decided(const wire::Header& h, const Asked& asked);
    void order(const wire::Header& h, std::string_view event, uint64_t order_id, uint64_t cl_ord_id, uint32_t account, wire::Side side);
    void executed(const uint8_t* raw, bool put);
    void amended(const uint8_t* raw, bool put);
    void side_of_match(const wire::Header& h, std::string_view kind, std::string_view role, uint64_t match_id, uint32_t account,
                       uint64_t order_id, bool buys, int64_t price, int64_t qty, const int64_t* leaves, uint32_t contra, bool auction,
                       const Top& arrival);
    void held(const wire::Header& h, uint32_t account);
    void trade(const wire::Header& h, std::string_view kind, uint64_t match_id, int64_t price, int64_t qty, wire::Side aggressor,
               bool auction, uint32_t maker, uint32_t taker, uint64_t maker_order, uint64_t taker_order);
    void rejected(const uint8_t* raw);
    void described(const uint8_t* raw, bool put);
    void of_session(const uint8_t* raw);
    void of_market(const uint8_t* raw);
    void of_order(const uint8_t* raw, bool put);
    void routed(const uint8_t* raw, bool put);
    void of_instrument(CopyBuffer& o, const wire::Header& h) const;
    void at_venue(CopyBuffer& o, uint16_t venue) const;
    void compared(CopyBuffer& o, const wire::Header& h, wire::RejectReason reason, int64_t value, int64_t bound) const;
    static void part(CopyBuffer& o, uint32_t v);
    static void no_terms(CopyBuffer& o);
    void parent_asked(const uint8_t* raw);
    void parent_changed(const uint8_t* raw);
    void parent_refused(const uint8_t* raw);
    void routes(const uint8_t* raw);
    void child(const uint8_t* raw);
    void reported(const uint8_t* raw);
};

inline void Rows::take(const uint8_t* raw, bool put) {
    using wire::MessageType;
    const wire::Header& h = wire::header(raw);
    at = h.seq;
    if (router) return routed(raw, put);
    Asked asked;
    if (asked_by(raw, asked)) {
        command.seq = h.seq, command.type = uint16_t(h.type), command.text.assign(asked.text);
        if (put) decided(h, asked);
    }
    switch (h.type) {
        case MessageType::order_accepted:
        case MessageType::order_replaced:
        case MessageType::order_cancelled:
        case MessageType::order_triggered:
        case MessageType::order_restated: return of_order(raw, put);
        case MessageType::order_executed: return executed(raw, put);
        case MessageType::trade_busted:
        case MessageType::trade_corrected: return amended(raw, put);
        case MessageType::instrument_definition:
        case MessageType::instrument_status_changed: return described(raw, put);
        case MessageType::order_rejected:
        case MessageType::cancel_rejected:
        case MessageType::input_refused: return put ? rejected(raw) : void();
        case MessageType::epoch_started:
        case MessageType::fix_session_changed:
        case MessageType::venue_changed: return put ? of_session(raw) : void();
        case MessageType::trade:
        case MessageType::quote: return put ? of_market(raw) : void();
        default: return;
    }
}

// -- commands

inline bool Rows::asked_by(const uint8_t* raw, Asked& a) const {
    using wire::MessageType;
    switch (wire::header(raw).type) {
        case MessageType::new_order: {
            const auto& m = as<wire::NewOrder>(raw);
            a.account = m.account, a.session = m.session, a.order_id = m.order_id, a.cl_ord_id = m.cl_ord_id, a.decision = m.decision;
            a.side = m.side, a.ord_type = m.ord_type, a.time_in_force = m.time_in_force, a.post_only = m.post_only(), a.hidden = m.hidden();
            a.has_price = m.price != 0, a.has_qty = true, a.price = m.price, a.qty = m.qty, a.stop_px = m.stop_px;
            a.display_qty = m.display_qty, a.min_qty = m.min_qty, a.expire_time = m.expire_time;
            a.text = tail(m, m.client_text_pointer);
            return true;
        }
        case MessageType::replace_order: {
            const auto& m = as<wire::ReplaceOrder>(raw);
            a.account = m.account, a.order_id = m.order_id, a.cl_ord_id = m.cl_ord_id, a.decision = m.decision;
            a.has_price = a.has_qty = true, a.price = m.price, a.qty = m.qty, a.stop_px = m.stop_px;
            a.text = tail(m, m.client_text_pointer);
            return true;
        }
        case MessageType::cancel_order: {
            const auto& m = as<wire::CancelOrder>(raw);
            a.account = m.account, a.order_id = m.order_id, a.cl_ord_id = m.cl_ord_id, a.decision = m.decision;
            a.text = tail(m, m.client_text_pointer);
            return true;
        }
        case MessageType::mass_cancel: {
            const auto& m = as<wire::MassCancel>(raw);
            a.account = m.account, a.session = m.session, a.cl_ord_id = m.cl_ord_id, a.decision = m.decision, a.side = m.side;
            a.text = tail(m, m.client_text_pointer);
            return true;
        }
        case MessageType::kill_switch: {
            const auto& m = as<wire::KillSwitch>(raw);
            a.account = m.account, a.decision = m.decision, a.text = tail(m, m.reason_pointer);
            return true;
        }
        case MessageType::account_limits: {
            const auto& m = as<wire::AccountLimits>(raw);
            a.account = m.account, a.decision = m.decision;
            return true;
        }
        case MessageType::bust_trade: {
            const auto& m = as<wire::BustTrade>(raw);
            a.decision = m.decision, a.has_price = a.has_qty = true, a.price = m.price, a.qty = m.qty;
            return true;
        }
        case MessageType::correct_trade: {
            const auto& m = as<wire::CorrectTrade>(raw);
            a.decision = m.decision, a.has_price = a.has_qty = true, a.price = m.new_price, a.qty = m.new_qty;
            return true;
        }
        case MessageType::set_instrument_status: a.decision = as<wire::SetInstrumentStatus>(raw).decision; return true;
        case MessageType::advance_clock: a.decision = as<wire::AdvanceClock>(raw).decision; return true;
        default: return false;
    }
}

inline void Rows::decided(const wire::Header& h, const Asked& a) {
    const Instrument* i = instrument(h.instrument);
    CopyBuffer& o = row(RISK_DECISIONS, h, 26);
    word(o, MESSAGE_TYPE, h.type);
    a.decision == wire::RejectReason::unspecified ? o.text("accepted") : word(o, REJECT_REASON, a.decision);
    number(o, a.account), number(o, h.instrument);
    o.int4(h.source), number(o, a.session);
    id(o, a.order_id), id(o, a.cl_ord_id), words_of(o, a.text);
    word(o, SIDE, a.side), word(o, ORD_TYPE, a.ord_type), word(o, TIME_IN_FORCE, a.time_in_force);
    a.has_price ? price(o, i, a.price) : o.null();
    a.has_qty ? qty(o, i, a.qty) : o.null();
    price_or_none(o, i, a.stop_px), qty_or_none(o, i, a.display_qty), qty_or_none(o, i, a.min_qty);
    number(o, a.expire_time);
    a.post_only ? o.boolean(true) : o.null();
    a.hidden ? o.boolean(true) : o.null();
    number(o, h.ts_event), number(o, h.ts_recv);
}

// -- the life of an order

inline void Rows::order(const wire::Header& h, std::string_view event, uint64_t order_id, uint64_t cl_ord_id, uint32_t account, wire::Side side) {
    CopyBuffer& o = row(ORDERS, h, 22);
    o.int8(int64_t(h.cause)), o.text(event), o.int8(int64_t(order_id)), id(o, cl_ord_id);
    o.int8(account), o.int8(h.instrument), word(o, SIDE, side);
}

inline void Rows::of_order(const uint8_t* raw, bool put) {
    using wire::MessageType;
    const wire::Header& h = wire::header(raw);
    const Instrument& known = state.meet(h);
    const Instrument* i = &known;
    CopyBuffer& o = out[ORDERS];
    // Behind what `order` puts: ord_type, time_in_force, price, qty, leaves_qty, cum_qty, cancelled_qty, stop_px, display_qty,
    // reason, client_text.
    switch (h.type) {
        case MessageType::order_accepted: {
            const auto& m = as<wire::OrderAccepted>(raw);
            state.accepted(m);
            if (!put) return;
            order(h, m.waiting() ? "accepted_waiting" : "accepted", m.order_id, m.cl_ord_id, m.account, m.side);
            word(o, ORD_TYPE, m.ord_type), word(o, TIME_IN_FORCE, m.time_in_force);
            price(o, i, m.price), qty(o, i, m.qty), qty(o, i, m.qty), qty(o, i, 0), o.null();
            price_or_none(o, i, m.stop_px), qty_or_none(o, i, m.display_qty), o.null();
            words_of(o, command.seq == h.cause ? std::string_view(command.text) : std::string_view());
            return;
        }
        case MessageType::order_replaced: {
            const auto& m = as<wire::OrderReplaced>(raw);
            state.replaced(m);
            if (!put) return;
            order(h, "replaced", m.order_id, m.cl_ord_id, m.account, m.side);
            o.null(), o.null(), price(o, i, m.price), qty(o, i, m.qty), qty(o, i, m.leaves_qty);
            o.null(), o.null(), o.null(), o.null(), o.null(), o.null();
            return;
        }
        case MessageType::order_cancelled: {
            const auto& m = as<wire::OrderCancelled>(raw);
            state.gone(m.order_id);
            if (!put) return;
            const bool expired = m.reason == wire::CancelReason::expired;
            order(h, expired ? "expired" : "cancelled", m.order_id, m.cl_ord_id, m.account, m.side);
            o.null(), o.null(), price(o, i, m.price), o.null(), qty(o, i, 0), qty(o, i, m.cum_qty), qty(o, i, m.cancelled_qty);
            o.null(), o.null(), word(o, CANCEL_REASON, m.reason), o.null();
            return;
        }
        case MessageType::order_triggered: {
            const auto& m = as<wire::OrderTriggered>(raw);
            state.triggered(m);
            if (!put) return;
            order(h, "triggered", m.order_id, 0, m.account, m.side);
            o.null(), o.null(), price(o, i, m.price), o.null(), qty(o, i, m.leaves_qty), o.null(), o.null();
            price_or_none(o, i, m.stop_px), o.null(), word(o, TRIGGER_REASON, m.reason), o.null();
            return;
        }
        default: {
            const auto& m = as<wire::OrderRestated>(raw);
            if (!put) return;
            order(h, "restated", m.order_id, 0, m.account, m.side);
            o.null(), o.null(), price(o, i, m.price), qty(o, i, m.qty), qty(o, i, m.leaves_qty), o.null(), o.null();
            o.null(), qty(o, i, m.displayed_qty), word(o, RESTATE_REASON, m.reason), o.null();
        }
    }
}

// -- matches

inline void Rows::trade(const wire::Header& h, std::string_view kind, uint64_t match_id, int64_t p, int64_t q, wire::Side aggressor,
                        bool auction, uint32_t maker, uint32_t taker, uint64_t maker_order, uint64_t taker_order) {
    const Instrument* i = instrument(h.instrument);
    CopyBuffer& o = row(TRADES, h, 18);
    o.text(kind), o.text(feed), i && i->known ? o.foreign_text(i->ticker) : o.null(), o.int8(h.instrument), o.numeric(match_id);
    price(o, i, p), qty(o, i, q), word(o, SIDE, aggressor), o.boolean(auction);
    o.int8(maker), o.int8(taker), o.int8(int64_t(maker_order)), o.int8(int64_t(taker_order)), o.null();
}

inline void Rows::side_of_match(const wire::Header& h, std::string_view kind, std::string_view role, uint64_t match_id, uint32_t account,
                                uint64_t order_id, bool buys, int64_t p, int64_t q, const int64_t* leaves, uint32_t contra, bool auction,
                                const Top& arrival) {
    const Instrument* i = instrument(h.instrument);
    CopyBuffer& o = row(EXECUTIONS, h, 20);
    o.text(role), o.text(kind), o.int8(int64_t(h.cause)), o.int8(int64_t(match_id)), o.int8(account), o.int8(h.instrument);
    o.int8(int64_t(order_id)), word(o, SIDE, buys ? wire::Side::buy : wire::Side::sell), price(o, i, p), qty(o, i, q);
    leaves ? qty(o, i, *leaves) : o.null();
    notional(o, i, i128(p) * q), o.int8(contra), o.boolean(auction);
    arrival.has_bid ? price(o, i, arrival.bid) : o.null();
    arrival.has_ask ? price(o, i, arrival.ask) : o.null();
}

inline void Rows::held(const wire::Header& h, uint32_t account) {
    const Instrument* i = instrument(h.instrument);
    const Position& p = state.position(account, h.instrument);
    CopyBuffer& o = row(POSITIONS, h, 12);
    o.int8(account), o.int8(h.instrument), qty(o, i, p.bought - p.sold), qty(o, i, p.bought), qty(o, i, p.sold);
    notional(o, i, p.bought_notional), notional(o, i, p.sold_notional), o.int8(int64_t(p.fills));
}

inline void Rows::executed(const uint8_t* raw, bool put) {
    const auto& m = as<wire::OrderExecuted>(raw);
    const wire::Header& h = m.header;
    const Top arrival = state.meet(h).arrival;
    state.executed(m);
    if (!put) return;
    const bool taker_buys = m.taker_side == wire::Side::buy;
    trade(h, "trade", m.match_id, m.price, m.qty, m.aggressor, m.auction(), m.maker_account, m.taker_account, m.maker_order_id, m.taker_order_id);
    side_of_match(h, "trade", "maker", m.match_id, m.maker_account, m.maker_order_id, !taker_buys, m.price, m.qty, &m.maker_leaves_qty,
                  m.taker_account, m.auction(), arrival);
    side_of_match(h, "trade", "taker", m.match_id, m.taker_account, m.taker_order_id, taker_buys, m.price, m.qty, &m.taker_leaves_qty,
                  m.maker_account, m.auction(), arrival);
    held(h, m.maker_account);
    if (m.taker_account != m.maker_account) held(h, m.taker_account);
}

// A bust or correction: rows of kind bust, and of kind correct with what stands from now on.
inline void Rows::amended(const uint8_t* raw, bool put) {
    const wire::Header& h = wire::header(raw);
    const bool busts = h.type == wire::MessageType::trade_busted;
    const auto& b = as<wire::TradeBusted>(raw);
    const auto& c = as<wire::TradeCorrected>(raw);
    const uint64_t match = busts ? b.match_id : c.match_id;
    const uint32_t maker = busts ? b.maker_account : c.maker_account, taker = busts ? b.taker_account : c.taker_account;
    const uint64_t maker_order = busts ? b.maker_order_id : c.maker_order_id, taker_order = busts ? b.taker_order_id : c.taker_order_id;
    const bool taker_buys = (busts ? b.taker_side : c.taker_side) == wire::Side::buy;
    const int64_t old_price = busts ? b.price : c.old_price, old_qty = busts ? b.qty : c.old_qty;
    state.fill(maker, h.instrument, !taker_buys, old_price, old_qty, -1);
    state.fill(taker, h.instrument, taker_buys, old_price, old_qty, -1);
    if (!busts) {
        state.fill(maker, h.instrument, !taker_buys, c.price, c.qty, +1);
        state.fill(taker, h.instrument, taker_buys, c.price, c.qty, +1);
    }
    if (!put) return;
    const char* kind = busts ? "bust" : "correct";
    const int64_t p = busts ? b.price : c.price, q = busts ? b.qty : c.qty;
    trade(h, kind, match, p, q, wire::Side::unspecified, false, maker, taker, maker_order, taker_order);
    side_of_match(h, kind, "maker", match, maker, maker_order, !taker_buys, p, q, nullptr, taker, false, Top{});
    side_of_match(h, kind, "taker", match, taker, taker_order, taker_buys, p, q, nullptr, maker, false, Top{});
    held(h, maker);
    if (taker != maker) held(h, taker);
}

}  // namespace tapewire::postgres

#include "services/flusher/sinks/postgres/rows_more.hpp"
#include "services/flusher/sinks/postgres/rows_router.hpp"
