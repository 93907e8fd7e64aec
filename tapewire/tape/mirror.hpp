// The copy of a tape that another host writes: the same frames in the same segments, and nothing of its own.
//
//   open(dir)              takes the writer's lock, recovers a torn tail
//   apply(bytes, n)        frames as frames.hpp reads them, from end() on: checked one by one, in the file
//   commit(whole, epoch)   durable; readers see it up to the end of a batch
//   hand_over(epoch)       lets the tape go, to a writer of that epoch
//
// Killed in between, it opens again where the last whole frame ends. Several batches may be in the file before one sync:
// so what is found behind a torn frame does not prove, as on a tape of a writer's, that more had been synced.
#pragma once
#include <filesystem>

#include "tapewire/tape/recovery.hpp"

namespace tapewire::tape {

class Mirror {
  public:
    Mirror() = default;
    Mirror(const Mirror&) = delete;
    ~Mirror() { abandon(); }

    Status open(const char* dir, const std::string& name) {
        abandon();
        failure_.clear(), recovery_ = {};
        dir_ = dir, name_ = name;
        const Status status = open_or_fail();
        if (status != Status::ok) abandon();
        return status;
    }

    bool apply(const uint8_t* p, uint64_t n) {
        if (!control_.is_open() || broken_) return closed();
        const uint8_t* const end = p + n;
        while (p < end) {
            const uint64_t left = uint64_t(end - p);
            if (left < HEAD) return refuse("it ends inside a frame");
            if (segment_.fd < 0 || at_ == segment_.bytes) {
                if (!begin_segment(p, left)) return false;
                p += FIRST_RECORD_AT;
                continue;
            }
            uint64_t run = 0, records = 0;
            if (!check_run(p, left, run, records)) return false;
            if (!write_all(segment_.fd, p, run, at_)) return give_up("cannot write what was copied");
            at_ += run, next_seq_ += records, unsynced_ = true;
            p += run;
            if (p < end && (load_head(p).flags & FLAG_PADDING) && !seal(p)) return false;
            else if (at_ == segment_.bytes) p += HEAD;
        }
        return true;
    }

    // `whole`: the end of a batch, not beyond end(). `epoch`: of the writer that it came from.
    bool commit(Mark whole, uint64_t epoch) {
        if (!control_.is_open() || broken_) return closed();
        if (unsynced_ && ::fdatasync(segment_.fd)) return give_up("cannot sync what was copied");
        unsynced_ = false;
        ControlPage& page = *control_.page;
        if (epoch > page.epoch.load()) page.epoch.store(epoch);
        if (whole.position > end() || whole.position <= page.durable.load().position) return true;
        publish(whole);
        control_.ring();
        return true;
    }

    // The lock goes with the process or with this; the next writer recovers what it finds, as after a crash.
    bool hand_over(uint64_t epoch) {
        if (!commit({}, epoch - 1)) return false;
        control_.page->grant.store(epoch);
        control_.page->pid.store(0);
        if (!control_.flush()) return give_up("cannot sync the control page");
        control_.ring();
        abandon();
        return true;
    }

    // Handed over, there is nothing left to close: what lies in the folder is the writer's.
    void close() {
        if (control_.is_open() && !broken_) {
            commit({}, 0);
            ::unlink((dir_ + BLANK_NAME).c_str());
            control_.page->pid.store(0);
            control_.flush();
        }
        abandon();
    }

    void abandon() {
        segment_.close();
        control_.close();
        at_ = 0, unsynced_ = broken_ = false;
    }

    bool is_open() const { return control_.is_open(); }
    bool empty() const { return segment_.fd < 0; }  // no segment yet: the first may begin with any record
    uint64_t end() const { return empty() ? 0 : segment_.base + at_; }
    uint64_t last_seq() const { return next_seq_ ? next_seq_ - 1 : 0; }
    uint64_t epoch() const { return control_.is_open() ? control_.page->epoch.load() : 0; }
    Positions positions() const { return control_.is_open() ? control_.positions() : Positions{}; }
    const Recovery& recovery() const { return recovery_; }
    const Failure& failure() const { return failure_; }

  private:
    Status open_or_fail() {
        std::error_code failed;
        if (std::filesystem::create_directories(dir_, failed); failed) return errno = failed.value(), failure_.system(dir_, "cannot make the tape's folder");
        if (control_.open(dir_, failure_) == Status::missing) {
            failure_.clear();
            if (Control::create(dir_, name_, failure_) != Status::ok || control_.open(dir_, failure_) != Status::ok) return failure_.status;
        }
        if (failure_) return failure_.status;
        if (!control_.writable()) return errno = EACCES, failure_.system(Control::path_in(dir_), "cannot write the control page");
        ControlPage& page = *control_.page;
        if (!control_.take_writer_lock())
            return failure_.set(Status::fenced, "%s: process %u has this tape open for writing: it cannot be a mirror meanwhile. Stop that one, or start the engine with --standby",
                                dir_.c_str(), page.pid.load());
        if (name_ != page.identity.name) return failure_.set(Status::bad_options, "%s: this tape is called %s, not %s", dir_.c_str(), page.identity.name, name_.c_str());
        ::unlink((dir_ + BLANK_NAME).c_str());
        std::vector<uint64_t> firsts;
        if (!list_segments(dir_, firsts)) return failure_.system(dir_, "cannot list the tape's folder");
        const bool same_boot = page.boot == this_boot() && page.boot != BootId{};
        Mark kept = same_boot ? page.written.load() : page.durable.load();
        if (!firsts.empty()) {
            uint64_t base;
            if (check_older(dir_, firsts, name_.c_str(), base, failure_) != Status::ok) return failure_.status;
            if (segment_.open(dir_, firsts.back(), true, name_.c_str(), failure_) != Status::ok) return failure_.status;
            if (firsts.size() > 1 && segment_.base != base) return failure_.damage(segment_.path, 0, firsts.back(), "a segment before this one is missing");
            if (recover_last(segment_, control_.positions(), same_boot, recovery_, at_, failure_, !page.mirror.load()) != Status::ok) return failure_.status;
            next_seq_ = recovery_.last_seq + 1;
            // What a writer of this host had not released is not for readers here to see until it has come back.
            if (!page.mirror.load()) kept = page.released.load();
        } else if (kept.seq) {
            return failure_.damage(segment_path(dir_, 1), 0, 1, "the control page knows of " + std::to_string(kept.seq) + " records, but there is no segment");
        } else {
            next_seq_ = 0;
        }
        publish(kept);
        page.boot = this_boot();
        page.durability.store(uint32_t(Durability::disk));
        page.fence.store(0), page.grant.store(0), page.mirror.store(1);
        page.pid.store(uint32_t(::getpid()));
        return control_.flush() ? Status::ok : failure_.system(Control::path_in(dir_), "cannot sync the control page");
    }

    void publish(Mark mark) {
        ControlPage& page = *control_.page;
        page.written.store(mark), page.durable.store(mark), page.released.store(mark);
    }

    // The frames at `p` up to a padding frame or the end, all of this segment.
    bool check_run(const uint8_t* p, uint64_t left, uint64_t& run, uint64_t& records) {
        while (run < left) {
            const uint64_t room = segment_.bytes - at_ - run;
            const FrameHead head = left - run < HEAD ? FrameHead{} : load_head(p + run);
            if (!head_plausible(head, room)) return refuse("a frame head that no writer writes");
            if (head.flags & FLAG_PADDING) return true;
            const uint64_t stride = frame_bytes(head.length);
            if (stride > left - run) return refuse("it ends inside a frame");
            if (frame_crc(p + run, head.length) != head.crc) return refuse("a checksum does not hold");
            if (!message_agrees(p + run + HEAD, head, next_seq_ + records)) return refuse("a record of another number");
            run += stride, ++records;
        }
        return true;
    }

    bool seal(const uint8_t* p) {
        const FrameHead head = load_head(p), expected = padding_head(segment_.bytes - at_, uint16_t(head.flags & ~FLAG_PADDING));
        if (std::memcmp(&head, &expected, HEAD)) return refuse("padding that no writer writes");
        if (!write_all(segment_.fd, p, HEAD, at_)) return give_up("cannot write what was copied");
        if (::fdatasync(segment_.fd)) return give_up("cannot sync what was copied");
        at_ = segment_.bytes, unsynced_ = false;
        return true;
    }

    bool begin_segment(const uint8_t* p, uint64_t left) {
        if (left < FIRST_RECORD_AT) return refuse("it ends inside a segment's header");
        const FrameHead head = load_head(p);
        alignas(8) wire::SegmentHeader h;
        if (head.length != sizeof h || !frame_ok(p, head, SEGMENT_MAX) || head.type != uint16_t(wire::MessageType::segment_header) ||
            wire::check(p + HEAD, head.length) != wire::Fault::none)
            return refuse("a segment's header that does not hold");
        std::memcpy(&h, p + HEAD, sizeof h);
        if (h.magic != SEGMENT_MAGIC || h.version != SEGMENT_VERSION || !segment_bytes_ok(h.segment_bytes)) return refuse("a segment of another version");
        if (std::strncmp(h.tape, name_.c_str(), NAME_ROOM) != 0) return refuse("a segment of another tape");
        if (!empty() && (h.base_position != end() || h.first_seq != next_seq_)) return refuse("a segment that does not begin where the last one ends");
        const int fd = make_blank(dir_, h.segment_bytes, failure_);
        if (fd < 0) return false;
        const std::string blank = dir_ + BLANK_NAME, path = tape::segment_path(dir_, h.first_seq);
        const bool named = write_all(fd, p, FIRST_RECORD_AT, 0) && ::fdatasync(fd) == 0 && ::rename(blank.c_str(), path.c_str()) == 0 && sync_folder(dir_);
        ::close(fd);
        if (!named) return give_up("cannot begin the next segment");
        if (segment_.open(dir_, h.first_seq, true, name_.c_str(), failure_) != Status::ok) return broken_ = true, false;
        at_ = FIRST_RECORD_AT, next_seq_ = h.first_seq;
        return true;
    }

    bool refuse(const char* what) {
        failure_.damage(segment_.path.empty() ? dir_ : segment_.path, at_, next_seq_, std::string("what came from the other host cannot stand here: ") + what);
        return false;
    }

    bool give_up(const char* what) {
        failure_.system(segment_.path.empty() ? dir_ : segment_.path, what);
        broken_ = true;
        return false;
    }

    bool closed() {
        if (!failure_) failure_.set(Status::closed, "%s: this mirror is not open", dir_.c_str());
        return false;
    }

    std::string dir_, name_;
    Control control_;
    Segment segment_;
    uint64_t at_ = 0, next_seq_ = 0;
    bool unsynced_ = false, broken_ = false;
    Recovery recovery_;
    Failure failure_;
};

}  // namespace tapewire::tape
