// Measures the matcher where nothing else runs; prints one JSON object per line. Built and read by bench/matcher.py.
//
// The flow: 59 % adds, of which 13 % cross, 34 % cancels and 7 % replaces of random live orders; the middle walks at
// random, distances from it are geometric. It is made beforehand, with a matcher at hand so that cancels hit live orders,
// then played into fresh matchers in batches. Events are written in full, into a buffer that is used again.
#include <time.h>
#include <x86intrin.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "services/matcher/batch.hpp"

namespace wire = tapewire::wire;
using tapewire::matcher::EventBuffer;
using tapewire::matcher::Matcher;

namespace {

constexpr size_t BATCH = 256;   // commands between two uses of the event buffer
constexpr size_t BLOCK = 1024;  // commands that are in the cache when they are played
constexpr int RUNS = 5;

struct Shape {
    const char* name;
    uint32_t instruments;
    size_t live;      // orders aimed at, over all instruments
    double distance;  // mean ticks from the middle
    double fall;      // share of its price that the market loses
    int64_t middle;   // ticks
    size_t messages;
    bool rules = false;  // price bands, self-trade prevention, and orders of all kinds among the limit orders
    bool call = false;   // nothing trades: orders are collected, and what they would trade is told
};

struct Tape {
    std::vector<uint8_t> bytes;
    std::vector<size_t> at;
    std::vector<const uint8_t*> commands;

    template <class M>
    M& add() {
        at.push_back(bytes.size());
        bytes.resize(bytes.size() + sizeof(M));
        M& m = *wire::make<M>(bytes.data() + at.back());
        m.header.seq = at.size();
        m.header.ts = int64_t(at.size());
        return m;
    }
    void finish() {
        for (const size_t where : at) commands.push_back(bytes.data() + where);
    }
};

class Flow {
  public:
    Flow(const Shape& shape, Tape& tape) : shape_(shape), tape_(tape), middles_(shape.instruments + 1, double(shape.middle)) {}

    // Returns how many of the commands only fill the books.
    size_t make() {
        for (uint32_t i = 1; i <= shape_.instruments; ++i) {
            auto& d = tape_.add<wire::InstrumentDefinition>();
            d.header.instrument = i;
            d.tick_size = 5;
            d.lot_size = 1;
            d.status = wire::InstrumentStatus::trading;
            if (shape_.call) d.status = wire::InstrumentStatus::opening_auction;
            if (shape_.rules) d.reference_price = 5 * shape_.middle, d.static_band_bps = 1000, d.dynamic_band_bps = 500;
            apply();
        }
        while (matcher.live_orders() < shape_.live) add(false);
        const size_t filled = tape_.at.size();
        for (; step_ < shape_.messages; ++step_) {
            const double dice = uniform();
            // A falling market crosses by itself, and its number of orders would not hold.
            if (shape_.fall > 0 && matcher.live_orders() < shape_.live) add(false);
            else if (dice < 0.34 || (shape_.call && matcher.live_orders() > shape_.live)) cancel();
            else if (dice < 0.41) replace();
            else add(uniform() < 0.13);
        }
        tape_.finish();
        return filled;
    }

    Matcher matcher;

  private:
    struct Placed {
        uint64_t id;
        int64_t qty;
        uint32_t instrument, account;
        bool buy;
    };

    double uniform() { return std::uniform_real_distribution<>(0, 1)(random_); }

    int64_t price(uint32_t instrument, bool buy) {
        double& walk = middles_[instrument];
        walk += std::normal_distribution<>(0, 0.3)(random_);
        const double middle = walk - double(shape_.middle) * shape_.fall * double(step_) / double(shape_.messages);
        const int64_t away = 1 + int64_t(std::exponential_distribution<>(1 / shape_.distance)(random_));
        return 5 * std::max<int64_t>(int64_t(middle) + (buy ? -away : away), 1);
    }

    void add(bool cross) {
        const uint32_t instrument = 1 + uint32_t(random_() % shape_.instruments);
        const bool buy = random_() & 1;
        auto& o = tape_.add<wire::NewOrder>();
        o.header.instrument = instrument;
        o.order_id = o.cl_ord_id = ++last_id_;
        o.account = 1 + uint32_t(random_() % 100);
        o.side = buy ? wire::Side::buy : wire::Side::sell;
        o.ord_type = wire::OrdType::limit;
        o.time_in_force = wire::TimeInForce::gtc;
        o.qty = 1 + int64_t(random_() % 100);
        o.price = price(instrument, buy);
        if (cross) {
            const auto top = matcher.best(instrument);
            const int64_t reach = 5 * (2 + int64_t(shape_.distance / 10));
            if (matcher.live_orders() > shape_.live) o.qty += 200;  // takes more makers, so that the number of orders holds
            if (buy && top.ask) o.price = std::max(o.price, top.ask + reach);
            if (!buy && top.bid > reach) o.price = std::min(o.price, top.bid - reach);
        }
        if (shape_.rules) vary(o);
        placed_.push_back({last_id_, o.qty, instrument, o.account, buy});
        apply();
    }

    // Of a hundred orders 8 expire, 6 are icebergs, 4 hidden, 4 post-only that slide, 3 wait as stops, 1 is a market order.
    void vary(wire::NewOrder& o) {
        o.self_trade_group = o.account;
        o.self_trade = wire::SelfTrade::cancel_oldest;
        const uint64_t dice = random_() % 100;
        if (dice < 8) {
            o.time_in_force = wire::TimeInForce::gtd;
            o.expire_time = o.header.ts + 1'000'000'000 + int64_t(random_() % 100'000);
        } else if (dice < 14) {
            o.display_qty = 1 + o.qty / 5;
        } else if (dice < 18) {
            o.set_hidden(true);
        } else if (dice < 22) {
            o.set_post_only(true);
            o.set_slide(true);
        } else if (dice < 25) {
            const int64_t away = 5 * int64_t(10 + random_() % 100);
            o.ord_type = wire::OrdType::stop;
            o.stop_px = std::max<int64_t>(o.price + (o.side == wire::Side::buy ? 2 * away : -2 * away), 5);
            o.price = 0;
        } else if (dice < 26) {
            o.ord_type = wire::OrdType::market;
            o.price = 0;
        }
    }

    // A random live order, moved to the back of those placed; dead ones met on the way are forgotten.
    Placed* pick() {
        while (!placed_.empty()) {
            Placed& one = placed_[random_() % placed_.size()];
            std::swap(one, placed_.back());
            if (matcher.is_live(placed_.back().id)) return &placed_.back();
            placed_.pop_back();
        }
        return nullptr;
    }

    void cancel() {
        const Placed* p = pick();
        if (!p) return add(false);
        auto& c = tape_.add<wire::CancelOrder>();
        c.order_id = p->id;
        c.account = p->account;
        placed_.pop_back();
        apply();
    }

    void replace() {
        const Placed* p = pick();
        if (!p) return add(false);
        auto& r = tape_.add<wire::ReplaceOrder>();
        r.order_id = p->id;
        r.account = p->account;
        r.qty = p->qty;
        r.price = price(p->instrument, p->buy);
        apply();
    }

    void apply() {
        events_.clear();
        matcher.apply(tape_.bytes.data() + tape_.at.back(), events_);
    }

    Shape shape_;
    Tape& tape_;
    std::vector<double> middles_;
    std::mt19937_64 random_{20261121};
    EventBuffer events_;
    std::vector<Placed> placed_;
    uint64_t last_id_ = 0;
    size_t step_ = 0;
};

int64_t cpu_ns() {
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

void play(Matcher& matcher, const uint8_t* const* commands, size_t n, EventBuffer& events) {
    for (size_t i = 0; i < n; i += BATCH) {
        events.clear();
        apply_batch(matcher, commands + i, std::min(BATCH, n - i), events);
    }
}

// CPU ns per message of one run over the commands from `filled` on. A ring's commands are in the cache when the engine
// takes them; so are these if `hot`: they are copied, block by block and outside the time measured, to where the block
// before them lay. Otherwise they are read from all the memory they fill.
double one_run(const Tape& tape, size_t filled, bool hot) {
    const size_t n = tape.commands.size() - filled;
    Matcher matcher;
    EventBuffer events;
    play(matcher, tape.commands.data(), filled, events);
    if (!hot) {
        const int64_t start = cpu_ns();
        play(matcher, tape.commands.data() + filled, n, events);
        return double(cpu_ns() - start) / double(n);
    }
    std::vector<uint8_t> room(BLOCK * sizeof(wire::InstrumentDefinition));
    std::vector<const uint8_t*> block(BLOCK);
    int64_t spent = 0;
    for (size_t i = filled; i < tape.commands.size(); i += BLOCK) {
        const size_t count = std::min(BLOCK, tape.commands.size() - i);
        uint8_t* to = room.data();
        for (size_t k = 0; k < count; ++k) {
            const size_t bytes = 8 + 8 * (wire::load64(tape.commands[i + k]) >> 32);
            block[k] = static_cast<const uint8_t*>(std::memcpy(to, tape.commands[i + k], bytes));
            to += bytes;
        }
        const int64_t start = cpu_ns();
        play(matcher, block.data(), count, events);
        spent += cpu_ns() - start;
    }
    return double(spent) / double(n);
}

void throughput(const Shape& shape, bool hot = true) {
    Tape tape;
    Flow flow(shape, tape);
    const size_t filled = flow.make();
    std::vector<double> ns;
    for (int run = 0; run < RUNS; ++run) ns.push_back(one_run(tape, filled, hot));
    std::sort(ns.begin(), ns.end());
    std::printf("{\"name\": \"%s\", \"messages\": %zu, \"ns\": %.3f, \"ns_min\": %.3f, \"ns_max\": %.3f, \"live\": %zu, \"levels\": %zu, \"matches\": %llu}\n",
                shape.name, tape.commands.size() - filled, ns[RUNS / 2], ns.front(), ns.back(), flow.matcher.live_orders(),
                flow.matcher.live_levels(), static_cast<unsigned long long>(flow.matcher.next_match_id() - 1));
}

double ns_per_tick() {
    timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    const uint64_t t0 = __rdtsc();
    do clock_gettime(CLOCK_MONOTONIC, &b);
    while ((b.tv_sec - a.tv_sec) * 1'000'000'000 + b.tv_nsec - a.tv_nsec < 50'000'000);
    return double((b.tv_sec - a.tv_sec) * 1'000'000'000 + b.tv_nsec - a.tv_nsec) / double(__rdtsc() - t0);
}

// Each message alone, its two clock reads included.
void latency(const Shape& shape) {
    Tape tape;
    Flow flow(shape, tape);
    const size_t filled = flow.make();
    Matcher matcher;
    EventBuffer events;
    play(matcher, tape.commands.data(), filled, events);
    std::vector<uint32_t> ticks;
    ticks.reserve(tape.commands.size());
    for (size_t i = filled; i < tape.commands.size(); ++i) {
        if (i % BATCH == 0) events.clear();
        const uint64_t start = __rdtsc();
        events.command(wire::header(tape.commands[i]));
        matcher.apply(tape.commands[i], events);
        ticks.push_back(uint32_t(__rdtsc() - start));
    }
    std::sort(ticks.begin(), ticks.end());
    const double scale = ns_per_tick();
    const auto at = [&](double q) { return scale * ticks[size_t(q * double(ticks.size() - 1))]; };
    std::printf("{\"name\": \"%s\", \"messages\": %zu, \"p50\": %.1f, \"p99\": %.1f, \"p999\": %.1f, \"max\": %.1f}\n", shape.name,
                ticks.size(), at(0.5), at(0.99), at(0.999), at(1));
}

// The flow of one instrument as it is, for the benches of the Python face.
int print_tape(const Shape& shape) {
    Tape tape;
    Flow(shape, tape).make();
    return std::fwrite(tape.bytes.data(), 1, tape.bytes.size(), stdout) == tape.bytes.size() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    const size_t n = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
    Shape one{"one instrument", 1, 8'000, 40, 0, 100'000, n};
    const std::string only = argc > 2 ? argv[2] : "";
    if (only == "tape") return print_tape(one);
    if (only != "memory") throughput(one);
    one.name = "one instrument, commands from memory";
    throughput(one, false);
    if (only == "memory") return 0;
    throughput({"100 instruments", 100, 86'000, 20, 0, 100'000, n});
    throughput({"wide and sparse", 1, 14'500, 30'000, 0, 1'000'000, n});
    throughput({"falling 60 %", 1, 8'000, 40, 0.6, 20'000, n});
    throughput({"every kind of order, bands", 1, 8'000, 40, 0, 100'000, n, true});
    throughput({"in a call", 1, 8'000, 40, 0, 100'000, n, false, true});
    latency({"latency", 1, 8'000, 40, 0, 100'000, n});
    return 0;
}
