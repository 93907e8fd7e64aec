// A core as a service: keeps the state of one shard, and answers one ask after the other (schemas/split.capnp).
//
//   hello             where it stands
//   state, records    brought to a state: a piece at a time, then the records behind it
//   any other         one step from there; numbered, so that a repeated ask gets the same answer and changes nothing
//
// An ask that does not fit where it stands is answered `elsewhere`: the engine then brings it there.
//
// What the core is, `Part` knows:
//
//   clear(), restore(p, n, ask)     the empty state; that of these bytes
//   follow(record), settled()       a record behind a restored state; whether every event that was due has come
//   step(ask, p, n, stands, ...)    an ask's step, which may move `stands` on
//   tell(answer)                    what the engine must know of the state
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "tapewire/wire/flat.hpp"

namespace tapewire::split {

using Bytes = std::vector<uint8_t>;
using wire::AnswerOutcome;
using wire::AskCore;
using wire::AskKind;
using wire::CoreAnswered;

inline constexpr int64_t HOLD_NS = 10'000'000'000;  // after the last ask of an epoch those of older ones are refused
inline constexpr uint64_t STATE_MAX = uint64_t{8} << 30;

// Calls f(record, bytes) for each of the flat messages that lie one behind another, until it returns false; false, too,
// where one is none.
template <class F>
inline bool each_message(const uint8_t* p, size_t n, F&& f) {
    while (n) {
        const uint64_t words = n < 8 ? 0 : wire::load64(p) >> 32;
        const size_t length = words * 8 + 8;
        if (length > n || wire::check(p, length) != wire::Fault::none || !f(p, length)) return false;
        p += length, n -= length;
    }
    return true;
}

template <class Part>
class Answering {
  public:
    Answering(uint64_t instance, const char* version) : instance_(instance), version_(version) {}

    Part part;

    // The answer to a message, into `out`; false: it is for another instance. `now`: monotonic, ns.
    bool answer(const uint8_t* p, size_t n, int64_t now, Bytes& out) {
        AskCore ask;
        const uint64_t words = n < 8 ? 0 : wire::load64(p) >> 32;
        if (words * 8 + 8 != sizeof ask || n < sizeof ask || wire::check(p, sizeof ask) != wire::Fault::none ||
            wire::header(p).type != wire::MessageType::ask_core)
            return reply(AskCore{}, AnswerOutcome::unreadable, out);
        std::memcpy(&ask, p, sizeof ask);
        if (ask.instance && ask.instance != instance_) return false;
        if (ask.epoch < epoch_ && now - asked_at_ < HOLD_NS) return reply(ask, AnswerOutcome::superseded, out);
        if (ask.kind == AskKind::hello) return reply(ask, AnswerOutcome::done, out);
        epoch_ = ask.epoch, asked_at_ = now;
        return reply(ask, take(ask, p + sizeof ask, n - sizeof ask), out);
    }

    uint64_t stands() const { return stands_; }
    bool ready() const { return phase_ == Phase::ready; }

  private:
    enum class Phase { nothing, state, records, ready };

    AnswerOutcome take(const AskCore& ask, const uint8_t* p, size_t n) {
        switch (ask.kind) {
            case AskKind::state: return take_state(ask, p, n);
            case AskKind::records: return take_records(ask, p, n);
            default: break;
        }
        if (phase_ != Phase::ready || ask.session != session_) return AnswerOutcome::elsewhere;
        if (ask.kind == AskKind::rest) return ask.number == number_ && ask.offset <= result_.size() ? AnswerOutcome::done : AnswerOutcome::elsewhere;
        if (ask.number == number_ && answered_) return AnswerOutcome::done;  // as it was answered before
        if (ask.number != number_ + 1 || ask.header.seq < stands_) return AnswerOutcome::elsewhere;
        wire::make<CoreAnswered>(&answer_);
        result_.clear();
        stands_ = ask.header.seq;
        const AnswerOutcome outcome = part.step(ask, p, n, stands_, answer_, result_);
        // Half a step is no state that anybody means.
        if (outcome != AnswerOutcome::done) return fail(), outcome;
        number_ = ask.number;
        answered_ = true;
        return outcome;
    }

    AnswerOutcome take_state(const AskCore& ask, const uint8_t* p, size_t n) {
        if (ask.offset == 0) {
            fail();
            session_ = ask.session;
            phase_ = Phase::state;
            stands_ = ask.header.seq;
        }
        if (session_ != ask.session || ask.total > STATE_MAX || ask.offset + n > ask.total) return AnswerOutcome::elsewhere;
        if (phase_ != Phase::state || stands_ != ask.header.seq || ask.offset != state_.size()) return AnswerOutcome::elsewhere;
        state_.insert(state_.end(), p, p + n);
        if (state_.size() < ask.total) return AnswerOutcome::done;
        const bool whole = part.restore(state_.data(), state_.size(), ask);
        Bytes().swap(state_);
        if (!whole) return fail(), AnswerOutcome::unreadable;
        phase_ = Phase::records;
        return AnswerOutcome::done;
    }

    AnswerOutcome take_records(const AskCore& ask, const uint8_t* p, size_t n) {
        if (session_ != ask.session || (phase_ != Phase::records && phase_ != Phase::ready)) return AnswerOutcome::elsewhere;
        if (phase_ == Phase::ready || ask.header.seq != stands_) return AnswerOutcome::elsewhere;
        bool follows = true;
        const bool whole = each_message(p, n, [&](const uint8_t* record, size_t) {
            follows = wire::header(record).seq == stands_ + 1 && part.follow(record);
            stands_ = wire::header(record).seq;
            return follows;
        });
        if (!whole) return phase_ = Phase::nothing, follows ? AnswerOutcome::unreadable : AnswerOutcome::differs;
        if (!ask.final()) return AnswerOutcome::done;
        if (!part.settled()) return phase_ = Phase::nothing, AnswerOutcome::differs;
        phase_ = Phase::ready;
        number_ = ask.number;
        answered_ = false;
        return AnswerOutcome::done;
    }

    void fail() {
        phase_ = Phase::nothing;
        state_.clear();
        part.clear();
    }

    bool reply(const AskCore& ask, AnswerOutcome outcome, Bytes& out) {
        const bool step = outcome == AnswerOutcome::done && ask.kind >= AskKind::decide;
        CoreAnswered head;
        wire::make<CoreAnswered>(&head);
        if (step) head.value = answer_.value, head.limit = answer_.limit, head.reason = answer_.reason;
        const size_t from = step ? std::min<size_t>(ask.offset, result_.size()) : 0;
        const size_t n = step ? std::min<size_t>(ask.room, result_.size() - from) : 0;
        head.header.seq = stands_;
        head.session = session_;
        head.instance = instance_;
        head.number = number_;
        head.epoch = epoch_;
        head.total = step ? result_.size() : 0;
        head.outcome = outcome;
        wire::set_text(head.version_pointer, head.version, version_.data(), std::min(version_.size(), sizeof head.version - 1));
        part.tell(head);
        const auto* raw = reinterpret_cast<const uint8_t*>(&head);
        out.assign(raw, raw + sizeof head);
        out.insert(out.end(), result_.data() + from, result_.data() + from + n);
        return true;
    }

    uint64_t instance_;
    std::string version_;
    Phase phase_ = Phase::nothing;
    uint64_t session_ = 0, number_ = 0, stands_ = 0, epoch_ = 0;
    int64_t asked_at_ = 0;
    bool answered_ = false;  // ask `number_`, by `answer_` and `result_`
    CoreAnswered answer_;
    Bytes state_, result_;
};

}  // namespace tapewire::split
