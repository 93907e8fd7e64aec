// Wires the engine's parts in one process: tape, rings, doorbell, stats; recovers, then runs. No Python in here.
#pragma once
#include <memory>
#include <set>
#include <string>

#include "services/engine/engine.hpp"
#include "services/engine/replay.hpp"
#include "tapewire/ring/doorbell.hpp"

namespace tapewire::engine {

// The page's counters, in the order publish_stats() writes them.
inline const std::vector<std::string> COUNTERS = {"commands", "orders",  "trades",  "rejects",
                                                  "refused_inputs", "skipped", "batches", "live_orders",
                                                  "damaged_rings", "blocked"};

enum class Idle : int { spin = 0, yield_thread = 1, futex = 2 };

// Where an error came from, so that the Python face raises the fitting exception.
enum class ErrorKind : int { none = 0, tape = 1, ring = 2, replay = 3, stats = 4 };

class Host {
  public:
    explicit Host(size_t max_batch) : engine_(tape_, max_batch) {}

    std::string error;
    ErrorKind error_kind = ErrorKind::none;
    tape::Failure failure;  // of a tape error: its place, too

    // What recovery found.
    uint64_t recovered_records = 0, recovered_commands = 0, recovered_missing = 0;
    uint64_t redecided = 0, redecided_seq = 0, mismatch_seq = 0;
    Mismatch mismatch = Mismatch::none;

    bool open_tape(const char* dir, const tape::Options& options) {
        dir_ = dir;
        if (tape_.open(dir, options) == tape::Status::ok) return true;
        return refuse_tape(tape_.failure());
    }

    tape::Writer& tape() { return tape_; }

    // The state that a snapshot of record `last_seq` holds; false leaves the empty state.
    bool restore(const uint8_t* p, size_t n, uint64_t last_seq) {
        if (engine_.core.restore(p, n, last_seq)) return true;
        engine_.core.clear();
        return false;
    }

    // Folds what the tape holds beyond the restored state, auditing every event, and appends what a crash cut off.
    bool recover() {
        tape::Reader reader;
        if (reader.open(dir_.c_str()) != tape::Status::ok) return refuse_tape(reader.failure());
        const uint64_t from = engine_.core.sequencer().next_seq();
        if (reader.seek_seq(from) != tape::Status::ok) return refuse_tape(reader.failure());
        Replay replay(engine_.core);
        tape::Record record{};
        while (reader.next(record, reader.positions().written)) {
            mismatch = replay.feed(record.p, record.n);
            if (mismatch != Mismatch::none) {
                mismatch_seq = wire::header(record.p).seq;
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

    bool start_epoch(int64_t now, const char* version) {
        alignas(8) uint8_t room[sizeof(wire::EpochStarted)];
        auto* started = wire::make<wire::EpochStarted>(room);
        engine_.core.sequencer().stamp(started->header, now, 0, 0);
        started->epoch = tape_.epoch();
        started->resumed_seq = tape_.next_seq() - 1;
        started->pid = uint32_t(::getpid());
        wire::set_text(started->version_pointer, started->version, version, strnlen(version, sizeof started->version - 1));
        if (!engine_.append_own(room, sizeof room) || !tape_.commit()) return refuse_tape(tape_.failure());
        engine_.core.fold(room);
        return true;
    }

    // A ring that does not survive (a reboot) begins where the tape says the last one had been taken to. One that is
    // damaged is reported and left as it is, for people to look at: it must not keep the market closed.
    bool add_ring(const char* path, uint64_t capacity, uint16_t source, Authority authority) {
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

    bool open_doorbell(const char* path) { return bell_.open(path) || refuse(ErrorKind::ring, bell_.error()); }

    // Works until `until_ns` (monotonic) or until *stop. Returns false when the engine failed.
    bool run(int64_t until_ns, Idle idle, const volatile bool* stop) {
        size_t dry = 0, busy = 0;
        while (!*stop) {
            if (engine_.do_work()) {
                dry = 0;
                // Rings that are never empty must not keep the caller from its snapshots.
                if (++busy % BATCHES_BEFORE_CLOCK == 0 && monotonic_ns() >= until_ns) return true;
                continue;
            }
            if (engine_.failed()) return refuse_tape(tape_.failure());
            // Looking at the time costs more than looking at the rings.
            if (++dry < SPINS_BEFORE_IDLE && idle != Idle::spin) continue;
            if (idle == Idle::spin && dry % SPINS_BEFORE_CLOCK) continue;
            const int64_t left = until_ns - monotonic_ns();
            if (left <= 0) return true;
            if (idle == Idle::yield_thread) sched_yield();
            else if (idle == Idle::futex) sleep(left);
        }
        return !engine_.failed() || refuse_tape(tape_.failure());
    }

    void wake() {
        if (bell_.is_open()) bell_.ring();
    }

    bool open_stats(const char* path) {
        if (!stats_.create(path, {"queue", "decide", "commit", "answer"}, COUNTERS)) return refuse(ErrorKind::stats, stats_.error());
        engine_.stages = {stats_.histogram(0), stats_.histogram(1), stats_.histogram(2), stats_.histogram(3)};
        return true;
    }

    bool open_stages(const char* path) {
        return engine_.stage_log.open(path) || refuse(ErrorKind::stats, engine_.stage_log.error());
    }

    // Copies the engine's plain counters to the page that others read: between runs, not per command.
    void publish_stats() {
        if (!stats_.is_open()) return;
        const Counters& c = engine_.counters;
        const uint64_t values[] = {c.commands, c.orders, c.trades, c.rejects, c.refused_inputs, c.skipped, c.batches};
        for (size_t i = 0; i < std::size(values); ++i) stats_.set(i, values[i]);
        stats_.set(std::size(values), engine_.core.risk().live_orders());
        stats_.set(std::size(values) + 1, c.damaged_rings);
        stats_.set(std::size(values) + 2, engine_.blocked());
    }

    size_t live_orders() const { return engine_.core.risk().live_orders(); }
    void snapshot(std::vector<uint8_t>& out) const { engine_.core.snapshot(out); }
    Engine& engine() { return engine_; }

  private:
    static constexpr size_t SPINS_BEFORE_IDLE = 200, SPINS_BEFORE_CLOCK = 1000, BATCHES_BEFORE_CLOCK = 16;
    static constexpr int64_t NAP_NS = 200'000;

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
    Engine engine_;
};

}  // namespace tapewire::engine
