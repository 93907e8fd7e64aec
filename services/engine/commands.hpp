// The commands there are, and what all of them have: an answer that was given before they were sequenced.
#pragma once
#include "tapewire/wire/flat.hpp"

namespace tapewire::engine {

using wire::MessageType;

// Calls `f` with the command as the struct it is; false: it is none.
template <class F>
inline bool as_command(uint8_t* raw, F&& f) {
    const auto call = [&]<class M>() { return f(*reinterpret_cast<M*>(raw)), true; };
    switch (wire::header(raw).type) {
        case MessageType::new_order: return call.template operator()<wire::NewOrder>();
        case MessageType::cancel_order: return call.template operator()<wire::CancelOrder>();
        case MessageType::replace_order: return call.template operator()<wire::ReplaceOrder>();
        case MessageType::mass_cancel: return call.template operator()<wire::MassCancel>();
        case MessageType::instrument_definition: return call.template operator()<wire::InstrumentDefinition>();
        case MessageType::account_limits: return call.template operator()<wire::AccountLimits>();
        case MessageType::kill_switch: return call.template operator()<wire::KillSwitch>();
        case MessageType::set_instrument_status: return call.template operator()<wire::SetInstrumentStatus>();
        case MessageType::advance_clock: return call.template operator()<wire::AdvanceClock>();
        case MessageType::bust_trade: return call.template operator()<wire::BustTrade>();
        case MessageType::correct_trade: return call.template operator()<wire::CorrectTrade>();
        default: return false;
    }
}

// What anybody may send who has an account; all else is the operator's, or the engine's own.
inline bool is_trading(MessageType type) {
    return type == MessageType::new_order || type == MessageType::cancel_order || type == MessageType::replace_order ||
           type == MessageType::mass_cancel;
}

inline bool is_command(MessageType type) {
    if (is_trading(type)) return true;
    switch (type) {
        case MessageType::instrument_definition:
        case MessageType::account_limits:
        case MessageType::kill_switch:
        case MessageType::set_instrument_status:
        case MessageType::advance_clock:
        case MessageType::bust_trade:
        case MessageType::correct_trade: return true;
        default: return false;
    }
}

// The field in which a command carries the answer that was given before it was sequenced.
inline wire::RejectReason& decision(uint8_t* command) {
    wire::RejectReason* found = nullptr;
    as_command(command, [&](auto& c) { found = &c.decision; });
    return *found;
}

}  // namespace tapewire::engine
