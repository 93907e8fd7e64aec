// Room for many items at addresses that never change, and pools of slots in it.
#pragma once
#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

namespace tapewire::matcher {

// For functions that are seldom needed: kept out of the way of those that are.
#define TAPEWIRE_SELDOM __attribute__((noinline, cold))
// For functions on every order's way that others use, too: g++ would call them.
#define TAPEWIRE_HOT __attribute__((always_inline)) inline
// For functions that only prefetch: g++ takes one that it does not inline for pure and drops its calls.
#define TAPEWIRE_PREFETCHES __attribute__((always_inline))

// Up to `capacity` items, all zero at first. Address space is taken at once, memory only as it is first touched, so
// growing never moves an item and never copies. Throws bad_alloc if even the address space is refused.
template <class T>
class Arena {
    static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

  public:
    explicit Arena(size_t capacity) : bytes_(round_up(capacity * sizeof(T))) {
        void* at = mmap(nullptr, bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (at == MAP_FAILED) throw std::bad_alloc();
        items_ = static_cast<T*>(at);
    }
    ~Arena() {
        if (items_) munmap(items_, bytes_);
    }
    Arena(Arena&& other) noexcept : items_(std::exchange(other.items_, nullptr)), bytes_(other.bytes_), usable_(other.usable_) {}
    Arena& operator=(Arena&& other) noexcept {
        std::swap(items_, other.items_);
        std::swap(bytes_, other.bytes_);
        std::swap(usable_, other.usable_);
        return *this;
    }

    // Makes items [0, count) usable; count <= capacity. Doubles, so that it is rare.
    void ensure(size_t count) {
        const size_t wanted = count * sizeof(T);
        if (wanted <= usable_) [[likely]] return;
        const size_t usable = std::min(bytes_, round_up(std::max(wanted, 2 * usable_)));
        if (mprotect(items_, usable, PROT_READ | PROT_WRITE)) throw std::bad_alloc();
        usable_ = usable;
    }

    T& operator[](size_t i) { return items_[i]; }
    const T& operator[](size_t i) const { return items_[i]; }

  private:
    static constexpr size_t STEP = size_t{1} << 16;
    static size_t round_up(size_t n) { return (n + STEP - 1) & ~(STEP - 1); }

    T* items_;
    size_t bytes_, usable_ = 0;
};

// Slots 1.. of an arena; 0 means none. The slot freed last is used first: it is the one still in the cache. A free
// slot's `Link` field leads to the next free one.
template <class T, uint32_t T::* Link>
class Pool {
  public:
    explicit Pool(size_t capacity) : items_(capacity + 1), capacity_(uint32_t(capacity)) { items_.ensure(1); }

    uint32_t take() {  // the caller sees to it that size() < capacity()
        ++size_;
        if (uint32_t slot = free_) {
            free_ = items_[slot].*Link;
            return slot;
        }
        items_.ensure(size_t(++used_) + 1);
        return used_;
    }

    void give(uint32_t slot) {
        items_[slot].*Link = free_;
        free_ = slot;
        --size_;
    }

    T& operator[](uint32_t slot) { return items_[slot]; }
    const T& operator[](uint32_t slot) const { return items_[slot]; }
    uint32_t size() const { return size_; }
    uint32_t used() const { return used_; }  // slots above were never taken
    uint32_t capacity() const { return capacity_; }
    uint32_t first_free() const { return free_; }

  private:
    Arena<T> items_;
    uint32_t capacity_, free_ = 0, used_ = 0, size_ = 0;
};

}  // namespace tapewire::matcher
