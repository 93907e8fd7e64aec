// Random commands into a matcher that checks its invariants after each; built with sanitizers by test_matcher_check.py.
//
//   matcher_check SEED COMMANDS [break]
//
// A ledger is kept from the events alone: after every command it must hold exactly the orders that are live, at the
// prices and quantities the matcher shows. Snapshots are restored and compared, damaged ones must be refused or be
// canonical. `break` spoils the ledger, to show that the comparison would notice.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>

#include "services/matcher/batch.hpp"

namespace wire = tapewire::wire;
using namespace tapewire::matcher;

namespace {

constexpr uint32_t INSTRUMENTS = 3;
constexpr size_t CAPACITY = 400;

[[noreturn]] void fail(const char* what, size_t at) {
    std::printf("command %zu: %s\n", at, what);
    std::fflush(stdout);
    std::_Exit(1);
}

struct Held {
    uint32_t instrument;
    bool buy;
    int64_t price, leaves;
};

// Live orders as a subscriber would know them.
class Ledger {
  public:
    void take(const uint8_t* p) {
        switch (wire::header(p).type) {
            case wire::MessageType::order_accepted: return accepted(*reinterpret_cast<const wire::OrderAccepted*>(p));
            case wire::MessageType::order_executed: return executed(*reinterpret_cast<const wire::OrderExecuted*>(p));
            case wire::MessageType::order_cancelled: return cancelled(*reinterpret_cast<const wire::OrderCancelled*>(p));
            case wire::MessageType::order_replaced: return replaced(*reinterpret_cast<const wire::OrderReplaced*>(p));
            default: return;
        }
    }

    bool agrees(const Matcher& matcher) const {
        if (held.size() != matcher.live_orders()) return false;
        for (uint32_t instrument = 1; instrument <= INSTRUMENTS; ++instrument)
            for (const bool buy : {true, false})
                if (!side_agrees(matcher, instrument, buy)) return false;
        return true;
    }

    std::map<uint64_t, Held> held;
    bool sound = true;

  private:
    void accepted(const wire::OrderAccepted& e) {
        sound &= held.emplace(e.order_id, Held{e.header.instrument, e.side == wire::Side::buy, e.price, e.qty}).second;
    }

    void executed(const wire::OrderExecuted& e) {
        Held &maker = held.at(e.maker_order_id), &taker = held.at(e.taker_order_id);
        sound &= e.qty > 0 && maker.leaves - e.qty == e.maker_leaves_qty && taker.leaves - e.qty == e.taker_leaves_qty;
        sound &= e.price == maker.price && maker.buy != taker.buy && e.header.instrument == maker.instrument;
        maker.leaves = e.maker_leaves_qty;
        taker.leaves = e.taker_leaves_qty;
        if (!maker.leaves) held.erase(e.maker_order_id);
        if (!taker.leaves) held.erase(e.taker_order_id);
    }

    void cancelled(const wire::OrderCancelled& e) {
        sound &= held.at(e.order_id).leaves == e.cancelled_qty && held.at(e.order_id).instrument == e.header.instrument;
        held.erase(e.order_id);
    }

    void replaced(const wire::OrderReplaced& e) {
        Held& order = held.at(e.order_id);
        sound &= order.leaves == e.old_leaves_qty && order.price == e.old_price;
        order.leaves = e.leaves_qty;
        order.price = e.price;
    }

    bool side_agrees(const Matcher& matcher, uint32_t instrument, bool buy) const {
        std::map<int64_t, std::pair<int64_t, uint32_t>> levels;
        for (const auto& [id, order] : held)
            if (order.instrument == instrument && order.buy == buy) {
                levels[order.price].first += order.leaves;
                ++levels[order.price].second;
            }
        const auto shown = matcher.depth(instrument, buy ? wire::Side::buy : wire::Side::sell, SIZE_MAX);
        if (shown.size() != levels.size()) return false;
        for (const auto& level : shown)
            if (levels[level.price] != std::pair(level.qty, level.orders)) return false;
        return true;
    }
};

class Driver {
  public:
    Driver(uint64_t seed) : random_(seed), matcher_(CAPACITY) {}

    void run(size_t commands, bool spoil) {
        for (uint32_t i = 1; i <= INSTRUMENTS; ++i) define(i, i == 1 ? 1 : 5);
        for (at_ = 0; at_ < commands; ++at_) {
            if (at_ % 1000 == 0) style();
            command();
            if (spoil && !ledger_.held.empty()) ++ledger_.held.begin()->second.leaves;
            if (!ledger_.sound) fail("an event contradicts the ones before it", at_);
            if (at_ % 16 == 0 && !ledger_.agrees(matcher_)) fail("the book is not what its events say", at_);
            if (at_ % 256 == 0) snapshots();
        }
        std::printf("%zu commands, %zu events, %zu live\n", commands, seen_, matcher_.live_orders());
    }

  private:
    uint64_t below(uint64_t n) { return random_() % n; }
    bool one_in(uint64_t n) { return below(n) == 0; }

    // Each thousand commands is another market: narrow, wide, sparse, at the ends of the price range, falling.
    void style() {
        width_ = std::array<int64_t, 4>{6, 300, 20'000, int64_t{1} << 38}[below(4)];
        middle_ = std::array<int64_t, 4>{10, 5'000, 1'000'000, int64_t{1} << 40}[below(4)];
        fall_ = one_in(3) ? middle_ * 6 / 10'000 : 0;
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
        return one_in(10) ? MAX_QTY : 1 + int64_t(below(20));
    }

    uint64_t some_id() { return one_in(20) || !last_id_ ? random_() : last_id_ - std::min(last_id_ - 1, below(300)); }

    template <class M>
    M& blank() {
        M& m = *wire::make<M>(room_);
        m.header.seq = ++seq_;
        m.header.instrument = one_in(40) ? uint32_t(random_()) : 1 + uint32_t(below(INSTRUMENTS));
        return m;
    }

    void define(uint32_t instrument, int64_t tick) {
        auto& d = blank<wire::InstrumentDefinition>();
        d.header.instrument = instrument;
        d.tick_size = tick;
        d.lot_size = 1;
        d.status = one_in(4) && at_ ? wire::InstrumentStatus::halted : wire::InstrumentStatus::trading;
        apply();
    }

    void command() {
        const uint64_t dice = below(100);
        if (dice < 60) new_order();
        else if (dice < 76) cancel_order();
        else if (dice < 97) replace_order();
        else if (dice < 98) define(1 + uint32_t(below(INSTRUMENTS)), one_in(2) ? 1 : 5);
        else if (one_in(3)) mass();
    }

    void new_order() {
        auto& o = blank<wire::NewOrder>();
        o.order_id = one_in(200) ? random_() >> (one_in(50) ? 0 : 28 + below(36)) : last_id_ + 1 + (one_in(30) ? below(100'000) : 0);
        o.account = 1 + uint32_t(below(3));
        o.side = one_in(60) ? wire::Side(random_()) : wire::Side(1 + below(2));
        o.ord_type = one_in(60) ? wire::OrdType(random_()) : wire::OrdType(one_in(10) ? 2 : 1);
        o.time_in_force = one_in(60) ? wire::TimeInForce(random_()) : wire::TimeInForce(one_in(5) ? 3 + below(2) : 1 + below(2));
        o.set_post_only(one_in(6));
        o.price = o.ord_type == wire::OrdType::market && one_in(2) ? 0 : price(o.side == wire::Side::buy);
        o.qty = qty();
        apply();
        last_id_ = matcher_.last_order_id();
    }

    void cancel_order() {
        auto& c = blank<wire::CancelOrder>();
        c.order_id = some_id();
        c.account = 1 + uint32_t(below(3));
        apply();
    }

    void replace_order() {
        auto& r = blank<wire::ReplaceOrder>();
        r.order_id = some_id();
        r.account = 1 + uint32_t(below(3));
        const auto held = ledger_.held.find(r.order_id);
        r.price = held != ledger_.held.end() && one_in(2) ? held->second.price : price(one_in(2));
        r.qty = qty();
        apply();
    }

    void mass() {
        if (one_in(4)) {
            auto& k = blank<wire::KillSwitch>();
            k.account = uint32_t(below(4));
            k.set_cancel_open(one_in(2));
        } else {
            auto& c = blank<wire::MassCancel>();
            if (one_in(3)) c.header.instrument = 0;
            c.account = uint32_t(below(4));
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
        matcher_.apply(room_, events_);
        for (const uint8_t* p = events_.data(); p < events_.data() + events_.size(); p += 8 + 8 * (wire::load64(p) >> 32)) {
            ++seen_;
            ledger_.take(p);
        }
    }

    void snapshots() {
        std::vector<uint8_t> bytes, again;
        matcher_.snapshot(bytes);
        Matcher other(CAPACITY);
        if (!other.restore(bytes.data(), bytes.size())) fail("a snapshot is refused", at_);
        other.check_invariants();
        other.snapshot(again);
        if (bytes != again) fail("a restored matcher writes another snapshot", at_);
        for (int i = 0; i < 8; ++i) {
            std::vector<uint8_t> hurt = bytes;
            if (one_in(4)) hurt.resize(below(hurt.size() + 1));
            else if (one_in(2)) wire::store64(hurt.data() + 8 * below(hurt.size() / 8), random_() >> below(64));
            else hurt[below(hurt.size())] ^= uint8_t(1 << below(8));
            again.clear();
            if (!other.restore(hurt.data(), hurt.size())) {
                other.snapshot(again);
                if (other.live_orders() || again.size() != 32) fail("a refused snapshot left something behind", at_);
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
    Ledger ledger_;
    alignas(8) uint8_t room_[256];
    uint64_t seq_ = 0, last_id_ = 0;
    size_t at_ = 0, seen_ = 0;
    int64_t width_ = 6, middle_ = 1000, fall_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) return std::printf("usage: matcher_check SEED COMMANDS [break]\n"), 2;
    Driver(std::strtoull(argv[1], nullptr, 10)).run(std::strtoull(argv[2], nullptr, 10), argc > 3);
}
