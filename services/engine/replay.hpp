// Folds a tape and audits it: derives the events of every command anew and compares them with those on the tape.
//
//   feed(record)   the next record; a difference is returned, never repaired
//   missing()      what a crash cut off the last command's events, ready to be appended
//
// Replay trusts the decision that stands on a command, so a change in risk's rules never changes the past; it also
// decides again and reports (`redecided`) where today's rules would have answered otherwise. Of a refusal, the two
// numbers compared are part of the decision: they are taken as recorded, too. What a producer may send is not on the
// tape: that it might not is taken as it stands.
//
// A record that an older or newer version wrote is laid out anew and compared by what it says: what is missing at the
// end of a section is 0 there. Where a field is set that is not known here, nothing is derived: it may decide.
#pragma once
#include "services/engine/core.hpp"
#include "tapewire/wire/relayout.hpp"

namespace tapewire::engine {

enum class Mismatch : int {
    none = 0,
    malformed = 1,         // the record is not a flat message
    sequence = 2,          // its seq is not the next one
    event_differs = 3,     // the event derived here says something else than the one on the tape
    event_unexpected = 4,  // an event on the tape that nothing here derives
    event_missing = 5,     // a command came where an event of the command before was due
    order_id = 6,          // an accepted order's id is not the next one
    impossible = 7,        // a command stands as accepted that names a place outside of the state
    other_version = 8,     // the record is of a type, or has a field set, that this version does not know
};

class Replay {
  public:
    explicit Replay(Core& core) : core_(core) {}

    Mismatch feed(const uint8_t* p, size_t n) {
        if (const wire::Fault fault = wire::check(p, n); fault != wire::Fault::none) [[unlikely]] {
            if (const Mismatch why = lay_out_anew(fault, p, n); why != Mismatch::none) return why;
        }
        const wire::Header& header = wire::header(p);
        if (at_ < derived_.size()) return compare(p, n, header);
        if (header.seq != core_.sequencer().next_seq()) return Mismatch::sequence;
        if (header.cause != 0) return Mismatch::event_unexpected;
        ++records_;
        if (!is_command(header.type)) {
            if (header.type == MessageType::epoch_started) take_writer(*reinterpret_cast<const wire::EpochStarted*>(p));
            core_.fold(p);
            return Mismatch::none;
        }
        return run(p, n);
    }

    // The derived events that the tape does not hold yet, as flat messages one after the other.
    const uint8_t* missing(size_t& bytes) const {
        bytes = derived_.size() - at_;
        return derived_.data() + at_;
    }
    void missing_appended() { at_ = derived_.size(); }

    uint64_t records() const { return records_; }
    uint64_t commands() const { return commands_; }
    uint64_t redecided() const { return redecided_; }
    uint64_t redecided_seq() const { return redecided_seq_; }
    // The version that began the epoch at hand; empty where the fold began behind that.
    const char* writer() const { return writer_; }

    // The sink of Core::apply.
    uint8_t* reserve(size_t bytes) {
        pending_ = derived_.size();
        derived_.resize(pending_ + bytes);
        return derived_.data() + pending_;
    }
    void append(size_t bytes) { derived_.resize(pending_ + bytes); }

  private:
    // Everything on a tape was flat when it was written; what no longer is, but can be laid out anew, another version
    // wrote. `p` and `n` are then those of the message as this one has it.
    [[gnu::noinline]] Mismatch lay_out_anew(wire::Fault fault, const uint8_t*& p, size_t& n) {
        if (fault == wire::Fault::unknown_type) return Mismatch::other_version;
        anew_.resize(wire::MAX_MESSAGE);
        size_t length = 0;
        bool drops = false;
        if (fault != wire::Fault::not_flat || wire::relayout(p, n, anew_.data(), anew_.size(), length, drops) != wire::Fault::none)
            return Mismatch::malformed;
        if (drops) return Mismatch::other_version;
        p = anew_.data(), n = length;
        return wire::check(p, n) == wire::Fault::none ? Mismatch::none : Mismatch::malformed;
    }

    void take_writer(const wire::EpochStarted& started) {
        const size_t length = std::min(wire::text_length(started.version_pointer), sizeof writer_ - 1);
        std::memcpy(writer_, started.version, length);
        writer_[length] = 0;
    }

    Mismatch run(const uint8_t* p, size_t n) {
        ++commands_;
        const wire::RejectReason recorded = decision(const_cast<uint8_t*>(p));
        const bool accepted = recorded == wire::RejectReason::unspecified;
        if (wire::header(p).type == MessageType::new_order && accepted &&
            reinterpret_cast<const wire::NewOrder*>(p)->order_id != core_.sequencer().next_order_id())
            return Mismatch::order_id;
        risk::Verdict verdict = Core::forbidden(p);
        if (recorded != wire::RejectReason::not_permitted) {
            verdict = decide_again(p, n, accepted);
            if (verdict.reason != recorded) {
                if (accepted && leads_outside(wire::header(p).type, verdict)) return Mismatch::impossible;
                decided_otherwise(wire::header(p).seq);
                verdict = {recorded, 0, 0};
            }
        }
        refused_ = !accepted;
        core_.fold(p);
        derived_.clear();
        at_ = 0;
        core_.apply(p, verdict, *this);
        return Mismatch::none;
    }

    risk::Verdict decide_again(const uint8_t* p, size_t n, bool accepted) {
        again_.assign(p, p + n);
        if (accepted) core_.risk().unwrite(again_.data());
        return core_.decide(again_.data());
    }

    // Numbers of accounts and instruments are places in the state, amended quantities are added to it: whatever the rules
    // were, nobody can have taken these.
    static bool leads_outside(MessageType type, const risk::Verdict& verdict) {
        if (type == MessageType::bust_trade || type == MessageType::correct_trade) return true;
        if (type == MessageType::kill_switch) return verdict.reason == wire::RejectReason::unknown_account;
        const bool places = type == MessageType::account_limits || type == MessageType::instrument_definition;
        return places && verdict.reason == wire::RejectReason::capacity && verdict.limit != int64_t(MAX_EVENTS);
    }

    Mismatch compare(const uint8_t* p, size_t n, const wire::Header& header) {
        if (header.cause == 0) return Mismatch::event_missing;
        const uint8_t* due = derived_.data() + at_;
        const size_t length = size_t(wire::load64(due) >> 32) * 8 + 8;
        if (n != length || (std::memcmp(p, due, n) && !same_refusal(p, n))) return Mismatch::event_differs;
        at_ += length;
        ++records_;
        return Mismatch::none;
    }

    // Whether `p` answers a command that risk refused as the event due does, but for the two numbers compared.
    bool same_refusal(const uint8_t* p, size_t n) {
        if (!refused_) return false;
        uint8_t* due = derived_.data() + at_;
        if (wire::header(p).type == MessageType::order_rejected) take_numbers<wire::OrderRejected>(p, due);
        else take_numbers<wire::CancelRejected>(p, due);
        if (std::memcmp(p, due, n)) return false;
        decided_otherwise(wire::header(p).cause);
        return true;
    }

    template <class Event>
    static void take_numbers(const uint8_t* from, uint8_t* to) {
        const auto& recorded = *reinterpret_cast<const Event*>(from);
        auto& due = *reinterpret_cast<Event*>(to);
        due.value = recorded.value;
        due.limit = recorded.limit;
    }

    void decided_otherwise(uint64_t seq) {
        redecided_ += seq != redecided_seq_;
        redecided_seq_ = seq;
    }

    Core& core_;
    std::vector<uint8_t> derived_, again_, anew_;
    char writer_[sizeof wire::EpochStarted::version] = {};
    bool refused_ = false;  // the last command, by risk
    size_t at_ = 0, pending_ = 0;
    uint64_t records_ = 0, commands_ = 0, redecided_ = 0, redecided_seq_ = 0;
};

}  // namespace tapewire::engine
