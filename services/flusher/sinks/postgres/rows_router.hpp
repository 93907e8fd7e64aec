// Records of a router's tape as rows: parents, why their quantity went where it did, children, what venues said of them.
// Its markets are copies of what stands on the feeds' own tapes, and give none. Part of rows.hpp.
#pragma once

namespace tapewire::postgres {

inline constexpr int OF_TEN_THOUSAND = -4;  // exponents of the schema's fixed fractions
inline constexpr int OF_A_BASIS_POINT = -2;
inline constexpr int SCORE = -3;  // beside the price's

inline void Rows::routed(const uint8_t* raw, bool put) {
    using wire::MessageType;
    const wire::Header& h = wire::header(raw);
    switch (h.type) {
        case MessageType::instrument_definition: return described(raw, put);
        case MessageType::market_definition: {
            const auto& m = as<wire::MarketDefinition>(raw);
            state.venues[m.venue].assign(m.name, wire::text_length(m.name_pointer));
            return;
        }
        case MessageType::venue_changed: {
            const auto& m = as<wire::VenueChanged>(raw);
            state.venues[m.venue].assign(m.name, wire::text_length(m.name_pointer));
            return put ? of_session(raw) : void();
        }
        default: break;
    }
    if (!put) return;
    switch (h.type) {
        case MessageType::new_parent:
        case MessageType::replace_parent:
        case MessageType::cancel_parent: return parent_asked(raw);
        case MessageType::parent_changed: return parent_changed(raw);
        case MessageType::parent_refused: return parent_refused(raw);
        case MessageType::route_decided: return routes(raw);
        case MessageType::new_child:
        case MessageType::replace_child:
        case MessageType::cancel_child: return child(raw);
        case MessageType::venue_reported: return reported(raw);
        case MessageType::epoch_started: return of_session(raw);
        case MessageType::input_refused: return rejected(raw);
        case MessageType::kill_switch: {
            Asked asked;
            asked_by(raw, asked);
            return decided(h, asked);
        }
        default: return;
    }
}

inline void Rows::of_instrument(CopyBuffer& o, const wire::Header& h) const {
    const Instrument* i = instrument(h.instrument);
    number(o, h.instrument);
    i && i->known ? o.foreign_text(i->ticker) : o.null();
}

inline void Rows::at_venue(CopyBuffer& o, uint16_t venue) const {
    const auto found = state.venues.find(venue);
    number(o, venue);
    words_of(o, found == state.venues.end() ? std::string_view() : std::string_view(found->second));
}

inline void Rows::part(CopyBuffer& o, uint32_t v) { v ? o.numeric(v, OF_TEN_THOUSAND) : o.null(); }

inline void Rows::parent_asked(const uint8_t* raw) {
    using wire::MessageType;
    const wire::Header& h = wire::header(raw);
    const Instrument* i = instrument(h.instrument);
    const auto& n = as<wire::NewParent>(raw);
    const auto& r = as<wire::ReplaceParent>(raw);
    const auto& c = as<wire::CancelParent>(raw);
    const bool is_new = h.type == MessageType::new_parent, replaces = h.type == MessageType::replace_parent;
    const wire::RejectReason decision = is_new ? n.decision : replaces ? r.decision : c.decision;
    CopyBuffer& o = row(PARENTS, h, 41);
    o.null(), o.text(is_new ? "new" : replaces ? "replace" : "cancel");
    id(o, is_new ? n.parent_id : replaces ? r.parent_id : c.parent_id);
    id(o, is_new ? n.cl_ord_id : replaces ? r.cl_ord_id : c.cl_ord_id);
    o.int8(is_new ? n.account : replaces ? r.account : c.account);
    of_instrument(o, h);
    word(o, SIDE, is_new ? n.side : wire::Side::unspecified);
    word(o, ALGORITHM, is_new ? n.algorithm : wire::Algorithm::unspecified);
    word(o, TIME_IN_FORCE, is_new ? n.time_in_force : wire::TimeInForce::unspecified);
    o.null();
    decision == wire::RejectReason::unspecified ? o.text("accepted") : word(o, REJECT_REASON, decision);
    qty_or_none(o, i, is_new ? n.qty : replaces ? r.qty : 0);
    for (int none = 0; none < 4; ++none) o.null();  // cum_qty, leaves_qty, open_qty, notional
    price_or_none(o, i, is_new ? n.limit_price : replaces ? r.limit_price : 0);
    for (int none = 0; none < 4; ++none) o.null();  // last_price, last_qty, child_id, children
    number(o, is_new ? n.start_time : 0), number(o, is_new ? n.end_time : replaces ? r.end_time : 0);
    part(o, is_new ? n.participation : replaces ? r.participation : 0);
    part(o, is_new ? n.max_participation : replaces ? r.max_participation : 0);
    qty_or_none(o, i, is_new ? n.display_qty : 0), number(o, is_new ? n.interval : 0);
    part(o, is_new ? n.randomness : 0), part(o, is_new ? n.urgency : 0);
    id(o, is_new ? n.seed : 0), id(o, is_new ? n.venues : 0), o.int4(h.source);
    if (decision == wire::RejectReason::unspecified || !(is_new || replaces))
        o.null(), o.null();
    else
        compared(o, h, decision, is_new ? n.value : r.value, is_new ? n.limit : r.limit);
    o.null();
    words_of(o, is_new ? tail(n, n.client_text_pointer) : replaces ? tail(r, r.client_text_pointer) : tail(c, c.client_text_pointer));
}

// What a ParentChanged and a ParentRefused have not got: start_ns to source.
inline void Rows::no_terms(CopyBuffer& o) {
    for (int none = 0; none < 11; ++none) o.null();
}

inline void Rows::parent_changed(const uint8_t* raw) {
    const auto& m = as<wire::ParentChanged>(raw);
    const wire::Header& h = m.header;
    const Instrument* i = instrument(h.instrument);
    CopyBuffer& o = row(PARENTS, h, 41);
    o.int8(int64_t(h.cause)), o.text("changed"), id(o, m.parent_id), id(o, m.cl_ord_id), o.int8(m.account);
    of_instrument(o, h);
    o.null(), o.null(), o.null(), word(o, PARENT_STATE, m.state), o.null();
    qty(o, i, m.qty), qty(o, i, m.cum_qty), qty(o, i, m.leaves_qty), qty(o, i, m.open_qty);
    notional(o, i, i128(m.notional_high) * (i128(1) << 64) + i128(m.notional_low)), o.null();
    price_or_none(o, i, m.last_price), qty_or_none(o, i, m.last_qty), id(o, m.child_id), o.int8(m.children);
    no_terms(o), o.null(), o.null(), words_of(o, tail(m, m.reason_pointer)), o.null();
}

inline void Rows::parent_refused(const uint8_t* raw) {
    const auto& m = as<wire::ParentRefused>(raw);
    const wire::Header& h = m.header;
    CopyBuffer& o = row(PARENTS, h, 41);
    o.int8(int64_t(h.cause)), o.text("refused"), id(o, m.parent_id), id(o, m.cl_ord_id), o.int8(m.account);
    of_instrument(o, h);
    o.null(), o.null(), o.null(), o.null(), word(o, REJECT_REASON, m.reason);
    for (int none = 0; none < 10; ++none) o.null();  // qty to children
    no_terms(o), compared(o, h, m.reason, m.value, m.limit), words_of(o, tail(m, m.text_pointer)), o.null();
}

// One row for each venue that was looked at; one without a venue if there was none.
inline void Rows::routes(const uint8_t* raw) {
    const auto& m = as<wire::RouteDecided>(raw);
    const wire::Header& h = m.header;
    const Instrument* i = instrument(h.instrument);
    constexpr uint64_t words_each = sizeof(wire::VenueScore) / 8;
    const uint64_t count = (m.venues_pointer >> 35) / words_each;
    const auto* scores = reinterpret_cast<const wire::VenueScore*>(raw + sizeof(wire::RouteDecided) + 8);  // behind the list's tag
    for (uint64_t at = 0; at < count || at == 0; ++at) {
        CopyBuffer& o = row(ROUTES, h, 27);
        o.int8(int64_t(h.cause)), o.int2(int16_t(count ? at + 1 : 0)), id(o, m.parent_id);
        of_instrument(o, h);
        number(o, m.slice), word(o, SIDE, m.side), o.boolean(m.passive()), qty(o, i, m.qty), price_or_none(o, i, m.limit_price);
        qty(o, i, m.unrouted);
        if (!count) {
            for (int none = 0; none < 12; ++none) o.null();
            return;
        }
        const wire::VenueScore& v = scores[at];
        at_venue(o, v.venue), price_or_none(o, i, v.price), qty(o, i, v.size), o.numeric(v.fee, OF_A_BASIS_POINT);
        o.numeric(v.fill_rate, OF_TEN_THOUSAND), o.numeric(v.reject_rate, OF_TEN_THOUSAND), o.int8(int64_t(v.latency));
        i && i->known && v.score ? o.numeric(v.score, i->price_exponent + SCORE) : o.null();
        qty(o, i, v.qty), word(o, VENUE_STATE, v.state), word(o, UNUSABLE, v.unusable);
    }
}

inline void Rows::child(const uint8_t* raw) {
    using wire::MessageType;
    const wire::Header& h = wire::header(raw);
    const Instrument* i = instrument(h.instrument);
    const auto& n = as<wire::NewChild>(raw);
    const auto& r = as<wire::ReplaceChild>(raw);
    const auto& c = as<wire::CancelChild>(raw);
    const bool is_new = h.type == MessageType::new_child, replaces = h.type == MessageType::replace_child;
    CopyBuffer& o = row(CHILDREN, h, 22);
    o.int8(int64_t(h.cause)), o.text(is_new ? "new" : replaces ? "replace" : "cancel");
    o.numeric(is_new ? n.child_id : replaces ? r.child_id : c.child_id);
    o.numeric(is_new ? n.parent_id : replaces ? r.parent_id : c.parent_id);
    at_venue(o, is_new ? n.venue : replaces ? r.venue : c.venue);
    of_instrument(o, h);
    if (is_new)
        word(o, SIDE, n.side), word(o, ORD_TYPE, n.ord_type), word(o, TIME_IN_FORCE, n.time_in_force), o.boolean(n.post_only());
    else
        o.null(), o.null(), o.null(), o.null();
    price_or_none(o, i, is_new ? n.price : replaces ? r.price : 0), qty_or_none(o, i, is_new ? n.qty : replaces ? r.qty : 0);
    qty_or_none(o, i, is_new ? n.display_qty : 0), number(o, is_new ? n.account : 0);
    number(o, is_new ? int64_t(n.route) : 0);
    number(o, is_new ? 0 : int64_t(replaces ? r.request : c.request));
}

inline void Rows::reported(const uint8_t* raw) {
    const auto& m = as<wire::VenueReported>(raw);
    const wire::Header& h = m.header;
    const Instrument* i = instrument(h.instrument);
    CopyBuffer& o = row(VENUE_REPORTS, h, 29);
    word(o, REPORT_KIND, m.kind), word(o, REPORT_ORIGIN, m.origin), id(o, m.child_id), at_venue(o, m.venue);
    of_instrument(o, h);
    word(o, SIDE, m.side), word(o, LIQUIDITY, m.liquidity), o.boolean(m.live());
    price_or_none(o, i, m.price), qty_or_none(o, i, m.qty), qty(o, i, m.leaves_qty), qty(o, i, m.cum_qty);
    price_or_none(o, i, m.last_price), qty_or_none(o, i, m.last_qty);
    m.fee ? o.numeric(m.fee, m.fee_exponent) : o.null();
    words_of(o, {m.fee_currency, wire::text_length(m.fee_currency_pointer)});
    words_of(o, {m.order_id, wire::text_length(m.order_id_pointer)}), words_of(o, {m.exec_id, wire::text_length(m.exec_id_pointer)});
    words_of(o, {m.ref_exec_id, wire::text_length(m.ref_exec_id_pointer)});
    number(o, m.code), words_of(o, tail(m, m.reason_pointer)), number(o, int64_t(h.origin_seq)), number(o, h.ts_event);
}

}  // namespace tapewire::postgres
