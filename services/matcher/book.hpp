// The book of one instrument: a ladder of levels for each side, and in each level a queue of orders: displayed ones, then
// hidden ones, first come first.
//
//     Ladder ──▶ Level  head ──▶ Order ⇄ Order ⇄ Order ⇄ hidden ⇄ hidden ◀── tail
//                                            ▲ Unshown.last_shown
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

static_assert(GTD == uint8_t(wire::TimeInForce::gtd));

// What an auction would trade, and what would be left over.
struct Indication {
    int64_t price, qty, imbalance_qty;
    wire::Side imbalance_side;
    bool operator==(const Indication&) const = default;
};

// What the bands, auctions and timers of an instrument need. Apart from its Book, which orders go through: that stays
// four cache lines.
struct Rules {
    int64_t reference;         // of the definition, 0: none
    int64_t static_reference;  // of the static band, 0: none
    uint32_t static_bps, dynamic_bps, limit_state_ms, pause_ms;
    int64_t banded_last;  // the last price that the edges were made with
    int64_t due;          // when its limit state becomes a pause (trading), or trading resumes (halted, call); 0: never
    uint32_t due_at;      // its place among the timers
    wire::StatusReason reason;  // with which its status was entered
    wire::LimitState limit_state;
    Indication indicated;  // what was last told in this call
};

struct alignas(64) Book {
    // Why a command that touched this book has work to do at its end. None, for an ordinary instrument.
    static constexpr uint8_t STOPS = 1, BANDS = 2, CALL = 4;

    Ladder sides[2];  // bids, asks
    Divisor tick, lot;
    int64_t max_qty, min_price, max_price;
    int64_t last;     // price of the last execution, 0: none yet
    int64_t edge[2];  // of the price band, as the worst key that a buyer (a seller) may trade with; NO_KEY: none
    wire::InstrumentStatus status;  // unspecified: not defined
    uint8_t watch;
    uint32_t id;
    uint32_t waiting;  // slot of what waits outside the book (waiting.hpp); 0: nothing has yet
    uint32_t pivot;    // slot of its sums in a call, else 0

    void open(uint32_t instrument) {
        *this = Book{};
        id = instrument;
        edge[0] = edge[1] = NO_KEY;
    }
    void close() {  // gives back what the ladders hold; there are no orders
        for (Ladder& ladder : sides) ladder.close();
    }

    // Checked before. The tick only ever changes while there are no orders.
    void set_terms(const wire::InstrumentDefinition& d) {
        tick = Divisor::of(d.tick_size);
        lot = Divisor::of(d.lot_size);
        max_qty = d.max_qty ? d.max_qty : MAX_QTY;
        min_price = std::max<int64_t>(d.min_price, 1);
        max_price = d.max_price ? d.max_price : MAX_PRICE;
    }

    bool defined() const { return status != wire::InstrumentStatus::unspecified; }
    bool trading() const { return status == wire::InstrumentStatus::trading; }
    bool in_call() const { return status >= wire::InstrumentStatus::opening_auction && status <= wire::InstrumentStatus::halt_auction; }
    bool refuses() const { return status == wire::InstrumentStatus::halted || status == wire::InstrumentStatus::closed; }
    // Or locked.
    bool crossed() const { return sides[0].best_level && sides[1].best_level && sides[0].best_key >= ~sides[1].best_key; }
    bool empty() const { return !sides[0].best_level && !sides[1].best_level; }

    // The key of a price of `ticks`, on a side. The same price on the other side has the complement as its key.
    static int64_t key(int64_t ticks, unsigned side) { return ticks ^ -int64_t(side); }
    int64_t price(int64_t key, unsigned side) const { return (key ^ -int64_t(side)) * tick.value(); }
    int64_t best_price(unsigned side) const { return sides[side].best_level ? price(sides[side].best_key, side) : 0; }

    // The least number of ticks that make `price`; 0 <= price < 2^62.
    int64_t ticks_up(int64_t price) const {
        const int64_t ticks = tick.quotient(price);
        return ticks + (ticks * tick.value() != price);
    }

    // The price at the edge of the band that stops an order of `side`, 0: none.
    int64_t edge_price(unsigned side) const { return edge[side] == NO_KEY ? 0 : price(edge[side], !side); }

    // To the back of the queue at `key`, whose level is `at` (0: it has none yet): of what is displayed there, or of what
    // is hidden. An iceberg shows its first part.
    TAPEWIRE_HOT void append(Store& store, uint32_t slot, int64_t key, uint32_t at) {
        Order& order = store.orders[slot];
        if (!at) {
            at = store.levels.take();
            store.levels[at] = {key, 0, 0, 0, 0, 0};
            sides[order.side].insert(store, key, at);
        }
        Level& level = store.levels[at];
        order.level = at;
        level.qty += order.leaves;
        ++level.count;
        if (pivot) [[unlikely]] store.pivots[pivot].changed(order.side, key, order.leaves);
        if (level.unshown | order.extra | (order.flags & Order::HIDDEN)) [[unlikely]] return append_unshown(store, level, slot);
        order.prev = level.tail;
        order.next = 0;
        uint32_t& link = level.tail ? store.orders[level.tail].next : level.head;
        link = slot;
        level.tail = slot;
    }

    // Out of its queue. The order itself is as it was, but for its links.
    TAPEWIRE_HOT void unlink(Store& store, uint32_t slot) {
        Order& order = store.orders[slot];
        Level& level = store.levels[order.level];
        if (level.unshown) [[unlikely]] forget_unshown(store, level, slot);
        store.unlink(level, order);
        level.qty -= order.leaves;
        if (pivot) [[unlikely]] store.pivots[pivot].changed(order.side, level.key, -order.leaves);
        if (--level.count == 0) drop_level(store, order.side, order.level);
    }

    void drop_level(Store& store, unsigned side, uint32_t level) {
        sides[side].erase(store, store.levels[level].key);
        store.give_level(level);
    }

    // An iceberg whose part is used up shows the next one, behind all that is displayed.
    void refresh(Store& store, uint32_t slot) {
        Level& level = store.levels[store.orders[slot].level];
        forget_unshown(store, level, slot);
        store.unlink(level, store.orders[slot]);
        append_unshown(store, level, slot);
    }

    // Another quantity in the same place; an iceberg shows no more than before.
    void set_leaves(Store& store, uint32_t slot, int64_t leaves) {
        Order& order = store.orders[slot];
        const int64_t shown = store.shown(order), before = order.leaves;
        Level& level = store.levels[order.level];
        level.qty += leaves - before;
        if (pivot) store.pivots[pivot].changed(order.side, level.key, leaves - before);
        store.set_leaves(order, leaves);
        set_shown(store, order, before - shown, std::min(shown, leaves));
    }

    // What an iceberg shows, in the same place.
    void show(Store& store, uint32_t slot, int64_t shown) {
        const Order& order = store.orders[slot];
        set_shown(store, order, order.leaves - store.shown(order), shown);
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

  private:
    TAPEWIRE_SELDOM void append_unshown(Store& store, Level& level, uint32_t slot) {
        const Order& order = store.orders[slot];
        const bool iceberg = store.iceberg(order);
        if (!level.unshown) {
            if (!order.hidden() && !iceberg) return store.link(level, slot, level.tail);
            level.unshown = store.unshown.take();
            store.unshown[level.unshown] = {0, 0, level.tail};
        }
        Unshown& unshown = store.unshown[level.unshown];
        if (iceberg) store.extras[order.extra].shown = std::min(store.extras[order.extra].display_qty, order.leaves);
        unshown.qty += order.leaves - store.shown(order);
        store.link(level, slot, order.hidden() ? level.tail : unshown.last_shown);
        if (order.hidden()) ++unshown.orders;
        else unshown.last_shown = slot;
    }

    TAPEWIRE_SELDOM void forget_unshown(Store& store, const Level& level, uint32_t slot) {
        const Order& order = store.orders[slot];
        Unshown& unshown = store.unshown[level.unshown];
        unshown.qty -= order.leaves - store.shown(order);
        if (order.hidden()) --unshown.orders;
        else if (unshown.last_shown == slot) unshown.last_shown = order.prev;
    }

    // `unshown`: what of it was not, before its leaves changed.
    void set_shown(Store& store, const Order& order, int64_t unshown, int64_t shown) {
        const uint32_t at = store.levels[order.level].unshown;
        if (!at) return;
        if (store.iceberg(order)) store.extras[order.extra].shown = shown;
        store.unshown[at].qty += order.leaves - store.shown(order) - unshown;
    }
};
static_assert(sizeof(Book) == 256);

}  // namespace tapewire::matcher
