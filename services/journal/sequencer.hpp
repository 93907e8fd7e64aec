// Gives every record its place: seq, time, order ids; and remembers how far each producer's ring has been taken.
//
// It is part of the state that the tape determines: fold() brings it to where it was when the record was written.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "tapewire/wire/flat.hpp"

namespace tapewire::journal {

inline constexpr size_t MAX_SOURCES = 64;  // producers per engine, numbered from 1

class Sequencer {
  public:
    uint64_t next_seq() const { return next_seq_; }
    int64_t last_ts() const { return last_ts_; }
    uint64_t next_order_id() const { return next_order_id_; }

    // Whether the ring record that ends at `position` has not been taken before.
    bool fresh(uint16_t source, uint64_t position) const { return position > taken_[source]; }
    uint64_t taken(uint16_t source) const { return source < MAX_SOURCES ? taken_[source] : 0; }

    // Time never runs backwards on a tape, whatever the host's clock does.
    void stamp(wire::Header& header, int64_t now, uint16_t source, uint64_t position) const {
        header.seq = next_seq_;
        header.cause = 0;
        header.ts = std::max(now, last_ts_);
        header.source = source;
        header.origin_seq = position;
    }

    // Takes a record that is on the tape, or is being put there, into account.
    void fold(const uint8_t* record) {
        const wire::Header& header = wire::header(record);
        next_seq_ = header.seq + 1;
        last_ts_ = std::max(last_ts_, header.ts);
        if (header.cause == 0 && header.source < MAX_SOURCES) taken_[header.source] = std::max(taken_[header.source], header.origin_seq);
        if (header.type == wire::MessageType::new_order)
            next_order_id_ = std::max(next_order_id_, reinterpret_cast<const wire::NewOrder*>(record)->order_id + 1);
    }

    // "TWSEQ_01", next_seq, last_ts, next_order_id, then the position taken of each source.
    void snapshot(std::vector<uint8_t>& out) const {
        uint64_t words[4 + MAX_SOURCES] = {SNAPSHOT_MAGIC, next_seq_, uint64_t(last_ts_), next_order_id_};
        std::copy(taken_, taken_ + MAX_SOURCES, words + 4);
        const auto* p = reinterpret_cast<const uint8_t*>(words);
        out.insert(out.end(), p, p + sizeof words);
    }

    // False: not a snapshot of this version, or of what cannot be.
    bool restore(const uint8_t* p, size_t n) {
        if (n != 8 * (4 + MAX_SOURCES) || wire::load64(p) != SNAPSHOT_MAGIC) return false;
        next_seq_ = wire::load64(p + 8);
        last_ts_ = int64_t(wire::load64(p + 16));
        next_order_id_ = wire::load64(p + 24);
        for (size_t i = 0; i < MAX_SOURCES; ++i) taken_[i] = wire::load64(p + 32 + 8 * i);
        // An order's id is given by a record of its own.
        return next_order_id_ != 0 && next_order_id_ <= next_seq_;
    }

  private:
    static constexpr uint64_t SNAPSHOT_MAGIC = 0x31305f5145535754;  // "TWSEQ_01"
    uint64_t next_seq_ = 1, next_order_id_ = 1;
    int64_t last_ts_ = 0;
    uint64_t taken_[MAX_SOURCES] = {};
};

}  // namespace tapewire::journal
