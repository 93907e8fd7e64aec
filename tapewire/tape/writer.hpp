// The one writer of a tape.
//
//   reserve(n)    room for one message in the open batch
//   append(n)     the message stands there: it gets its frame
//   write()       the batch is in the file          (disk: one pwrite; memory: it was composed there)
//   sync_batch()  the batch is durable              (disk: one fdatasync; memory: nothing to do)
//   publish()     readers may see it                (control page, and a bell if one of them sleeps)
//   commit()      the three in order
//
// `replicated` is `disk`, but that `released` is left to the replica's sender (services/replica).
//
// `memory` composes records in the mapped segment; they survive the process. sync(), from any thread, makes what is
// published durable in the background. `disk` composes in a private buffer, so that nothing reaches the file half done.
//
// Rotation. A message that does not fit ends the segment, also within a batch:
//   next.blank ready (or made now: no room is an error here, before anything is changed)
//   → padding frame → write, fdatasync the old one → header into the new one, fdatasync → rename → fsync the folder.
// A crash between any two leaves the old segment as the last one, whole. Durable marks only follow a sync.
// A failed fdatasync is final: what reached the disk is unknown, so the writer gives up; opening anew finds out.
#pragma once
#include <cstdlib>
#include <memory>
#include <mutex>

#include "tapewire/tape/recovery.hpp"

namespace tapewire::tape {

struct Options {
    Durability durability = Durability::disk;
    uint64_t segment_bytes = 0;  // of segments begun from now on; 0: like the last one, 64 MiB for a new tape
    std::string name;            // empty: the folder's name
    bool create = true;          // make the tape if it is not there
    bool hold = false;           // readers see nothing new before the first commit: what was cut off is completed before
    uint64_t epoch_above = 0;    // the epoch begun here is later than this one: of a restored tape, whose control page is lost
};

class Writer {
  public:
    static constexpr uint64_t STAGING = uint64_t{4} << 20;    // bytes; a longer batch is written in pieces and synced once
    static constexpr uint64_t BATCH_MAX = uint64_t{1} << 30;  // bytes of one batch, looked at when it spills or rotates
    static_assert(STAGING > 2 * MESSAGE_MAX);

    Writer() = default;
    Writer(const Writer&) = delete;
    ~Writer() { abandon(); }

    // Takes the writer's lock, creates or recovers (recovery.hpp), starts the next epoch.
    Status open(const char* dir, const Options& options) {
        abandon();
        failure_.clear();
        const Status status = open_or_fail(dir, options);
        if (status != Status::ok) abandon();
        return status;
    }

    uint64_t next_seq() const { return next_seq_; }

    uint8_t* reserve(size_t n) {
        if (n <= message_max_ && cursor_ + HEAD + n <= fast_end_) [[likely]] {
            if (n > reserved_) reserved_ = n;
            return cursor_ + HEAD;
        }
        return reserve_slow(n);
    }

    void append(size_t n) {
        uint8_t* frame = cursor_;
        const wire::Header& header = wire::header(frame + HEAD);
        if (n > reserved_ || n % 8 || n < MESSAGE_MIN || header.seq != next_seq_) [[unlikely]]
            broken_promise("append", n, header.seq);
        if (n < reserved_) std::memset(frame + HEAD + n, 0, reserved_ - n);
        seal_frame(frame, uint32_t(n), uint16_t(header.type), flags_, uint32_t(next_seq_ - batch_first_));
        cursor_ += HEAD + n;
        ++next_seq_;
        reserved_ = 0;
    }

    // False leaves the batch as it is: it may be tried again (no room), or given up.
    bool write() {
        if (!usable()) return false;
        if (cursor_ == origin_ || !disk()) return true;
        if (!write_all(segment_.fd, origin_, uint64_t(cursor_ - origin_), staged_at_)) return failure_.system(segment_.path, "cannot write the batch"), false;
        staged_at_ += uint64_t(cursor_ - origin_);
        cursor_ = origin_;
        reserved_ = 0;
        unsynced_ = true;
        set_fast_end();
        return true;
    }

    bool sync_batch() {
        if (!usable()) return false;
        if (sync_broken_.load(std::memory_order_relaxed)) [[unlikely]] {
            failure_.set(Status::closed, "%s: a sync in the background failed; what reached the disk is unknown, so this writer stops. Open the tape anew", dir_.c_str());
            return stop();
        }
        if (!unsynced_) return true;
        if (::fdatasync(segment_.fd)) return give_up(segment_.path);
        unsynced_ = false;
        return true;
    }

    // `memory`: makes what is published durable; from any thread. `disk`: sync_batch(), from the writer's thread.
    bool sync(Failure& why) {
        if (disk()) return sync_batch() || (why = failure_, false);
        std::lock_guard lock(sync_mutex_);
        return sync_published(why);
    }
    bool sync() {
        Failure why;
        return sync(why) || (failure_ = why, false);
    }

    void publish() {
        if (next_seq_ == batch_first_) return;
        if (disk() && (cursor_ != origin_ || unsynced_)) [[unlikely]] broken_promise("publish before write and sync", 0, next_seq_);
        const Mark end{segment_.base + offset(), next_seq_ - 1};
        ControlPage& page = *control_.page;
        page.written.store(end);
        if (disk()) page.durable.store(end);
        if (!replicated_) page.released.store(end);
        batch_first_ = next_seq_;
        batch_at_ = end.position;
        control_.ring();
        if (offset() > want_above_) want_next_.store(true, std::memory_order_relaxed);
    }

    bool commit() {
        if (!write() || !sync_batch()) return false;
        publish();
        return true;
    }

    // Is it time for prepare_next()? From any thread.
    bool wants_next() const { return want_next_.load(std::memory_order_relaxed) && blank_fd_.load(std::memory_order_relaxed) < 0; }

    bool next_ready() const { return blank_fd_.load(std::memory_order_relaxed) >= 0; }

    // Makes the next segment ready, ahead of need, from any thread. At most one is ready. The writer makes it itself if it must.
    bool prepare_next(Failure& why) {
        std::lock_guard lock(prepare_mutex_);
        if (blank_fd_.load(std::memory_order_relaxed) < 0) blank_fd_ = make_blank(dir_, segment_bytes_, why);
        return blank_fd_ >= 0;
    }
    bool prepare_next() {
        Failure ignored;  // the writer meets it again when it needs the segment, and reports it
        return prepare_next(ignored);
    }

    // An open batch that was not committed is dropped (what of it stands in segments already sealed is not).
    void close() {
        if (!control_.is_open()) return;
        if (!broken_ && !disk() && segment_.data) {
            const uint64_t from = batch_at_ > segment_.base + FIRST_RECORD_AT ? batch_at_ - segment_.base : FIRST_RECORD_AT;
            if (!sealed_) std::memset(segment_.data + from, 0, std::min(segment_.bytes, offset() + HEAD + reserved_) - from);
            Failure ignored;  // durable then stays where it is, and says so
            sync(ignored);
        }
        if (blank_fd_ >= 0) ::unlink((dir_ + BLANK_NAME).c_str());
        control_.page->pid.store(0, std::memory_order_relaxed);
        control_.flush();
        abandon();
    }

    // Lets everything go as a killed process would: for simulations, and after a failure.
    void abandon() {
        if (const int fd = blank_fd_.exchange(-1); fd >= 0) ::close(fd);
        segment_.close();
        control_.close();
        staging_.reset();
        cursor_ = origin_ = fast_end_ = nullptr;
        message_max_ = reserved_ = staged_at_ = 0;
        unsynced_ = sealed_ = broken_ = false;
        want_next_ = sync_broken_ = false;
    }

    bool is_open() const { return control_.is_open(); }
    bool disk() const { return flags_ & FLAG_DISK; }
    bool replicated() const { return replicated_; }
    uint64_t position() const { return segment_.base + offset(); }  // just past the last append
    uint64_t epoch() const { return segment_epoch_; }
    uint64_t fence() const { return control_.is_open() ? control_.page->fence.load(std::memory_order_relaxed) : 0; }  // another host's epoch
    uint64_t left() const { return segment_.bytes - offset(); }  // bytes of this segment not yet used
    uint64_t segment_bytes() const { return segment_bytes_; }                  // of the next segments
    uint64_t max_message() const { return message_max_; }
    uint64_t batch_records() const { return next_seq_ - batch_first_; }
    const std::string& name() const { return name_; }
    Positions positions() const { return control_.is_open() ? control_.positions() : Positions{}; }
    const Recovery& recovery() const { return recovery_; }
    const Failure& failure() const { return failure_; }
    const char* error() const { return failure_.message.c_str(); }

  private:
    uint64_t offset() const { return staged_at_ + uint64_t(cursor_ - origin_); }
    bool usable() { return message_max_ || (closed(), false); }

    void closed() {
        if (!broken_) failure_.set(Status::closed, "%s: this writer is not open", dir_.c_str());
    }

    bool give_up(const std::string& path) {
        failure_.system(path, "cannot sync; what reached the disk is unknown, so this writer stops. Open the tape anew");
        failure_.status = Status::closed;
        return stop();
    }

    bool stop() {
        broken_ = true;
        message_max_ = 0;
        return false;
    }

    [[noreturn]] void broken_promise(const char* where, size_t n, uint64_t seq) const {
        std::fprintf(stderr, "tapewire: %s: %s: %zu bytes, seq %llu, expected seq %llu, at most %llu reserved bytes in whole words\n", dir_.c_str(),
                     where, n, (unsigned long long)seq, (unsigned long long)next_seq_, (unsigned long long)reserved_);
        std::abort();
    }

    uint8_t* reserve_slow(size_t asked) {
        if (!usable()) return nullptr;
        const uint64_t n = wire::pad8(asked), stride = frame_bytes(n);
        if (n > message_max_) return failure_.set(Status::too_long, "%s: a message of %llu bytes; at most %llu fit", dir_.c_str(), (unsigned long long)n, (unsigned long long)message_max_), nullptr;
        if (position() - batch_at_ > BATCH_MAX) return failure_.set(Status::too_long, "%s: a batch of more than %llu bytes; commit it in parts", dir_.c_str(), (unsigned long long)BATCH_MAX), nullptr;
        if (sealed_ || !fits(stride, segment_.bytes - offset())) {
            if (!rotate()) return nullptr;
        }
        if (disk() && stride > uint64_t(staging_.get() + STAGING - cursor_) && !write()) return nullptr;
        if (n > reserved_) reserved_ = n;
        return cursor_ + HEAD;
    }

    bool rotate() {
        Failure why;
        if (!prepare_next(why)) return failure_ = why, false;
        if (!sealed_ && !seal()) return false;
        return start_segment(segment_.base + segment_.bytes);
    }

    // Ends the segment: nothing is ever appended to it again.
    bool seal() {
        if (!disk() && reserved_) std::memset(cursor_ + HEAD, 0, reserved_);
        reserved_ = 0;
        const FrameHead padding = padding_head(segment_.bytes - offset(), flags_);
        std::memcpy(cursor_, &padding, HEAD);
        if (disk()) {
            cursor_ += HEAD;
            if (!write()) return cursor_ -= HEAD, false;
        }
        std::lock_guard lock(sync_mutex_);
        if (disk()) {
            if (::fdatasync(segment_.fd)) return give_up(segment_.path);
            unsynced_ = false;
            staged_at_ = segment_.bytes;
        } else {
            cursor_ = origin_ + segment_.bytes;
            if (!sync_published(failure_, true)) return stop();
        }
        fast_end_ = cursor_;
        return sealed_ = true;
    }

    // sync_mutex_ is held. `force`: also if everything published is durable already.
    bool sync_published(Failure& why, bool force = false) {
        if (segment_.fd < 0 || sync_broken_) return why.set(Status::closed, "%s: not open, or an earlier sync failed", dir_.c_str()), false;
        const Mark end = control_.page->written.load();
        if (!force && end.position == control_.page->durable.load().position) return true;
        if (::fdatasync(segment_.fd)) {
            sync_broken_ = true;  // a second try could succeed without having written what the first one lost
            return why.system(segment_.path, "cannot sync"), false;
        }
        control_.page->durable.store(end);
        control_.ring();
        return true;
    }

    // Gives next.blank its header and its name, and goes on in it.
    bool start_segment(uint64_t base) {
        uint8_t header[FIRST_RECORD_AT] = {};
        compose_header(header, name_, segment_bytes_, next_seq_, base, segment_epoch_, flags_);
        const std::string blank = dir_ + BLANK_NAME, path = segment_path(dir_, next_seq_);
        std::scoped_lock lock(prepare_mutex_, sync_mutex_);
        const int fd = blank_fd_;
        if (!write_all(fd, header, sizeof header, 0)) return failure_.system(blank, "cannot write the segment's header"), false;
        if (::fdatasync(fd)) return give_up(blank);
        if (::rename(blank.c_str(), path.c_str())) return failure_.system(path, "cannot name the new segment"), false;
        if (!sync_folder(dir_)) return give_up(dir_);
        blank_fd_ = -1;
        want_next_ = false;
        segment_.close();
        segment_.path = path, segment_.fd = fd, segment_.first_seq = next_seq_, segment_.base = base, segment_.epoch = segment_epoch_;
        segment_.bytes = segment_bytes_;
        if (!disk() && segment_.map_fd(true, failure_) != Status::ok) return stop();
        go_on_at(FIRST_RECORD_AT);
        return true;
    }

    // The next frame goes to byte `at` of the segment.
    void go_on_at(uint64_t at) {
        message_max_ = message_max(std::min(segment_.bytes, segment_bytes_));
        want_above_ = segment_.bytes / 2;
        reserved_ = 0;
        sealed_ = at == segment_.bytes;
        if (disk()) {
            if (!staging_) staging_ = std::make_unique_for_overwrite<uint8_t[]>(STAGING + HEAD);
            origin_ = cursor_ = staging_.get();
            staged_at_ = at;
        } else {
            origin_ = segment_.data;
            cursor_ = origin_ + at;
            staged_at_ = 0;
        }
        set_fast_end();
    }

    // Up to here, a frame fits without another thought.
    void set_fast_end() {
        const uint64_t left = segment_.bytes - offset(), safe = left > PADDING_MIN ? left - PADDING_MIN : 0;
        fast_end_ = cursor_ + (disk() ? std::min(safe, uint64_t(staging_.get() + STAGING - cursor_)) : safe);
    }

    Status open_or_fail(const char* dir, const Options& options);
    Status open_control(const Options& options);
    Status recover(const Options& options);
    Status take_over(const Options& options);
    Status check_hosts();
    Status set_released(const Options& options, Mark end, Mark shown);

    uint8_t *cursor_ = nullptr, *fast_end_ = nullptr;
    uint64_t next_seq_ = 1, batch_first_ = 1;
    uint64_t reserved_ = 0;  // most bytes handed out at the cursor and not appended
    uint64_t message_max_ = 0;
    uint16_t flags_ = 0;
    bool unsynced_ = false, sealed_ = false, broken_ = false, replicated_ = false;
    uint8_t* origin_ = nullptr;  // disk: the staging buffer; memory: the mapped segment
    uint64_t staged_at_ = 0;     // the segment's byte that origin_ stands for
    uint64_t batch_at_ = 0;      // position where the open batch began
    uint64_t want_above_ = 0;
    uint64_t segment_bytes_ = SEGMENT_DEFAULT, segment_epoch_ = 0;
    Segment segment_;
    Control control_;
    std::unique_ptr<uint8_t[]> staging_;
    std::string dir_, name_;
    std::mutex sync_mutex_, prepare_mutex_;
    std::atomic<int> blank_fd_{-1};
    std::atomic<bool> want_next_{false}, sync_broken_{false};
    Recovery recovery_;
    Failure failure_;
};

}  // namespace tapewire::tape

#include "tapewire/tape/writer_open.hpp"
