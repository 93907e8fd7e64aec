// The control page: who writes the tape, and how far it has come. One mmap'd page that writer and readers share.
//
//      0  ┌ identity, written once: magic u64 │ version u32 │ bytes u32 │ name 64 │ check u32 ──────────────┐
//    128  ├ state, by each writer at open: epoch u64 │ segment bytes u64 │ boot id 2 x u64 │ durability u32 │ pid u32
//    256  ├ written    cursor: what a reader may see at all                                               │
//    384  ├ durable    cursor: what survives a power loss. Stored after the sync, so on disk it never lies │
//    512  ├ released   cursor: what answers may be read up to (written if `memory`, durable if `disk`; if  │
//         │            `replicated`, what other hosts hold, too: stored by the replica's sender)           │
//    640  ├ bell: generation u32 (the futex word) │ asleep u32                                            │
//    768  ├ hosts: fence u64 │ grant u64 │ mirror u32. Who of several hosts may write (docs/replication.md)│
//   4096  └───────────────────────────────────────────────────────────────────────────────────────────────┘
//
// A cursor is a position (bytes since the tape began) and the seq of the last record before it. Byte 0 of the file
// carries the writer's lock, byte 1 that of who stores `released` in the writer's place; the kernel drops them on
// death, however it came.
#pragma once
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <ctime>

#include "tapewire/tape/crc32c.hpp"
#include "tapewire/tape/failure.hpp"

namespace tapewire::tape {

enum class Durability : uint32_t { memory = 0, disk = 1, replicated = 2 };

struct Mark {
    uint64_t position = 0;  // bytes since the tape began
    uint64_t seq = 0;       // of the last record before it; 0 = none
};

inline Mark earlier(Mark a, Mark b) { return a.position < b.position ? a : b; }

// The three cursors at one moment: positions, and the last record before each.
struct Positions {
    uint64_t written = 0, durable = 0, released = 0;
    uint64_t written_seq = 0, durable_seq = 0, released_seq = 0;
};

// One writer at a time stores, anybody loads. Three slots in turn: the newest is never the one being written, so that
// a writer killed half-way leaves the last whole pair in sight, and a load retries only if it was overtaken twice.
class Cursor {
  public:
    Mark load() const {
        for (;;) {
            const uint64_t version = version_.load(std::memory_order_acquire);
            const Slot& slot = slots_[version % 3];
            const Mark mark{slot.position.load(std::memory_order_relaxed), slot.seq.load(std::memory_order_relaxed)};
            std::atomic_thread_fence(std::memory_order_acquire);
            if (version_.load(std::memory_order_relaxed) - version < 2) return mark;
        }
    }

    void store(Mark mark) {
        const uint64_t next = version_.load(std::memory_order_relaxed) + 1;
        std::atomic_thread_fence(std::memory_order_release);
        Slot& slot = slots_[next % 3];
        slot.position.store(mark.position, std::memory_order_relaxed);
        slot.seq.store(mark.seq, std::memory_order_relaxed);
        version_.store(next, std::memory_order_release);
    }

  private:
    struct Slot {
        std::atomic<uint64_t> position, seq;
    };
    std::atomic<uint64_t> version_;
    Slot slots_[3];
};
static_assert(sizeof(Cursor) == 56 && std::atomic<uint64_t>::is_always_lock_free);

inline constexpr uint64_t CONTROL_MAGIC = 0x4c52544345504154;  // "TAPECTRL"
inline constexpr uint32_t CONTROL_VERSION = 1;
inline constexpr uint32_t CONTROL_BYTES = 4096;
inline constexpr size_t NAME_ROOM = 64;  // bytes of a tape's name, its NUL included

struct ControlIdentity {
    uint64_t magic;
    uint32_t version, bytes;
    char name[NAME_ROOM];
    uint32_t check;  // crc32c of all before it

    uint32_t expected_check() const { return crc32c::value(reinterpret_cast<const uint8_t*>(this), offsetof(ControlIdentity, check)); }
};

struct BootId {
    uint64_t word[2] = {};
    bool operator==(const BootId&) const = default;
};

// 128 and not 64: the hardware fetches lines in pairs.
struct ControlPage {
    ControlIdentity identity;
    alignas(128) std::atomic<uint64_t> epoch;
    std::atomic<uint64_t> segment_bytes;
    BootId boot;
    std::atomic<uint32_t> durability, pid;
    alignas(128) Cursor written;
    alignas(128) Cursor durable;
    alignas(128) Cursor released;
    alignas(128) std::atomic<uint32_t> generation;
    std::atomic<uint32_t> asleep;
    alignas(128) std::atomic<uint64_t> fence;  // not 0: another host took the tape with this epoch; nobody writes here
    std::atomic<uint64_t> grant;               // beyond `epoch`: this host took it, and its next writer has this epoch
    std::atomic<uint32_t> mirror;              // 1: copied from another host
};
static_assert(offsetof(ControlPage, epoch) == 128 && offsetof(ControlPage, written) == 256 && offsetof(ControlPage, durable) == 384 &&
              offsetof(ControlPage, released) == 512 && offsetof(ControlPage, generation) == 640 &&
              offsetof(ControlPage, fence) == 768 && sizeof(ControlPage) <= CONTROL_BYTES);

// Of this boot of the host: what was in the page cache under another one may be lost. Zero, where the kernel has none to tell, is like no boot.
inline BootId this_boot() {
    char text[64] = {};
    const int fd = ::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? 0 : ::read(fd, text, sizeof text - 1);
    if (fd >= 0) ::close(fd);
    BootId id;
    int digits = 0;
    for (ssize_t i = 0; i < n && digits < 32; ++i) {
        const char c = text[i];
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit >= 0) id.word[digits / 16] = id.word[digits / 16] << 4 | uint64_t(digit), ++digits;
    }
    return id;
}

inline bool sync_folder(const std::string& dir) {
    const int fd = ::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool ok = ::fsync(fd) == 0;
    const int code = errno;
    ::close(fd);
    errno = code;
    return ok;
}

class Control {
  public:
    static constexpr int64_t WAIT_MAX_NS = 10'000'000'000;  // a sleeper looks around at least this often
    static constexpr int64_t NAP_NS = 1'000'000;            // where the page cannot be written, a sleeper naps instead

    Control() = default;
    Control(const Control&) = delete;
    ~Control() { close(); }

    static std::string path_in(const std::string& dir) { return dir + "/control"; }

    // Readers too ask for writing, to be able to say that they sleep; without the permission they nap.
    Status open(const std::string& dir, Failure& failure) {
        close();
        const std::string path = path_in(dir);
        fd_ = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
        writable_ = fd_ >= 0;
        if (fd_ < 0 && (errno == EACCES || errno == EROFS || errno == EPERM)) fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (fd_ < 0 && (errno == ENOENT || errno == ENOTDIR))
            return failure.set(Status::missing, "%s: no tape here. Start the service that writes it, or look at `tapewire tape ls`", dir.c_str());
        if (fd_ < 0) return failure.system(path, "cannot open the control page");
        struct stat st;
        if (::fstat(fd_, &st)) return failure.system(path, "cannot stat the control page");
        if (st.st_size < off_t(CONTROL_BYTES)) return failure.damage(path, uint64_t(st.st_size), 0, "the control page ends here, it has 4096 bytes. Removing it lets the next writer make it anew from the segments");
        void* at = ::mmap(nullptr, CONTROL_BYTES, writable_ ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd_, 0);
        if (at == MAP_FAILED) return failure.system(path, "cannot map the control page");
        page = static_cast<ControlPage*>(at);
        const ControlIdentity& it = page->identity;
        if (it.magic != CONTROL_MAGIC) return failure.damage(path, 0, 0, "not a tape's control page. Removing it lets the next writer make it anew from the segments");
        if (it.version != CONTROL_VERSION || it.bytes != CONTROL_BYTES)
            return failure.set(Status::bad_version, "%s: a tape of version %u, this build reads version %u", path.c_str(), it.version, CONTROL_VERSION);
        if (it.check != it.expected_check())
            return failure.damage(path, offsetof(ControlIdentity, check), 0, "its check does not hold. Removing it lets the next writer make it anew from the segments");
        return Status::ok;
    }

    // Appears whole or not at all. An existing one is kept.
    static Status create(const std::string& dir, const std::string& name, Failure& failure) {
        const std::string path = path_in(dir), temporary = path + ".new-" + std::to_string(::getpid());
        alignas(ControlPage) uint8_t bytes[CONTROL_BYTES] = {};
        ControlIdentity identity{CONTROL_MAGIC, CONTROL_VERSION, CONTROL_BYTES, {}, 0};
        std::memcpy(identity.name, name.data(), name.size());
        identity.check = identity.expected_check();
        std::memcpy(bytes, &identity, sizeof identity);
        const int fd = ::open(temporary.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0660);
        if (fd < 0) return failure.system(temporary, "cannot create the control page");
        const bool ok = ::pwrite(fd, bytes, sizeof bytes, 0) == ssize_t(sizeof bytes) && ::fsync(fd) == 0 && (::link(temporary.c_str(), path.c_str()) == 0 || errno == EEXIST);
        if (!ok) failure.system(path, "cannot create the control page");
        ::close(fd);
        ::unlink(temporary.c_str());
        if (ok && !sync_folder(dir)) failure.system(dir, "cannot sync the folder");
        return failure.status;
    }

    bool take_writer_lock() { return lock(F_OFD_SETLK, WRITER) == F_UNLCK; }
    bool writer_alive() const { return const_cast<Control*>(this)->lock(F_OFD_GETLK, WRITER) != F_UNLCK; }
    bool take_release_lock() { return lock(F_OFD_SETLK, RELEASER) == F_UNLCK; }
    void drop_release_lock() { lock(F_OFD_SETLK, RELEASER, F_UNLCK); }

    void close() {
        if (page) ::munmap(page, CONTROL_BYTES);
        if (fd_ >= 0) ::close(fd_);
        page = nullptr, fd_ = -1;
    }

    // Carries the marks to the disk, so that damage below them is known as damage after a reboot, too.
    bool flush() { return ::msync(page, CONTROL_BYTES, MS_SYNC) == 0; }

    Positions positions() const {
        // durable and released first: they never run ahead of a written loaded later
        const Mark durable = page->durable.load(), released = page->released.load();
        const Mark written = page->written.load();
        return {written.position, durable.position, released.position, written.seq, durable.seq, released.seq};
    }

    // After publishing. The fence pairs with that of the sleeper: either it sees what was published, or we see it asleep.
    void ring() {
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (page->asleep.load(std::memory_order_relaxed) == 0) [[likely]] return;
        page->asleep.store(0, std::memory_order_relaxed);
        page->generation.fetch_add(1, std::memory_order_release);
        ::syscall(SYS_futex, &page->generation, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
    }

    // Sleeps until `ready()`, or the time is over; true if it is. `ready` looks at the cursors.
    template <class Ready>
    bool wait(Ready&& ready, int64_t timeout_ns) {
        const int64_t until = monotonic_ns() + std::max<int64_t>(timeout_ns, 0);
        for (;;) {
            const uint32_t generation = page->generation.load(std::memory_order_acquire);
            if (writable_) page->asleep.store(1, std::memory_order_relaxed);
            std::atomic_thread_fence(std::memory_order_seq_cst);
            if (ready()) return true;
            const int64_t left = until - monotonic_ns();
            if (left <= 0) return false;
            const int64_t sleep = std::min(left, writable_ ? WAIT_MAX_NS : NAP_NS);
            const struct timespec ts{time_t(sleep / 1'000'000'000), long(sleep % 1'000'000'000)};
            if (!writable_) ::nanosleep(&ts, nullptr);
            else if (::syscall(SYS_futex, &page->generation, FUTEX_WAIT, generation, &ts, nullptr, 0) && errno == EINTR)
                return ready();  // a signal: let the caller look at it
        }
    }

    static int64_t monotonic_ns() {
        struct timespec ts;
        ::clock_gettime(CLOCK_MONOTONIC, &ts);
        return int64_t(ts.tv_sec) * 1'000'000'000 + ts.tv_nsec;
    }

    bool is_open() const { return page != nullptr; }
    bool writable() const { return writable_; }

    ControlPage* page = nullptr;

  private:
    static constexpr off_t WRITER = 0, RELEASER = 1;

    // F_UNLCK: it is ours, or nobody's. On a descriptor that cannot write, only asking works.
    short lock(int command, off_t byte, short type = F_WRLCK) {
        struct flock lock{};
        lock.l_type = type;
        lock.l_whence = SEEK_SET;
        lock.l_start = byte;
        lock.l_len = 1;
        const int result = ::fcntl(fd_, command, &lock);
        if (command == F_OFD_SETLK) return result ? short(F_WRLCK) : short(F_UNLCK);
        return result ? short(F_UNLCK) : lock.l_type;
    }

    int fd_ = -1;
    bool writable_ = false;
};

}  // namespace tapewire::tape
