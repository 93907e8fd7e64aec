// A segment: `<first seq, 20 digits>.seg`, preallocated, filled with zeros by writing, opened by its SegmentHeader.
//
//   next.blank             the next segment, prepared: zeros on disk, no header yet
//   00000000000000000001.seg   │ frame: SegmentHeader (seq 0) │ frame │ frame │ ... │ zeros            │
//   00000000000000004711.seg   │ frame: SegmentHeader         │ ...                │ padding frame      │
//
// Written zeros rather than holes: a sync then has no allocation to journal, which halves it.
#pragma once
#include <dirent.h>

#include <utility>
#include <vector>

#include "tapewire/tape/control.hpp"
#include "tapewire/tape/frame.hpp"

namespace tapewire::tape {

inline constexpr uint64_t SEGMENT_MAGIC = 0x4552495745504154;  // "TAPEWIRE"
inline constexpr uint32_t SEGMENT_VERSION = 1;
inline constexpr uint64_t SEGMENT_MIN = 4096, SEGMENT_MAX = uint64_t{1} << 30;  // bytes, a multiple of 4096
inline constexpr uint64_t SEGMENT_DEFAULT = uint64_t{64} << 20;
inline constexpr uint64_t FIRST_RECORD_AT = frame_bytes(sizeof(wire::SegmentHeader));
inline constexpr char BLANK_NAME[] = "/next.blank";

constexpr bool segment_bytes_ok(uint64_t n) { return n >= SEGMENT_MIN && n <= SEGMENT_MAX && n % 4096 == 0; }

constexpr uint64_t message_max(uint64_t segment_bytes) {
    return std::min<uint64_t>(MESSAGE_MAX, segment_bytes - FIRST_RECORD_AT - HEAD - PADDING_MIN);
}

inline std::string segment_path(const std::string& dir, uint64_t first_seq) {
    char name[32];
    std::snprintf(name, sizeof name, "/%020llu.seg", (unsigned long long)first_seq);
    return dir + name;
}

// First seqs of the segments in `dir`, ascending. False: errno says why.
inline bool list_segments(const std::string& dir, std::vector<uint64_t>& out) {
    out.clear();
    DIR* folder = ::opendir(dir.c_str());
    if (!folder) return false;
    const dirent* entry;
    while (errno = 0, entry = ::readdir(folder)) {
        const std::string name = entry->d_name;
        if (name.size() != 24 || name.compare(20, 4, ".seg") != 0 || name.find_first_not_of("0123456789") != 20) continue;
        if (const uint64_t seq = std::strtoull(name.c_str(), nullptr, 10)) out.push_back(seq);
    }
    const int failed = errno;  // what looks like the end may be an error, and a part of a tape like a whole one
    ::closedir(folder);
    std::sort(out.begin(), out.end());
    errno = failed;
    return failed == 0;
}

// An open, mapped segment. Its header has been checked unless `map` was called alone.
class Segment {
  public:
    Segment() = default;
    Segment(const Segment&) = delete;
    ~Segment() { close(); }

    void close() {
        if (data) ::munmap(data, bytes);
        if (fd >= 0) ::close(fd);
        data = nullptr, fd = -1, bytes = 0;
    }

    void swap(Segment& o) {
        std::swap(path, o.path), std::swap(fd, o.fd), std::swap(data, o.data), std::swap(bytes, o.bytes);
        std::swap(first_seq, o.first_seq), std::swap(base, o.base), std::swap(epoch, o.epoch);
    }

    // missing if there is no such file.
    Status map(const std::string& dir, uint64_t seq, bool writable, Failure& failure) {
        close();
        path = segment_path(dir, seq);
        first_seq = seq;
        fd = ::open(path.c_str(), (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT) return failure.set(Status::missing, "%s: no such segment", path.c_str());
        if (fd < 0) return failure.system(path, "cannot open the segment");
        return map_fd(writable, failure);
    }

    Status map_fd(bool writable, Failure& failure) {
        struct stat st;
        if (::fstat(fd, &st)) return failure.system(path, "cannot stat the segment");
        if (st.st_size == 0) return failure.damage(path, 0, first_seq, "the segment is empty, it should begin with its header");
        bytes = uint64_t(st.st_size);
        void* at = ::mmap(nullptr, bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
        if (at == MAP_FAILED) return failure.system(path, "cannot map the segment");
        data = static_cast<uint8_t*>(at);
        return Status::ok;
    }

    // The header frame, and the file's length against it. A short file is damage: a segment gets its name only when it has its length.
    Status check_header(const char* tape, Failure& failure) {
        if (bytes < FIRST_RECORD_AT) return failure.damage(path, bytes, first_seq, "the file ends inside its header");
        const FrameHead head = load_head(data);
        const auto& h = *reinterpret_cast<const wire::SegmentHeader*>(data + HEAD);
        if (head.length != sizeof h || !frame_ok(data, head, SEGMENT_MAX) || !message_agrees_header(head))
            return failure.damage(path, 0, first_seq, "the segment's header: " + describe_fault(data, SEGMENT_MAX < bytes ? SEGMENT_MAX : bytes, 0));
        if (h.magic != SEGMENT_MAGIC || h.version != SEGMENT_VERSION)
            return failure.set(Status::bad_version, "%s: a segment of version %u, this build reads version %u", path.c_str(), h.version, SEGMENT_VERSION);
        char text[200];
        if (h.first_seq != first_seq) {
            std::snprintf(text, sizeof text, "its header says it begins with record %llu, its name says %llu", (unsigned long long)h.first_seq, (unsigned long long)first_seq);
            return failure.damage(path, 0, first_seq, text);
        }
        if (h.segment_bytes != bytes) {
            std::snprintf(text, sizeof text, "the file has %llu bytes, its header says %llu", (unsigned long long)bytes, (unsigned long long)h.segment_bytes);
            return failure.damage(path, std::min<uint64_t>(bytes, h.segment_bytes), first_seq, text);
        }
        if (tape && std::strncmp(h.tape, tape, NAME_ROOM) != 0)
            return failure.damage(path, 0, first_seq, std::string("a segment of the tape ") + std::string(h.tape, strnlen(h.tape, NAME_ROOM)) + ", not of " + tape);
        base = h.base_position, epoch = h.epoch;
        return Status::ok;
    }

    Status open(const std::string& dir, uint64_t seq, bool writable, const char* tape, Failure& failure) {
        const Status status = map(dir, seq, writable, failure);
        return status == Status::ok ? check_header(tape, failure) : status;
    }

    std::string path;
    int fd = -1;
    uint8_t* data = nullptr;
    uint64_t bytes = 0;
    uint64_t first_seq = 0;
    uint64_t base = 0;  // tape position of byte 0
    uint64_t epoch = 0;

  private:
    bool message_agrees_header(const FrameHead& head) const {
        return head.type == uint16_t(wire::MessageType::segment_header) && wire::check(data + HEAD, head.length) == wire::Fault::none &&
               wire::header(data + HEAD).type == wire::MessageType::segment_header && wire::header(data + HEAD).seq == 0;
    }
};

inline void compose_header(uint8_t (&frame)[FIRST_RECORD_AT], const std::string& tape, uint64_t segment_bytes, uint64_t first_seq, uint64_t base,
                           uint64_t epoch, uint16_t flags) {
    auto* h = wire::make<wire::SegmentHeader>(frame + HEAD);
    h->magic = SEGMENT_MAGIC;
    h->version = SEGMENT_VERSION;
    h->segment_bytes = segment_bytes;
    h->first_seq = first_seq;
    h->base_position = base;
    h->epoch = epoch;
    wire::set_text(h->tape_pointer, h->tape, tape.data(), tape.size());
    seal_frame(frame, sizeof *h, uint16_t(wire::MessageType::segment_header), flags, 0);
}

// pwrite until all is written. False: errno says why.
inline bool write_all(int fd, const uint8_t* p, uint64_t n, uint64_t at) {
    while (n) {
        const ssize_t done = ::pwrite(fd, p, n, off_t(at));
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return false;
        p += done, n -= uint64_t(done), at += uint64_t(done);
    }
    return true;
}

// Makes `<dir>/next.blank`: `bytes` zeros, allocated, written and synced. Returns its descriptor, -1 on failure.
inline int make_blank(const std::string& dir, uint64_t bytes, Failure& failure) {
    static constexpr uint64_t CHUNK = 256 << 10;
    static const uint8_t zeros[CHUNK] = {};
    const std::string path = dir + BLANK_NAME;
    const int fd = ::open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0660);
    if (fd < 0) return failure.system(path, "cannot prepare the next segment"), -1;
    const int refused = ::posix_fallocate(fd, 0, off_t(bytes));
    bool ok = refused == 0;
    if (!ok) errno = refused;
    for (uint64_t at = 0; ok && at < bytes; at += CHUNK) ok = write_all(fd, zeros, std::min(CHUNK, bytes - at), at);
    if (ok && ::fsync(fd) == 0) return fd;
    failure.system(path, "cannot prepare the next segment");
    ::close(fd);
    ::unlink(path.c_str());
    return -1;
}

}  // namespace tapewire::tape
