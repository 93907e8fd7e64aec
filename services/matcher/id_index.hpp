// Which slot a live order has, by its id.
//
//   id ──▶ branch ──▶ page ──▶ slot
//          4 Mi ids   256 ids
//
// Ids are dense, so finding is three array accesses. A page exists while an order on it is live; what memory is held
// follows live orders, not how many the day has seen.
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
        for (Branch* branch : branches_) {
            if (!branch) continue;
            for (Entry& entry : branch->entries) std::free(entry.page);
            std::free(branch);
        }
        std::free(spare_branch_);
        for (size_t i = 0; i < spares_; ++i) std::free(spare_[i]);
    }

    // The slot of a live order, or 0.
    uint32_t find(uint64_t id) const {
        const Entry* entry = entry_of(id);
        return entry && entry->page ? entry->page->slot[id & PAGE_MASK] : 0;
    }

    // id <= MAX_ORDER_ID and not there yet; slot > 0.
    void add(uint64_t id, uint32_t slot) {
        const size_t at = id >> BRANCH_SHIFT;
        if (at >= branches_.size()) [[unlikely]] branches_.resize(at + 1);
        if (!branches_[at]) [[unlikely]] branches_[at] = spare_branch_ ? std::exchange(spare_branch_, nullptr) : make<Branch>();
        Entry& entry = branches_[at]->entries[id >> PAGE_BITS & ENTRY_MASK];
        if (!entry.page) [[unlikely]] {
            entry.page = spares_ ? spare_[--spares_] : make<Page>();
            ++branches_[at]->pages;
        }
        entry.page->slot[id & PAGE_MASK] = slot;
        ++entry.live;
    }

    void erase(uint64_t id) {
        Entry& entry = branches_[id >> BRANCH_SHIFT]->entries[id >> PAGE_BITS & ENTRY_MASK];
        entry.page->slot[id & PAGE_MASK] = 0;
        if (--entry.live == 0) [[unlikely]] drop(id, entry);
    }

    TAPEWIRE_PREFETCHES void prefetch(uint64_t id) const {
        const Entry* entry = entry_of(id);
        if (entry && entry->page) __builtin_prefetch(&entry->page->slot[id & PAGE_MASK]);
    }

    size_t pages() const { return pages_; }  // held, spare ones included

    // How many ids are there. Slow.
    size_t live() const {
        size_t found = 0;
        for (const Branch* branch : branches_)
            for (size_t i = 0; branch && i <= ENTRY_MASK; ++i)
                if (const Page* page = branch->entries[i].page) found += size_t(std::ranges::count_if(page->slot, [](uint32_t s) { return s != 0; }));
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

    template <class T>
    T* make() {
        auto* made = static_cast<T*>(std::calloc(1, sizeof(T)));
        if (!made) throw std::bad_alloc();
        if constexpr (std::is_same_v<T, Page>) ++pages_;
        return made;
    }

    const Entry* entry_of(uint64_t id) const {
        const size_t at = id >> BRANCH_SHIFT;
        if (at >= branches_.size() || !branches_[at]) return nullptr;
        return &branches_[at]->entries[id >> PAGE_BITS & ENTRY_MASK];
    }

    void drop(uint64_t id, Entry& entry) {
        if (spares_ < MAX_SPARES) {
            spare_[spares_++] = entry.page;
        } else {
            std::free(entry.page);
            --pages_;
        }
        entry.page = nullptr;
        Branch*& branch = branches_[id >> BRANCH_SHIFT];
        if (--branch->pages) return;
        std::free(spare_branch_);
        spare_branch_ = std::exchange(branch, nullptr);  // all zero again, like a new one
    }

    void swap(IdIndex& other) {
        branches_.swap(other.branches_);
        spare_.swap(other.spare_);
        std::swap(spare_branch_, other.spare_branch_);
        std::swap(spares_, other.spares_);
        std::swap(pages_, other.pages_);
    }

    std::vector<Branch*> branches_;
    std::array<Page*, MAX_SPARES> spare_{};  // kept so that crossing a border seldom allocates
    Branch* spare_branch_ = nullptr;
    size_t spares_ = 0, pages_ = 0;
};

}  // namespace tapewire::matcher
