// Which slot a live order has, by its id.
//
//   id ──▶ branch ──▶ page ──▶ slot
//          4 Mi ids   256 ids
//
// Ids are dense, so finding is three array accesses. A page exists while an order on it is live; what memory is held
// follows live orders, not how many the day has seen. Where no order is live stand one empty branch and one empty page,
// the same for all, so that finding asks only whether an id is beyond all.
#pragma once
#include <array>
#include <cstdlib>
#include <vector>

#include "services/matcher/arena.hpp"

namespace tapewire::matcher {

inline constexpr uint64_t MAX_ORDER_ID = (uint64_t{1} << 44) - 1;

class IdIndex {
  public:
    IdIndex() = default;
    IdIndex(IdIndex&& other) noexcept { swap(other); }
    IdIndex& operator=(IdIndex&& other) noexcept {
        swap(other);
        return *this;
    }
    ~IdIndex() {
        for (size_t i = 0; i < count_; ++i) {
            if (branches_[i] == nowhere()) continue;
            for (Entry& entry : branches_[i]->entries)
                if (entry.page != &NOTHING) std::free(entry.page);
            std::free(branches_[i]);
        }
        std::free(branches_);
        std::free(spare_branch_);
        for (size_t i = 0; i < spares_; ++i) std::free(spare_[i]);
    }

    // The slot of a live order, or 0.
    uint32_t find(uint64_t id) const {
        if (id >> BRANCH_SHIFT >= count_) [[unlikely]] return 0;
        return entry_of(id).page->slot[id & PAGE_MASK];
    }

    // id <= MAX_ORDER_ID and not there yet; slot > 0.
    void add(uint64_t id, uint32_t slot) {
        if (id >> BRANCH_SHIFT >= count_ || entry_of(id).page == &NOTHING) [[unlikely]] add_page(id);
        Entry& entry = entry_of(id);
        entry.page->slot[id & PAGE_MASK] = slot;
        ++entry.live;
    }

    void erase(uint64_t id) {
        Entry& entry = entry_of(id);
        entry.page->slot[id & PAGE_MASK] = 0;
        if (--entry.live == 0) [[unlikely]] drop(id, entry);
    }

    TAPEWIRE_PREFETCHES void prefetch(uint64_t id) const {
        if (id >> BRANCH_SHIFT < count_) [[likely]] __builtin_prefetch(&entry_of(id).page->slot[id & PAGE_MASK]);
    }

    size_t pages() const { return pages_; }  // held, spare ones included

    // How many ids are there. Slow.
    size_t live() const {
        size_t found = 0;
        for (size_t at = 0; at < count_; ++at) {
            if (branches_[at] == nowhere()) continue;
            for (const Entry& entry : branches_[at]->entries)
                if (entry.live) found += size_t(std::ranges::count_if(entry.page->slot, [](uint32_t s) { return s != 0; }));
        }
        return found;
    }

  private:
    static constexpr unsigned PAGE_BITS = 8, ENTRY_BITS = 14, BRANCH_SHIFT = PAGE_BITS + ENTRY_BITS;
    static constexpr uint64_t PAGE_MASK = (1u << PAGE_BITS) - 1, ENTRY_MASK = (1u << ENTRY_BITS) - 1;
    static constexpr size_t MAX_SPARES = 64;

    struct Page {
        uint32_t slot[1 << PAGE_BITS];
    };
    struct Entry {
        Page* page;
        uint32_t live;
    };
    struct Branch {
        Entry entries[1 << ENTRY_BITS];
        size_t pages;
    };

    static inline constinit Page NOTHING{};  // never written

    // The branch of no page, never written either.
    static Branch* nowhere() {
        static Branch* const branch = make_branch();
        return branch;
    }

    static Branch* make_branch() {
        auto* made = static_cast<Branch*>(std::calloc(1, sizeof(Branch)));
        if (!made) throw std::bad_alloc();
        for (Entry& entry : made->entries) entry.page = &NOTHING;
        return made;
    }

    Page* make_page() {
        auto* made = static_cast<Page*>(std::calloc(1, sizeof(Page)));
        if (!made) throw std::bad_alloc();
        ++pages_;
        return made;
    }

    // Its branch is within count_.
    Entry& entry_of(uint64_t id) const { return branches_[id >> BRANCH_SHIFT]->entries[id >> PAGE_BITS & ENTRY_MASK]; }

    TAPEWIRE_SELDOM void add_page(uint64_t id) {
        const size_t at = id >> BRANCH_SHIFT;
        if (at >= count_) grow(at + 1);
        if (branches_[at] == nowhere()) branches_[at] = spare_branch_ ? std::exchange(spare_branch_, nullptr) : make_branch();
        entry_of(id).page = spares_ ? spare_[--spares_] : make_page();
        ++branches_[at]->pages;
    }

    void grow(size_t count) {
        auto* moved = static_cast<Branch**>(std::realloc(branches_, count * sizeof(Branch*)));
        if (!moved) throw std::bad_alloc();
        branches_ = moved;
        std::fill(branches_ + count_, branches_ + count, nowhere());
        count_ = count;
    }

    TAPEWIRE_SELDOM void drop(uint64_t id, Entry& entry) {
        if (spares_ < MAX_SPARES) {
            spare_[spares_++] = entry.page;
        } else {
            std::free(entry.page);
            --pages_;
        }
        entry.page = &NOTHING;
        Branch*& branch = branches_[id >> BRANCH_SHIFT];
        if (--branch->pages) return;
        std::free(spare_branch_);
        spare_branch_ = std::exchange(branch, nowhere());  // as a new one
    }

    void swap(IdIndex& other) {
        spare_.swap(other.spare_);
        std::swap(branches_, other.branches_);
        std::swap(count_, other.count_);
        std::swap(spare_branch_, other.spare_branch_);
        std::swap(spares_, other.spares_);
        std::swap(pages_, other.pages_);
    }

    Branch** branches_ = nullptr;
    size_t count_ = 0;
    std::array<Page*, MAX_SPARES> spare_{};  // kept so that crossing a border seldom allocates
    Branch* spare_branch_ = nullptr;
    size_t spares_ = 0, pages_ = 0;
};

}  // namespace tapewire::matcher
