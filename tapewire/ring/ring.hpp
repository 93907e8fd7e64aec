// A single-producer, single-consumer ring in a shared file: between two processes, or two threads. The picture of its
// bytes is in layout.hpp, its life as a file in file.hpp.
//
//   Producer   write() copies a record in and publishes it; stage() + publish() does so for a batch
//   Consumer   poll() shows what is unread, release() gives the room back: a consumer killed in between, or its
//              successor, sees the unreleased records again (at least once)
//
// Whatever is read from shared memory (cursors, lengths) is checked before use: a damaged ring is an error, not a crash.
// What a record holds is the reader's to check, and to copy first if the other side is not trusted.
#pragma once
#include "tapewire/ring/doorbell.hpp"
#include "tapewire/ring/file.hpp"

namespace tapewire::ring {

enum class Write : int {
    ok = 0,
    full,      // no room until the consumer releases some; nothing was written
    too_long,  // longer than max_record(): will never fit
    damaged,   // the consumer's cursor does not hold; error() says what was found
};

struct Record {
    const uint8_t* p = nullptr;
    uint32_t n = 0;
    uint64_t end = 0;  // the position just past it
};

class Producer {
  public:
    // The ring must exist. busy: another producer lives.
    Status open(const char* path) {
        Status status = file_.open(path, Role::producer);
        if (status != Status::ok) return status;
        staged_ = published_ = file_.shared->tail.load(std::memory_order_acquire);
        head_seen_ = file_.shared->head.load(std::memory_order_acquire);
        if (staged_ - head_seen_ <= file_.capacity) return Status::ok;
        status = bad_head(head_seen_);
        file_.close();
        return status;
    }

    void close() { file_.close(); }

    // False: full (or n > max_record()). *end: the position just past the record.
    bool write(const uint8_t* p, uint32_t n, uint64_t* end = nullptr) { return try_write(p, n, end) == Write::ok; }

    Write try_write(const uint8_t* p, uint32_t n, uint64_t* end = nullptr) {
        Write outcome = stage(p, n, end);
        if (outcome == Write::ok) publish();
        return outcome;
    }

    // Copies a record in without showing it to the consumer yet.
    Write stage(const uint8_t* p, uint32_t n, uint64_t* end = nullptr) {
        const uint64_t capacity = file_.capacity;
        if (n > max_record()) return Write::too_long;
        uint64_t at = staged_ & (capacity - 1), next = end_after(staged_, n, capacity);
        uint64_t padding = next - staged_ - stride_of(n);
        if (next - head_seen_ > capacity) {
            if (refresh_head() != Status::ok) return Write::damaged;
            if (next - head_seen_ > capacity) return Write::full;
        }
        if (padding) {
            store_head(at, head_word(uint32_t(padding), MARK_PADDING, staged_));
            staged_ += padding;
            at = 0;
        }
        store_head(at, head_word(n, MARK_RECORD, staged_));
        if (n) std::memcpy(file_.data + at + RECORD_HEAD, p, n);
        staged_ = next;
        if (end) *end = next;
        return Write::ok;
    }

    // Shows all that was staged, in one store, and rings the doorbell if there is one.
    void publish() {
        if (staged_ == published_) return;
        published_ = staged_;
        file_.shared->tail.store(staged_, std::memory_order_release);
        if (doorbell_) doorbell_->ring();
    }

    // The doorbell must outlive its use here; null: none.
    void set_doorbell(Doorbell* doorbell) { doorbell_ = doorbell; }

    uint64_t tail() const { return published_; }
    uint64_t head() const { return file_.shared->head.load(std::memory_order_acquire); }
    uint64_t capacity() const { return file_.capacity; }
    uint64_t max_record() const { return file_.capacity / RECORDS_PER_CAPACITY_MIN; }
    bool consumer_alive() const { return file_.alive(Role::consumer); }
    const File& file() const { return file_; }
    const char* error() const { return file_.error().c_str(); }

  private:
    void store_head(uint64_t at, uint64_t word) { std::memcpy(file_.data + at, &word, sizeof word); }

    Status refresh_head() {
        uint64_t head = this->head();
        // In one comparison: it has not moved back, and not past what was published.
        if (head - head_seen_ > published_ - head_seen_ || (head & 7)) return bad_head(head);
        head_seen_ = head;
        return Status::ok;
    }

    Status bad_head(uint64_t head) {
        return file_.fail(Status::damaged, "the consumer's cursor is damaged: head %llu, expected a multiple of 8 from %llu to %llu. Stop both sides, remove the ring, recover from the tape",
                          (unsigned long long)head, (unsigned long long)head_seen_, (unsigned long long)published_);
    }

    File file_;
    uint64_t staged_ = 0, published_ = 0, head_seen_ = 0;
    Doorbell* doorbell_ = nullptr;
};

class Consumer {
  public:
    // The ring must exist. busy: another consumer lives. Reading starts at what was last released. An observer takes no
    // side: it must not release, and sees whole records only while the producer stands still.
    Status open(const char* path, Role role = Role::consumer) {
        fault_ = file_.open(path, role);
        if (fault_ != Status::ok) return fault_;
        read_ = released_ = file_.shared->head.load(std::memory_order_acquire);
        tail_seen_ = read_;
        if (refresh_tail() != Status::ok) file_.close();
        return fault_;
    }

    void close() { file_.close(); }

    // Calls f(const uint8_t* p, uint32_t n, uint64_t end_position) for up to `limit` unread records and does not release
    // them; p is aligned to 8 bytes and good until release(). Returns how many; 0 with fault() != ok: the ring is damaged.
    template <class F>
    size_t poll(F&& f, size_t limit) {
        size_t count = 0;
        Record record;
        for (look(); count < limit && next(record); ++count) f(record.p, record.n, record.end);
        return count;
    }

    // The same in two steps, for loops of one's own: look() takes note of what is published, next() walks through it.
    bool look() { return fault_ == Status::ok && refresh_tail() == Status::ok; }

    bool next(Record& out) {
        while (read_ != tail_seen_ && fault_ == Status::ok) {
            uint64_t at = read_ & (file_.capacity - 1), word;
            std::memcpy(&word, file_.data + at, sizeof word);  // once: the length checked is the length used
            uint32_t length = uint32_t(word), kind = uint32_t(word >> 32) ^ uint32_t(read_ >> 3);
            uint64_t bytes = kind == MARK_RECORD ? stride_of(length) : length;
            // What is used must lie before tail, and must not wrap.
            if (bytes > tail_seen_ - read_ || bytes > file_.capacity - at) return bad_record(word);
            if (kind == MARK_RECORD) [[likely]] {
                if (length > max_record()) return bad_record(word);
                read_ += bytes;
                out = {file_.data + at + RECORD_HEAD, length, read_};
                return true;
            }
            if (kind != MARK_PADDING || bytes != file_.capacity - at) return bad_record(word);
            read_ += bytes;
        }
        return false;
    }

    // Copies up to `limit` unread records into `out` as they stand on the ring: length u32, 0 u32, bytes, padded to 8.
    // Returns how many; *used: bytes of `out` written. 0 with unread(): not even the next one fits into `room`.
    size_t poll_into(uint8_t* out, size_t room, size_t limit, size_t* used) {
        size_t count = 0, at = 0;
        Record record;
        look();
        for (uint64_t before = read_; count < limit && next(record); ++count, before = read_) {
            size_t bytes = stride_of(record.n);
            if (bytes > room - at) {
                read_ = before;
                break;
            }
            uint64_t head = record.n;
            std::memcpy(out + at, &head, sizeof head);
            std::memcpy(out + at + RECORD_HEAD, record.p, bytes - RECORD_HEAD);
            at += bytes;
        }
        *used = at;
        return count;
    }

    bool unread() const { return read_ != tail_seen_; }

    // Publishes head up to what poll has read: those records may be written over from now on.
    void release() {
        if (released_ == read_) return;
        released_ = read_;
        file_.shared->head.store(read_, std::memory_order_release);
    }

    // Reading goes on behind the unreleased record that ends at `position`, or before all of them. False: none ends there;
    // reading then begins before all of them again.
    bool seek(uint64_t position) {
        read_ = released_;
        if (!look()) return false;
        if (walk_to(position)) return true;
        read_ = released_;
        return false;
    }

    // Releases the records that end at or before `position`, whatever was read behind it. False: no record that was read
    // ends there, and nothing was released.
    bool release_to(uint64_t position) {
        const uint64_t read = read_;
        if (position > read) return false;
        read_ = released_;
        const bool found = walk_to(position);
        if (found) release();
        read_ = read;
        return found;
    }

    uint64_t read_position() const { return read_; }
    uint64_t id() const { return file_.shared->identity.id; }
    uint64_t head() const { return released_; }
    uint64_t tail() const { return file_.shared->tail.load(std::memory_order_acquire); }
    uint64_t capacity() const { return file_.capacity; }
    uint64_t max_record() const { return file_.capacity / RECORDS_PER_CAPACITY_MIN; }
    bool producer_alive() const { return file_.alive(Role::producer); }
    Status fault() const { return fault_; }
    const File& file() const { return file_; }
    const char* error() const { return file_.error().c_str(); }

  private:
    bool walk_to(uint64_t position) {
        Record record;
        while (read_ < position && next(record)) {
        }
        return read_ == position;
    }

    Status refresh_tail() {
        uint64_t tail = this->tail();
        // Waiting touches tail alone: asking for the next record's line while it waits would take it from the producer
        // who is about to write it. Between near cores that is a fifth of a round trip's p99 (docs/latency.md, G1).
        if (tail == tail_seen_) return Status::ok;
        // In one comparison: it has not moved back, and is not more than a lap ahead of what was released.
        if (tail - tail_seen_ > released_ + file_.capacity - tail_seen_ || (tail & 7)) {
            return fault_ = file_.fail(Status::damaged, "the producer's cursor is damaged: tail %llu, expected a multiple of 8 from %llu to %llu. Stop both sides, remove the ring, recover from the tape",
                                       (unsigned long long)tail, (unsigned long long)tail_seen_, (unsigned long long)(released_ + file_.capacity));
        }
        const uint8_t* record = file_.data + (read_ & (file_.capacity - 1));
        __builtin_prefetch(record);  // an order has three lines
        __builtin_prefetch(record + 64);
        __builtin_prefetch(record + 128);
        tail_seen_ = tail;
        return Status::ok;
    }

    [[gnu::cold]] bool bad_record(uint64_t word) {
        fault_ = file_.fail(Status::damaged, "the record at position %llu is damaged: its head is length %u, mark %08x; %llu bytes were published and %llu are the longest. Records before it are whole. Stop both sides, remove the ring, recover from the tape",
                            (unsigned long long)read_, uint32_t(word), uint32_t(word >> 32), (unsigned long long)(tail_seen_ - read_), (unsigned long long)max_record());
        return false;
    }

    File file_;
    uint64_t read_ = 0, released_ = 0, tail_seen_ = 0;
    Status fault_ = Status::missing;
};

}  // namespace tapewire::ring
