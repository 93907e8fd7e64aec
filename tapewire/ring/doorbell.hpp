// A doorbell: one sleeping consumer, woken by any of many producers that share a page with it.
//
//   0  asleep u32: 1 while the consumer sleeps or is about to. It is the futex word, too.
//
//   consumer                              producer
//     arm()      asleep = 1; fence          publish to a ring
//     look for work once more               ring():  fence; if asleep: asleep = 0, FUTEX_WAKE
//     none: wait(timeout)
//     disarm()   asleep = 0
//
// The two fences make it impossible that the producer misses the flag and the consumer misses the record. A producer
// that finds nobody asleep pays for the fence only (about 5 ns); waking costs it a system call, and the sleeper 20 to 40 us.
// A consumer that died asleep costs the next ring one idle wake-up.
#pragma once
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <string>

namespace tapewire::ring {

class Doorbell {
  public:
    static constexpr size_t BYTES = 4096;
    static constexpr int64_t WAIT_MAX_NS = 10'000'000'000;  // a sleeper looks around at least this often

    Doorbell() = default;
    Doorbell(const Doorbell&) = delete;
    ~Doorbell() { close(); }

    // Opens the doorbell at `path`, or makes it. False: error() says why.
    bool open(const char* path) {
        close();
        int fd = ::open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0660);
        struct stat st;
        if (fd < 0 || ::fstat(fd, &st)) return refuse(path, fd);
        if (st.st_size != 0 && st.st_size != off_t(BYTES)) {
            errno = EINVAL;  // some other file: do not write into it
            return refuse(path, fd);
        }
        // Growing a page of zeros is harmless from any number of openers at once: zero is a doorbell nobody sleeps at.
        if (int failure = st.st_size ? 0 : ::posix_fallocate(fd, 0, BYTES); failure) {
            errno = failure;
            return refuse(path, fd);
        }
        void* at = ::mmap(nullptr, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (at == MAP_FAILED) return refuse(path, fd);
        ::close(fd);
        asleep_ = static_cast<std::atomic<uint32_t>*>(at);
        return true;
    }

    void close() {
        if (asleep_) ::munmap(asleep_, BYTES);
        asleep_ = nullptr;
    }

    void ring() {
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (asleep_->load(std::memory_order_relaxed) == 0) return;
        if (asleep_->exchange(0, std::memory_order_acq_rel)) futex(FUTEX_WAKE, INT_MAX, nullptr);
    }

    void arm() {
        asleep_->store(1, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_seq_cst);
    }

    void disarm() { asleep_->store(0, std::memory_order_relaxed); }

    // Sleeps until rung, a signal, or the time-out; true if rung. Only after arm() and one more look for work. Disarms.
    bool wait(int64_t timeout_ns) {
        if (timeout_ns < 0) timeout_ns = 0;
        if (timeout_ns > WAIT_MAX_NS) timeout_ns = WAIT_MAX_NS;
        struct timespec ts{time_t(timeout_ns / 1'000'000'000), long(timeout_ns % 1'000'000'000)};
        if (asleep_->load(std::memory_order_acquire)) futex(FUTEX_WAIT, 1, &ts);
        return asleep_->exchange(0, std::memory_order_acquire) == 0;
    }

    bool is_open() const { return asleep_ != nullptr; }
    const std::string& error() const { return error_; }

  private:
    // Not FUTEX_PRIVATE_FLAG: the two sides are different processes.
    long futex(int operation, uint32_t value, const struct timespec* timeout) {
        return ::syscall(SYS_futex, reinterpret_cast<uint32_t*>(asleep_), operation, value, timeout, nullptr, 0);
    }

    bool refuse(const char* path, int fd) {
        error_ = std::string(path) + ": cannot open the doorbell (a file of " + std::to_string(BYTES) + " bytes): " + std::strerror(errno);
        if (fd >= 0) ::close(fd);
        return false;
    }

    std::atomic<uint32_t>* asleep_ = nullptr;
    std::string error_;
};

}  // namespace tapewire::ring
