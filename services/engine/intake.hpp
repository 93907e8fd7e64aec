// Commands on their way in: out of shared memory, checked, and a few of them at hand before the first is worked on, so
// that what the later ones will need can be fetched from memory meanwhile.
#pragma once
#include "tapewire/wire/relayout.hpp"

namespace tapewire::engine {

inline constexpr size_t MAX_COMMAND = 4096;  // bytes of one command

// A ring record, copied. If `fault` is none, `p` holds a flat message of `length` bytes.
struct Input {
    uint8_t* p;
    uint32_t length, found;  // found: bytes it had on the ring
    wire::Fault fault;
    uint16_t source;
    uint64_t end;        // the ring position just past it
    bool drops = false;  // a field is set that this version does not know

    // Null: it is none.
    const uint8_t* command() const { return fault == wire::Fault::none ? p : nullptr; }
};

class Intake {
  public:
    static constexpr size_t LOOK_AHEAD = 16;  // commands

    bool full() const { return count_ == LOOK_AHEAD || sizeof room_ - used_ < MAX_COMMAND; }
    bool empty() const { return count_ == 0; }
    size_t size() const { return count_; }
    Input& operator[](size_t i) { return inputs_[i]; }

    // Not full. Shared memory can change under our eyes: copied once, then looked at.
    const Input& add(const uint8_t* p, uint32_t n, uint64_t end, uint16_t source) {
        Input& input = inputs_[count_++];
        input = {room_ + used_, n, n, wire::Fault::too_long, source, end};
        if (n > MAX_COMMAND) return input;
        std::memcpy(input.p, p, n);
        input.fault = wire::check(input.p, n);
        if (input.fault == wire::Fault::not_flat) lay_out_anew(input);
        used_ += (input.length + 63) & ~size_t{63};
        return input;
    }

    void clear() { count_ = used_ = 0; }

  private:
    [[gnu::noinline]] void lay_out_anew(Input& input) {
        alignas(8) uint8_t foreign[MAX_COMMAND];
        std::memcpy(foreign, input.p, input.found);
        size_t length = input.found;
        input.fault = wire::relayout(foreign, input.found, input.p, MAX_COMMAND, length, input.drops);
        input.length = uint32_t(length);
    }

    size_t count_ = 0, used_ = 0;
    Input inputs_[LOOK_AHEAD];
    alignas(64) uint8_t room_[LOOK_AHEAD * 256 + MAX_COMMAND];
};

}  // namespace tapewire::engine
