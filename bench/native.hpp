// The loops that measure native code. They time with the vDSO clock, whose cost the caller may measure (clock_ns).
#pragma once
#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <thread>

#include "tapewire/clock.hpp"
#include "tapewire/histogram/histogram.hpp"
#include "tapewire/ring/ring.hpp"
#include "tapewire/wire/flat.hpp"

namespace tapewire::bench {

using histogram::Histogram;
using ring::Consumer;
using ring::Producer;

inline constexpr uint32_t RECORD_BYTES = 64;

// Keeps the calling thread on one core for the life of this object.
class Pinned {
  public:
    explicit Pinned(int core) {
        pthread_getaffinity_np(pthread_self(), sizeof before_, &before_);
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(core, &one);
        pthread_setaffinity_np(pthread_self(), sizeof one, &one);
    }
    ~Pinned() { pthread_setaffinity_np(pthread_self(), sizeof before_, &before_); }

  private:
    cpu_set_t before_;
};

template <class T>
inline void keep(T& value) {
    asm volatile("" : "+m"(value) : : "memory");
}

inline void pause() { __builtin_ia32_pause(); }

// The floor of any hand-over between two cores: one word there, one word back.
inline void pingpong(uint64_t rounds, int core, int other_core, Histogram& out) {
    struct Lines {
        alignas(128) std::atomic<uint64_t> there{0};
        alignas(128) std::atomic<uint64_t> back{0};
    } lines;
    std::thread echo([&] {
        Pinned pinned(other_core);
        for (uint64_t i = 1; i <= rounds; ++i) {
            while (lines.there.load(std::memory_order_acquire) != i) pause();
            lines.back.store(i, std::memory_order_release);
        }
    });
    Pinned pinned(core);
    for (uint64_t i = 1; i <= rounds; ++i) {
        int64_t started = monotonic_ns();
        lines.there.store(i, std::memory_order_release);
        while (lines.back.load(std::memory_order_acquire) != i) pause();
        out.record(monotonic_ns() - started);
    }
    echo.join();
}

// The same over two rings with records of 64 bytes. False: a ring cannot be opened.
inline bool ring_round_trip(const char* there, const char* back, uint64_t rounds, int core, int other_core, Histogram& out) {
    Producer ask, answer;
    Consumer asked, answered;
    if (ask.open(there) != ring::Status::ok || asked.open(there) != ring::Status::ok) return false;
    if (answer.open(back) != ring::Status::ok || answered.open(back) != ring::Status::ok) return false;
    std::thread echo([&] {
        Pinned pinned(other_core);
        for (uint64_t i = 0; i < rounds;) {
            size_t n = asked.poll([&](const uint8_t* p, uint32_t bytes, uint64_t) { answer.write(p, bytes); }, 1);
            if (n) asked.release(), ++i;
            else pause();
        }
    });
    Pinned pinned(core);
    uint8_t record[RECORD_BYTES] = {};
    for (uint64_t i = 0; i < rounds; ++i) {
        int64_t started = monotonic_ns();
        ask.write(record, sizeof record);
        while (!answered.poll([&](const uint8_t* p, uint32_t, uint64_t) { record[0] ^= p[1]; }, 1)) pause();
        out.record(monotonic_ns() - started);
        answered.release();
    }
    echo.join();
    return true;
}

// Sends `records` through one ring as fast as both sides can; the wall time in ns, or -1: the ring cannot be opened.
inline int64_t ring_stream(const char* path, uint64_t records, int core, int other_core) {
    Producer producer;
    Consumer consumer;
    if (producer.open(path) != ring::Status::ok || consumer.open(path) != ring::Status::ok) return -1;
    std::atomic<bool> go{false};
    std::thread source([&] {
        Pinned pinned(other_core);
        uint8_t record[RECORD_BYTES] = {};
        while (!go.load(std::memory_order_acquire)) pause();
        for (uint64_t i = 0; i < records; ++i) {
            record[0] = uint8_t(i);
            while (!producer.write(record, sizeof record)) pause();
        }
    });
    Pinned pinned(core);
    uint64_t sum = 0, seen = 0;
    int64_t started = monotonic_ns();
    go.store(true, std::memory_order_release);
    while (seen < records) {
        size_t n = consumer.poll([&](const uint8_t* p, uint32_t, uint64_t) { sum += p[0]; }, 256);
        if (n) consumer.release(), seen += n;
        else pause();
    }
    int64_t took = monotonic_ns() - started;
    keep(sum);
    source.join();
    return took;
}

inline double codec_encode_ns(uint64_t rounds) {
    alignas(8) uint8_t room[sizeof(wire::NewOrder)];
    int64_t started = monotonic_ns();
    for (uint64_t i = 0; i < rounds; ++i) {
        auto* order = wire::make<wire::NewOrder>(room);
        order->header.seq = i;
        order->header.ts = int64_t(i);
        order->price = int64_t(i);
        order->qty = int64_t(i);
        keep(room);
    }
    return double(monotonic_ns() - started) / double(rounds);
}

inline double codec_decode_ns(uint64_t rounds) {
    alignas(8) uint8_t room[sizeof(wire::NewOrder)];
    wire::make<wire::NewOrder>(room);
    int64_t sum = 0, started = monotonic_ns();
    for (uint64_t i = 0; i < rounds; ++i) {
        keep(room);
        if (wire::check(room, sizeof room) != wire::Fault::none) return -1.0;
        const auto* order = reinterpret_cast<const wire::NewOrder*>(room);
        sum += order->price + order->qty + order->header.ts + int64_t(order->header.seq);
    }
    keep(sum);
    return double(monotonic_ns() - started) / double(rounds);
}

inline double histogram_record_ns(uint64_t rounds, Histogram& into) {
    uint64_t draw = 88172645463325252;  // xorshift: values as scattered as latencies
    int64_t started = monotonic_ns();
    for (uint64_t i = 0; i < rounds; ++i) {
        draw ^= draw << 13, draw ^= draw >> 7, draw ^= draw << 17;
        into.record(int64_t(draw & 0xfff) + 200);
    }
    return double(monotonic_ns() - started) / double(rounds);
}

inline double clock_ns(uint64_t rounds) {
    int64_t sum = 0, started = monotonic_ns();
    for (uint64_t i = 0; i < rounds; ++i) sum ^= utc_ns();
    keep(sum);
    return double(monotonic_ns() - started) / double(rounds);
}

}  // namespace tapewire::bench
