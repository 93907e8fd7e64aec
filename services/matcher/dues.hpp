// What happens next: a heap of times that knows where each entry stands, so that any of them can leave.
#pragma once
#include "services/matcher/arena.hpp"

namespace tapewire::matcher {

// Entries are numbers (slots, instruments). Each has a place of its own outside, `place(item)`, where the heap notes its
// position. Adding and leaving cost the logarithm of how many there are; who has no time to come costs nothing.
class Dues {
  public:
    explicit Dues(size_t capacity) : entries_(capacity) {}

    bool empty() const { return size_ == 0; }
    size_t size() const { return size_; }
    int64_t first() const { return entries_[0].due; }  // not empty
    uint32_t item(uint32_t at) const { return entries_[at].item; }
    int64_t due(uint32_t at) const { return entries_[at].due; }

    template <class Place>
    void add(int64_t due, uint32_t item, Place&& place) {
        entries_.ensure(size_t{size_} + 1);
        rise(size_++, {due, item}, place);
    }

    template <class Place>
    void erase(uint32_t at, Place&& place) {
        const Entry last = entries_[--size_];
        if (at == size_) return;
        if (at && last.due < entries_[(at - 1) / 2].due) rise(at, last, place);
        else sink(at, last, place);
    }

    // f(item) for all that are due by `up_to`, in no particular order.
    template <class F>
    void each_due(int64_t up_to, F&& f, size_t at = 0) const {
        if (at >= size_ || entries_[at].due > up_to) return;
        f(entries_[at].item);
        each_due(up_to, f, 2 * at + 1);
        each_due(up_to, f, 2 * at + 2);
    }

  private:
    struct Entry {
        int64_t due;
        uint32_t item;
    };

    template <class Place>
    void put(uint32_t at, const Entry& entry, Place& place) {
        entries_[at] = entry;
        place(entry.item) = at;
    }

    template <class Place>
    void rise(uint32_t at, const Entry entry, Place& place) {
        for (; at && entry.due < entries_[(at - 1) / 2].due; at = (at - 1) / 2) put(at, entries_[(at - 1) / 2], place);
        put(at, entry, place);
    }

    template <class Place>
    void sink(uint32_t at, const Entry entry, Place& place) {
        for (size_t child; (child = 2 * size_t{at} + 1) < size_; at = uint32_t(child)) {
            if (child + 1 < size_ && entries_[child + 1].due < entries_[child].due) ++child;
            if (entries_[child].due >= entry.due) break;
            put(at, entries_[child], place);
        }
        put(at, entry, place);
    }

    Arena<Entry> entries_;
    uint32_t size_ = 0;
};

}  // namespace tapewire::matcher
