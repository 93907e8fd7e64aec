// Random commands into a matcher that checks its invariants after each; built with sanitizers by test_matcher_check.py.
//
//   matcher_check SEED COMMANDS [break]
//
// A ledger is kept from the events alone: it must hold exactly the orders that are live, at the prices and quantities the
// matcher shows. No command may cause as many events as most_events() had said before. Snapshots are restored and
// compared, damaged ones must be refused or be canonical. `break` spoils the ledger, to show that the comparison would
// notice.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "services/matcher/batch.hpp"
#include "tests/native/ledger.hpp"

namespace wire = tapewire::wire;
using namespace tapewire::matcher;

namespace {

constexpr uint32_t INSTRUMENTS = 3;
constexpr size_t CAPACITY = 400;
constexpr size_t EMPTY_SNAPSHOT = 6 * 8;

[[noreturn]] void fail(const char* what, size_t at) {
    std::printf("command %zu: %s\n", at, what);
    std::fflush(stdout);
    std::_Exit(1);
}

class Driver {
  public:
    Driver(uint64_t seed) : random_(seed), matcher_(CAPACITY) {}

    void run(size_t commands, bool spoil) {
        for (uint32_t i = 1; i <= INSTRUMENTS; ++i) define(i);
        for (at_ = 0; at_ < commands; ++at_) {
            if (at_ % 1000 == 0) style();
            command();
            if (spoil && !ledger_.held.empty()) ++ledger_.held.begin()->second.leaves;
            if (at_ % 16 == 0) ledger_.compare(matcher_);
            if (!ledger_.fault().empty()) fail(ledger_.fault().c_str(), at_);
            if (at_ % 256 == 0) snapshots();
        }
        std::printf("%zu commands, %zu events, %zu live\n", commands, seen_, matcher_.live_orders());
    }

  private:
    uint64_t below(uint64_t n) { return random_() % n; }
    bool one_in(uint64_t n) { return below(n) == 0; }
    template <class E>
    E any(uint64_t known) {  // an enumerant, seldom one that nobody knows
        return E(one_in(60) ? random_() : below(known + 1));
    }
    template <class T>
    T one_of(std::initializer_list<T> these) {
        return *(these.begin() + below(these.size()));
    }

    // Each thousand commands is another market: narrow, wide, sparse, at the ends of the price range, falling.
    void style() {
        width_ = std::array<int64_t, 4>{6, 300, 20'000, int64_t{1} << 38}[below(4)];
        middle_ = std::array<int64_t, 4>{10, 5'000, 1'000'000, int64_t{1} << 40}[below(4)];
        fall_ = one_in(3) ? middle_ * 6 / 10'000 : 0;
        huge_ = one_in(3);
    }

    int64_t price(bool buy) {
        middle_ = std::max<int64_t>(middle_ - fall_, 10);
        if (one_in(50)) return int64_t(random_());
        if (one_in(20)) return 5 * (one_in(2) ? 1 : int64_t{1} << 40);
        const int64_t away = int64_t(below(uint64_t(width_))) - width_ / 8;
        return 5 * std::max<int64_t>(buy ? middle_ - away : middle_ + away, 1);
    }

    int64_t qty() {
        if (one_in(50)) return int64_t(random_());
        return huge_ && one_in(10) ? MAX_QTY : 1 + int64_t(below(20));
    }

    // Mostly of an order that is live.
    uint64_t some_id() {
        if (one_in(20) || ledger_.held.empty()) return one_in(2) ? random_() : last_id_ - std::min(last_id_, below(300));
        const auto at = ledger_.held.lower_bound(ledger_.held.begin()->first + below(last_id_ - ledger_.held.begin()->first + 1));
        return at == ledger_.held.end() ? ledger_.held.begin()->first : at->first;
    }
    uint32_t owner(uint64_t id) {
        const auto at = owners_.find(id);
        return at == owners_.end() || one_in(12) ? uint32_t(below(4)) : at->second;
    }
    uint32_t some_instrument() { return 1 + uint32_t(below(INSTRUMENTS)); }

    template <class M>
    M& blank() {
        M& m = *wire::make<M>(room_);
        m.header.seq = ++seq_;
        ts_ += int64_t(below(1'000'000));
        m.header.ts = one_in(500) ? int64_t(random_()) : ts_;
        m.header.instrument = one_in(40) ? uint32_t(random_()) : some_instrument();
        return m;
    }

    int64_t later() { return one_in(30) ? int64_t(random_()) : ts_ + 1 + int64_t(below(100'000'000)); }

    void command() {
        const uint64_t dice = below(1000);
        if (dice < 620) new_order();
        else if (dice < 750) cancel_order();
        else if (dice < 920) replace_order();
        else if (dice < 930) define(some_instrument());
        else if (dice < 935) mass();
        else if (dice < 950) set_status();
        else if (dice < 985) advance();
        else if (dice < 990) limits();
        else amend();
    }

    void new_order() {
        auto& o = blank<wire::NewOrder>();
        o.order_id = one_in(200) ? random_() >> (one_in(50) ? 0 : 28 + below(36)) : last_id_ + 1 + (one_in(30) ? below(100'000) : 0);
        o.account = owners_[o.order_id] = 1 + uint32_t(below(3));
        o.session = uint32_t(below(3));
        o.self_trade_group = uint32_t(below(3));
        o.self_trade = one_in(2) ? wire::SelfTrade::allow : any<wire::SelfTrade>(5);
        o.side = one_in(60) ? wire::Side(random_()) : wire::Side(1 + below(2));
        o.ord_type = one_in(4) ? any<wire::OrdType>(4) : wire::OrdType::limit;
        o.time_in_force = one_in(3) ? any<wire::TimeInForce>(7) : one_of({wire::TimeInForce::gtc, wire::TimeInForce::day, wire::TimeInForce::gtd});
        o.set_post_only(one_in(12));
        o.set_slide(o.post_only() ? one_in(2) : one_in(60));
        o.set_hidden(one_in(10));
        const bool buy = o.side == wire::Side::buy, market = o.ord_type == wire::OrdType::market || o.ord_type == wire::OrdType::stop;
        o.price = market && one_in(2) ? 0 : price(buy);
        if (o.ord_type >= wire::OrdType::stop || one_in(60)) o.stop_px = price(!buy);
        o.qty = qty();
        if (!market && !o.hidden() && one_in(6)) o.display_qty = one_in(20) ? int64_t(random_()) : 1 + int64_t(below(5));
        if (one_in(30)) o.min_qty = one_in(10) ? int64_t(random_()) : 1 + int64_t(below(5));
        if (o.time_in_force == wire::TimeInForce::gtd || one_in(60)) o.expire_time = later();
        apply();
        last_id_ = matcher_.last_order_id();
    }

    void cancel_order() {
        auto& c = blank<wire::CancelOrder>();
        c.order_id = some_id();
        c.account = owner(c.order_id);
        apply();
    }

    void replace_order() {
        auto& r = blank<wire::ReplaceOrder>();
        r.order_id = some_id();
        r.account = owner(r.order_id);
        const auto held = ledger_.held.find(r.order_id);
        const bool known = held != ledger_.held.end();
        r.price = known && one_in(2) ? held->second.price : price(known ? held->second.buy : one_in(2));
        r.qty = qty();
        if (known && held->second.waiting ? one_in(2) : one_in(40)) r.stop_px = price(known && !held->second.buy);
        apply();
    }

    void define(uint32_t instrument) {
        auto& d = blank<wire::InstrumentDefinition>();
        d.header.instrument = instrument;
        d.tick_size = one_in(2) ? 1 : 5;
        d.lot_size = one_in(20) ? 2 : 1;
        d.status = one_in(6) ? any<wire::InstrumentStatus>(7) : matcher_.status(instrument);
        if (d.status == wire::InstrumentStatus::unspecified && !matcher_.defined(instrument)) d.status = wire::InstrumentStatus::trading;
        if (one_in(20)) d.min_price = price(true), d.max_price = price(false);
        if (one_in(3)) d.reference_price = price(one_in(2));
        if (one_in(3)) d.static_band_bps = uint32_t(below(10'010)), d.limit_state_ms = uint32_t(below(60));
        if (one_in(3)) d.dynamic_band_bps = uint32_t(below(10'010)), d.pause_ms = uint32_t(below(60));
        apply();
    }

    void set_status() {
        auto& c = blank<wire::SetInstrumentStatus>();
        if (one_in(4)) c.header.instrument = 0;
        c.status = one_in(2) ? wire::InstrumentStatus::trading : any<wire::InstrumentStatus>(6);
        if (one_in(40)) c.status = wire::InstrumentStatus::delisted;
        c.reason = any<wire::StatusReason>(5);
        if (c.status != wire::InstrumentStatus::trading && !one_in(3)) c.resume_time = later();
        apply();
        for (uint32_t i = 1; i <= INSTRUMENTS; ++i)
            if (!matcher_.defined(i)) define(i);
    }

    void advance() {
        auto& c = blank<wire::AdvanceClock>();
        const int64_t due = matcher_.next_due();
        c.up_to = one_in(40) ? int64_t(random_() >> below(64)) : due && one_in(2) ? due : ts_;
        if (c.up_to > ts_ + 1'000'000'000) c.up_to = ts_;  // or nothing would come due again
        apply();
    }

    void limits() {
        auto& l = blank<wire::AccountLimits>();
        l.account = uint32_t(below(4));
        apply();
    }

    void amend() {
        const uint64_t match_id = one_in(10) ? random_() : below(matcher_.next_match_id() + 1);
        if (one_in(2)) {
            auto& b = blank<wire::BustTrade>();
            b.match_id = match_id, b.price = one_in(10) ? int64_t(random_()) : 5, b.qty = one_in(10) ? int64_t(random_()) : 7;
        } else {
            auto& c = blank<wire::CorrectTrade>();
            c.match_id = match_id, c.price = one_in(10) ? int64_t(random_()) : 5, c.qty = one_in(10) ? int64_t(random_()) : 7;
            c.new_price = one_in(10) ? int64_t(random_()) : 5, c.new_qty = one_in(10) ? int64_t(random_()) : 7;
        }
        apply();
    }

    void mass() {
        if (one_in(6)) {
            auto& k = blank<wire::KillSwitch>();
            k.account = uint32_t(below(4));
            k.set_cancel_open(one_in(2));
        } else {
            auto& c = blank<wire::MassCancel>();
            if (one_in(3)) c.header.instrument = 0;
            c.account = uint32_t(below(4));
            c.session = uint32_t(below(3));
            c.side = wire::Side(below(4));
            c.reason = wire::CancelReason(below(9));
        }
        apply();
    }

    void apply() {
        events_.clear();
        events_.command(wire::header(room_));
        const size_t n = 8 + 8 * (wire::load64(room_) >> 32);
        if (wire::check(room_, n) != wire::Fault::none) fail("the driver made a malformed command", at_);
        const uint64_t most = matcher_.most_events();
        matcher_.apply(room_, events_);
        size_t caused = 0;
        for (const uint8_t* p = events_.data(); p < events_.data() + events_.size(); p += 8 + 8 * (wire::load64(p) >> 32)) {
            ++caused;
            ledger_.take(p);
        }
        if (caused >= most) fail("more events than were said to be possible", at_);
        if (!caused) fail("a command without an answer", at_);
        seen_ += caused;
    }

    void snapshots() {
        std::vector<uint8_t> bytes, again;
        matcher_.snapshot(bytes);
        Matcher other(CAPACITY);
        if (!other.restore(bytes.data(), bytes.size())) fail("a snapshot is refused", at_);
        other.check_invariants();
        other.snapshot(again);
        if (bytes != again) fail("a restored matcher writes another snapshot", at_);
        if (other.next_due() != matcher_.next_due() || other.most_events() != matcher_.most_events()) fail("a restored matcher counts otherwise", at_);
        for (int i = 0; i < 8; ++i) {
            std::vector<uint8_t> hurt = bytes;
            if (one_in(4)) hurt.resize(below(hurt.size() + 1));
            else if (one_in(2)) wire::store64(hurt.data() + 8 * below(hurt.size() / 8), random_() >> below(64));
            else hurt[below(hurt.size())] ^= uint8_t(1 << below(8));
            again.clear();
            if (!other.restore(hurt.data(), hurt.size())) {
                other.snapshot(again);
                if (other.live_orders() || again.size() != EMPTY_SNAPSHOT) fail("a refused snapshot left something behind", at_);
                continue;
            }
            other.check_invariants();
            other.snapshot(again);
            if (hurt != again) fail("a snapshot that is not canonical was taken", at_);
        }
    }

    std::mt19937_64 random_;
    Matcher matcher_;
    EventBuffer events_;
    tapewire::check::Ledger ledger_;
    std::map<uint64_t, uint32_t> owners_;  // of all orders ever
    alignas(8) uint8_t room_[256];
    uint64_t seq_ = 0, last_id_ = 0;
    size_t at_ = 0, seen_ = 0;
    int64_t width_ = 6, middle_ = 1000, fall_ = 0, ts_ = 1'700'000'000'000'000'000;
    bool huge_ = false;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) return std::printf("usage: matcher_check SEED COMMANDS [break]\n"), 2;
    Driver(std::strtoull(argv[1], nullptr, 10)).run(std::strtoull(argv[2], nullptr, 10), argc > 3);
}
