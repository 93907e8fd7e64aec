// Everything that must come out the same wherever the same tape is folded: sequencer, risk, matcher, in that order.
//
//   decide(command)          asks risk, writes the decision (and the order id) into the stamped command
//   apply(command, v, out)   live and replay: the events that follow from a decided command
//
// `out` is where events go: `reserve(bytes)` gives room (never null: it stops the engine itself), `append(bytes)` completes it.
#pragma once
#include <memory>

#include "services/journal/sequencer.hpp"
#include "services/matcher/matcher.hpp"
#include "services/risk/risk.hpp"

namespace tapewire::engine {

using wire::MessageType;

inline bool is_command(MessageType type) {
    switch (type) {
        case MessageType::new_order:
        case MessageType::cancel_order:
        case MessageType::replace_order:
        case MessageType::mass_cancel:
        case MessageType::instrument_definition:
        case MessageType::account_limits:
        case MessageType::kill_switch: return true;
        default: return false;
    }
}

// The field in which a command carries risk's answer.
inline wire::RejectReason& decision(uint8_t* command) {
    switch (wire::header(command).type) {
        case MessageType::new_order: return reinterpret_cast<wire::NewOrder*>(command)->decision;
        case MessageType::cancel_order: return reinterpret_cast<wire::CancelOrder*>(command)->decision;
        case MessageType::replace_order: return reinterpret_cast<wire::ReplaceOrder*>(command)->decision;
        case MessageType::mass_cancel: return reinterpret_cast<wire::MassCancel*>(command)->decision;
        case MessageType::instrument_definition: return reinterpret_cast<wire::InstrumentDefinition*>(command)->decision;
        case MessageType::account_limits: return reinterpret_cast<wire::AccountLimits*>(command)->decision;
        default: return reinterpret_cast<wire::KillSwitch*>(command)->decision;
    }
}

class Core {
  public:
    // Makes `command` (flat, checked, a command, stamped) what will stand on the tape.
    risk::Verdict decide(uint8_t* command) {
        // What the engine fills in is not the client's to say.
        const bool order = wire::header(command).type == MessageType::new_order;
        decision(command) = wire::RejectReason::unspecified;
        if (order) reinterpret_cast<wire::NewOrder*>(command)->order_id = 0;
        risk::Verdict verdict = risk_.check(command);
        decision(command) = verdict.reason;
        if (order && verdict.reason == wire::RejectReason::unspecified)
            reinterpret_cast<wire::NewOrder*>(command)->order_id = sequencer_.next_order_id();
        return verdict;
    }

    // Takes a record that has its place on the tape into the state; a command must be applied right after.
    void fold(const uint8_t* record) {
        sequencer_.fold(record);
        risk_.fold(record);
    }

    template <class Out>
    void apply(const uint8_t* command, const risk::Verdict& verdict, Out& out) {
        Events<Out> events{*this, out, wire::header(command)};
        if (verdict.reason == wire::RejectReason::unspecified) {
            matcher_.apply(command, events);
            return;
        }
        switch (wire::header(command).type) {
            case MessageType::new_order: return reject<wire::OrderRejected, wire::NewOrder>(command, verdict, events);
            case MessageType::cancel_order: return reject<wire::CancelRejected, wire::CancelOrder>(command, verdict, events);
            case MessageType::replace_order: return reject<wire::CancelRejected, wire::ReplaceOrder>(command, verdict, events);
            case MessageType::mass_cancel: return reject<wire::CancelRejected, wire::MassCancel>(command, verdict, events);
            case MessageType::instrument_definition:
                return reject<wire::OrderRejected, wire::InstrumentDefinition>(command, verdict, events);
            case MessageType::account_limits: return reject<wire::OrderRejected, wire::AccountLimits>(command, verdict, events);
            default: return reject<wire::OrderRejected, wire::KillSwitch>(command, verdict, events);
        }
    }

    // Fetches what a later command will touch, in three steps that each look where the one before has led. Change nothing.
    struct Trail {
        uint64_t named = 0;  // the order that the command is about, if it is about one
        matcher::Matcher::Trail order;
    };
    TAPEWIRE_PREFETCHES Trail trail(const uint8_t* command) const {
        Trail t{risk::order_named(command), {}};
        t.order.start(matcher_, command);
        risk_.prefetch(command);
        return t;
    }
    TAPEWIRE_PREFETCHES void follow(Trail& t) const {
        t.order.order(matcher_);
        risk_.prefetch_order(t.named);
    }
    TAPEWIRE_PREFETCHES void finish(const Trail& t) const { t.order.around(matcher_); }

    // Sections, each an 8-byte length and its bytes: sequencer, risk, matcher. Equal states give equal bytes.
    void snapshot(std::vector<uint8_t>& out) const {
        section(out, [&] { sequencer_.snapshot(out); });
        section(out, [&] { risk_.snapshot(out); });
        section(out, [&] { matcher_.snapshot(out); });
    }

    bool restore(const uint8_t* p, size_t n) {
        size_t at = 0;
        auto next = [&](auto&& part) {
            if (n - at < 8) return false;
            uint64_t length = wire::load64(p + at);
            at += 8;
            if (length > n - at || !part.restore(p + at, length)) return false;
            at += length;
            return true;
        };
        return next(sequencer_) && next(risk_) && next(matcher_) && at == n;
    }

    // Back to the empty state.
    void clear() {
        std::destroy_at(this);
        std::construct_at(this);
    }

    const journal::Sequencer& sequencer() const { return sequencer_; }
    const risk::Risk& risk() const { return risk_; }
    const matcher::Matcher& matcher() const { return matcher_; }

  private:
    // What the matcher writes its events through: header filled, seq given, folded, appended.
    template <class Out>
    struct Events {
        Core& core;
        Out& out;
        const wire::Header& cause;

        template <class M>
        M* begin() {
            M* event = wire::make<M>(out.reserve(sizeof(M)));
            wire::Header& header = event->header;
            header.seq = core.sequencer_.next_seq();
            header.cause = cause.seq;
            header.ts = cause.ts;
            header.ts_event = cause.ts_event;
            header.ts_recv = cause.ts_recv;
            header.origin_seq = cause.origin_seq;
            header.source = cause.source;
            header.instrument = cause.instrument;
            return event;
        }

        template <class M>
        void end(M* event) {
            core.fold(reinterpret_cast<const uint8_t*>(event));
            out.append(sizeof(M));
        }
    };

    template <class Event, class Command, class Sink>
    static void reject(const uint8_t* raw, const risk::Verdict& verdict, Sink& events) {
        const auto& command = *reinterpret_cast<const Command*>(raw);
        Event* event = events.template begin<Event>();
        if constexpr (requires { command.cl_ord_id; }) event->cl_ord_id = command.cl_ord_id;
        if constexpr (requires { command.order_id; }) event->order_id = command.order_id;
        if constexpr (requires { command.account; }) event->account = command.account;
        event->value = verdict.value;
        event->limit = verdict.limit;
        event->reason = verdict.reason;
        events.end(event);
    }

    template <class F>
    static void section(std::vector<uint8_t>& out, F&& write) {
        size_t start = out.size();
        out.resize(start + 8);
        write();
        wire::store64(out.data() + start, out.size() - start - 8);
    }

    journal::Sequencer sequencer_;
    risk::Risk risk_;
    matcher::Matcher matcher_;
};

}  // namespace tapewire::engine
