// Arbitrary commands into the matcher, its invariants checked after each (-DTAPEWIRE_CHECK). Nothing to compare with is
// needed: what the events say must add up to what the book shows; a restored snapshot must go on as what it was taken
// from, and write the same again; a damaged one is refused, or is canonical. Built and run by tools/fuzz.py.
#include "services/matcher/batch.hpp"
#include "tests/fuzz/commands.hpp"
#include "tests/fuzz/target.hpp"
#include "tests/native/ledger.hpp"

namespace tapewire::fuzz {
namespace {

using matcher::EventBuffer;
using matcher::Matcher;

constexpr size_t CAPACITY = 60;

class Run {
  public:
    Run(const uint8_t* p, size_t n) : in_(p, n), commands_(in_) {}

    void all() {
        for (uint32_t id = 1; id <= Commands::INSTRUMENTS; ++id) apply(commands_.plain_definition(id));
        while (in_.more()) {
            if (in_.rarely()) snapshots();
            now_ = in_.byte() == 255 ? in_.moment() : now_ + in_.below(8) * Commands::MS;
            apply(commands_.make({matcher_->last_order_id(), matcher_->next_match_id(), now_}));
        }
        snapshots();
    }

  private:
    void apply(size_t length) {
        uint8_t* command = commands_.room();
        wire::header(command).seq = ++seq_;
        wire::header(command).ts = now_;
        if (wire::check(command, length) != wire::Fault::none) fail("the fuzzer made a malformed command");
        events_.clear();
        events_.command(wire::header(command));
        const uint64_t most = matcher_->most_events(), before = tally.events;
        matcher_->apply(command, events_);
        ++tally.commands;
        bool completed = false;
        const uint8_t* p = events_.data();
        for (const uint8_t* end = p + events_.size(); p < end; p += 8 + 8 * (wire::load64(p) >> 32)) {
            ++tally.events;
            tally.trades += wire::header(p).type == wire::MessageType::order_executed;
            completed = wire::header(p).type == wire::MessageType::command_completed;
            ledger_.take(p);
            commands_.hear(p);
        }
        if (tally.events - before >= most) fail("more events than most_events() told");
        if (completed && wire::header(command).type == wire::MessageType::advance_clock) {
            const int64_t due = matcher_->next_due(), up_to = reinterpret_cast<const wire::AdvanceClock*>(command)->up_to;
            // Timers start from the command's time, which an engine has never behind what it advances to.
            if (due && due <= up_to && now_ >= up_to) fail("the clock was advanced, and something is still due");
        }
        if (spoil && !ledger_.held.empty()) ++ledger_.held.begin()->second.leaves;
        if (seq_ % 8 == 0) ledger_.compare(*matcher_);
        if (!ledger_.fault().empty()) fail(ledger_.fault().c_str());
    }

    static std::vector<uint8_t> bytes(const Matcher& matcher) {
        std::vector<uint8_t> out;
        matcher.snapshot(out);
        return out;
    }

    void snapshots() {
        const std::vector<uint8_t> here = bytes(*matcher_);
        auto other = std::make_unique<Matcher>(CAPACITY);
        std::vector<uint8_t> hurt = here;
        switch (in_.below(4)) {
            case 0: break;
            case 1: hurt.resize(in_.below(uint32_t(hurt.size()))); break;
            case 2: wire::store64(hurt.data() + 8 * in_.below(uint32_t(hurt.size() / 8)), in_.one_in(2) ? in_.below(9) : uint64_t(in_.extreme())); break;
            default: hurt[in_.below(uint32_t(hurt.size()))] ^= uint8_t(1 << in_.below(8));
        }
        if (other->restore(hurt.data(), hurt.size())) {
            other->check_invariants();
            if (bytes(*other) != hurt) fail("a snapshot that is not canonical was taken");
        } else if (hurt == here) {
            fail("a snapshot is refused");
        } else if (other->live_orders() || bytes(*other) != bytes(Matcher(CAPACITY))) {
            fail("a refused snapshot left something behind");
        }
        if (!other->restore(here.data(), here.size())) fail("a snapshot is refused");
        if (bytes(*other) != here) fail("a restored matcher writes another snapshot");
        matcher_ = std::move(other);  // goes on from there
    }

    Input in_;
    Commands commands_;
    std::unique_ptr<Matcher> matcher_ = std::make_unique<Matcher>(CAPACITY);
    EventBuffer events_;
    check::Ledger ledger_;
    uint64_t seq_ = 0;
    int64_t now_ = 1'700'000'000'000'000'000;
};

}  // namespace

void run(const uint8_t* p, size_t n) { Run(p, n).all(); }

}  // namespace tapewire::fuzz
