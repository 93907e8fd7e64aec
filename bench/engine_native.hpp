// The engine under load: a market made by a seeded client, which sends into the engine's ring and reads its answers
// off the tape as any client does; and the loops that time pieces of the engine by themselves.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "bench/native.hpp"
#include "services/engine/audit.hpp"
#include "services/engine/host.hpp"

namespace tapewire::bench {

// What the calling thread has used, whoever else is on the machine.
inline int64_t cpu_ns() { return tapewire::detail::read_clock(CLOCK_THREAD_CPUTIME_ID); }

inline constexpr uint16_t SOURCE = 1;
inline constexpr uint32_t INSTRUMENTS = 8, ACCOUNTS = 64;
inline constexpr int64_t MIDDLE = 100'000;  // ticks
inline constexpr size_t ORDERS = 1 << 14;   // places for orders of which about half are taken at any time

// A busy market: a new order for every place that is empty, a cancel (now and then a replace) for every one that is
// taken, places drawn at random. One in eight orders crosses. Order ids are dense, so the client knows them beforehand;
// a cancel of an order that has traded meanwhile is refused, as in life.
class Flow {
  public:
    // The next command's bytes, good until the next call.
    const uint8_t* next(uint32_t& n, int64_t now) {
        const uint64_t draw = random();
        Place& place = places_[draw % ORDERS];
        const bool taken = place.id != 0;
        if (!taken) return order(place, draw, n, now);
        return draw >> 60 == 0 ? replace(place, draw, n, now) : cancel(place, n, now);
    }

    // One that rests alone, far from the others.
    const uint8_t* resting(uint32_t& n, int64_t now) {
        const uint64_t draw = random();
        auto* m = new_order(1 + draw % INSTRUMENTS, draw, now);
        m->side = draw >> 20 & 1 ? wire::Side::buy : wire::Side::sell;
        m->price = MIDDLE + (m->side == wire::Side::buy ? -1 : 1) * int64_t(100 + (draw >> 21) % 2000);
        n = sizeof *m;
        return room_;
    }

    // An order, and on the next call its cancel: the book stays as it is.
    const uint8_t* in_and_out(uint32_t& n, int64_t now) {
        if (alone_.id) return cancel(alone_, n, now);
        const uint8_t* made = resting(n, now);
        alone_ = {last_id_, reinterpret_cast<const wire::NewOrder*>(made)->account, 0, 0};
        return made;
    }

  private:
    struct Place {
        uint64_t id;
        uint32_t account;
        int32_t price;
        uint16_t instrument;
    };

    uint64_t random() {
        state_ ^= state_ << 13, state_ ^= state_ >> 7, state_ ^= state_ << 17;
        return state_ * 0x2545f4914f6cdd1d;
    }

    template <class M>
    M* blank(uint32_t account, int64_t now) {
        auto* m = wire::make<M>(room_);
        m->header.ts_event = m->header.ts_recv = now;
        m->cl_ord_id = ++cl_ord_id_;
        m->account = account;
        return m;
    }

    wire::NewOrder* new_order(uint32_t instrument, uint64_t draw, int64_t now) {
        auto* m = blank<wire::NewOrder>(uint32_t(1 + (draw >> 8) % ACCOUNTS), now);
        m->header.instrument = instrument;
        m->ord_type = wire::OrdType::limit;
        m->time_in_force = wire::TimeInForce::gtc;
        m->qty = int64_t(1 + (draw >> 16) % 10);
        ++last_id_;
        return m;
    }

    const uint8_t* order(Place& place, uint64_t draw, uint32_t& n, int64_t now) {
        const auto instrument = uint16_t(1 + (draw >> 48) % INSTRUMENTS);
        auto* m = new_order(instrument, draw, now);
        const bool buy = draw >> 24 & 1, crosses = (draw >> 25 & 7) == 0;
        const int64_t away = crosses ? -int64_t(draw >> 32 & 3) : int64_t(1 + (draw >> 32) % 50);
        m->side = buy ? wire::Side::buy : wire::Side::sell;
        m->price = MIDDLE + (buy ? -away : away);
        place = {last_id_, m->account, int32_t(m->price), instrument};
        n = sizeof *m;
        return room_;
    }

    const uint8_t* cancel(Place& place, uint32_t& n, int64_t now) {
        auto* m = blank<wire::CancelOrder>(place.account, now);
        m->order_id = place.id;
        place.id = 0;
        n = sizeof *m;
        return room_;
    }

    const uint8_t* replace(Place& place, uint64_t draw, uint32_t& n, int64_t now) {
        auto* m = blank<wire::ReplaceOrder>(place.account, now);
        m->order_id = place.id;
        m->price = place.price;
        m->qty = int64_t(1 + (draw >> 16) % 10);
        n = sizeof *m;
        return room_;
    }

    alignas(8) uint8_t room_[sizeof(wire::NewOrder)];
    uint64_t state_ = 88172645463325252, last_id_ = 0, cl_ord_id_ = 0;
    Place alone_{};
    std::vector<Place> places_ = std::vector<Place>(ORDERS);
};

// An engine with one ring, and the client at the ring's other end. Calls return false with `error` set.
class Market {
  public:
    std::string error;

    bool open(const char* dir, const char* ring, const char* stats, bool disk, uint64_t segment_bytes, uint64_t ring_bytes, size_t max_batch) {
        tape::Options options;
        options.durability = disk ? tape::Durability::disk : tape::Durability::memory;
        options.segment_bytes = segment_bytes;
        options.name = "bench";
        host_ = std::make_unique<engine::Host>(max_batch);
        if (!host_->open_tape(dir, options) || !host_->start_epoch(utc_ns(), "bench") || !host_->add_ring(ring, ring_bytes, SOURCE, {.operates = true, .accounts = {}}) || !host_->open_stats(stats))
            return refuse(host_->error);
        if (producer_.open(ring) != ring::Status::ok) return refuse(producer_.error());
        if (reader_.open(dir) != tape::Status::ok) return refuse(reader_.error());
        return define();
    }

    // One command at a time, each answered before the next: from before it is written until its answer has been read.
    bool round_trip(uint64_t rounds, int core, int engine_core, Histogram& out) {
        Running engine(*this, engine_core);
        Pinned pinned(core);
        for (uint64_t i = 0; i < rounds; ++i) {
            uint32_t n;
            const int64_t started = utc_ns();
            const uint8_t* command = flow_.in_and_out(n, started);
            if (!producer_.write(command, n, &sent_)) return refuse("the ring is full");
            while (answered_ != sent_)
                if (!read_answers()) pause();
            out.record(utc_ns() - started);
            if (engine.failed() || !reader_.ok()) return refuse(host_->error + reader_.error());
        }
        return true;
    }

    // As many as there is room for in the window, sent and read as fast as both sides can. Returns the wall time, ns.
    int64_t stream(uint64_t commands, uint64_t window, int core, int engine_core) {
        Running engine(*this, engine_core);
        Pinned pinned(core);
        const int64_t started = monotonic_ns();
        uint64_t sent = 0, behind = 0;
        answers_ = 0;
        while (answers_ < commands) {
            const uint64_t most = std::min(commands - sent, std::min<uint64_t>(window - (sent - answers_), BURST));
            const int64_t now = most ? utc_ns() : 0;  // one burst, one time
            for (behind = 0; behind < most; ++behind) {
                uint32_t n;
                if (!held_) held_ = flow_.next(held_bytes_, now);
                n = held_bytes_;
                if (producer_.stage(held_, n, &sent_) != ring::Write::ok) break;
                held_ = nullptr;
            }
            sent += behind;
            producer_.publish();
            if (!read_answers() && !behind) pause();
            if (engine.failed() || !reader_.ok()) return refuse(host_->error + reader_.error()), -1;
        }
        return monotonic_ns() - started;
    }

    // The engine alone: the ring is filled, then emptied with nobody else at work. Returns the engine's CPU time, ns.
    int64_t alone(uint64_t commands, bool resting) {
        int64_t took = 0;
        for (uint64_t sent = 0; sent < commands;) {
            const int64_t now = utc_ns();
            for (; sent < commands; ++sent) {
                if (!held_) held_ = resting ? flow_.resting(held_bytes_, now) : flow_.next(held_bytes_, now);
                if (!producer_.write(held_, held_bytes_, &sent_)) break;
                held_ = nullptr;
            }
            const int64_t started = cpu_ns();
            while (host_->engine().do_work()) {}
            took += cpu_ns() - started;
            if (host_->engine().failed()) return refuse(host_->tape().error()), -1;
            while (read_answers()) {}
            if (!reader_.ok()) return refuse(reader_.error()), -1;
        }
        return took;
    }

    // Every check of a new order, none of which refuses it. Returns ns per check.
    double check_ns(uint64_t rounds) {
        static constexpr size_t KINDS = 1024;
        std::vector<wire::NewOrder> orders(KINDS);
        for (wire::NewOrder& order : orders) {
            uint32_t n;
            std::memcpy(&order, flow_.resting(n, 0), sizeof order);
            order.header.source = SOURCE;
            order.cl_ord_id += 1u << 30;
        }
        const risk::Risk& risk = host_->engine().core.risk();
        uint64_t refused = 0;
        const int64_t started = cpu_ns();
        for (uint64_t i = 0; i < rounds; ++i)
            refused += risk.check(reinterpret_cast<uint8_t*>(&orders[i % KINDS])).reason != wire::RejectReason::unspecified;
        const int64_t took = cpu_ns() - started;
        return refused ? -1.0 : double(took) / double(rounds);
    }

    // From now on the engine keeps a stage log.
    bool keep_stages(const char* path) { return host_->open_stages(path) || refuse(host_->error); }

    size_t live_orders() const { return host_->live_orders(); }
    uint64_t next_seq() const { return host_->tape().next_seq(); }
    uint64_t position() const { return host_->tape().position(); }
    void snapshot(std::vector<uint8_t>& out) const { host_->snapshot(out); }
    void close() {
        producer_.close();
        reader_.close();
        if (host_) host_->tape().close();
        host_.reset();
    }

  private:
    static constexpr uint64_t BURST = 64;  // commands sent between two looks at the tape
    static constexpr int64_t RUN_NS = 120'000'000'000;  // longer than any run of a bench

    // The engine on a core of its own, spinning, for the life of this object.
    class Running {
      public:
        Running(Market& market, int core) : host_(*market.host_), thread_([this, core] {
            Pinned pinned(core);
            failed_ = !host_.run(monotonic_ns() + RUN_NS, engine::Idle::spin, &stop_);
        }) {}
        ~Running() {
            stop_ = true;
            thread_.join();
        }
        bool failed() const { return failed_; }

      private:
        engine::Host& host_;
        volatile bool stop_ = false;
        std::atomic<bool> failed_{false};
        std::thread thread_;
    };

    bool refuse(std::string why) {
        error = std::move(why);
        return false;
    }

    bool define() {
        alignas(8) uint8_t room[sizeof(wire::InstrumentDefinition)];
        for (uint32_t id = 1; id <= ACCOUNTS; ++id) {
            auto* m = wire::make<wire::AccountLimits>(room);
            m->account = id;
            m->max_order_qty = 1'000, m->max_notional = int64_t{1} << 50, m->max_position = int64_t{1} << 50;
            if (!producer_.write(room, sizeof *m, &sent_)) return refuse("the ring is too small");
        }
        for (uint32_t id = 1; id <= INSTRUMENTS; ++id) {
            auto* m = wire::make<wire::InstrumentDefinition>(room);
            m->header.instrument = id;
            m->tick_size = m->lot_size = 1, m->max_price = 2 * MIDDLE, m->collar_bps = 1'000, m->reference_price = MIDDLE;
            m->status = wire::InstrumentStatus::trading;
            const std::string ticker = "BENCH" + std::to_string(id);
            wire::set_text(m->ticker_pointer, m->ticker, ticker.data(), ticker.size());
            if (!producer_.write(room, sizeof *m, &sent_)) return refuse("the ring is too small");
        }
        while (host_->engine().do_work()) {}
        read_answers();
        return host_->engine().counters.rejects == 0 || refuse("the market was refused");
    }

    // Reads what the tape holds; counts the commands that have an answer. False: there was nothing.
    bool read_answers() {
        const uint64_t limit = reader_.mark(tape::Limit::released).position;
        if (limit == reader_.position()) return false;
        tape::Record record;
        while (reader_.next(record, limit)) {
            const wire::Header& header = wire::header(record.p);
            if (header.cause == 0 || header.origin_seq == answered_) continue;
            answered_ = header.origin_seq;
            ++answers_;
        }
        return true;
    }

    std::unique_ptr<engine::Host> host_;
    Producer producer_;
    tape::Reader reader_;
    Flow flow_;
    const uint8_t* held_ = nullptr;  // made but not yet sent: the ring was full
    uint32_t held_bytes_ = 0;
    uint64_t sent_ = 0, answered_ = 0, answers_ = 0;
};

}  // namespace tapewire::bench
