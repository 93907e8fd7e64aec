// Refusals, instruments, sessions and market data as rows. Part of rows.hpp.
#pragma once

namespace tapewire::postgres {

// In which unit a reason's two numbers are: by its comment in schemas/common.capnp.
enum class Unit { plain, price, qty, notional };

constexpr Unit unit_of(wire::RejectReason reason) {
    using R = wire::RejectReason;
    switch (reason) {
        case R::invalid_qty:
        case R::max_order_qty:
        case R::max_position:
        case R::would_not_fill: return Unit::qty;
        case R::invalid_price:
        case R::off_tick:
        case R::price_collar:
        case R::would_cross:
        case R::price_band:
        case R::would_trigger: return Unit::price;
        case R::max_notional: return Unit::notional;
        default: return Unit::plain;
    }
}

inline void Rows::rejected(const uint8_t* raw) {
    const wire::Header& h = wire::header(raw);
    CopyBuffer& o = row(REJECTS, h, 14);
    if (h.type == wire::MessageType::input_refused) {
        const auto& m = as<wire::InputRefused>(raw);
        o.null(), o.text("input"), word(o, MESSAGE_TYPE, m.type_found), word(o, REFUSAL_REASON, m.reason);
        o.null(), o.null(), o.null(), o.null(), o.numeric(i128(m.length), 0), o.null();
        return;
    }
    // Both events have the same fields, at places of their own.
    const bool of_order = h.type == wire::MessageType::order_rejected;
    const auto& r = as<wire::OrderRejected>(raw);
    const auto& c = as<wire::CancelRejected>(raw);
    const wire::RejectReason reason = of_order ? r.reason : c.reason;
    o.int8(int64_t(h.cause)), o.text(of_order ? "order" : "cancel");
    command.seq == h.cause ? word(o, MESSAGE_TYPE, command.type) : o.null();
    word(o, REJECT_REASON, reason);
    o.int8(of_order ? r.account : c.account), number(o, h.instrument);
    id(o, of_order ? r.order_id : c.order_id), id(o, of_order ? r.cl_ord_id : c.cl_ord_id);
    compared(o, h, reason, of_order ? r.value : c.value, of_order ? r.limit : c.limit);
}

// A reason's two numbers in their unit.
inline void Rows::compared(CopyBuffer& o, const wire::Header& h, wire::RejectReason reason, int64_t value, int64_t bound) const {
    const Instrument* i = instrument(h.instrument);
    for (const int64_t v : {value, bound}) {
        const Unit unit = unit_of(reason);
        unit == Unit::plain || !i || !i->known ? o.numeric(v, 0)
        : unit == Unit::price                  ? price(o, i, v)
        : unit == Unit::qty                    ? qty(o, i, v)
                                               : notional(o, i, v);
    }
}

inline void Rows::described(const uint8_t* raw, bool put) {
    const wire::Header& h = wire::header(raw);
    if (h.type == wire::MessageType::instrument_definition) {
        const auto& m = as<wire::InstrumentDefinition>(raw);
        const std::string_view ticker{m.ticker, wire::text_length(m.ticker_pointer)};
        command.seq = h.seq, command.type = uint16_t(h.type), command.text.clear();
        const Instrument* before = instrument(h.instrument);
        // A router counts in the first exponents as long as it lives.
        const bool other = router && before && before->known && (before->price_exponent != m.price_exponent || before->qty_exponent != m.qty_exponent);
        if (m.decision == wire::RejectReason::unspecified && !other) state.define(h.instrument, m.price_exponent, m.qty_exponent, ticker);
        if (!put) return;
        Instrument stated;
        stated.known = true, stated.price_exponent = m.price_exponent, stated.qty_exponent = m.qty_exponent;
        const Instrument* i = &stated;
        CopyBuffer& o = row(INSTRUMENTS, h, 20);
        o.int8(h.instrument), o.text("defined");
        m.decision == wire::RejectReason::unspecified ? o.text("accepted") : word(o, REJECT_REASON, m.decision);
        o.foreign_text(ticker), word(o, INSTRUMENT_STATUS, m.status), o.null();
        o.int2(m.price_exponent), o.int2(m.qty_exponent), price(o, i, m.tick_size), qty(o, i, m.lot_size);
        qty_or_none(o, i, m.max_qty), price_or_none(o, i, m.min_price), price_or_none(o, i, m.max_price);
        price_or_none(o, i, m.reference_price), number(o, m.collar_bps), o.text(feed);
        return;
    }
    const auto& m = as<wire::InstrumentStatusChanged>(raw);
    if (!put) return;
    const Instrument* i = instrument(h.instrument);
    CopyBuffer& o = row(INSTRUMENTS, h, 20);
    o.int8(h.instrument), o.text("status"), o.text("accepted");
    if (m.ticker_pointer && wire::text_length(m.ticker_pointer))
        o.foreign_text({m.ticker, wire::text_length(m.ticker_pointer)});
    else
        i && i->known ? o.foreign_text(i->ticker) : o.null();
    word(o, INSTRUMENT_STATUS, m.status), word(o, STATUS_REASON, m.reason);
    o.null(), o.null(), o.null(), o.null(), o.null(), o.null(), o.null(), o.null(), o.null(), o.text(feed);
}

inline void Rows::of_session(const uint8_t* raw) {
    const wire::Header& h = wire::header(raw);
    CopyBuffer& o = row(SESSIONS, h, 10);
    switch (h.type) {
        case wire::MessageType::epoch_started: {
            const auto& m = as<wire::EpochStarted>(raw);
            o.text("writer"), o.numeric(m.epoch), o.null(), o.text("opened");
            words_of(o, {m.version, wire::text_length(m.version_pointer)}), o.int8(int64_t(m.resumed_seq));
            return;
        }
        case wire::MessageType::fix_session_changed: {
            const auto& m = as<wire::FixSessionChanged>(raw);
            o.text("fix"), o.numeric(uint64_t(m.session)), o.null(), word(o, FIX_SESSION_STATE, m.state);
            words_of(o, tail(m, m.reason_pointer)), o.int8(int64_t(m.orders_seq));
            return;
        }
        default: {
            const auto& m = as<wire::VenueChanged>(raw);
            o.text("venue"), o.numeric(uint64_t(m.venue)), words_of(o, {m.name, wire::text_length(m.name_pointer)});
            word(o, VENUE_STATE, m.state), words_of(o, tail(m, m.reason_pointer)), o.null();
        }
    }
}

inline void Rows::of_market(const uint8_t* raw) {
    const wire::Header& h = wire::header(raw);
    Instrument stated;
    stated.known = true;
    if (h.type == wire::MessageType::trade) {
        const auto& m = as<wire::Trade>(raw);
        stated.price_exponent = m.price_exponent, stated.qty_exponent = m.qty_exponent;
        CopyBuffer& o = row(TRADES, h, 18);
        o.text("trade"), o.text(feed), o.foreign_text({m.ticker, wire::text_length(m.ticker_pointer)}), o.int8(h.instrument);
        o.numeric(m.trade_id), price(o, &stated, m.price), qty(o, &stated, m.qty), word(o, SIDE, m.aggressor), o.boolean(false);
        o.null(), o.null(), o.null(), o.null(), word(o, BOOK_QUALITY, m.quality);
        return;
    }
    const auto& m = as<wire::Quote>(raw);
    stated.price_exponent = m.price_exponent, stated.qty_exponent = m.qty_exponent;
    CopyBuffer& o = row(QUOTES, h, 13);
    o.text(feed), o.foreign_text({m.ticker, wire::text_length(m.ticker_pointer)}), o.int8(h.instrument);
    m.bid_qty ? price(o, &stated, m.bid_price) : o.null();
    qty_or_none(o, &stated, m.bid_qty);
    m.ask_qty ? price(o, &stated, m.ask_price) : o.null();
    qty_or_none(o, &stated, m.ask_qty);
    word(o, BOOK_QUALITY, m.quality), number(o, h.ts_event);
}

}  // namespace tapewire::postgres
