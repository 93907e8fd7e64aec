// The clock, for shells of the compiled core; cores take time as an argument.
//
// Both read the vDSO (no system call, 20 to 30 ns). Not the CPU's own counter: it costs calibration, and on virtual
// machines that move between hosts it does not keep time.
#pragma once
#include <cstdint>
#include <ctime>

namespace tapewire {

namespace detail {
inline int64_t read_clock(clockid_t id) {
    struct timespec ts;
    ::clock_gettime(id, &ts);
    return int64_t(ts.tv_sec) * 1'000'000'000 + ts.tv_nsec;
}
}  // namespace detail

// UTC ns since 1970. May be set back: order comes from seq, never from time.
inline int64_t utc_ns() { return detail::read_clock(CLOCK_REALTIME); }

// For durations: ns since some start, never set back, the same in all processes of a host.
inline int64_t monotonic_ns() { return detail::read_clock(CLOCK_MONOTONIC); }

}  // namespace tapewire
