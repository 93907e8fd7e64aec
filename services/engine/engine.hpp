// The fused engine: one thread that takes commands from every producer's ring, checks, sequences, matches, makes the
// batch durable once, and only then lets its answers be read.
//
//   drain()    takes up to max_batch commands, in turn from each ring; they and their events are in the tape's open batch
//   write()    the batch is in the file
//   sync()     the batch is durable (durability disk)
//   publish()  the batch may be read; the rings forget what was taken
//
// do_work() is the four in order. They are apart so that a simulation can end the process between any two of them.
#pragma once
#include <vector>

#include "services/engine/authority.hpp"
#include "services/engine/core.hpp"
#include "services/engine/intake.hpp"
#include "tapewire/clock.hpp"
#include "tapewire/histogram/stats.hpp"
#include "tapewire/ring/ring.hpp"
#include "tapewire/stages/stages.hpp"
#include "tapewire/tape/tape.hpp"

namespace tapewire::engine {

inline constexpr size_t MAX_BATCH = 4096;  // commands of one batch
inline constexpr size_t MAX_EVENT = 512;   // bytes, more than any event has
inline constexpr int64_t ROOM_RETRY_NS = 100'000'000;
inline constexpr size_t ROOM_MIN = 4 << 20;  // bytes left in a segment below which the next one must be ready
inline constexpr size_t EVENT_BYTES = tape::frame_bytes(EVENT_BYTES_MAX);
inline constexpr size_t EVENTS_OF_ONE = 2048;         // that an order adds to what can follow later: an iceberg of 1,000 parts
inline constexpr uint64_t BATCH_BYTES = 64 << 20;     // a batch that is longer takes no further commands
inline constexpr int64_t CLOCK_STEP_NS = 1'000'000;   // between two AdvanceClock, at least
// What is taken in ahead of a batch that is just short enough, and all that can follow, fits the tape's longest batch.
static_assert(BATCH_BYTES + Intake::LOOK_AHEAD * 2 * MAX_COMMAND + (MAX_EVENTS + 2 * Intake::LOOK_AHEAD * EVENTS_OF_ONE) * EVENT_BYTES <
              tape::Writer::BATCH_MAX);

// Stages of an order's way, as the histograms of the stats page name them.
struct Stages {
    histogram::Histogram *queue = nullptr,  // written into the producer's ring -> taken by the engine
        *decide = nullptr,                  // taken -> checked, sequenced, matched (mean over the batch)
        *commit = nullptr,                  // the batch's write and sync; 0 where durability is memory
        *answer = nullptr;                  // written into the producer's ring -> answers may be read
};

struct Counters {
    uint64_t commands = 0, refused_inputs = 0, skipped = 0, batches = 0, rejects = 0, orders = 0, trades = 0, damaged_rings = 0;
};

// Host time, or a time that a simulation sets.
struct Time {
    bool manual = false;
    int64_t value = 0;
    int64_t now() const { return manual ? value : utc_ns(); }
};

template <class Core>
class EngineOf {
  public:
    EngineOf(tape::Writer& tape, size_t max_batch) : tape_(tape), max_batch_(max_batch) {
        batch_recv_.reserve(MAX_BATCH);
    }

    Core core;
    Time time;
    Stages stages;
    stages::Writer stage_log;  // open: one line for each batch
    Counters counters;

    ring::Consumer& add_ring(uint16_t source, Authority authority) {
        authority_[source] = std::move(authority);
        rings_.push_back({std::make_unique<ring::Consumer>(), source});
        return *rings_.back().consumer;
    }

    // The tape refused room for a record: the batch is given up, the engine must be started anew and recovers by replay.
    bool failed() const { return failed_; }

    // The disk had no room for the tape's next segment: nothing is taken until it has, and producers see full rings.
    bool blocked() const { return blocked_; }

    // What was found of rings that do not hold, each once: they are let go, the others go on.
    const std::vector<std::string>& damaged_rings() const { return damage_; }

    void report_damage(const std::string& what) {
        damage_.push_back(what);
        ++counters.damaged_rings;
    }

    size_t drain() {
        if (failed_ || !room()) return 0;
        if (batch_recv_.empty()) batch_at_ = tape_.position(), batch_seq_ = tape_.next_seq();
        const size_t advanced = advance_clock();
        size_t polled = 0;
        if (++first_ring_ >= rings_.size()) first_ring_ = 0;
        for (size_t i = 0, at = first_ring_; i < rings_.size() && may_take(polled); ++i) {
            Inbound& in = rings_[at];
            if (++at == rings_.size()) at = 0;
            ring::Record record;
            if (in.consumer->look()) {
                for (; may_take(polled) && in.consumer->next(record); ++polled) {
                    const size_t place = intake_.size();
                    const Input& input = intake_.add(record.p, record.n, record.end, in.source);
                    trails_[place] = input.fault == wire::Fault::none ? core.trail(input.p) : typename Core::Trail{};
                    if (intake_.full() || !ample() || touches_all(input)) work_through();
                }
            }
            if (in.consumer->fault() != ring::Status::ok) [[unlikely]] some_damaged_ = true;
        }
        if (!intake_.empty()) work_through();
        return polled + advanced;
    }

    // How long until the market's clock must be advanced, in ns; INT64_MAX: nothing is due.
    int64_t until_due() const {
        const int64_t due = core.matcher().next_due();
        if (!due || blocked_ || time.manual) return INT64_MAX;
        return std::max<int64_t>(std::max(due, advanced_at_ + CLOCK_STEP_NS) - time.now(), 0);
    }

    bool write() { return batch_recv_.empty() || (!failed_ && (tape_.write() || fail())); }
    bool sync() { return batch_recv_.empty() || (!failed_ && (tape_.sync_batch() || fail())); }

    void publish() {
        if (failed_) return;
        tape_.publish();
        for (Inbound& in : rings_) in.consumer->release();
        if constexpr (Core::ASKS) core.published();
        if (some_damaged_) [[unlikely]] let_damaged_go();
        if (batch_recv_.empty()) return;
        measure();
        drained_ = written_ = durable_ = 0;
        batch_recv_.clear();
        ++counters.batches;
    }

    // Returns how many ring records were looked at, and 1 for the clock; 0 when there was nothing to do.
    size_t do_work() {
        size_t taken = drain();
        if (!taken && !some_damaged_) return 0;
        // Where nothing waits for the disk, the stages between are not looked at: each look costs as much as an order.
        const bool waits = tape_.disk();
        drained_ = waits ? time.now() : 0;
        if (!write()) return taken;
        written_ = waits ? time.now() : 0;
        if (!sync()) return taken;
        durable_ = waits ? time.now() : 0;
        publish();
        return taken;
    }

    // Puts a record of the engine's own (EpochStarted) or of the replay (missing events) on the tape.
    bool append_own(const uint8_t* record, size_t n) {
        uint8_t* room = tape_.reserve(n);
        if (!room) return fail();
        std::memcpy(room, record, n);
        tape_.append(n);
        return true;
    }

    // The sink of Core::apply: straight onto the tape. Never null, so that a command is carried through; failed_ then
    // keeps the batch from being published.
    uint8_t* reserve(size_t bytes) {
        uint8_t* room = failed_ ? nullptr : tape_.reserve(bytes);
        if (room) return event_ = room;
        fail();
        return event_ = nowhere_;
    }

    void append(size_t bytes) {
        const MessageType type = wire::header(event_).type;
        counters.trades += type == MessageType::order_executed;
        counters.rejects += type == MessageType::order_rejected || type == MessageType::cancel_rejected;
        if (!failed_) tape_.append(bytes);
    }

  private:
    struct Inbound {
        std::unique_ptr<ring::Consumer> consumer;
        uint16_t source;
    };

    bool may_take(size_t polled) {
        return polled < max_batch_ && !failed_ && tape_.position() - batch_at_ < BATCH_BYTES && room();
    }

    // A command of the operator's can touch every instrument: two of them are not taken in together.
    static bool touches_all(const Input& in) { return in.fault == wire::Fault::none && !is_trading(wire::header(in.p).type); }

    // After what was whole of them has been taken and released. Their producers see full rings that nobody reads.
    void let_damaged_go() {
        std::erase_if(rings_, [&](const Inbound& in) {
            if (in.consumer->fault() == ring::Status::ok) return false;
            report_damage(in.consumer->error());
            return true;
        });
        first_ring_ = 0;
        some_damaged_ = false;
    }

    // Whether one more command and what may follow from it find a place: a command that was taken can not be given back.
    // At most a quarter of a segment, because the next one is made in the background from its middle on and should not
    // be waited for here.
    bool room() {
        const uint64_t enough = std::min<uint64_t>(ROOM_MIN + core.matcher().most_events() * EVENT_BYTES, tape_.segment_bytes() / 4);
        if (tape_.left() > enough || tape_.next_ready()) [[likely]] return !(blocked_ = false);
        const int64_t now = monotonic_ns();
        if (blocked_ && now < retry_at_) return false;
        retry_at_ = now + ROOM_RETRY_NS;
        return !(blocked_ = !tape_.prepare_next());
    }

    // Whether all that is taken in ahead is sure to find a place on the disk; else one command at a time.
    bool ample() const {
        const uint64_t here = tape_.left() + (tape_.next_ready() ? tape_.segment_bytes() : 0);
        const uint64_t events = core.matcher().most_events() + Intake::LOOK_AHEAD * EVENTS_OF_ONE;
        return here > Intake::LOOK_AHEAD * 2 * MAX_COMMAND + events * EVENT_BYTES;
    }

    // The core has no clock: when something is due, its time goes on the tape as a command of the engine's own.
    size_t advance_clock() {
        const int64_t due = core.matcher().next_due();
        if (!due) [[likely]] return 0;
        const int64_t now = std::max(time.now(), core.sequencer().last_ts());
        if (now < due || now - advanced_at_ < CLOCK_STEP_NS) return 0;
        now_ = advanced_at_ = now;
        if (batch_recv_.empty()) began_ = now;
        alignas(8) uint8_t record[MAX_EVENT];  // of any: g++ warns where a fold that goes by the type could read more
        auto* clock = wire::make<wire::AdvanceClock>(record);
        core.sequencer().stamp(clock->header, now, 0, 0);
        clock->up_to = clock->header.ts;
        batch_recv_.push_back(0);
        ++counters.commands;
        carry_out(record, sizeof(wire::AdvanceClock), core.decide(record));
        return 1;
    }

    // All of them at one time: they are microseconds of work, and looking at the clock costs as much as checking one.
    void work_through() {
        now_ = time.now();
        if (batch_recv_.empty()) began_ = now_;
        const size_t count = intake_.size();
        for (size_t i = 0; i < count; ++i) core.follow(trails_[i]);
        for (size_t i = 0; i < count; ++i) core.finish(trails_[i]);
        for (size_t i = 0; i < count && !failed_; ++i) take(intake_[i]);
        intake_.clear();
    }

    void take(Input& in) {
        if (!core.sequencer().fresh(in.source, in.end)) {
            ++counters.skipped;  // taken before a crash, found again in its ring
            return;
        }
        if (in.fault != wire::Fault::none || !is_command(wire::header(in.p).type)) return refuse(in);
        wire::Header& header = wire::header(in.p);
        batch_recv_.push_back(header.ts_recv);
        ++counters.commands;
        counters.orders += header.type == MessageType::new_order;
        core.sequencer().stamp(header, now_, in.source, in.end);
        const Authority& authority = authority_[in.source];
        const bool permitted = authority.permits(in.p);
        if (permitted) authority.own_session(in.p, in.source);
        if (in.drops) [[unlikely]] return carry_out(in.p, in.length, core.refuse(in.p, {wire::RejectReason::invalid_field, in.found, in.length}));
        carry_out(in.p, in.length, permitted ? core.decide(in.p) : core.refuse(in.p, Core::forbidden(in.p)));
    }

    void carry_out(uint8_t* command, size_t n, const risk::Verdict& verdict) {
        // An answer that did not come decides nothing: the command stays in its ring.
        if constexpr (Core::ASKS)
            if (core.lost()) return void(fail());
        if (!append_own(command, n)) return;
        core.fold(command);
        core.apply(command, verdict, *this);
        if constexpr (Core::ASKS)
            if (core.lost()) fail();
    }

    void refuse(const Input& in) {
        batch_recv_.push_back(0);
        ++counters.refused_inputs;
        const bool typed = in.fault == wire::Fault::none || in.fault == wire::Fault::unknown_type;
        alignas(8) uint8_t record[sizeof(wire::InputRefused)];
        auto* refused = wire::make<wire::InputRefused>(record);
        refused->type_found = typed ? wire::type_of(in.p) : 0;
        refused->length = in.found;
        refused->reason = in.fault == wire::Fault::none           ? wire::RefusalReason::not_a_command
                          : in.fault == wire::Fault::unknown_type ? wire::RefusalReason::unknown_type
                          : in.fault == wire::Fault::too_long     ? wire::RefusalReason::too_long
                                                                  : wire::RefusalReason::malformed;
        core.sequencer().stamp(refused->header, now_, in.source, in.end);
        if (append_own(record, sizeof record)) core.fold(record);
    }

    bool fail() {
        failed_ = true;
        return false;
    }

    void measure() {
        if (!stages.answer && !stage_log.is_open()) return;
        const int64_t done = time.now(), drained = drained_ ? drained_ : done;
        if (stage_log.is_open()) stage_log.record({batch_seq_, tape_.next_seq() - 1, began_, drained_, written_, durable_, done});
        if (!stages.answer) return;
        const auto commands = int64_t(batch_recv_.size());
        for (int64_t recv : batch_recv_) {
            if (recv <= 0) continue;  // the producer says so, and may say anything
            stages.queue->record(began_ - recv);
            stages.answer->record(done - recv);
        }
        stages.decide->record((drained - began_) / commands);
        stages.commit->record(done - drained);
    }

    tape::Writer& tape_;
    size_t max_batch_;
    std::vector<Inbound> rings_;
    Authority authority_[journal::MAX_SOURCES];  // by source
    size_t first_ring_ = 0;
    bool failed_ = false, blocked_ = false, some_damaged_ = false;
    int64_t now_ = 0, began_ = 0, retry_at_ = 0, advanced_at_ = 0;
    uint64_t batch_at_ = 0, batch_seq_ = 0;  // the tape's position where the batch began, and the seq of its first record
    int64_t drained_ = 0, written_ = 0, durable_ = 0;  // 0: not looked at, as there is no commit to wait for
    std::vector<int64_t> batch_recv_;
    std::vector<std::string> damage_;
    uint8_t* event_ = nullptr;
    Intake intake_;
    typename Core::Trail trails_[Intake::LOOK_AHEAD];
    alignas(64) uint8_t nowhere_[MAX_EVENT];
};

using Engine = EngineOf<Core>;

}  // namespace tapewire::engine
