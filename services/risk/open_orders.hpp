// What risk knows of every live order, by its dense id: pages that exist only while an order on them lives.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "tapewire/wire/layout.hpp"

namespace tapewire::risk {

struct OpenOrder {
    static constexpr unsigned ID_BITS = 20;  // of account and instrument

    int64_t leaves = 0;  // 0: not live
    int64_t cum = 0;
    int64_t stop_px = 0;  // while it waits for one, else 0
    uint64_t account : ID_BITS = 0, instrument : ID_BITS = 0, buy : 1 = 0, ord_type : 3 = 0;

    static OpenOrder of(int64_t leaves, int64_t cum, uint32_t account, uint32_t instrument, bool buy, wire::OrdType type) {
        OpenOrder o;
        o.leaves = leaves, o.cum = cum, o.account = account, o.instrument = instrument, o.buy = buy, o.ord_type = uint64_t(type);
        return o;
    }
    wire::OrdType type() const { return wire::OrdType(ord_type); }
};
static_assert(sizeof(OpenOrder) == 32);  // two a cache line

class OpenOrders {
  public:
    static constexpr size_t PAGE = 1024;

    OpenOrder* find(uint64_t id) {
        size_t page = id / PAGE;
        if (page >= pages_.size() || !pages_[page]) return nullptr;
        OpenOrder& order = pages_[page]->orders[id % PAGE];
        return order.leaves ? &order : nullptr;
    }

    [[gnu::always_inline]] void prefetch_page(uint64_t id) const {
        if (id / PAGE < pages_.size()) __builtin_prefetch(&pages_[id / PAGE]);
    }
    [[gnu::always_inline]] void prefetch(uint64_t id) const {
        if (id / PAGE < pages_.size() && pages_[id / PAGE]) __builtin_prefetch(&pages_[id / PAGE]->orders[id % PAGE]);
    }

    OpenOrder& add(uint64_t id) {
        size_t page = id / PAGE;
        if (page >= pages_.size()) pages_.resize(page + 1);
        if (!pages_[page]) pages_[page] = spare_ ? std::move(spare_) : std::make_unique<Page>();
        ++pages_[page]->live;
        ++live_;
        return pages_[page]->orders[id % PAGE];
    }

    void erase(uint64_t id) {
        std::unique_ptr<Page>& page = pages_[id / PAGE];
        page->orders[id % PAGE] = {};
        --live_;
        if (--page->live == 0) spare_ = std::move(page);
    }

    size_t live() const { return live_; }

    void clear() {
        pages_.clear();
        live_ = 0;
    }

    template <class F>
    void each(F&& f) const {
        for (size_t page = 0; page < pages_.size(); ++page)
            for (size_t i = 0; pages_[page] && i < PAGE; ++i)
                if (pages_[page]->orders[i].leaves) f(page * PAGE + i, pages_[page]->orders[i]);
    }

  private:
    struct Page {
        size_t live = 0;
        OpenOrder orders[PAGE];
    };
    std::vector<std::unique_ptr<Page>> pages_;
    std::unique_ptr<Page> spare_;  // the page freed last, kept so that crossing a page border does not allocate
    size_t live_ = 0;
};

}  // namespace tapewire::risk
