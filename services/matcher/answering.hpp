// The matcher as a service: what it does at each ask of the engine (tapewire/split/answering.hpp).
#pragma once
#include "services/matcher/batch.hpp"
#include "tapewire/split/answering.hpp"

namespace tapewire::matcher {

class MatcherPart {
  public:
    void clear() {
        matcher_ = std::make_unique<Matcher>();
        events_.clear();
        due_ = 0;
        applied_ = false;
    }
    bool restore(const uint8_t* p, size_t n, const wire::AskCore&) { return matcher_->restore(p, n); }

    // Of a command the events; of an event whether it is the one that is due. What risk refused, and what it or the
    // engine answers itself, is not the matcher's.
    bool follow(const uint8_t* record) {
        const wire::Header& header = wire::header(record);
        if (header.cause == 0) {
            if (!settled()) return false;
            events_.clear();
            due_ = 0;
            applied_ = is_ours(record);
            if (!applied_) return true;
            events_.command(header);
            matcher_->apply(record, events_);
            return true;
        }
        if (!applied_) return true;
        const size_t n = size_t(wire::load64(record) >> 32) * 8 + 8;
        if (n > events_.size() - due_ || std::memcmp(record, events_.data() + due_, n)) return false;
        due_ += n;
        return true;
    }
    bool settled() const { return due_ == events_.size(); }

    wire::AnswerOutcome step(const wire::AskCore& ask, const uint8_t* p, size_t n, uint64_t& stands, wire::CoreAnswered& answer, split::Bytes& result) {
        using enum wire::AnswerOutcome;
        if (ask.kind == wire::AskKind::snapshot) return matcher_->snapshot(result), done;
        if (n < 8 || (wire::load64(p) >> 32) * 8 + 8 != n || wire::check(p, n) != wire::Fault::none) return unreadable;
        const wire::Header& header = wire::header(p);
        if (ask.kind == wire::AskKind::refuses) {
            if (header.type != wire::MessageType::instrument_definition) return unreadable;
            const auto refusal = matcher_->refuses(*reinterpret_cast<const wire::InstrumentDefinition*>(p));
            answer.reason = refusal.reason, answer.value = refusal.value, answer.limit = refusal.limit;
            return done;
        }
        if (ask.kind != wire::AskKind::apply) return unreadable;
        if (header.seq != stands + 1) return differs;
        events_.clear();
        due_ = 0;
        events_.command(header);
        matcher_->apply(p, events_);
        result.assign(events_.data(), events_.data() + events_.size());
        due_ = events_.size();
        stands = header.seq;
        return done;
    }

    void tell(wire::CoreAnswered& answer) const {
        answer.next_due = matcher_->next_due();
        answer.most_events = matcher_->most_events();
        answer.live_orders = matcher_->live_orders();
    }

  private:
    // Of what the engine's core hands to the matcher: commands that stand as accepted, but for limits of accounts.
    static bool is_ours(const uint8_t* record) {
        const auto taken = [&]<class M>() { return reinterpret_cast<const M*>(record)->decision == wire::RejectReason::unspecified; };
        switch (wire::header(record).type) {
            case wire::MessageType::new_order: return taken.template operator()<wire::NewOrder>();
            case wire::MessageType::cancel_order: return taken.template operator()<wire::CancelOrder>();
            case wire::MessageType::replace_order: return taken.template operator()<wire::ReplaceOrder>();
            case wire::MessageType::mass_cancel: return taken.template operator()<wire::MassCancel>();
            case wire::MessageType::instrument_definition: return taken.template operator()<wire::InstrumentDefinition>();
            case wire::MessageType::kill_switch: return taken.template operator()<wire::KillSwitch>();
            case wire::MessageType::set_instrument_status: return taken.template operator()<wire::SetInstrumentStatus>();
            case wire::MessageType::advance_clock: return taken.template operator()<wire::AdvanceClock>();
            case wire::MessageType::bust_trade: return taken.template operator()<wire::BustTrade>();
            case wire::MessageType::correct_trade: return taken.template operator()<wire::CorrectTrade>();
            default: return false;
        }
    }

    std::unique_ptr<Matcher> matcher_ = std::make_unique<Matcher>();
    EventBuffer events_;
    size_t due_ = 0;  // bytes of the last command's events that have come
    bool applied_ = false;
};

using Answering = split::Answering<MatcherPart>;

}  // namespace tapewire::matcher
