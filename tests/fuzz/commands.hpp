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
        if (dice < 140) new_order();
        else if (dice < 160) blank<wire::CancelOrder>().order_id = order_id();
        else if (dice < 195) replace();
        else if (dice < 207) set_status();
        else if (dice < 218) advance_clock();
        else if (dice < 228) define();
        else if (dice < 234) mass_cancel();
        else if (dice < 240) trade(blank<wire::BustTrade>());
        else if (dice < 246) correct();
        else if (dice < 249) kill();
        else limits();
        return length_;
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
    uint64_t order_id() {
        if (in_.rarely()) return uint64_t(in_.extreme());
        return known_.last_order_id - std::min<uint64_t>(known_.last_order_id, in_.below(60));
    }

    void new_order() {
        auto& o = blank<wire::NewOrder>();
        o.order_id = in_.rarely() ? uint64_t(in_.extreme()) : known_.last_order_id + 1 + (in_.one_in(20) ? in_.below(700) : 0);
        o.side = in_.some<wire::Side>(1, 2);
        o.qty = qty();
        o.price = price();
        const uint8_t kind = in_.byte();
        o.ord_type = kind < 150 ? wire::OrdType::limit : in_.some<wire::OrdType>(1, 4);
        const bool stop = o.ord_type == wire::OrdType::stop || o.ord_type == wire::OrdType::stop_limit;
        if (o.ord_type == wire::OrdType::market && in_.one_in(2)) o.price = 0;
        o.time_in_force = kind < 90 ? wire::TimeInForce::gtc : in_.some<wire::TimeInForce>(1, 7);
        if (o.time_in_force == wire::TimeInForce::gtd || in_.rarely()) o.expire_time = soon();
        if (stop || in_.rarely()) o.stop_px = price();
        o.self_trade = in_.some<wire::SelfTrade>(0, 5);
        o.self_trade_group = o.account / 2;
        o.session = in_.below(3);
        switch (in_.below(12)) {
            case 1: o.display_qty = in_.rarely() ? in_.extreme() : std::max<int64_t>(o.qty / (1 + in_.below(9)), 1); break;
            case 2: o.set_hidden(true); break;
            case 3: o.set_post_only(true); break;
            case 4: o.set_post_only(true), o.set_slide(true); break;
            case 5: o.min_qty = in_.number(10); break;
            case 6: o.display_qty = in_.number(5), o.set_post_only(in_.one_in(2)); break;
            default: break;
        }
        if (!in_.rarely()) return;
        o.set_hidden(in_.one_in(2)), o.set_slide(in_.one_in(2)), o.min_qty = in_.extreme();
        o.display_qty = in_.extreme(), o.stop_px = in_.extreme(), o.expire_time = in_.extreme(), o.self_trade_group = uint32_t(in_.extreme());
    }

    void replace() {
        auto& r = blank<wire::ReplaceOrder>();
        r.order_id = order_id();
        r.price = in_.one_in(5) ? 0 : price();
        r.qty = qty();
        if (in_.one_in(4)) r.stop_px = price();
    }

    void set_status() {
        auto& s = blank<wire::SetInstrumentStatus>();
        if (in_.one_in(6)) s.header.instrument = 0;
        // Back to trading as often as away from it, and seldom gone.
        static constexpr uint16_t STATUSES[] = {1, 1, 1, 1, 2, 3, 4, 4, 5, 5, 6, 6};
        s.status = in_.one_in(20) ? wire::InstrumentStatus::delisted : in_.rarely() ? wire::InstrumentStatus(in_.extreme()) : wire::InstrumentStatus(in_.any(STATUSES));
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
    }

    void define() {
        auto& d = blank<wire::InstrumentDefinition>();
        terms(d);
        d.tick_size = in_.one_in(9) ? in_.number(6) : 1 + int64_t(d.header.instrument % 3);
        d.lot_size = in_.one_in(9) ? in_.number(3) : 1;
        if (in_.one_in(5)) d.max_qty = in_.number(200), d.min_price = in_.number(60), d.max_price = in_.number(255);
        if (in_.one_in(9)) d.static_band_bps = uint32_t(in_.extreme()), d.limit_state_ms = uint32_t(in_.extreme()), d.pause_ms = uint32_t(in_.extreme());
        if (in_.one_in(9)) d.reference_price = in_.extreme(), d.collar_bps = uint32_t(in_.extreme());
        d.status = in_.one_in(2) ? wire::InstrumentStatus::unspecified : in_.some<wire::InstrumentStatus>(1, 7);
        d.price_exponent = int8_t(in_.byte());
        wire::set_text(d.ticker_pointer, d.ticker, "FUZZ", in_.below(5));
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

    Input& in_;
    Known known_;
    alignas(8) uint8_t room_[ROOM];
    size_t length_ = 0;
    uint64_t cl_ord_id_ = 0;
};

}  // namespace tapewire::fuzz
