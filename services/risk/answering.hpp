// Risk as a service: what it does at each ask of the engine (tapewire/split/answering.hpp).
#pragma once
#include "services/risk/risk.hpp"
#include "services/risk/snapshot.hpp"
#include "tapewire/split/answering.hpp"

namespace tapewire::risk {

class RiskPart {
  public:
    void clear() { risk_ = Risk{}; }
    bool restore(const uint8_t* p, size_t n, const wire::AskCore& ask) { return risk_.restore(p, n, ask.next_order_id); }

    bool follow(const uint8_t* record) {
        risk_.fold(record);
        return true;
    }
    bool settled() const { return true; }

    // `stands` follows the records, which leave none out.
    wire::AnswerOutcome step(const wire::AskCore& ask, const uint8_t* p, size_t n, uint64_t& stands, wire::CoreAnswered& answer, split::Bytes& result) {
        using enum wire::AnswerOutcome;
        const bool decides = ask.kind == wire::AskKind::decide;
        if (ask.kind == wire::AskKind::snapshot) return risk_.snapshot(result), done;
        if (!decides && ask.kind != wire::AskKind::fold) return unreadable;
        const uint8_t* const end = p + n;
        const uint8_t* command = nullptr;
        bool follows = true;
        const bool whole = split::each_message(p, n, [&](const uint8_t* message, size_t length) {
            if (decides && message + length == end) return command = message, true;
            follows = wire::header(message).seq == stands + 1;
            if (follows) risk_.fold(message), stands = wire::header(message).seq;
            return follows;
        });
        if (!whole || (decides && !command)) return follows ? unreadable : differs;
        if (!decides) return done;
        result.assign(command, end);
        const Verdict verdict = risk_.check(result.data());
        answer.reason = verdict.reason, answer.value = verdict.value, answer.limit = verdict.limit;
        return done;
    }

    void tell(wire::CoreAnswered& answer) const { answer.live_orders = risk_.live_orders(); }

  private:
    Risk risk_;
};

using Answering = split::Answering<RiskPart>;

}  // namespace tapewire::risk
