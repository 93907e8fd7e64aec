// What a producer may send. It belongs to the ring, not to the market: replay trusts the decision on the command.
#pragma once
#include <algorithm>
#include <vector>

#include "services/engine/commands.hpp"

namespace tapewire::engine {

struct Authority {
    bool operates = false;           // the operator's: everything but AdvanceClock, which is the engine's own
    std::vector<uint32_t> accounts;  // that it may act for, ascending; none: every account

    bool permits(uint8_t* command) const {
        const MessageType type = wire::header(command).type;
        if (!is_trading(type)) return operates && type != MessageType::advance_clock;
        return accounts.empty() || holds(command);
    }

  private:
    bool holds(uint8_t* command) const {
        bool held = false;
        as_command(command, [&](const auto& c) {
            if constexpr (requires { c.account; }) held = std::binary_search(accounts.begin(), accounts.end(), c.account);
        });
        return held;
    }
};

}  // namespace tapewire::engine
