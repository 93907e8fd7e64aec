// Cuts a tape before a record: what follows is moved aside, never deleted. For people, after damage; no writer may run.
//
//   1  the segment that is cut is copied to the backup folder and synced
//   2  the marks of the control page are lowered: what lies above them is no longer promised
//   3  later segments are moved to the backup folder
//   4  zeros from the record on
//
// Killed in between, it leaves a tape that opens (2 to 4: a torn tail) or that can be cut again.
#pragma once
#include <filesystem>

#include "tapewire/tape/recovery.hpp"

namespace tapewire::tape {

struct Cut {
    uint64_t last_seq = 0;  // what the tape ends with now
    uint64_t position = 0;
    uint64_t segments_moved = 0;
};

inline Status cut_before(const std::string& dir, uint64_t seq, const std::string& backup, Cut& out, Failure& failure) {
    namespace fs = std::filesystem;
    Control control;
    std::vector<uint64_t> firsts;
    if (control.open(dir, failure) != Status::ok) return failure.status;
    if (!control.writable() || !control.take_writer_lock())
        return failure.set(Status::fenced, "%s: a writer (process %u) has this tape open. Stop it, then cut", dir.c_str(), control.page->pid.load());
    if (!list_segments(dir, firsts)) return failure.system(dir, "cannot list the tape's folder");
    if (firsts.empty() || seq <= firsts.front())
        return failure.set(Status::bad_options, "%s: cutting before record %llu would leave nothing. Move the whole folder away instead", dir.c_str(), (unsigned long long)seq);
    auto after = std::lower_bound(firsts.begin(), firsts.end(), seq);  // the first segment that goes as a whole
    Segment segment;
    if (segment.open(dir, *(after - 1), true, control.page->identity.name, failure) != Status::ok) return failure.status;
    Walk walk{segment.data, segment.bytes, FIRST_RECORD_AT, segment.first_seq};
    FrameHead head{};
    Walk::Stop stop = Walk::Stop::none;
    uint64_t end = walk.at;
    while (walk.seq < seq && (stop = walk.step(head)) == Walk::Stop::none) end = walk.at;
    // Zeros, or an end that comes too early, are damage wherever another segment follows.
    if (walk.seq < seq && (stop == Walk::Stop::fault || after != firsts.end()))
        return failure.damage(segment.path, walk.at, walk.seq, describe_fault(segment.data + walk.at, segment.bytes - walk.at, walk.seq));
    if (walk.seq < seq)
        return failure.set(Status::beyond_end, "%s: record %llu is not on the tape, which ends with record %llu", dir.c_str(), (unsigned long long)seq, (unsigned long long)(walk.seq - 1));

    std::error_code failed;
    fs::create_directories(backup, failed);
    const std::string copy = backup + segment.path.substr(segment.path.rfind('/'));
    if (!failed) fs::copy_file(segment.path, copy, fs::copy_options::overwrite_existing, failed);
    const int fd = failed ? -1 : ::open(copy.c_str(), O_RDONLY | O_CLOEXEC);
    const bool synced = fd >= 0 && ::fsync(fd) == 0 && sync_folder(backup);
    if (fd >= 0) ::close(fd);
    if (failed) errno = failed.value();
    if (!synced) return failure.system(copy, "cannot keep a copy; nothing was cut");

    const Mark mark{segment.base + end, walk.seq - 1};
    for (Cursor* cursor : {&control.page->released, &control.page->durable, &control.page->written}) {
        if (cursor->load().position > mark.position) cursor->store(mark);
    }
    if (!control.flush()) return failure.system(Control::path_in(dir), "cannot sync the control page");
    for (auto it = firsts.end(); it != after; ++out.segments_moved) {
        --it;
        fs::rename(segment_path(dir, *it), segment_path(backup, *it), failed);
        if (failed) return errno = failed.value(), failure.system(segment_path(dir, *it), "cannot move the segment to the backup folder");
    }
    std::memset(segment.data + end, 0, segment.bytes - end);
    if (::fdatasync(segment.fd) || !sync_folder(dir)) return failure.system(segment.path, "cannot sync what was cut");
    out.last_seq = mark.seq, out.position = mark.position;
    return Status::ok;
}

}  // namespace tapewire::tape
