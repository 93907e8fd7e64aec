// Risk and matcher where they are services of their own: each call is an ask that waits for its answer (lock-step).
//
//   RemoteRisk      fold() gathers records; check() sends what it gathered, and the command
//   RemoteMatcher   apply() sends the decided command, and hands on the events it is answered
//
// Who carries an ask over (`Line`) repeats it until it is answered, and brings a service that stands elsewhere where it is
// needed. An answer that never comes (the engine is being stopped) makes the core `lost`: its batch is given up, and the
// commands of it stay in their rings.
#pragma once
#include <functional>
#include <vector>

#include "services/engine/core.hpp"

namespace tapewire::engine {

using Bytes = std::vector<uint8_t>;

inline constexpr size_t PART_BYTES = 128 << 10;  // of one message between engine and service, its head aside

// Calls `f` with an event as the struct it is; false: it is none.
template <class F>
inline bool as_event(const uint8_t* raw, F&& f) {
    const auto call = [&]<class M>() { return f(*reinterpret_cast<const M*>(raw)), true; };
    switch (wire::header(raw).type) {
        case MessageType::order_accepted: return call.template operator()<wire::OrderAccepted>();
        case MessageType::order_rejected: return call.template operator()<wire::OrderRejected>();
        case MessageType::order_cancelled: return call.template operator()<wire::OrderCancelled>();
        case MessageType::order_replaced: return call.template operator()<wire::OrderReplaced>();
        case MessageType::order_executed: return call.template operator()<wire::OrderExecuted>();
        case MessageType::order_triggered: return call.template operator()<wire::OrderTriggered>();
        case MessageType::order_restated: return call.template operator()<wire::OrderRestated>();
        case MessageType::cancel_rejected: return call.template operator()<wire::CancelRejected>();
        case MessageType::instrument_status_changed: return call.template operator()<wire::InstrumentStatusChanged>();
        case MessageType::auction_indicated: return call.template operator()<wire::AuctionIndicated>();
        case MessageType::limit_state_changed: return call.template operator()<wire::LimitStateChanged>();
        case MessageType::trade_busted: return call.template operator()<wire::TradeBusted>();
        case MessageType::trade_corrected: return call.template operator()<wire::TradeCorrected>();
        case MessageType::command_completed: return call.template operator()<wire::CommandCompleted>();
        default: return false;
    }
}

inline size_t message_bytes(const uint8_t* p) { return size_t(wire::load64(p) >> 32) * 8 + 8; }

// Who carries asks over. False: it was not answered, and will not be.
struct Line {
    void* self = nullptr;
    bool (*ask)(void* self, const uint8_t* p, size_t n, Bytes& answer) = nullptr;
    uint64_t session = 0, epoch = 0;
};

// The asks to one service, numbered.
class Asker {
  public:
    void open(const Line& line) { line_ = line; }
    bool lost() const { return lost_; }

    // Sends the two pieces behind the head. Null: lost. The answer holds until the next ask.
    const wire::CoreAnswered* ask(wire::AskKind kind, uint64_t seq, const uint8_t* first, size_t first_n, const uint8_t* second = nullptr,
                                  size_t second_n = 0) {
        if (lost_) return nullptr;
        request_.resize(sizeof(wire::AskCore) + first_n + second_n);
        auto* head = wire::make<wire::AskCore>(request_.data());
        head->header.seq = seq;
        head->session = line_.session;
        head->number = ++number_;
        head->epoch = line_.epoch;
        head->room = PART_BYTES;
        head->kind = kind;
        if (first_n) std::memcpy(request_.data() + sizeof(wire::AskCore), first, first_n);
        if (second_n) std::memcpy(request_.data() + sizeof(wire::AskCore) + first_n, second, second_n);
        const bool came = line_.ask && line_.ask(line_.self, request_.data(), request_.size(), answer_);
        if (!came || answer_.size() < sizeof(wire::CoreAnswered)) return lose();
        return reinterpret_cast<const wire::CoreAnswered*>(answer_.data());
    }

    // What followed the last answer.
    const uint8_t* result() const { return answer_.data() + sizeof(wire::CoreAnswered); }
    size_t result_bytes() const { return answer_.size() - sizeof(wire::CoreAnswered); }

    const wire::CoreAnswered* lose() {
        lost_ = true;
        return nullptr;
    }

    void snapshot(uint64_t seq, Bytes& out) {
        if (ask(wire::AskKind::snapshot, seq, nullptr, 0)) out.insert(out.end(), result(), result() + result_bytes());
    }

  private:
    Line line_;
    uint64_t number_ = 0;
    bool lost_ = false;
    Bytes request_, answer_;
};

class RemoteRisk {
  public:
    static constexpr bool ASKS = true;

    void open(const Line& line, uint64_t seq, size_t live_orders) {
        asker_->open(line);
        told_ = folded_ = seq;
        live_orders_ = live_orders;
    }
    bool lost() const { return asker_->lost(); }

    risk::Verdict check(uint8_t* command) {
        const size_t n = message_bytes(command);
        if (!tell(PART_BYTES - MAX_COMMAND_BYTES)) return {};
        const auto* answer = asker_->ask(wire::AskKind::decide, told_, untold(), untold_bytes(), command, n);
        if (!taken(answer, folded_)) return {};
        if (asker_->result_bytes() != n) return asker_->lose(), risk::Verdict{};
        std::memcpy(command, asker_->result(), n);
        return {answer->reason, answer->value, answer->limit};
    }

    void fold(const uint8_t* record) {
        recent_.insert(recent_.end(), record, record + message_bytes(record));
        folded_ = wire::header(record).seq;
    }

    // What was told already is on the tape by now, from where a service that comes anew is told it.
    void published() {
        recent_.erase(recent_.begin(), recent_.begin() + ptrdiff_t(told_bytes_));
        told_bytes_ = 0;
    }

    // Records behind `from` up to `to` that others may not read yet.
    void recent(uint64_t from, uint64_t to, Bytes& out) const {
        for (size_t at = 0; at < recent_.size();) {
            const uint8_t* record = recent_.data() + at;
            const size_t n = message_bytes(record);
            if (const uint64_t seq = wire::header(record).seq; seq > from && seq <= to) out.insert(out.end(), record, record + n);
            at += n;
        }
    }

    void snapshot(Bytes& out) {
        if (tell(0)) asker_->snapshot(told_, out);
    }

    size_t live_orders() const { return live_orders_; }
    void prefetch(const uint8_t*) const {}
    void prefetch_order(uint64_t) const {}

  private:
    static constexpr size_t MAX_COMMAND_BYTES = 8 << 10;

    const uint8_t* untold() const { return recent_.data() + told_bytes_; }
    size_t untold_bytes() const { return recent_.size() - told_bytes_; }

    // Tells records until at most `left` bytes are untold.
    bool tell(size_t left) {
        while (untold_bytes() > left) {
            size_t n = 0;
            uint64_t last = told_;
            while (n < untold_bytes()) {
                const size_t next = message_bytes(untold() + n);
                if (n && n + next > PART_BYTES) break;
                last = wire::header(untold() + n).seq;
                n += next;
            }
            if (!taken(asker_->ask(wire::AskKind::fold, told_, untold(), n), last, n)) return false;
        }
        return true;
    }

    bool taken(const wire::CoreAnswered* answer, uint64_t last, size_t bytes = SIZE_MAX) {
        if (!answer) return false;
        told_ = last;
        told_bytes_ = bytes == SIZE_MAX ? recent_.size() : told_bytes_ + bytes;
        live_orders_ = answer->live_orders;
        return true;
    }

    // Behind a pointer, as an ask changes it whatever it is asked for.
    std::unique_ptr<Asker> asker_ = std::make_unique<Asker>();
    Bytes recent_;  // records that risk was not told yet, and those told that the tape may not show yet
    size_t told_bytes_ = 0, live_orders_ = 0;
    uint64_t told_ = 0, folded_ = 0;
};

class RemoteMatcher {
  public:
    struct Trail {
        void start(const RemoteMatcher&, const uint8_t*) {}
        void order(const RemoteMatcher&) {}
        void around(const RemoteMatcher&) const {}
    };
    struct Refusal {
        wire::RejectReason reason = wire::RejectReason::unspecified;
        int64_t value = 0, limit = 0;
    };

    void open(const Line& line, int64_t next_due, uint64_t most_events) {
        asker_->open(line);
        next_due_ = next_due, most_events_ = most_events;
    }
    bool lost() const { return asker_->lost(); }

    template <class Sink>
    void apply(const uint8_t* command, Sink& sink) {
        const auto* answer = ask(wire::AskKind::apply, command);
        if (!answer) return;
        next_due_ = answer->next_due, most_events_ = answer->most_events;
        const uint8_t* p = asker_->result();
        for (size_t left = asker_->result_bytes(); left;) {
            const size_t n = left < 8 ? 0 : message_bytes(p);
            if (n < wire::DATA_AT || n > left || wire::check(p, n) != wire::Fault::none || !hand_on(p, n, sink)) return void(asker_->lose());
            p += n, left -= n;
        }
    }

    Refusal refuses(const wire::InstrumentDefinition& definition) {
        const auto* answer = ask(wire::AskKind::refuses, reinterpret_cast<const uint8_t*>(&definition));
        return answer ? Refusal{answer->reason, answer->value, answer->limit} : Refusal{};
    }

    void snapshot(uint64_t seq, Bytes& out) { asker_->snapshot(seq, out); }

    int64_t next_due() const { return next_due_; }
    uint64_t most_events() const { return most_events_; }

  private:
    const wire::CoreAnswered* ask(wire::AskKind kind, const uint8_t* command) {
        return asker_->ask(kind, wire::header(command).seq - 1, command, message_bytes(command));
    }

    // What the service filled in of the header must be what is filled in here, but for the instrument: that of an order
    // which the clock or the operator ended is the matcher's to say.
    template <class Sink>
    static bool hand_on(const uint8_t* event, size_t n, Sink& sink) {
        bool fits = false;
        const auto one = [&]<class M>(const M& told) {
            if (sizeof(M) != n) return;
            M* own = sink.template begin<M>();
            own->header.instrument = told.header.instrument;
            fits = !std::memcmp(&own->header, &told.header, sizeof(wire::Header));
            if (fits) *own = told, sink.end(own);
        };
        return as_event(event, one) && fits;
    }

    std::unique_ptr<Asker> asker_ = std::make_unique<Asker>();
    int64_t next_due_ = 0;
    uint64_t most_events_ = 0;
};

class RemoteCore : public CoreOf<RemoteRisk, RemoteMatcher> {
  public:
    void begin(const Core& local, const Line& risk_line, const Line& matcher_line) {
        take_over(local);
        risk().open(risk_line, sequencer().next_seq() - 1, local.risk().live_orders());
        matcher().open(matcher_line, local.matcher().next_due(), local.matcher().most_events());
    }
};

}  // namespace tapewire::engine
