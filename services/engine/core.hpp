// Everything that must come out the same wherever the same tape is folded: sequencer, risk, definitions, matcher.
//
//   decide(command)          asks risk, writes the decision (and the order id) into the stamped command
//   refuse(command, v)       refuses it unasked: its producer may not send it, or a newer one sent what is not known here
//   apply(command, v, out)   live and replay: the events that follow from a decided command
//
// `out` is where events go: `reserve(bytes)` gives room (never null: it stops the engine itself), `append(bytes)` completes it.
#pragma once
#include <algorithm>
#include <memory>

#include "services/engine/commands.hpp"
#include "services/journal/sequencer.hpp"
#include "services/matcher/matcher.hpp"
#include "services/risk/risk.hpp"
#include "tapewire/definitions/definitions.hpp"

namespace tapewire::engine {

// Of all a command can cause the longest. Those of single orders are shorter.
inline constexpr size_t EVENT_BYTES_MAX = std::max({sizeof(wire::OrderAccepted), sizeof(wire::OrderExecuted), sizeof(wire::OrderReplaced),
    sizeof(wire::OrderRestated), sizeof(wire::OrderTriggered), sizeof(wire::OrderCancelled), sizeof(wire::InstrumentStatusChanged),
    sizeof(wire::AuctionIndicated), sizeof(wire::LimitStateChanged), sizeof(wire::TradeCorrected), sizeof(wire::CommandCompleted)});

// Bounds what one command can ever cause, so that it fits one batch of the tape (engine.hpp): one that did not would stop
// the engine, and every start after it. What could add to it is refused from here on.
inline constexpr uint64_t MAX_EVENTS = 5'500'000;

// `Risk` and `Matcher`: the cores themselves, or those that ask them where they are services of their own (remote.hpp).
template <class Risk, class Matcher>
class CoreOf {
  public:
    static constexpr bool ASKS = requires { Risk::ASKS; };  // risk and matcher stand elsewhere, and may not answer

    // Makes `command` (flat, checked, a command, stamped) what will stand on the tape.
    risk::Verdict decide(uint8_t* command) {
        wire::RejectReason& answer = cleaned(command);
        const MessageType type = wire::header(command).type;
        const risk::Verdict verdict = check(command, type);
        answer = verdict.reason;
        if (type == MessageType::new_order && verdict.reason == wire::RejectReason::unspecified)
            reinterpret_cast<wire::NewOrder*>(command)->order_id = sequencer_.next_order_id();
        return verdict;
    }

    // The same for one that risk is not asked about.
    risk::Verdict refuse(uint8_t* command, const risk::Verdict& verdict) {
        cleaned(command) = verdict.reason;
        return verdict;
    }

    // Of one that its producer may not send.
    static risk::Verdict forbidden(const uint8_t* command) {
        const wire::Header& header = wire::header(command);
        return {wire::RejectReason::not_permitted, int64_t(header.type), int64_t(header.source)};
    }

    // Takes a record that has its place on the tape into the state; a command must be applied right after.
    void fold(const uint8_t* record) {
        sequencer_.fold(record);
        risk_.fold(record);
        if (Definitions::concerns(wire::header(record).type)) [[unlikely]] definitions_.fold(record);
    }

    template <class Out>
    void apply(const uint8_t* command, const risk::Verdict& verdict, Out& out) {
        Events<Out> events{*this, out, wire::header(command)};
        if (verdict.reason != wire::RejectReason::unspecified) {
            as_command(const_cast<uint8_t*>(command), [&](const auto& c) { reject(c, verdict, events); });
        } else if (wire::header(command).type == MessageType::account_limits) {
            auto* done = events.template begin<wire::CommandCompleted>();
            done->account = reinterpret_cast<const wire::AccountLimits*>(command)->account;
            done->command = MessageType::account_limits;
            events.end(done);
        } else {
            matcher_.apply(command, events);
        }
    }

    // Fetches what a later command will touch, in three steps that each look where the one before has led. Change nothing.
    struct Trail {
        uint64_t named = 0;  // the order that the command is about, if it is about one
        typename Matcher::Trail order;
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

    // "TWSTATE2", then sections, each an 8-byte length and its bytes: definitions, sequencer, risk, matcher. Equal states
    // give equal bytes. States of the first version began with the sequencer's section and had no definitions: the tape
    // they were taken of still has all its records, so it is replayed instead.
    void snapshot(std::vector<uint8_t>& out) const
        requires(!ASKS)
    {
        write_state(out, [&] { risk_.snapshot(out); }, [&] { matcher_.snapshot(out); });
    }
    // Asked for, it may not come: see lost().
    void snapshot(std::vector<uint8_t>& out)
        requires ASKS
    {
        write_state(out, [&] { risk_.snapshot(out); }, [&] { matcher_.snapshot(sequencer_.next_seq() - 1, out); });
    }

    // False: not the state after record `last_seq`, which the caller knows from the tape. Whatever in the bytes makes room
    // for something is bounded by that, or by a constant: damage must not ask for all of the memory.
    bool restore(const uint8_t* p, size_t n, uint64_t last_seq) {
        if (n < 8 || wire::load64(p) != definitions::STATE_MAGIC) return false;
        size_t at = 8;
        auto next = [&](auto&& part, auto... known) {
            if (n - at < 8) return false;
            uint64_t length = wire::load64(p + at);
            at += 8;
            if (length > n - at || !part.restore(p + at, length, known...)) return false;
            at += length;
            return true;
        };
        return next(definitions_) && next(sequencer_) && sequencer_.next_seq() == last_seq + 1 && next(risk_, sequencer_.next_order_id()) &&
               next(matcher_) && matcher_.last_order_id() < sequencer_.next_order_id() && at == n;
    }

    // Back to the empty state.
    void clear() {
        std::destroy_at(this);
        std::construct_at(this);
    }

    const journal::Sequencer& sequencer() const { return sequencer_; }
    const Risk& risk() const { return risk_; }
    Risk& risk() { return risk_; }
    const definitions::Definitions& definitions() const { return definitions_; }
    const Matcher& matcher() const { return matcher_; }
    Matcher& matcher() { return matcher_; }

    // Of a core that asks: an answer did not come, so nothing that was decided since the last batch stands.
    bool lost() const { return risk_.lost() || matcher_.lost(); }
    // The batch may be read by others now.
    void published() { risk_.published(); }

    // Goes on from where another core stands, all but risk and matcher.
    template <class Other>
    void take_over(const Other& other) {
        sequencer_ = other.sequencer();
        definitions_ = other.definitions();
    }

  private:
    using Definitions = definitions::Definitions;

    // What the matcher writes its events through: header filled, seq given, folded, appended.
    template <class Out>
    struct Events {
        CoreOf& core;
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

    // What the engine fills in is not the client's to say. Returns where the decision goes.
    static wire::RejectReason& cleaned(uint8_t* command) {
        wire::RejectReason& answer = decision(command);
        answer = wire::RejectReason::unspecified;
        if (wire::header(command).type == MessageType::new_order) {
            auto& order = *reinterpret_cast<wire::NewOrder*>(command);
            order.order_id = 0;
            order.self_trade_group = 0;
        }
        return answer;
    }

    risk::Verdict check(uint8_t* command, MessageType type) {
        const bool adds = type == MessageType::new_order || type == MessageType::replace_order || type == MessageType::instrument_definition;
        if (adds && matcher_.most_events() >= MAX_EVENTS) [[unlikely]]
            return {wire::RejectReason::capacity, int64_t(matcher_.most_events()), int64_t(MAX_EVENTS)};
        const risk::Verdict verdict = risk_.check(command);
        if (type != MessageType::instrument_definition || verdict.reason != wire::RejectReason::unspecified) return verdict;
        // A definition has no event of its own: whoever reads it looks at its decision, so that must be the last word.
        const auto& definition = *reinterpret_cast<const wire::InstrumentDefinition*>(command);
        if (const auto clash = definitions_.clash(definition)) return {wire::RejectReason::instrument_exists, clash.asked, clash.stands};
        const auto refusal = matcher_.refuses(definition);
        return {refusal.reason, refusal.value, refusal.limit};
    }

    template <class Command, class Sink>
    static void reject(const Command& command, const risk::Verdict& verdict, Sink& events) {
        constexpr bool of_order = requires { command.order_id; } || std::is_same_v<Command, wire::MassCancel>;
        constexpr bool is_new = std::is_same_v<Command, wire::NewOrder>;
        using Event = std::conditional_t<of_order && !is_new, wire::CancelRejected, wire::OrderRejected>;
        Event* event = events.template begin<Event>();
        if constexpr (requires { command.cl_ord_id; }) event->cl_ord_id = command.cl_ord_id;
        if constexpr (requires { command.order_id; }) event->order_id = command.order_id;
        if constexpr (requires { command.account; }) event->account = command.account;
        event->value = verdict.value;
        event->limit = verdict.limit;
        event->reason = verdict.reason;
        events.end(event);
    }

    template <class R, class M>
    void write_state(std::vector<uint8_t>& out, R&& of_risk, M&& of_matcher) const {
        wire::WordWriter(out).put(definitions::STATE_MAGIC);
        section(out, [&] { definitions_.snapshot(out); });
        section(out, [&] { sequencer_.snapshot(out); });
        section(out, of_risk);
        section(out, of_matcher);
    }

    template <class F>
    static void section(std::vector<uint8_t>& out, F&& write) {
        size_t start = out.size();
        out.resize(start + 8);
        write();
        wire::store64(out.data() + start, out.size() - start - 8);
    }

    journal::Sequencer sequencer_;
    Risk risk_;
    Definitions definitions_;
    Matcher matcher_;
};

using Core = CoreOf<risk::Risk, matcher::Matcher>;

}  // namespace tapewire::engine
