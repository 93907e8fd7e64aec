// What a producer may send. It belongs to the ring, not to the market: replay trusts the decision on the command.
#pragma once
#include <algorithm>
#include <vector>

#include "services/engine/commands.hpp"

namespace tapewire::engine {

inline constexpr int SESSION_BITS = 16;
inline constexpr uint32_t MAX_SESSION = (1u << SESSION_BITS) - 1;

struct Authority {
    bool operates = false;           // the operator's: everything but AdvanceClock, which is the engine's own
    std::vector<uint32_t> accounts;  // that it may act for, ascending; none: every account

    bool permits(uint8_t* command) const {
        const MessageType type = wire::header(command).type;
        if (!is_trading(type)) return operates && type != MessageType::advance_clock;
        const uint32_t* session = session_of(command);
        if (session && *session > MAX_SESSION && !operates) return false;
        return accounts.empty() || holds(command);
    }

    // Two producers may have sessions of the same number, and neither may cancel the other's orders: so a session is known
    // by its producer, too. Who operates names it whole. `command` is permitted.
    void own_session(uint8_t* command, uint16_t source) const {
        uint32_t* session = session_of(command);
        if (session && *session && !operates) *session |= uint32_t{source} << SESSION_BITS;
    }

  private:
    static uint32_t* session_of(uint8_t* command) {
        const MessageType type = wire::header(command).type;
        if (type == MessageType::new_order) return &reinterpret_cast<wire::NewOrder*>(command)->session;
        if (type == MessageType::mass_cancel) return &reinterpret_cast<wire::MassCancel*>(command)->session;
        return nullptr;
    }

    bool holds(uint8_t* command) const {
        bool held = false;
        as_command(command, [&](const auto& c) {
            if constexpr (requires { c.account; }) held = std::binary_search(accounts.begin(), accounts.end(), c.account);
        });
        return held;
    }
};

}  // namespace tapewire::engine
