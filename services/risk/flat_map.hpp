// A map from 64-bit keys to small values: open addressing, power-of-two room, no erase. Iteration is by sorted key only,
// so that nothing that is derived from it depends on history.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tapewire::risk {

template <class Value>
class FlatMap {
  public:
    explicit FlatMap(unsigned bits = 10) : slots_(size_t{1} << bits), shift_(64 - bits) {}

    // The value of `key` (never 0), made if it is not there.
    Value& operator[](uint64_t key) {
        Slot* slot = find_slot(key);
        if (slot->key) return slot->value;
        if ((used_ + 1) * 4 > slots_.size() * 3) {
            grow();
            slot = find_slot(key);
        }
        ++used_;
        slot->key = key;
        return slot->value;
    }

    const Value* find(uint64_t key) const {
        const Slot* slot = const_cast<FlatMap*>(this)->find_slot(key);
        return slot->key ? &slot->value : nullptr;
    }

    [[gnu::always_inline]] void prefetch(uint64_t key) const { __builtin_prefetch(&slots_[home(key)]); }

    size_t size() const { return used_; }

    void clear() {
        slots_.assign(slots_.size(), Slot{});
        used_ = 0;
    }

    template <class F>
    void each_sorted(F&& f) const {
        std::vector<const Slot*> order;
        order.reserve(used_);
        for (const Slot& slot : slots_)
            if (slot.key) order.push_back(&slot);
        std::sort(order.begin(), order.end(), [](const Slot* a, const Slot* b) { return a->key < b->key; });
        for (const Slot* slot : order) f(slot->key, slot->value);
    }

  private:
    struct Slot {
        uint64_t key = 0;
        Value value{};
    };

    // The product's highest bits: the only ones that every bit of the key reaches (keys differ in their upper half, too).
    size_t home(uint64_t key) const { return size_t(key * 0x9e3779b97f4a7c15ull >> shift_); }

    Slot* find_slot(uint64_t key) {
        size_t mask = slots_.size() - 1;
        for (size_t i = home(key);; i = (i + 1) & mask)
            if (slots_[i].key == key || slots_[i].key == 0) return &slots_[i];
    }

    void grow() {
        std::vector<Slot> old(slots_.size() * 2);
        old.swap(slots_);
        --shift_;
        for (const Slot& slot : old)
            if (slot.key) *find_slot(slot.key) = slot;
    }

    std::vector<Slot> slots_;
    unsigned shift_;
    size_t used_ = 0;
};

}  // namespace tapewire::risk
