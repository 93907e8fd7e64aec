// Wires the engine's parts in one process: tape, rings, doorbell, stats; recovers, then runs. No Python in here.
#pragma once
#include <memory>
#include <set>
#include <string>

#include "services/engine/engine.hpp"
#include "services/engine/remote.hpp"
#include "services/engine/replay.hpp"
#include "tapewire/ring/doorbell.hpp"

namespace tapewire::engine {

// The page's counters, in the order publish_stats() writes them.
inline const std::vector<std::string> COUNTERS = {"commands", "orders",  "trades",  "rejects",
                                                  "refused_inputs", "skipped", "batches", "live_orders",
                                                  "damaged_rings", "blocked"};

enum class Idle : int { spin = 0, yield_thread = 1, futex = 2 };

// Where an error came from, so that the Python face raises the fitting exception.
enum class ErrorKind : int { none = 0, tape = 1, ring = 2, replay = 3, stats = 4, asked = 5 };

// What the Python face holds, whatever the topology.
class AnyHost {
  public:
    virtual ~AnyHost() = default;

    std::string error;
    ErrorKind error_kind = ErrorKind::none;
    tape::Failure failure;  // of a tape error: its place, too

    // What recovery found.
    uint64_t recovered_records = 0, recovered_commands = 0, recovered_missing = 0;
    uint64_t redecided = 0, redecided_seq = 0, mismatch_seq = 0;
    Mismatch mismatch = Mismatch::none;
    std::string mismatch_writer;  // the version that wrote what does not replay; empty if that is not known

    virtual bool open_tape(const char* dir, const tape::Options& options) = 0;
    virtual tape::Writer& tape() = 0;
    virtual bool restore(const uint8_t* p, size_t n, uint64_t last_seq) = 0;
    virtual bool recover() = 0;
    virtual bool start_epoch(int64_t now, const char* version) = 0;
    virtual bool add_ring(const char* path, uint64_t capacity, uint16_t source, Authority authority) = 0;
    virtual bool open_doorbell(const char* path) = 0;
    virtual bool open_stats(const char* path) = 0;
    virtual bool open_stages(const char* path) = 0;
    virtual void publish_stats() = 0;
    virtual bool run(int64_t until_ns, Idle idle, const volatile bool* stop) = 0;
    virtual void wake() = 0;
    virtual bool snapshot(Bytes& out) = 0;
    virtual size_t live_orders() const = 0;
    // Of the engine: see there.
    virtual size_t do_work() = 0;
    virtual size_t drain() = 0;
    virtual bool write() = 0;
    virtual bool sync() = 0;
    virtual void publish() = 0;
    virtual void set_time(int64_t now) = 0;
    virtual const Counters& counters() const = 0;
    virtual bool failed() const = 0;
    virtual bool blocked() const = 0;
    virtual const std::vector<std::string>& damaged_rings() const = 0;
    // Of a split engine, for services that come anew: the last state that was put together, and what is not on the tape yet.
    virtual const Bytes& base() const = 0;
    virtual uint64_t base_seq() const = 0;
    virtual void recent(uint64_t from, uint64_t to, Bytes& out) const = 0;
};

template <class Core>
class HostOf final : public AnyHost {
    static constexpr bool ASKS = Core::ASKS;

  public:
    explicit HostOf(size_t max_batch) : engine_(tape_, max_batch) {}

    // Of a split engine, before start_epoch(): who carries asks over.
    void connect(const Line& risk, const Line& matcher) { risk_line_ = risk, matcher_line_ = matcher; }

    bool open_tape(const char* dir, const tape::Options& options) override {
        dir_ = dir;
        if (tape_.open(dir, options) == tape::Status::ok) return true;
        return refuse_tape(tape_.failure());
    }

    tape::Writer& tape() override { return tape_; }

    // The state that a snapshot of record `last_seq` holds; false leaves the empty state.
    bool restore(const uint8_t* p, size_t n, uint64_t last_seq) override {
        if (folding().restore(p, n, last_seq)) return true;
        folding().clear();
        return false;
    }

    // Folds what the tape holds beyond the restored state, auditing every event, and appends what a crash cut off.
    bool recover() override {
        tape::Reader reader;
        if (reader.open(dir_.c_str()) != tape::Status::ok) return refuse_tape(reader.failure());
        const uint64_t from = folding().sequencer().next_seq();
        if (reader.seek_seq(from) != tape::Status::ok) return refuse_tape(reader.failure());
        Replay replay(folding());
        tape::Record record{};
        while (reader.next(record, reader.positions().written)) {
            mismatch = replay.feed(record.p, record.n);
            if (mismatch != Mismatch::none) {
                mismatch_seq = wire::header(record.p).seq;
                mismatch_writer = replay.writer();
                return refuse(ErrorKind::replay, "replay");
            }
        }
        if (!reader.ok()) return refuse_tape(reader.failure());
        recovered_records = replay.records();
        recovered_commands = replay.commands();
        redecided = replay.redecided();
        redecided_seq = replay.redecided_seq();
        return append_missing(replay);
    }

    bool start_epoch(int64_t now, const char* version) override {
        alignas(8) uint8_t room[sizeof(wire::EpochStarted)];
        auto* started = wire::make<wire::EpochStarted>(room);
        folding().sequencer().stamp(started->header, now, 0, 0);
        started->epoch = tape_.epoch();
        started->resumed_seq = tape_.next_seq() - 1;
        started->pid = uint32_t(::getpid());
        wire::set_text(started->version_pointer, started->version, version, strnlen(version, sizeof started->version - 1));
        if (!engine_.append_own(room, sizeof room) || !tape_.commit()) return refuse_tape(tape_.failure());
        folding().fold(room);
        if constexpr (ASKS) hand_over();
        return true;
    }

    // A ring that does not survive (a reboot) begins where the tape says the last one had been taken to. One that is
    // damaged is reported and left as it is, for people to look at: it must not keep the market closed.
    bool add_ring(const char* path, uint64_t capacity, uint16_t source, Authority authority) override {
        std::string why;
        if (source == 0 || source >= journal::MAX_SOURCES)
            return refuse(ErrorKind::ring, std::string(path) + ": source " + std::to_string(source) + "; expected 1 to " +
                                               std::to_string(journal::MAX_SOURCES - 1) + ": the tape keeps a position for each");
        if (!sources_.insert(source).second)
            return refuse(ErrorKind::ring, std::string(path) + ": source " + std::to_string(source) + " has a ring already");
        const uint64_t taken = (engine_.core.sequencer().taken(source) + 7) & ~uint64_t{7};
        ring::Status status = ring::create_or_keep(path, capacity, taken, nullptr, &why);
        if (status == ring::Status::bad_position) {
            ::unlink(path);
            status = ring::create_or_keep(path, capacity, taken, nullptr, &why);
        }
        if (status == ring::Status::damaged) return engine_.report_damage(why), true;
        if (status != ring::Status::ok) return refuse(ErrorKind::ring, why);
        ring::Consumer& consumer = engine_.add_ring(source, std::move(authority));
        status = consumer.open(path);
        // A fault found here is let go by the first round, as one found later.
        return status == ring::Status::ok || status == ring::Status::damaged || refuse(ErrorKind::ring, consumer.error());
    }

    bool open_doorbell(const char* path) override { return bell_.open(path) || refuse(ErrorKind::ring, bell_.error()); }

    // Works until `until_ns` (monotonic) or until *stop. Returns false when the engine failed.
    bool run(int64_t until_ns, Idle idle, const volatile bool* stop) override {
        size_t dry = 0, busy = 0;
        while (!*stop) {
            if (engine_.do_work()) {
                dry = 0;
                // Rings that are never empty must not keep the caller from its snapshots.
                if (++busy % BATCHES_BEFORE_CLOCK == 0 && monotonic_ns() >= until_ns) return true;
                continue;
            }
            if (engine_.failed()) return refuse_work();
            // Looking at the time costs more than looking at the rings.
            if (++dry < SPINS_BEFORE_IDLE && idle != Idle::spin) continue;
            if (idle == Idle::spin && dry % SPINS_BEFORE_CLOCK) continue;
            const int64_t left = until_ns - monotonic_ns();
            if (left <= 0) return true;
            if (idle == Idle::yield_thread) sched_yield();
            else if (idle == Idle::futex) sleep(left);
        }
        return !engine_.failed() || refuse_work();
    }

    void wake() override {
        if (bell_.is_open()) bell_.ring();
    }

    bool open_stats(const char* path) override {
        if (!stats_.create(path, {"queue", "decide", "commit", "answer"}, COUNTERS)) return refuse(ErrorKind::stats, stats_.error());
        engine_.stages = {stats_.histogram(0), stats_.histogram(1), stats_.histogram(2), stats_.histogram(3)};
        return true;
    }

    bool open_stages(const char* path) override {
        return engine_.stage_log.open(path) || refuse(ErrorKind::stats, engine_.stage_log.error());
    }

    // Copies the engine's plain counters to the page that others read: between runs, not per command.
    void publish_stats() override {
        if (!stats_.is_open()) return;
        const Counters& c = engine_.counters;
        const uint64_t values[] = {c.commands, c.orders, c.trades, c.rejects, c.refused_inputs, c.skipped, c.batches};
        for (size_t i = 0; i < std::size(values); ++i) stats_.set(i, values[i]);
        stats_.set(std::size(values), engine_.core.risk().live_orders());
        stats_.set(std::size(values) + 1, c.damaged_rings);
        stats_.set(std::size(values) + 2, engine_.blocked());
    }

    size_t live_orders() const override { return engine_.core.risk().live_orders(); }
    // False: it was asked for and did not come.
    bool snapshot(Bytes& out) override {
        if constexpr (ASKS) {
            if (base_seq_ != tape_.next_seq() - 1 && !put_together()) return false;
            out = base_;
        } else {
            engine_.core.snapshot(out);
        }
        return true;
    }

    size_t do_work() override { return engine_.do_work(); }
    size_t drain() override { return engine_.drain(); }
    bool write() override { return engine_.write(); }
    bool sync() override { return engine_.sync(); }
    void publish() override { engine_.publish(); }
    void set_time(int64_t now) override { engine_.time = {true, now}; }
    const Counters& counters() const override { return engine_.counters; }
    bool failed() const override { return engine_.failed(); }
    bool blocked() const override { return engine_.blocked(); }
    const std::vector<std::string>& damaged_rings() const override { return engine_.damaged_rings(); }
    const Bytes& base() const override { return base_; }
    uint64_t base_seq() const override { return base_seq_; }
    void recent(uint64_t from, uint64_t to, Bytes& out) const override {
        if constexpr (ASKS) engine_.core.risk().recent(from, to, out);
    }
    EngineOf<Core>& engine() { return engine_; }

  private:
    static constexpr size_t SPINS_BEFORE_IDLE = 200, SPINS_BEFORE_CLOCK = 1000, BATCHES_BEFORE_CLOCK = 16;
    static constexpr int64_t NAP_NS = 200'000;

    using Whole = tapewire::engine::Core;

    // What the tape is folded and audited with at the start: a split engine does it by itself, in one go, and hands the
    // state over to its services afterwards.
    Whole& folding() {
        if constexpr (ASKS) return *whole_;
        else return engine_.core;
    }

    void hand_over() {
        engine_.core.begin(*whole_, risk_line_, matcher_line_);
        base_.clear();
        whole_->snapshot(base_);
        base_seq_ = tape_.next_seq() - 1;
        whole_.reset();
    }

    bool put_together() {
        Bytes state;
        engine_.core.snapshot(state);
        if (engine_.core.lost()) return false;
        base_.swap(state);
        base_seq_ = tape_.next_seq() - 1;
        return true;
    }

    bool refuse_work() {
        if constexpr (ASKS)
            if (engine_.core.lost()) return refuse(ErrorKind::asked, "risk or matcher gave no answer");
        return refuse_tape(tape_.failure());
    }

    bool append_missing(Replay& replay) {
        size_t left;
        const uint8_t* p = replay.missing(left);
        if (!left) return true;
        while (left) {
            const size_t n = size_t(wire::load64(p) >> 32) * 8 + 8;
            if (!engine_.append_own(p, n)) return refuse_tape(tape_.failure());
            p += n;
            left -= n;
            ++recovered_missing;
        }
        replay.missing_appended();
        return tape_.commit() || refuse_tape(tape_.failure());
    }

    void sleep(int64_t left) {
        if (!bell_.is_open()) {  // nobody can wake us
            const struct timespec nap{0, long(std::min({left, NAP_NS, engine_.until_due()}))};
            ::nanosleep(&nap, nullptr);
            return;
        }
        bell_.arm();
        if (engine_.do_work()) return bell_.disarm();
        bell_.wait(std::min(left, engine_.until_due()));
    }

    bool refuse(ErrorKind kind, const std::string& why) {
        error_kind = kind;
        error = why;
        return false;
    }

    bool refuse_tape(const tape::Failure& why) {
        failure = why;
        return refuse(ErrorKind::tape, why.message);
    }

    std::string dir_;
    tape::Writer tape_;
    ring::Doorbell bell_;
    histogram::StatsPage stats_;
    std::set<uint16_t> sources_;
    EngineOf<Core> engine_;
    std::unique_ptr<Whole> whole_ = ASKS ? std::make_unique<Whole>() : nullptr;
    Line risk_line_, matcher_line_;
    Bytes base_;
    uint64_t base_seq_ = 0;
};

using Host = HostOf<Core>;
using SplitHost = HostOf<RemoteCore>;

}  // namespace tapewire::engine
