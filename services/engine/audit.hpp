// Replay over a tape's reader: what `tapewire verify` runs. It reads only, so it may run beside a live engine.
#pragma once
#include "services/engine/replay.hpp"
#include "tapewire/tape/tape.hpp"

namespace tapewire::engine {

class Audit {
  public:
    tape::Failure failure;
    Mismatch mismatch = Mismatch::none;
    uint64_t mismatch_seq = 0;
    Core core;
    Replay replay{core};

    bool restore(const uint8_t* p, size_t n, uint64_t last_seq) { return core.restore(p, n, last_seq); }

    bool open(const char* dir) {
        if (reader_.open(dir) != tape::Status::ok) return refuse();
        const uint64_t from = core.sequencer().next_seq();
        last_ = from - 1;
        return from == 1 || reader_.seek_seq(from) == tape::Status::ok || refuse();
    }

    // Folds up to `limit` records, none beyond record `up_to` (0: all that is written). Stops at the first fault.
    size_t run(uint64_t up_to, uint64_t limit) {
        const uint64_t written = reader_.positions().written;
        size_t folded = 0;
        tape::Record record{};
        while (folded < limit && (up_to == 0 || last_ < up_to) && reader_.next(record, written)) {
            mismatch = replay.feed(record.p, record.n);
            if (mismatch != Mismatch::none) {
                mismatch_seq = wire::header(record.p).seq;
                return folded;
            }
            last_ = wire::header(record.p).seq;
            ++folded;
        }
        if (!reader_.ok()) refuse();
        return folded;
    }

    uint64_t seq() const { return core.sequencer().next_seq() - 1; }

    uint64_t pending() const {
        size_t bytes;
        replay.missing(bytes);
        return bytes;
    }

    void snapshot(std::vector<uint8_t>& out) const { core.snapshot(out); }

  private:
    bool refuse() {
        failure = reader_.failure();
        return false;
    }

    tape::Reader reader_;
    uint64_t last_ = 0;
};

}  // namespace tapewire::engine
