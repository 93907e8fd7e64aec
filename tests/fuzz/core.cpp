// Arbitrary commands, and arbitrary bytes in their place, into everything that folds the orders tape: checked and laid out
// anew as the engine does, stamped, decided by risk, folded, applied. A replay over a second core must derive the same
// record for record; snapshots are restored, damaged, and gone on from. Built and run by tools/fuzz.py.
#include "services/engine/replay.hpp"
#include "tests/fuzz/commands.hpp"
#include "tests/fuzz/target.hpp"

namespace tapewire::fuzz {
namespace {

constexpr size_t MAX_COMMAND = 4096;

class Run {
  public:
    Run(const uint8_t* p, size_t n) : in_(p, n), commands_(in_), replay_(*twin_) {}

    void all() {
        for (uint32_t id = 1; id <= Commands::INSTRUMENTS; ++id) take(commands_.plain_definition(id));
        for (uint32_t id = 1; id <= Commands::ACCOUNTS; ++id) take(commands_.plain_account(id));
        while (in_.more()) {
            if (in_.byte() == 255) snapshots();
            const matcher::Matcher& m = core_->matcher();
            take(damaged(commands_.make({m.last_order_id(), m.next_match_id(), now_})));
        }
        snapshots();
    }

    // The sink of Core::apply.
    uint8_t* reserve(size_t) { return event_; }
    void append(size_t bytes) {
        ++tally.events;
        tally.trades += wire::header(event_).type == wire::MessageType::order_executed;
        if (spoil && tally.events == 40) event_[bytes - 16] ^= 1;
        commands_.hear(event_);
        replay(event_, bytes);
    }

  private:
    // Mostly as it was.
    size_t damaged(size_t length) {
        uint8_t* room = commands_.room();
        if (in_.byte() < 240) return length;
        switch (in_.below(5)) {
            case 0: return in_.below(uint32_t(length) + 1);
            case 1: room[in_.below(uint32_t(length))] ^= uint8_t(1 << in_.below(8)); return length;
            case 2: wire::store64(room + 8 * in_.below(uint32_t(length / 8)), uint64_t(in_.extreme())); return length;
            case 3: room[16 + 48] = in_.byte(); return length;  // another type
            default:
                length = 8 * (1 + in_.below(Commands::ROOM / 8));
                for (size_t i = 0; i < length; ++i) room[i] = in_.byte();
                if (in_.one_in(2)) wire::store64(room, uint64_t(length / 8 - 1) << 32 | in_.below(3));
                return length;
        }
    }

    // In memory of exactly the length it has, so that a read past it is found.
    bool flat(size_t length) {
        const std::vector<uint8_t> in(commands_.room(), commands_.room() + length);
        command_.assign(in.begin(), in.end());
        wire::Fault fault = wire::check(in.data(), in.size());
        if (fault == wire::Fault::not_flat) {
            command_.resize(MAX_COMMAND);
            fault = wire::relayout(in.data(), in.size(), command_.data(), command_.size(), length);
            if (fault == wire::Fault::none) {
                command_.resize(length);
                if (wire::check(command_.data(), length) != wire::Fault::none) fail("what was laid out anew is not flat");
            }
        }
        return fault == wire::Fault::none && engine::is_command(wire::header(command_.data()).type);
    }

    void take(size_t length) {
        if (!flat(length)) return;
        now_ = in_.byte() == 255 ? in_.moment() : now_ + in_.below(8) * Commands::MS;  // a clock may jump, and back
        position_ += 8 * (1 + in_.below(40));
        uint8_t* command = command_.data();
        core_->sequencer().stamp(wire::header(command), ++now_, uint16_t(1 + in_.below(63)), position_);
        const auto verdict = in_.byte() == 255 ? core_->refuse(command, engine::Core::forbidden(command)) : core_->decide(command);
        core_->fold(command);
        replay(command, command_.size());
        core_->apply(command, verdict, *this);
        ++tally.commands;
    }

    void replay(const uint8_t* p, size_t n) {
        if (replay_.feed(p, n) != engine::Mismatch::none) fail("a replay differs");
    }

    static std::vector<uint8_t> bytes(const engine::Core& core) {
        std::vector<uint8_t> out;
        core.snapshot(out);
        return out;
    }

    void snapshots() {
        const std::vector<uint8_t> here = bytes(*core_);
        size_t left;
        replay_.missing(left);
        if (left) fail("the replay waits for an event that never came");
        if (here != bytes(*twin_)) fail("the replayed state differs");
        if (replay_.redecided()) fail("a decision differs in the replay");
        auto other = std::make_unique<engine::Core>();
        std::vector<uint8_t> hurt = here;
        if (in_.one_in(2)) wire::store64(hurt.data() + 8 * in_.below(uint32_t(hurt.size() / 8)), uint64_t(in_.extreme()));
        else hurt.resize(in_.below(uint32_t(hurt.size())));
        const uint64_t last = core_->sequencer().next_seq() - 1;
        if (!other->restore(hurt.data(), hurt.size(), last)) other->clear();
        if (!other->restore(here.data(), here.size(), last)) fail("a snapshot is refused");
        if (here != bytes(*other)) fail("a restored core writes another snapshot");
        core_ = std::move(other);  // goes on from there: what is restored must behave as what was saved
    }

    Input in_;
    Commands commands_;
    std::unique_ptr<engine::Core> core_ = std::make_unique<engine::Core>(), twin_ = std::make_unique<engine::Core>();
    engine::Replay replay_;
    std::vector<uint8_t> command_;
    alignas(8) uint8_t event_[512];
    uint64_t position_ = 0;
    int64_t now_ = 1'700'000'000'000'000'000;
};

}  // namespace

void run(const uint8_t* p, size_t n) { Run(p, n).all(); }

}  // namespace tapewire::fuzz
