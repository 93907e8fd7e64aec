// Arbitrary bytes into the decoder of messages: as they are, and as messages that another writer may have made, whole or
// damaged, flat or not. What is laid out anew must be flat, and stay as it is if laid out again. Built and run by tools/fuzz.py.
#include "tapewire/wire/relayout.hpp"
#include "tests/fuzz/encoder.hpp"
#include "tests/fuzz/target.hpp"

namespace tapewire::fuzz {
namespace {

constexpr size_t ROOM = 1 << 16;

// The flat message that it was; empty if it was none.
std::vector<uint8_t> decode(const std::vector<uint8_t>& in) {
    const wire::Fault found = wire::check(in.data(), in.size());
    static std::vector<uint8_t> out(ROOM), again(ROOM);
    size_t length = 0, same = 0;
    const wire::Fault fault = wire::relayout(in.data(), in.size(), out.data(), ROOM, length);
    if (found == wire::Fault::none && fault != wire::Fault::none) fail("a flat message cannot be laid out anew");
    if (fault != wire::Fault::none) return {};
    if (length > ROOM || wire::check(out.data(), length) != wire::Fault::none) fail("what was laid out anew is not flat");
    std::vector<uint8_t> exact(out.begin(), out.begin() + ptrdiff_t(length));
    if (wire::relayout(exact.data(), length, again.data(), ROOM, same) != wire::Fault::none || same != length) fail("a second layout fails");
    if (spoil) again[wire::HEADER_AT] ^= 1;
    if (!std::equal(exact.begin(), exact.end(), again.begin())) fail("a second layout differs");
    ++tally.commands;
    tally.events += found == wire::Fault::none;  // flat already
    return exact;
}

void damage(Input& in, std::vector<uint8_t>& message) {
    for (uint32_t damages = in.one_in(2) ? in.below(4) : 0; damages && !message.empty(); --damages) {
        if (in.one_in(8)) message.resize(in.below(uint32_t(message.size()) + 1));
        else message[in.below(uint32_t(std::min<size_t>(message.size(), 256)))] ^= uint8_t(1 << in.below(8));
    }
}

}  // namespace

void run(const uint8_t* p, size_t n) {
    decode({p, p + n});
    Input in(p, n);
    while (in.more()) {
        std::vector<uint8_t> message = Encoder(in).message();
        damage(in, message);
        message = decode(message);
        damage(in, message);
        decode(message);
    }
}

}  // namespace tapewire::fuzz
