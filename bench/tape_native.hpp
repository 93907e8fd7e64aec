// The loops that measure the tape natively. CPU time of the calling thread where one core works alone, wall time for a sync.
#pragma once
#include <ctime>

#include "tapewire/histogram/histogram.hpp"
#include "tapewire/tape/tape.hpp"

namespace tapewire::bench {

using histogram::Histogram;

inline int64_t clock_of(clockid_t which) {
    struct timespec ts;
    ::clock_gettime(which, &ts);
    return int64_t(ts.tv_sec) * 1'000'000'000 + ts.tv_nsec;
}

// A 96 B message (a frame of 112), as a handler would make it.
inline bool append_one(tape::Writer& writer) {
    uint8_t* room = writer.reserve(sizeof(wire::KillSwitch));
    if (!room) return false;
    auto* m = wire::make<wire::KillSwitch>(room);
    m->header.seq = writer.next_seq();
    m->header.ts = int64_t(m->header.seq) * 1000;
    m->account = uint32_t(m->header.seq);
    writer.append(sizeof *m);
    return true;
}

// Appends `records` in batches of `batch` and publishes each; ns of CPU time, or -1 and `error`. What it leaves can be scanned.
inline int64_t tape_append(const char* dir, uint64_t segment_bytes, uint64_t records, uint64_t batch, std::string& error) {
    tape::Writer writer;
    tape::Options options{tape::Durability::memory, segment_bytes, {}, true};
    if (writer.open(dir, options) != tape::Status::ok) return error = writer.error(), -1;
    const int64_t began = clock_of(CLOCK_THREAD_CPUTIME_ID);
    for (uint64_t i = 0; i < records; ++i) {
        if (!append_one(writer)) return error = writer.error(), -1;
        if ((i + 1) % batch == 0) writer.publish();
    }
    writer.publish();
    const int64_t took = clock_of(CLOCK_THREAD_CPUTIME_ID) - began;
    writer.close();
    return took;
}

// `rounds` durable commits of `batch` records each, from the first append to the return of commit().
inline bool tape_commit(const char* dir, uint64_t rounds, uint64_t batch, Histogram& out, std::string& error) {
    tape::Writer writer;
    if (writer.open(dir, {}) != tape::Status::ok) return error = writer.error(), false;
    for (uint64_t round = 0; round < rounds; ++round) {
        const int64_t began = clock_of(CLOCK_MONOTONIC);
        for (uint64_t i = 0; i < batch; ++i) {
            if (!append_one(writer)) return error = writer.error(), false;
        }
        if (!writer.commit()) return error = writer.error(), false;
        out.record(uint64_t(clock_of(CLOCK_MONOTONIC) - began));
        if (writer.wants_next()) writer.prepare_next();
    }
    writer.close();
    return true;
}

// Reads the whole tape `rounds` times after once to warm up, every checksum checked; records and ns of CPU time of the rounds.
inline int64_t tape_scan(const char* dir, uint64_t rounds, uint64_t& records, std::string& error) {
    tape::Reader reader;
    if (reader.open(dir) != tape::Status::ok) return error = reader.error(), -1;
    const uint64_t first = reader.next_seq(), end = reader.positions().written;
    int64_t took = 0;
    records = 0;
    for (uint64_t round = 0; round <= rounds; ++round) {
        if (reader.seek_seq(first) != tape::Status::ok) return error = reader.error(), -1;
        const int64_t began = clock_of(CLOCK_THREAD_CPUTIME_ID);
        const uint64_t n = reader.scan(~uint64_t{0}, end);
        if (round) took += clock_of(CLOCK_THREAD_CPUTIME_ID) - began, records += n;
        if (!reader.ok()) return error = reader.error(), -1;
    }
    return took;
}

}  // namespace tapewire::bench
