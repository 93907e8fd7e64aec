// Commands of every kind, made of a fuzzer's bytes: flat, but their fields hold anything.
#pragma once
#include "tapewire/wire/flat.hpp"
#include "tests/fuzz/input.hpp"

namespace tapewire::fuzz {

// What later commands refer to.
struct Known {
    uint64_t last_order_id = 0, next_match_id = 1;
    int64_t now = 0;
};

class Commands {
  public:
    static constexpr size_t ROOM = 512;
    static constexpr uint32_t INSTRUMENTS = 3, ACCOUNTS = 4;
    static constexpr int64_t MS = 1'000'000;

    explicit Commands(Input& in) : in_(in) {}

    // Writes one to room(); its length.
    size_t make(const Known& known) {
        known_ = known;
        const uint8_t dice = in_.byte();
        if (dice < 20) about_an_order<wire::CancelOrder>();
        else if (dice < 56) replace();
        else if (dice < 65) set_status();
        else if (dice < 75) advance_clock();
        else if (dice < 82) define();
        else if (dice < 85) mass_cancel();
        else if (dice < 88) trade(blank<wire::BustTrade>());
        else if (dice < 91) correct();
        else if (dice < 92) kill();
        else if (dice < 96) limits();
        else new_order();
        return length_;
    }

    // What came of it.
    void hear(const uint8_t* event) {
        if (wire::header(event).type != wire::MessageType::order_accepted) return;
        const auto& e = *reinterpret_cast<const wire::OrderAccepted*>(event);
        placed_[placed_next_++ % PLACED] = {e.order_id, e.account};
    }

    // An instrument that trades, with bands or without; for a beginning.
    size_t plain_definition(uint32_t id) {
        auto& d = blank<wire::InstrumentDefinition>();
        d.header.instrument = id;
        terms(d);
        d.tick_size = 1 + int64_t(id % 3), d.lot_size = 1;
        d.status = wire::InstrumentStatus::trading;
        return length_;
    }
    size_t plain_account(uint32_t id) {
        auto& l = blank<wire::AccountLimits>();
        l.account = id;
        l.self_trade_group = id / 2;
        l.self_trade = wire::SelfTrade(in_.below(6));
        return length_;
    }

    uint8_t* room() { return room_; }

  private:
    template <class M>
    M& blank() {
        static_assert(sizeof(M) <= ROOM);
        M& m = *wire::make<M>(room_);
        length_ = sizeof m;
        m.header.instrument = in_.rarely() ? uint32_t(in_.extreme()) : 1 + in_.below(INSTRUMENTS);
        if constexpr (requires { m.account; }) m.account = in_.rarely() ? uint32_t(in_.extreme()) : 1 + in_.below(ACCOUNTS);
        if constexpr (requires { m.cl_ord_id; }) m.cl_ord_id = in_.rarely() ? uint64_t(in_.extreme()) : ++cl_ord_id_;
        if constexpr (requires { m.decision; }) m.decision = in_.rarely() ? wire::RejectReason::max_notional : wire::RejectReason::unspecified;
        return m;
    }

    // Multiples of every tick; few, so that orders meet.
    int64_t price() { return in_.rarely() ? in_.extreme() : 6 * (1 + int64_t(in_.below(30))); }
    int64_t qty() { return in_.one_in(12) ? int64_t{1} << in_.below(52) : in_.number(30); }
    int64_t soon() { return in_.rarely() ? in_.extreme() : known_.now + in_.below(40) * MS; }

    // Of orders that were taken lately, or of any.
    template <class M>
    M& about_an_order() {
        auto& m = blank<M>();
        const Placed& one = placed_[in_.below(PLACED)];
        m.order_id = in_.rarely() ? uint64_t(in_.extreme()) : one.id;
        if (!in_.rarely()) m.account = one.account;
        return m;
    }

    void new_order() {
        auto& o = blank<wire::NewOrder>();
        o.order_id = in_.byte() == 255 && in_.one_in(8) ? uint64_t(in_.extreme()) : known_.last_order_id + 1 + (in_.one_in(20) ? in_.below(700) : 0);
        o.side = in_.some<wire::Side>(1, 2);
        o.qty = qty();
        o.price = price();
        o.self_trade = in_.one_in(2) ? in_.some<wire::SelfTrade>(0, 5) : wire::SelfTrade::allow;
        o.self_trade_group = o.account / 2;
        o.session = in_.below(3);
        const uint8_t kind = in_.byte();
        if (kind < 60) o.ord_type = wire::OrdType::limit, o.time_in_force = wire::TimeInForce::gtc;
        else if (kind < 180) limit(o);
        else if (kind < 210) market(o);
        else if (kind < 245) stop(o);
        else anything(o);
        if (in_.rarely()) o.price = in_.extreme();
    }

    void limit(wire::NewOrder& o) {
        o.ord_type = wire::OrdType::limit;
        o.time_in_force = wire::TimeInForce(1 + in_.below(7));
        if (o.time_in_force == wire::TimeInForce::gtd) o.expire_time = soon();
        const bool rests = o.time_in_force != wire::TimeInForce::ioc && o.time_in_force != wire::TimeInForce::fok;
        switch (rests ? in_.below(8) : 6) {
            case 0: o.display_qty = std::max<int64_t>(o.qty / int64_t(1 + in_.below(9)), 1); break;
            case 1: o.display_qty = 1 + in_.below(5), o.set_post_only(in_.one_in(3)); break;
            case 2: o.set_hidden(true); break;
            case 3: o.set_post_only(true); break;
            case 4: o.set_post_only(true), o.set_slide(true), o.set_hidden(in_.one_in(3)); break;
            case 5: o.min_qty = 1 + in_.below(10); break;
            default: break;
        }
    }

    void market(wire::NewOrder& o) {
        static constexpr uint16_t TIMES[] = {1, 1, 2, 3, 4, 7};
        o.ord_type = wire::OrdType::market;
        o.time_in_force = wire::TimeInForce(in_.any(TIMES));
        if (in_.one_in(2)) o.price = in_.one_in(2) ? 0 : 6 + int64_t(in_.below(200));  // need not lie on a tick
    }

    void stop(wire::NewOrder& o) {
        static constexpr uint16_t TIMES[] = {1, 2, 2, 5};
        o.ord_type = in_.one_in(2) ? wire::OrdType::stop : wire::OrdType::stop_limit;
        o.time_in_force = wire::TimeInForce(in_.any(TIMES));
        if (o.time_in_force == wire::TimeInForce::gtd) o.expire_time = soon();
        o.stop_px = price();
        if (o.ord_type == wire::OrdType::stop && in_.one_in(2)) o.price = 0;
        else if (o.ord_type == wire::OrdType::stop_limit && in_.one_in(4)) o.display_qty = 1 + in_.below(5);
        else if (o.ord_type == wire::OrdType::stop_limit && in_.one_in(5)) o.set_hidden(true);
    }

    void anything(wire::NewOrder& o) {
        o.ord_type = in_.some<wire::OrdType>(0, 5), o.time_in_force = in_.some<wire::TimeInForce>(0, 8);
        o.set_hidden(in_.one_in(2)), o.set_slide(in_.one_in(2)), o.set_post_only(in_.one_in(2));
        if (in_.one_in(3)) o.min_qty = in_.extreme();
        if (in_.one_in(3)) o.display_qty = in_.extreme();
        if (in_.one_in(3)) o.stop_px = in_.extreme();
        if (in_.one_in(3)) o.expire_time = in_.extreme();
        if (in_.one_in(3)) o.self_trade_group = uint32_t(in_.extreme());
    }

    void replace() {
        auto& r = about_an_order<wire::ReplaceOrder>();
        r.price = in_.one_in(5) ? 0 : price();
        r.qty = qty();
        if (in_.one_in(4)) r.stop_px = price();
    }

    void set_status() {
        auto& s = blank<wire::SetInstrumentStatus>();
        if (in_.one_in(6)) s.header.instrument = 0;
        // Back to trading as often as away from it, and seldom gone.
        static constexpr uint16_t STATUSES[] = {1, 1, 1, 1, 1, 1, 1, 2, 3, 4, 4, 5, 5, 6};
        s.status = in_.one_in(40) ? wire::InstrumentStatus::delisted : in_.rarely() ? wire::InstrumentStatus(in_.extreme()) : wire::InstrumentStatus(in_.any(STATUSES));
        s.reason = in_.some<wire::StatusReason>(0, 5);
        if (in_.one_in(3)) s.resume_time = soon();
    }

    void advance_clock() { blank<wire::AdvanceClock>().up_to = soon(); }

    void terms(wire::InstrumentDefinition& d) {
        static constexpr uint32_t BPS[] = {0, 0, 300, 1000, 5000, 10'000};
        static constexpr uint32_t TIMES[] = {0, 1, 5, 20};
        d.reference_price = in_.one_in(2) ? 0 : price();
        d.static_band_bps = in_.any(BPS), d.dynamic_band_bps = in_.any(BPS);
        d.limit_state_ms = in_.any(TIMES), d.pause_ms = in_.any(TIMES);
        // Mostly its own, as an id keeps it; else cut short, or another's.
        const uint32_t whose = in_.rarely() ? in_.below(8) : d.header.instrument % 8;
        const char ticker[] = {'F', 'U', 'Z', 'Z', char('0' + whose)};
        wire::set_text(d.ticker_pointer, d.ticker, ticker, in_.rarely() ? in_.below(5) : sizeof ticker);
    }

    void define() {
        auto& d = blank<wire::InstrumentDefinition>();
        terms(d);
        d.tick_size = in_.one_in(9) ? in_.number(6) : 1 + int64_t(d.header.instrument % 3);
        d.lot_size = in_.one_in(9) ? in_.number(3) : 1;
        if (in_.one_in(5)) d.max_qty = in_.number(200), d.min_price = in_.number(60), d.max_price = in_.number(255);
        if (in_.one_in(9)) d.static_band_bps = uint32_t(in_.extreme()), d.limit_state_ms = uint32_t(in_.extreme()), d.pause_ms = uint32_t(in_.extreme());
        if (in_.one_in(9)) d.reference_price = in_.extreme(), d.collar_bps = uint32_t(in_.extreme());
        d.status = in_.one_in(5) ? in_.some<wire::InstrumentStatus>(0, 7) : wire::InstrumentStatus(in_.below(2));
        if (in_.rarely()) d.price_exponent = int8_t(in_.byte());
    }

    void mass_cancel() {
        auto& c = blank<wire::MassCancel>();
        if (in_.one_in(3)) c.header.instrument = 0;
        if (in_.one_in(3)) c.account = 0;
        c.session = in_.below(3);
        c.side = in_.some<wire::Side>(0, 2);
        c.reason = in_.some<wire::CancelReason>(0, 6);
    }

    template <class M>
    M& trade(M& m) {
        m.match_id = in_.rarely() ? uint64_t(in_.extreme()) : known_.next_match_id - std::min<uint64_t>(known_.next_match_id, in_.below(8));
        m.price = price(), m.qty = in_.number(5);
        m.maker_account = 1 + in_.below(ACCOUNTS), m.taker_account = 1 + in_.below(ACCOUNTS);
        m.taker_side = in_.some<wire::Side>(1, 2);
        return m;
    }
    void correct() {
        auto& c = trade(blank<wire::CorrectTrade>());
        c.new_price = price(), c.new_qty = in_.number(5);
    }

    void kill() {
        auto& k = blank<wire::KillSwitch>();
        if (in_.one_in(3)) k.account = 0;
        k.set_engaged(in_.one_in(9)), k.set_cancel_open(in_.one_in(2));
    }

    void limits() {
        auto& l = blank<wire::AccountLimits>();
        if (in_.one_in(4)) l.max_order_qty = in_.number(200);
        if (in_.one_in(4)) l.max_notional = in_.number(20'000);
        if (in_.one_in(4)) l.max_position = in_.number(2000);
        l.self_trade_group = in_.below(3);
        l.self_trade = in_.some<wire::SelfTrade>(0, 5);
    }

    struct Placed {
        uint64_t id;
        uint32_t account;
    };
    static constexpr uint32_t PLACED = 24;

    Input& in_;
    Known known_;
    Placed placed_[PLACED]{};
    uint32_t placed_next_ = 0;
    alignas(8) uint8_t room_[ROOM];
    size_t length_ = 0;
    uint64_t cl_ord_id_ = 0;
};

}  // namespace tapewire::fuzz
