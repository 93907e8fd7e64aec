// The book of one instrument: a ladder of levels for each side, and in each level a queue of orders, first come first.
//
//     Ladder ──▶ Level  head ──▶ Order ⇄ Order ⇄ Order ◀── tail
//
// Links are slot numbers, 0 is none. Nothing here knows a message; what an order may do is decided in matcher.hpp.
#pragma once
#include "services/matcher/ladder.hpp"
#include "tapewire/wire/layout.hpp"

namespace tapewire::matcher {

inline constexpr int64_t MAX_PRICE = int64_t{1} << 50;
inline constexpr int64_t MAX_QTY = int64_t{1} << 50;
inline constexpr int64_t MAX_LEVEL_QTY = int64_t{1} << 62;  // so that sums of quantities stay in 64 bits

// Division by a number that seldom changes, as a multiplication (Granlund and Montgomery 1994): exact for 0 <= n < 2^62.
class Divisor {
  public:
    // 1 <= d <= 2^50
    static Divisor of(int64_t d) {
        Divisor out;
        out.value_ = uint64_t(d);
        out.shift_ = uint64_t(std::bit_width(uint64_t(d) - 1));
        const auto numerator = static_cast<unsigned __int128>(1) << (63 + out.shift_);
        out.factor_ = uint64_t((numerator - 1) / uint64_t(d) + 1);
        return out;
    }
    int64_t quotient(int64_t n) const {
        return int64_t(uint64_t((static_cast<unsigned __int128>(uint64_t(n) << 1) * factor_) >> 64) >> shift_);
    }
    int64_t value() const { return int64_t(value_); }

  private:
    uint64_t value_ = 0, factor_ = 0, shift_ = 0;
};

struct alignas(64) Book {
    Ladder sides[2];  // bids, asks
    Divisor tick, lot;
    int64_t max_qty, min_price, max_price;
    wire::InstrumentStatus status;  // unspecified: not defined
    uint16_t unused;
    uint32_t id;

    void open(uint32_t instrument) {
        *this = Book{};
        id = instrument;
    }
    void close() {  // gives back what the ladders hold; there are no orders
        for (Ladder& ladder : sides) ladder.close();
    }

    // Checked before. The tick only ever changes while there are no orders.
    void set_terms(const wire::InstrumentDefinition& d) {
        if (tick.value() != d.tick_size) close();  // the ladders count in ticks
        tick = Divisor::of(d.tick_size);
        lot = Divisor::of(d.lot_size);
        max_qty = d.max_qty ? d.max_qty : MAX_QTY;
        min_price = std::max<int64_t>(d.min_price, 1);
        max_price = d.max_price ? d.max_price : MAX_PRICE;
        status = d.status;
    }

    bool defined() const { return status != wire::InstrumentStatus::unspecified; }
    bool crossed() const { return sides[0].best_key >= ~sides[1].best_key; }
    bool empty() const { return !sides[0].best_level && !sides[1].best_level; }

    // The key of a price of `ticks`, on a side.
    static int64_t key(int64_t ticks, unsigned side) { return ticks ^ -int64_t(side); }
    int64_t price(int64_t key, unsigned side) const { return (key ^ -int64_t(side)) * tick.value(); }
    int64_t best_price(unsigned side) const { return sides[side].best_level ? price(sides[side].best_key, side) : 0; }

    // To the back of the queue at `key`, whose level is `at` (0: it has none yet).
    void append(Store& store, uint32_t slot, int64_t key, uint32_t at) {
        Order& order = store.orders[slot];
        if (!at) {
            at = store.levels.take();
            store.levels[at] = {key, 0, 0, 0, 0, 0};
            sides[order.side].insert(store, key, at);
        }
        Level& level = store.levels[at];
        order.level = at;
        order.prev = level.tail;
        order.next = 0;
        uint32_t& link = level.tail ? store.orders[level.tail].next : level.head;
        link = slot;
        level.tail = slot;
        level.qty += order.leaves;
        ++level.count;
    }

    // Out of its queue. The order itself is as it was, but for its links.
    void unlink(Store& store, uint32_t slot) {
        Order& order = store.orders[slot];
        Level& level = store.levels[order.level];
        uint32_t& before = order.prev ? store.orders[order.prev].next : level.head;
        uint32_t& behind = order.next ? store.orders[order.next].prev : level.tail;
        before = order.next;
        behind = order.prev;
        level.qty -= order.leaves;
        if (--level.count == 0) drop_level(store, order.side, order.level);
    }

    void drop_level(Store& store, unsigned side, uint32_t level) {
        sides[side].erase(store, store.levels[level].key);
        store.levels.give(level);
    }

    // What rests on `side` at `limit_key` or better, counted no further than `enough`.
    int64_t available(const Store& store, unsigned side, int64_t limit_key, int64_t enough) const {
        int64_t sum = 0;
        sides[side].each(store, [&](uint32_t level) {
            if (store.levels[level].key < limit_key) return false;
            sum += std::min(store.levels[level].qty, enough - sum);
            return sum < enough;
        });
        return sum;
    }
};
static_assert(sizeof(Book) == 256);


}  // namespace tapewire::matcher
