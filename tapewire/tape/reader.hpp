// A reader of a tape: tails it by mmap, from any process, and never slows the writer.
//
//   open(dir)          stands before the first record the tape still has
//   next(record, to)   the next record, if it ends at or before position `to`: one of positions(), loaded once per round
//   seek_seq, seek_time
//   wait(limit, ns)    sleeps until there is more
//
// A record's bytes stay valid until the call of next() that enters the next segment; copy what must last.
// It stops where a checksum or the sequence does not hold, and says where; it never skips.
#pragma once
#include "tapewire/tape/recovery.hpp"

namespace tapewire::tape {

struct Record {
    const uint8_t* p = nullptr;  // a flat message
    uint32_t n = 0;
    uint16_t type = 0, flags = 0;
    uint32_t index;
    uint64_t position, end;  // of its frame
};

enum class Limit : int { written = 0, durable = 1, released = 2 };

class Reader {
  public:
    Reader() = default;
    Reader(const Reader&) = delete;

    Status open(const char* dir) {
        close();
        dir_ = dir;
        boot_ = this_boot();
        if (control_.open(dir_, failure_) != Status::ok) return failure_.status;
        return rewind();
    }

    void close() {
        segment_.close();
        control_.close();
        failure_.clear();
        at_ = position_ = 0;
        next_seq_ = 1;
        stopped_ = false;
    }

    // Without it, a record's length and sequence are still checked.
    void check_crc(bool on) { check_crc_ = on; }

    bool next(Record& out, uint64_t limit) {
        while (position_ < limit && !stopped_) {
            if (at_ == segment_.bytes) {
                if (!enter(next_seq_)) return stop();
                continue;
            }
            const uint8_t* frame = segment_.data + at_;
            const uint64_t room = segment_.bytes - at_;
            const FrameHead head = room < HEAD ? FrameHead{} : load_head(frame);
            const uint64_t stride = frame_bytes(head.length);
            if (!head_plausible(head, room) || (check_crc_ && frame_crc(frame, head.length) != head.crc)) [[unlikely]]
                return damaged();
            if (head.flags & FLAG_PADDING) {
                at_ += stride, position_ += stride;
                continue;
            }
            if (!message_agrees(frame + HEAD, head, next_seq_) || position_ + stride > limit) [[unlikely]]
                return damaged();
            out = {frame + HEAD, head.length, head.type, head.flags, head.index, position_, position_ + stride};
            at_ += stride, position_ += stride, ++next_seq_;
            return true;
        }
        return false;
    }

    // Reads on without handing anything out: at most `records`, up to `limit`. What verify and the benches call.
    uint64_t scan(uint64_t records, uint64_t limit) {
        Record record;
        uint64_t n = 0;
        while (n < records && next(record, limit)) ++n;
        return n;
    }

    // After a reboot, only what was durable can be trusted until a writer has recovered the tape.
    Positions positions() const {
        Positions p = control_.positions();
        if (control_.page->boot == boot_) return p;
        p.written = p.durable, p.written_seq = p.durable_seq;
        // What is replicated may be durable here and not elsewhere.
        if (!replicated() || p.released > p.durable) p.released = p.durable, p.released_seq = p.durable_seq;
        return p;
    }

    // One of them: it alone is fetched from the writer's core.
    Mark mark(Limit limit) const {
        const ControlPage& page = *control_.page;
        const bool same = page.boot == boot_;
        const bool durable = limit == Limit::durable || (!same && !(limit == Limit::released && replicated()));
        Mark end = (durable ? page.durable : limit == Limit::written ? page.written : page.released).load();
        if (!same && !durable) [[unlikely]] end = earlier(end, page.durable.load());
        if (end.position > position_ && segment_.data)  // a command and its answer, asked for at once, not line by line
            for (uint64_t k = 0; k < FETCH; k += 64) __builtin_prefetch(segment_.data + at_ + k);
        return end;
    }

    // True if there is something to read up to `limit` before the time is over. Do not hold a lock across it.
    bool wait(Limit limit, int64_t timeout_ns) {
        return control_.wait([&] { return mark(limit).position > position_; }, timeout_ns);
    }

    // The same for what lies behind `position`, wherever the reader stands.
    bool wait_past(Limit limit, uint64_t position, int64_t timeout_ns) {
        return control_.wait([&] { return mark(limit).position > position; }, timeout_ns);
    }

    // Stands before record `seq`; one past the last is allowed. Otherwise gone or beyond_end, and the reader stays where it was.
    Status seek_seq(uint64_t seq) {
        std::vector<uint64_t> firsts;
        if (!list(firsts)) return failure_.status;
        const Mark end = mark(Limit::written);
        const uint64_t first = firsts.empty() ? 1 : firsts.front();
        if (seq < first)
            return complain(Status::gone, "%s: record %llu was removed by retention; this tape begins with record %llu", seq, first);
        if (seq > std::max(end.seq + 1, first))
            return complain(Status::beyond_end, "%s: record %llu is not on the tape, which ends with record %llu", seq, end.seq);
        failure_.clear();
        if (firsts.empty()) return rewind();
        auto after = std::upper_bound(firsts.begin(), firsts.end(), seq);
        if (!enter_anywhere(*(after - 1))) return failure_.status;
        hop(end.position, [&](const wire::Header&) { return next_seq_ >= seq; });
        return failure_.status;
    }

    // Stands before the first record whose ts (UTC ns, never falling along a tape) is `ts` or later, or at the end.
    Status seek_time(int64_t ts) {
        std::vector<uint64_t> firsts;
        if (!list(firsts)) return failure_.status;
        failure_.clear();
        if (firsts.empty()) return rewind();
        const Mark end = mark(Limit::written);
        size_t low = 0, high = firsts.size();  // the last segment that begins before ts lies in [low, high)
        while (high - low > 1) {
            const size_t middle = low + (high - low) / 2;
            if (!enter_anywhere(firsts[middle])) return failure_.status;
            const bool published = position_ + frame_bytes(MESSAGE_MIN) <= end.position && load_head(segment_.data + at_).length >= MESSAGE_MIN;
            (published && wire::header(segment_.data + at_ + HEAD).ts < ts ? low : high) = middle;
        }
        if (!enter_anywhere(firsts[low])) return failure_.status;
        hop(end.position, [&](const wire::Header& header) { return header.ts >= ts; });
        return failure_.status;
    }

    // First record the tape still has, 0 if the folder cannot be listed.
    uint64_t first_seq() const {
        std::vector<uint64_t> firsts;
        if (!list_segments(dir_, firsts)) return 0;
        return firsts.empty() ? 1 : firsts.front();
    }

    bool is_open() const { return control_.is_open(); }
    bool writer_alive() const { return control_.writer_alive(); }

    // Whether it is known where this tape ends: a writer has had it since the host was started, or the last one closed it.
    // Otherwise records past the durable ones may still be there, or not: the next writer finds out.
    bool settled() const {
        const ControlPage& page = *control_.page;
        return page.boot == boot_ || page.pid.load(std::memory_order_relaxed) == 0;
    }
    uint64_t next_seq() const { return next_seq_; }
    uint64_t position() const { return position_; }
    const ControlPage& control() const { return *control_.page; }
    const std::string& segment_path() const { return segment_.path; }
    bool ok() const { return !stopped_; }  // false: next() met what error() says, and stays there until a seek
    const Failure& failure() const { return failure_; }
    const char* error() const { return failure_.message.c_str(); }

  private:
    static constexpr uint64_t FETCH = 320;   // bytes
    static constexpr int ENTER_TRIES = 3;  // retention may remove the segment just found

    bool replicated() const { return control_.page->durability.load(std::memory_order_relaxed) == uint32_t(Durability::replicated); }

    bool list(std::vector<uint64_t>& firsts) {
        return list_segments(dir_, firsts) || (failure_.system(dir_, "cannot list the tape's folder"), false);
    }

    Status rewind() {
        std::vector<uint64_t> firsts;
        for (int i = 0; i < ENTER_TRIES; ++i) {
            if (!list(firsts)) return failure_.status;
            segment_.close();
            at_ = position_ = 0;
            stopped_ = false;
            next_seq_ = firsts.empty() ? 1 : firsts.front();
            if (firsts.empty()) return Status::ok;  // just created: next() enters the first segment once it is there
            failure_.clear();
            if (enter_anywhere(next_seq_) || failure_.status != Status::missing) break;
        }
        return failure_.status;
    }

    // Before the first record of the segment that begins with `first`; the mapping at hand is kept if it is that one.
    bool enter_anywhere(uint64_t first) {
        stopped_ = false;
        next_seq_ = first;
        if (segment_.data && segment_.first_seq == first) {
            at_ = FIRST_RECORD_AT, position_ = segment_.base + at_;
            return true;
        }
        segment_.close();
        at_ = position_ = 0;
        return enter(first) || stop();
    }

    bool enter(uint64_t first) {
        const uint64_t expected = position_;
        const bool follows = segment_.data != nullptr;
        Segment next;
        if (next.open(dir_, first, false, control_.page->identity.name, failure_) != Status::ok) {
            std::vector<uint64_t> firsts;
            if (failure_.status != Status::missing || !list(firsts)) return false;
            if (firsts.empty() || firsts.front() > first)
                complain(Status::gone, "%s: record %llu was removed by retention; this tape begins with record %llu", first, firsts.empty() ? 0 : firsts.front());
            else failure_.damage(next.path, 0, first, "this segment is missing");
            return false;
        }
        if (follows && next.base != expected) {
            failure_.damage(next.path, 0, first, "it does not begin where the segment before it ends");
            return false;
        }
        segment_.swap(next);
        at_ = FIRST_RECORD_AT;
        position_ = segment_.base + at_;
        next_seq_ = first;
        return true;
    }

    bool stop() {
        stopped_ = true;
        return false;
    }

    // Moves on, checking lengths and sequence, until `there` says so of the record ahead, or the end.
    template <class There>
    void hop(uint64_t limit, There&& there) {
        while (position_ < limit && at_ < segment_.bytes) {
            const uint64_t room = segment_.bytes - at_;
            const FrameHead head = room < HEAD ? FrameHead{} : load_head(segment_.data + at_);
            if (!head_plausible(head, room)) return void(damaged());
            if (head.flags & FLAG_PADDING) {
                at_ = segment_.bytes, position_ = segment_.base + at_;
                return;
            }
            if (!message_agrees(segment_.data + at_ + HEAD, head, next_seq_)) return void(damaged());
            if (there(wire::header(segment_.data + at_ + HEAD))) return;
            at_ += frame_bytes(head.length), position_ += frame_bytes(head.length), ++next_seq_;
        }
    }

    bool damaged() {
        failure_.damage(segment_.path, at_, next_seq_, describe_fault(segment_.data + at_, segment_.bytes - at_, next_seq_));
        return stop();
    }

    Status complain(Status status, const char* pattern, uint64_t a, uint64_t b) {
        char text[1024];
        std::snprintf(text, sizeof text, pattern, dir_.c_str(), (unsigned long long)a, (unsigned long long)b);
        return failure_.set(status, "%s", text);
    }

    std::string dir_;
    Control control_;
    BootId boot_;
    Segment segment_;
    uint64_t at_ = 0;        // offset of the next frame in the segment
    uint64_t position_ = 0;  // the same, since the tape began
    uint64_t next_seq_ = 1;
    bool check_crc_ = true;
    bool stopped_ = false;  // at a fault; only a seek gets it going again
    Failure failure_;
};

}  // namespace tapewire::tape
