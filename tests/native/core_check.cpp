// Random commands, well-formed and not, into the engine's deterministic core; built with sanitizers by
// tests/native/test_core_check.py.
//
//   core_check SEED COMMANDS [break]
//
// Every command goes the way of services/engine/engine.hpp: copied, checked, laid out anew if it must be, decided, folded,
// applied. Its record and events go into a replay over a second core, which must derive the same; now and then the
// states are compared as snapshots, restored and damaged. Fields hold extremes as often as sense. No command causes more
// events than the matcher said any could. `break` changes one byte of one event, to show that the replay would notice.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "services/engine/replay.hpp"

namespace wire = tapewire::wire;
namespace engine = tapewire::engine;
using wire::MessageType;

namespace {

constexpr size_t MAX_COMMAND = 4096;
constexpr int64_t START = 1'700'000'000'000'000'000;
constexpr int64_t EXTREMES[] = {0, 1, -1, INT64_MIN, INT64_MIN + 1, INT64_MAX, INT64_MAX - 1, int64_t{1} << 50,
                                (int64_t{1} << 50) + 1, -(int64_t{1} << 50), int64_t{1} << 60, int64_t{1} << 62, 9999, 10000};

[[noreturn]] void fail(const char* what, size_t at) {
    std::printf("command %zu: %s\n", at, what);
    std::fflush(stdout);
    std::_Exit(1);
}

class Driver {
  public:
    explicit Driver(uint64_t seed) : random_(seed), replay_(twin_) {}

    void run(size_t commands, bool spoil) {
        spoil_ = spoil;
        for (at_ = 0; at_ < commands; ++at_) {
            one();
            if (at_ % 512 == 0) snapshots();
        }
        snapshots();
        std::printf("%zu commands, %zu refused, %zu events, %zu trades, %zu live\n", commands, refused_, events_, trades_, core_->risk().live_orders());
    }

    // The sink of Core::apply.
    uint8_t* reserve(size_t) { return event_; }
    void append(size_t bytes) {
        ++events_, ++caused_;
        trades_ += wire::header(event_).type == MessageType::order_executed;
        if (spoil_ && events_ == 40) event_[bytes - 16] ^= 1;
        replay(event_, bytes);
    }

  private:
    uint64_t below(uint64_t n) { return random_() % n; }
    bool one_in(uint64_t n) { return below(n) == 0; }

    int64_t extreme() { return one_in(3) ? int64_t(random_()) : EXTREMES[below(std::size(EXTREMES))]; }
    int64_t number(int64_t most) { return one_in(12) ? extreme() : 1 + int64_t(below(uint64_t(most))); }
    int64_t price() { return one_in(12) ? extreme() : 6 * (1 + int64_t(below(30))); }
    uint32_t account() { return one_in(30) ? uint32_t(random_() >> below(64)) : 1 + uint32_t(below(4)); }
    uint32_t instrument() { return one_in(30) ? uint32_t(random_() >> below(64)) : 1 + uint32_t(below(4)); }
    uint64_t order_id() { return one_in(15) ? random_() : core_->sequencer().next_order_id() - std::min(core_->sequencer().next_order_id(), 1 + below(60)); }
    template <class Enum>
    Enum some(uint64_t most) {
        return Enum(one_in(40) ? random_() : below(most + 1));
    }

    template <class M>
    M& blank() {
        std::memset(room_, 0, sizeof room_);
        M& m = *wire::make<M>(room_);
        length_ = sizeof m;
        m.header.instrument = instrument();
        m.header.ts_event = extreme(), m.header.ts_recv = extreme();
        if constexpr (requires { m.cl_ord_id; }) m.cl_ord_id = one_in(2000) ? uint64_t(extreme()) >> below(40) : ++cl_ord_id_;
        if constexpr (requires { m.account; }) m.account = account();
        if (one_in(20)) m.header.seq = random_(), m.header.source = uint16_t(random_());
        return m;
    }

    void make() {
        const uint64_t dice = below(100);
        if (dice < 58) new_order();
        else if (dice < 68) blank<wire::CancelOrder>().order_id = order_id();
        else if (dice < 82) replace();
        else if (dice < 83) mass_cancel();
        else if (dice < 86) define();
        else if (dice < 88) limits();
        else if (dice < 92) status();
        else if (dice < 96) clock();
        else if (dice < 98) trade();
        else if (one_in(8)) kill();
        else blank<wire::Trade>().price = extreme();
    }

    void new_order() {
        auto& o = blank<wire::NewOrder>();
        o.side = one_in(60) ? some<wire::Side>(2) : wire::Side(1 + below(2));
        o.ord_type = one_in(60) ? some<wire::OrdType>(4) : one_in(3) ? wire::OrdType(2 + below(3)) : wire::OrdType::limit;
        o.time_in_force = one_in(60) ? some<wire::TimeInForce>(7) : one_in(3) ? wire::TimeInForce(1 + below(7)) : wire::TimeInForce::gtc;
        o.set_post_only(one_in(8)), o.set_slide(one_in(o.post_only() ? 2 : 60)), o.set_hidden(one_in(12));
        const bool unpriced = o.ord_type == wire::OrdType::market || o.ord_type == wire::OrdType::stop;
        o.price = unpriced && !one_in(9) ? 0 : price();
        if (o.ord_type >= wire::OrdType::stop || one_in(60)) o.stop_px = price();
        if (one_in(10)) o.display_qty = number(5);
        if (one_in(30)) o.min_qty = number(10);
        if (o.time_in_force == wire::TimeInForce::gtd || one_in(60)) o.expire_time = one_in(20) ? extreme() : now_ + int64_t(below(2000));
        o.session = uint32_t(below(3)), o.self_trade_group = uint32_t(random_());
        o.self_trade = some<wire::SelfTrade>(5);
        o.qty = one_in(10) ? int64_t{1} << below(63) : number(30);
        o.order_id = random_();
        o.decision = wire::RejectReason(below(30));
    }

    void replace() {
        auto& r = blank<wire::ReplaceOrder>();
        r.order_id = order_id();
        r.price = one_in(4) ? 0 : price();
        if (one_in(5)) r.stop_px = price();
        r.qty = one_in(10) ? int64_t{1} << below(63) : number(30);
    }

    void mass_cancel() {
        auto& c = blank<wire::MassCancel>();
        if (one_in(3)) c.header.instrument = 0;
        if (one_in(3)) c.account = 0;
        c.side = some<wire::Side>(2);
        c.reason = some<wire::CancelReason>(8);
        c.session = uint32_t(below(3));
    }

    void define() {
        auto& d = blank<wire::InstrumentDefinition>();
        // Mostly its own, as an id keeps it; else another's, or any bytes.
        char ticker[32] = {'T', char('0' + (one_in(60) ? below(10) : d.header.instrument % 10))};
        size_t n = 2;
        if (one_in(60)) n = below(sizeof ticker), std::generate_n(ticker, n, [&] { return one_in(60) ? char(random_()) : char('A' + below(26)); });
        wire::set_text(d.ticker_pointer, d.ticker, ticker, n);
        d.tick_size = one_in(10) ? extreme() : 1 + int64_t(d.header.instrument % 3);
        d.lot_size = one_in(10) ? extreme() : 1;
        d.max_qty = one_in(2) ? 0 : number(int64_t{1} << 50);
        d.min_price = one_in(2) ? 0 : number(20);
        d.max_price = one_in(2) ? 0 : one_in(9) ? extreme() : 200;
        d.reference_price = one_in(3) ? 0 : number(150);
        d.collar_bps = one_in(2) ? 0 : uint32_t(number(20'000));
        const bool known = core_->matcher().defined(d.header.instrument);
        d.status = one_in(12) ? some<wire::InstrumentStatus>(7) : wire::InstrumentStatus(known ? 0 : 1);
        if (one_in(3)) d.static_band_bps = uint32_t(number(12'000));
        if (one_in(3)) d.dynamic_band_bps = uint32_t(number(3'000));
        d.limit_state_ms = one_in(2) ? 0 : uint32_t(extreme()), d.pause_ms = one_in(2) ? 0 : uint32_t(extreme());
        if (one_in(2)) d.limit_state_ms %= 2, d.pause_ms %= 2;
        if (one_in(60)) d.price_exponent = int8_t(random_());
    }

    void limits() {
        auto& l = blank<wire::AccountLimits>();
        l.max_order_qty = one_in(2) ? 0 : number(int64_t{1} << 50);
        l.max_notional = one_in(2) ? 0 : number(one_in(2) ? INT64_MAX : 20'000);
        l.max_position = one_in(2) ? 0 : number(one_in(2) ? int64_t{1} << 60 : 2000);
        l.self_trade_group = one_in(30) ? uint32_t(random_()) : uint32_t(below(3));
        l.self_trade = some<wire::SelfTrade>(5);
    }

    void status() {
        auto& s = blank<wire::SetInstrumentStatus>();
        if (one_in(10)) s.header.instrument = 0;
        s.status = one_in(3) ? some<wire::InstrumentStatus>(one_in(4) ? 7 : 6) : wire::InstrumentStatus::trading;
        s.reason = some<wire::StatusReason>(5);
        const bool may_resume = s.status != wire::InstrumentStatus::trading && s.status != wire::InstrumentStatus::closed;
        if (one_in(3) && (may_resume || one_in(20))) s.resume_time = one_in(20) ? extreme() : now_ + int64_t(below(2000));
    }

    // As the engine does it, when something is due; else what nobody should send.
    void clock() {
        const int64_t due = core_->matcher().next_due();
        if (due && due - now_ < (int64_t{1} << 40)) now_ = std::max(now_, due);
        blank<wire::AdvanceClock>().up_to = one_in(20) ? extreme() : now_ + 1;
    }

    template <class Command>
    Command& amended() {
        auto& c = blank<Command>();
        const uint64_t next = core_->matcher().next_match_id();
        c.match_id = one_in(20) ? random_() : next - std::min(next, 1 + below(40));
        c.maker_account = account(), c.taker_account = account();
        c.taker_side = one_in(30) ? some<wire::Side>(2) : wire::Side(1 + below(2));
        c.price = price(), c.qty = one_in(2) ? int64_t{1} << 50 : number(30);
        return c;
    }

    void trade() {
        if (one_in(2)) return void(amended<wire::BustTrade>());
        auto& c = amended<wire::CorrectTrade>();
        c.new_price = price(), c.new_qty = number(30);
    }

    void kill() {
        auto& k = blank<wire::KillSwitch>();
        if (one_in(2)) k.account = 0;
        k.set_engaged(one_in(5));
        k.set_cancel_open(one_in(2));
    }

    // What a hostile producer does to a message.
    void damage() {
        switch (below(5)) {
            case 0: length_ = below(MAX_COMMAND + 1); break;
            case 1: length_ = below(length_ + 1); break;
            case 2: room_[below(length_)] ^= uint8_t(1 << below(8)); break;
            case 3: wire::store64(room_ + 8 * below(length_ / 8), one_in(2) ? random_() : uint64_t(extreme())); break;
            default:
                length_ = 8 * (1 + below(60));
                for (size_t i = 0; i < length_; i += 8) wire::store64(room_ + i, random_() >> below(64));
                if (one_in(2)) wire::store64(room_, uint64_t(length_ / 8 - 1) << 32 | below(3));
        }
    }

    // Of exactly the length it has, so that a read past it is found.
    bool flat() {
        const std::vector<uint8_t> in(room_, room_ + length_);
        wire::Fault fault = wire::check(in.data(), in.size());
        if (fault == wire::Fault::not_flat) {
            std::vector<uint8_t> out(MAX_COMMAND);
            size_t length = 0;
            fault = wire::relayout(in.data(), in.size(), out.data(), out.size(), length);
            if (fault == wire::Fault::none) {
                std::memcpy(room_, out.data(), length);
                length_ = length;
                if (wire::check(room_, length) != wire::Fault::none) fail("what was laid out anew is not flat", at_);
            }
        }
        return fault == wire::Fault::none && engine::is_command(wire::header(room_).type);
    }

    void one() {
        make();
        if (one_in(10)) damage();
        if (!flat()) {
            ++refused_;
            return;
        }
        if (one_in(9)) now_ = START + (extreme() >> (8 + below(50)));  // the clock jumps, and not only forwards
        position_ += 8 * (1 + below(40));
        core_->sequencer().stamp(wire::header(room_), ++now_, uint16_t(1 + below(63)), position_);
        const auto verdict = one_in(50) ? core_->refuse(room_, engine::Core::forbidden(room_)) : core_->decide(room_);
        const uint64_t most = core_->matcher().most_events();
        core_->fold(room_);
        replay(room_, length_);
        caused_ = 0;
        core_->apply(room_, verdict, *this);
        if (caused_ >= most) fail(("events: " + std::to_string(caused_) + ", and the matcher said fewer than " + std::to_string(most)).c_str(), at_);
    }

    void replay(const uint8_t* p, size_t n) {
        const engine::Mismatch found = replay_.feed(p, n);
        if (found != engine::Mismatch::none) fail(("a replay differs, kind " + std::to_string(int(found))).c_str(), at_);
    }

    std::vector<uint8_t> bytes(const engine::Core& core) {
        std::vector<uint8_t> out;
        core.snapshot(out);
        return out;
    }

    void snapshots() {
        const std::vector<uint8_t> here = bytes(*core_);
        size_t left;
        replay_.missing(left);
        if (left) fail("the replay waits for an event that never came", at_);
        if (here != bytes(twin_)) fail("the replayed state differs", at_);
        if (replay_.redecided()) fail("a decision differs in the replay", at_);
        auto other = std::make_unique<engine::Core>();
        const uint64_t last = core_->sequencer().next_seq() - 1;
        for (int i = 0; i < 3; ++i) {
            std::vector<uint8_t> hurt = here;
            if (one_in(2)) wire::store64(hurt.data() + 8 * below(hurt.size() / 8), random_() >> below(64));
            else hurt.resize(below(hurt.size()));
            if (!other->restore(hurt.data(), hurt.size(), last)) other->clear();
        }
        if (!other->restore(here.data(), here.size(), last)) fail("a snapshot is refused", at_);
        if (here != bytes(*other)) fail("a restored core writes another snapshot", at_);
        core_ = std::move(other);  // goes on from there: what is restored must behave as what was saved
    }

    std::mt19937_64 random_;
    std::unique_ptr<engine::Core> core_ = std::make_unique<engine::Core>();
    engine::Core twin_;
    engine::Replay replay_;
    alignas(8) uint8_t room_[MAX_COMMAND + 8];
    alignas(8) uint8_t event_[512];
    size_t length_ = 0, at_ = 0, refused_ = 0, events_ = 0, trades_ = 0, caused_ = 0;
    uint64_t position_ = 0, cl_ord_id_ = 0;
    int64_t now_ = START;
    bool spoil_ = false;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) return std::printf("usage: core_check SEED COMMANDS [break]\n"), 2;
    auto driver = std::make_unique<Driver>(std::strtoull(argv[1], nullptr, 10));
    driver->run(std::strtoull(argv[2], nullptr, 10), argc > 3);
}
