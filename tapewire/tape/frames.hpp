// The bytes of a tape by position, as another host copies them: whole frames, segment headers and padding among them.
//
//   seek(position)          stands before the frame that begins there; 0: before the first the tape still has
//   read(limit, most, out)  the frames from there on, up to `limit`, about `most` bytes of them
//
// A stretch is what stands in the files, but that of a padding frame only the head is in it: what follows are zeros. So
// positions count on over them, and the same records give the same stretches wherever they are cut.
#pragma once
#include "tapewire/tape/recovery.hpp"

namespace tapewire::tape {

struct Stretch {
    std::vector<uint8_t> bytes;
    uint64_t position = 0, end = 0;          // in the tape
    uint64_t first_seq = 0, last_seq = 0;    // of its records; 0: it has none
    Mark whole;                              // the last end of a batch that shows in it; position 0: none
};

class Frames {
  public:
    Frames() = default;
    Frames(const Frames&) = delete;

    Status open(const char* dir) {
        dir_ = dir;
        segment_.close();
        position_ = at_ = 0, next_seq_ = 0;
        return control_.open(dir_, failure_);
    }

    // beyond_end, gone, or damaged where no frame begins there: then it stands nowhere.
    Status seek(uint64_t position) {
        std::vector<uint64_t> firsts;
        segment_.close();
        failure_.clear();
        if (!list_segments(dir_, firsts)) return failure_.system(dir_, "cannot list the tape's folder");
        if (firsts.empty()) return failure_.set(Status::missing, "%s: this tape has no segment yet", dir_.c_str());
        if (position == 0) return enter(firsts.front());
        for (auto it = firsts.rbegin(); it != firsts.rend(); ++it) {
            if (enter(*it) != Status::ok) return failure_.status;
            if (segment_.base <= position) return walk_to(position);
        }
        return failure_.set(Status::gone, "%s: position %llu was removed by retention; this tape begins at %llu", dir_.c_str(), (unsigned long long)position,
                            (unsigned long long)segment_.base);
    }

    // True if there was something. `limit`: one of the marks, which the tape has come to.
    bool read(Mark limit, uint64_t most, Stretch& out) {
        out.bytes.clear();
        out.position = position_, out.first_seq = out.last_seq = 0, out.whole = {};
        while (position_ < limit.position && out.bytes.size() < most) {
            if (at_ == segment_.bytes && enter(next_seq_) != Status::ok) return false;
            if (at_ == 0) {
                take(out, FIRST_RECORD_AT, FIRST_RECORD_AT);
                continue;
            }
            const uint64_t room = segment_.bytes - at_;
            const FrameHead head = room < HEAD ? FrameHead{} : load_head(segment_.data + at_);
            if (!head_plausible(head, room)) return damaged();
            if (head.flags & FLAG_PADDING) {
                if (padding_head(room, uint16_t(head.flags & ~FLAG_PADDING)).crc != head.crc) return damaged();
                take(out, HEAD, room);
                continue;
            }
            const uint64_t stride = frame_bytes(head.length);
            if (frame_crc(segment_.data + at_, head.length) != head.crc || !message_agrees(segment_.data + at_ + HEAD, head, next_seq_) ||
                position_ + stride > limit.position)
                return damaged();
            if (head.index == 0) out.whole = {position_, next_seq_ - 1};
            if (!out.first_seq) out.first_seq = next_seq_;
            out.last_seq = next_seq_++;
            take(out, stride, stride);
        }
        out.end = position_;
        if (position_ == limit.position) out.whole = limit;
        return !out.bytes.empty();
    }

    bool wait(int64_t timeout_ns) {
        return control_.wait([&] { return control_.page->durable.load().position > position_; }, timeout_ns);
    }

    uint64_t position() const { return position_; }
    uint64_t next_seq() const { return next_seq_; }
    Control& control() { return control_; }
    const Failure& failure() const { return failure_; }
    bool ok() const { return !failure_; }

  private:
    Status enter(uint64_t first) {
        const uint64_t expected = position_;
        const bool follows = segment_.data && at_ == segment_.bytes;
        Segment next;
        if (next.open(dir_, first, false, control_.page->identity.name, failure_) != Status::ok) return failure_.status;
        if (follows && next.base != expected) return failure_.damage(next.path, 0, first, "it does not begin where the segment before it ends");
        segment_.swap(next);
        at_ = 0, position_ = segment_.base, next_seq_ = first;
        return Status::ok;
    }

    Status walk_to(uint64_t position) {
        Walk walk{segment_.data, segment_.bytes, FIRST_RECORD_AT, segment_.first_seq};
        if (position == segment_.base) return Status::ok;
        FrameHead head{};
        Walk::Stop stop = Walk::Stop::none;
        while (segment_.base + walk.at < position && stop == Walk::Stop::none) stop = walk.step(head);
        at_ = walk.at, position_ = segment_.base + at_, next_seq_ = walk.seq;
        if (position_ == position) return Status::ok;
        if (stop == Walk::Stop::blank || (stop == Walk::Stop::padding && position_ < position))
            return failure_.set(Status::beyond_end, "%s: position %llu is beyond the end of this tape, %llu", dir_.c_str(), (unsigned long long)position, (unsigned long long)position_);
        return failure_.damage(segment_.path, at_, next_seq_, "no frame begins at position " + std::to_string(position));
    }

    void take(Stretch& out, uint64_t bytes, uint64_t stride) {
        out.bytes.insert(out.bytes.end(), segment_.data + at_, segment_.data + at_ + bytes);
        at_ += stride, position_ += stride;
    }

    bool damaged() {
        failure_.damage(segment_.path, at_, next_seq_, describe_fault(segment_.data + at_, segment_.bytes - at_, next_seq_));
        return false;
    }

    std::string dir_;
    Control control_;
    Segment segment_;
    uint64_t at_ = 0, position_ = 0, next_seq_ = 0;
    Failure failure_;
};

}  // namespace tapewire::tape
