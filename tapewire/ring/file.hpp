// A ring as a file: made whole or not at all, opened only if it is one, locked by whoever uses a side of it.
//
//   create          a new ring; refuses if the name is taken
//   create_or_keep  the ring that is there, or a new one
//   File            an open, checked, mapped ring, holding the lock of its role
#pragma once
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include "tapewire/ring/layout.hpp"

namespace tapewire::ring {

namespace detail {

template <class... A>
inline std::string format(const char* pattern, A... a) {
    char text[512];
    std::snprintf(text, sizeof text, pattern, a...);
    return text;
}

inline std::string refused(const std::string& path, const char* what) { return path + ": " + what + ": " + std::strerror(errno); }

inline Status check_identity(const Identity& it, uint64_t file_bytes, const std::string& path, std::string& error) {
    using U = unsigned long long;
    if (it.magic != MAGIC) {
        error = path + format(": not a ring: begins with %016llx, a ring with %016llx. Name another file, or remove this one", U(it.magic), U(MAGIC));
        return Status::bad_magic;
    }
    if (it.version != VERSION || it.data_at != DATA_AT) {
        error = path + format(": a ring of version %u, this build reads version %u. Drain it with the build that wrote it, then remove it", it.version, VERSION);
        return Status::bad_version;
    }
    if (!capacity_ok(it.capacity) || file_bytes != DATA_AT + it.capacity) {
        error = path + format(": its header says a capacity of %llu bytes and the file has %llu; expected a power of two from %llu to %llu, and %u bytes more",
                              U(it.capacity), U(file_bytes), U(CAPACITY_MIN), U(CAPACITY_MAX), DATA_AT);
        return Status::bad_capacity;
    }
    if (it.check != it.expected_check()) {
        error = path + format(": its header is damaged: check is %016llx, expected %016llx", U(it.check), U(it.expected_check()));
        return Status::damaged;
    }
    return Status::ok;
}

inline struct flock side(Role role, short type) {
    struct flock lock{};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = int(role);
    lock.l_len = 1;
    return lock;
}

}  // namespace detail

class File {
  public:
    File() = default;
    File(File&& other) noexcept { swap(other); }
    File& operator=(File&& other) noexcept {
        swap(other);
        return *this;
    }
    ~File() { close(); }

    Status open(const char* path, Role role) {
        close();
        path_ = path;
        Status status = open_and_map(role);
        if (status != Status::ok) close();
        return status;
    }

    // Gives the lock back and unmaps. The ring and all that was published stay.
    void close() {
        if (shared) ::munmap(shared, DATA_AT + capacity);
        if (fd_ >= 0) ::close(fd_);
        shared = nullptr, data = nullptr, capacity = 0, fd_ = -1;
    }

    // Asks the kernel who holds the lock of `role`: about 0.3 us. Never true for the role held by this very File.
    bool alive(Role role) const {
        struct flock lock = detail::side(role, F_WRLCK);
        return fd_ >= 0 && ::fcntl(fd_, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    }

    bool is_open() const { return shared != nullptr; }
    const std::string& path() const { return path_; }
    const std::string& error() const { return error_; }

    template <class... A>
    Status fail(Status status, const char* pattern, A... a) {
        error_ = path_ + ": " + detail::format(pattern, a...);
        return status;
    }

    Shared* shared = nullptr;
    uint8_t* data = nullptr;
    uint64_t capacity = 0;

  private:
    static constexpr uint64_t POPULATE_MAX = 64 << 20;

    Status open_and_map(Role role) {
        fd_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
        if (fd_ < 0 && errno == ENOENT) return fail(Status::missing, "no such ring. Start the service that creates it, or call create_ring()");
        if (fd_ < 0) return system_error("cannot open the ring");
        struct stat st;
        Identity identity{};
        if (::fstat(fd_, &st)) return system_error("cannot stat the ring");
        if (::pread(fd_, &identity, sizeof identity, 0) < 0) return system_error("cannot read the ring");
        if (Status s = detail::check_identity(identity, uint64_t(st.st_size), path_, error_); s != Status::ok) return s;
        if (role != Role::observer) {
            struct flock lock = detail::side(role, F_WRLCK);
            if (::fcntl(fd_, F_OFD_SETLK, &lock)) {
                if (errno != EAGAIN && errno != EACCES) return system_error("cannot lock the ring");
                return fail(Status::busy, "another live %s has this ring open. A ring has one of each; stop that one first", role == Role::producer ? "producer" : "consumer");
            }
        }
        // Whoever removes a ring holds both its locks meanwhile: so a name seen now, under ours, stays this file's.
        struct stat named;
        if (role != Role::observer && (::stat(path_.c_str(), &named) || named.st_ino != st.st_ino || named.st_dev != st.st_dev))
            return fail(Status::missing, "this ring was removed while it was opened. Start the service that creates it, and try again");
        void* at = ::mmap(nullptr, DATA_AT + identity.capacity, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
        if (at == MAP_FAILED) return system_error("cannot map the ring");
        capacity = identity.capacity;
        shared = static_cast<Shared*>(at);
        data = static_cast<uint8_t*>(at) + DATA_AT;
#ifdef MADV_POPULATE_WRITE
        // Saves a page fault every 4 KiB of the first lap. A kernel too old for it refuses, and the faults come later.
        if (capacity <= POPULATE_MAX) ::madvise(at, DATA_AT + capacity, MADV_POPULATE_WRITE);
#endif
        return check_cursors();
    }

    Status check_cursors() {
        uint64_t first = shared->identity.first, head, tail;
        head = shared->head.load(std::memory_order_acquire);  // before tail: tail only grows, so head <= tail holds even while both sides run
        tail = shared->tail.load(std::memory_order_acquire);
        // A lap may pass between the two loads, hence no upper bound here for an observer; each side bounds its own on every use.
        if (head < first || tail < head || ((head | tail) & 7))
            return fail(Status::damaged, "its cursors are damaged: first %llu, head %llu, tail %llu; expected first <= head <= tail, multiples of 8",
                        (unsigned long long)first, (unsigned long long)head, (unsigned long long)tail);
        return Status::ok;
    }

    Status system_error(const char* what) {
        error_ = detail::refused(path_, what);
        return Status::io;
    }

    void swap(File& o) {
        std::swap(shared, o.shared), std::swap(data, o.data), std::swap(capacity, o.capacity);
        std::swap(fd_, o.fd_), std::swap(path_, o.path_), std::swap(error_, o.error_);
    }

    int fd_ = -1;
    std::string path_, error_;
};

// Makes a ring at `path` whose positions start at `first_position`. It appears whole or not at all: a process killed
// in here leaves at most a file `<path>.new-*` that nothing opens. All its room is allocated now, so that a full
// disk is an error here and not a SIGBUS later.
inline Status create(const char* path, uint64_t capacity, uint64_t first_position, std::string* why = nullptr) {
    std::string ignored, &error = why ? *why : ignored, target = path;
    if (!capacity_ok(capacity)) {
        error = target + detail::format(": a capacity of %llu bytes; expected a power of two from %llu to %llu", (unsigned long long)capacity,
                                        (unsigned long long)CAPACITY_MIN, (unsigned long long)CAPACITY_MAX);
        return Status::bad_capacity;
    }
    if (first_position & 7) {
        error = target + detail::format(": a first position of %llu; expected a multiple of 8", (unsigned long long)first_position);
        return Status::bad_position;
    }
    alignas(Shared) unsigned char page[sizeof(Shared)] = {};
    Identity identity{MAGIC, VERSION, DATA_AT, capacity, first_position, 0, 0};
    if (::getrandom(&identity.id, sizeof identity.id, 0) != sizeof identity.id) return error = detail::refused(target, "no random creation id"), Status::io;
    identity.check = identity.expected_check();
    std::memcpy(page, &identity, sizeof identity);
    std::memcpy(page + offsetof(Shared, tail), &first_position, 8);
    std::memcpy(page + offsetof(Shared, head), &first_position, 8);

    std::string temporary = target + detail::format(".new-%016llx", (unsigned long long)identity.id);
    int fd = ::open(temporary.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0660);
    if (fd < 0) return error = detail::refused(target, "cannot create the ring"), Status::io;
    Status status = Status::ok;
    if (int failure = ::posix_fallocate(fd, 0, off_t(DATA_AT + capacity)); failure) errno = failure, status = Status::io;
    else if (::pwrite(fd, page, sizeof page, 0) != ssize_t(sizeof page)) status = Status::io;
    else if (::link(temporary.c_str(), path)) status = errno == EEXIST ? Status::exists : Status::io;  // unlike rename, never replaces
    if (status == Status::io) error = detail::refused(target, "cannot create the ring");
    if (status == Status::exists) error = target + ": exists already. A ring may hold records nobody has read, so it is never replaced: drain and remove it first";
    ::close(fd);
    ::unlink(temporary.c_str());
    return status;
}

// Keeps a valid ring with all it holds, whatever its capacity; makes one where there is none. A ring whose positions
// are still below `first_position` is refused (bad_position): records in it would look as if they had been taken already.
inline Status create_or_keep(const char* path, uint64_t capacity, uint64_t first_position, bool* created = nullptr, std::string* why = nullptr) {
    std::string ignored, &error = why ? *why : ignored;
    bool unused, &made = created ? *created : unused;
    made = false;
    for (int attempt = 0; attempt < 2; ++attempt) {  // twice: somebody else may create it between our two looks
        File file;
        Status status = file.open(path, Role::observer);
        if (status == Status::ok) {
            uint64_t tail = file.shared->tail.load(std::memory_order_acquire);
            if (tail >= first_position) return Status::ok;
            status = file.fail(Status::bad_position, "the ring that is there stands at position %llu, behind the %llu asked for. Remove it to start a new one",
                               (unsigned long long)tail, (unsigned long long)first_position);
        }
        error = file.error();
        if (status != Status::missing) return status;
        status = create(path, capacity, first_position, &error);
        made = status == Status::ok;
        if (status != Status::exists) return status;
    }
    return Status::exists;
}

}  // namespace tapewire::ring
