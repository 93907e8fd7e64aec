// Live orders and the levels they stand in: pools of one-line records, and an index by order id.
//
//   id ──▶ Order ──▶ Level        what every order needs
//            │         └──▶ Unshown   of levels with hidden orders or icebergs
//            └──▶ Extra               of icebergs, orders that wait, and orders that expire
//
// What few orders need lies apart, so that the others stay one cache line and their levels half a one.
#pragma once
#include <memory>
#include <memory_resource>

#include "services/matcher/dues.hpp"
#include "services/matcher/id_index.hpp"

namespace tapewire::matcher {

struct alignas(64) Order {
    static constexpr uint8_t POST_ONLY = 1, SLIDE = 2, HIDDEN = 4, WAITING = 16;

    uint64_t id;
    int64_t leaves;
    int64_t qty;  // OrderQty; CumQty is qty - leaves
    uint32_t prev, next;  // towards the front and the back of its queue; `next` also links free slots
    uint32_t level;       // 0: this slot is free
    uint32_t account;
    uint32_t instrument;
    uint32_t session;
    uint32_t self_trade_group;
    uint32_t extra;  // 0: it needs none
    uint8_t side;    // 0 buy, 1 sell
    uint8_t time_in_force, ord_type, self_trade;
    uint8_t flags;
    uint8_t unused[3];

    bool post_only() const { return flags & POST_ONLY; }
    bool slide() const { return flags & SLIDE; }
    bool hidden() const { return flags & HIDDEN; }
    bool waiting() const { return flags & WAITING; }  // outside the book: see waiting.hpp
};
static_assert(sizeof(Order) == 64);

struct Extra {
    int64_t price;        // while it waits: its limit or protection price
    int64_t stop_px;      // of a stop that waits, else 0
    int64_t display_qty;  // of an iceberg, else 0
    int64_t shown;        // of an iceberg in the book: what is left of the part it shows
    int64_t expire_time;  // of a GTD order, else 0
    uint32_t order;       // whose it is; also links free slots
    uint32_t due_at;      // place among the expiries, if GTD
};

struct Level {
    int64_t key;  // see ladder.hpp
    int64_t qty;  // of all its orders together, shown or not
    uint32_t head, tail;  // first and last of its queue; `head` also links free slots
    uint32_t count;
    uint32_t unshown;  // 0: it has no hidden order and no iceberg
};
static_assert(sizeof(Level) == 32);

// A queue is one list: what is displayed in time order, then hidden orders in time order.
struct Unshown {
    int64_t qty;          // of the level's, what is not shown: hidden orders, icebergs but for the part they show
    uint32_t orders;      // hidden ones
    uint32_t last_shown;  // behind which the displayed ones queue, 0: none; also links free slots
};

using Wide = __int128;  // sums over levels

// A price of a book in a call, and what stands on either side of it. Kept up with every change of the book and moved to
// where the auction would trade, so that finding that again is a matter of few levels.
struct Pivot {
    int64_t ticks;
    Wide demand, supply;  // of bids at `ticks` or above, of asks at `ticks` or below
    uint32_t link;        // of free slots

    void changed(unsigned side, int64_t key, int64_t qty) {
        if (side == 0 && key >= ticks) demand += qty;
        if (side == 1 && ~key <= ticks) supply += qty;
    }
};

inline constexpr uint32_t MAX_INSTRUMENTS = 1 << 20;  // ids lie below
inline constexpr size_t MAX_LIVE_ORDERS = size_t{1} << 26;
inline constexpr int64_t MAX_REFRESHES = int64_t{1} << 20;  // to come, of all icebergs together
inline constexpr int64_t MAX_PARTS = 1000;                  // that one iceberg is shown in
inline constexpr uint8_t GTD = 5;                           // wire::TimeInForce::gtd

// What all books of a matcher share. A level has an order at least, so there are never more levels than orders.
struct Store {
    explicit Store(size_t max_live)
        : orders(max_live), levels(max_live), extras(max_live), unshown(max_live), pivots(MAX_INSTRUMENTS), expiries(max_live),
          nodes(std::make_unique<std::pmr::unsynchronized_pool_resource>()) {}

    // Where the heap of expiries notes an extra's position.
    auto due_at() {
        return [this](uint32_t extra) -> uint32_t& { return extras[extra].due_at; };
    }

    // The slot of a new live order, of which nothing is set but its id and that it has no extra. orders.size() < orders.capacity().
    TAPEWIRE_HOT uint32_t add(uint64_t id) {
        const uint32_t slot = orders.take();
        orders[slot].id = id;
        orders[slot].extra = 0;
        index.add(id, slot);
        return slot;
    }

    // Makes an order that stands in no queue any more dead.
    TAPEWIRE_HOT void retire(uint32_t slot) {
        Order& o = orders[slot];
        index.erase(o.id);
        if (o.extra) [[unlikely]] drop_extra(o);
        o.level = 0;
        orders.give(slot);
    }

    // The order's terms are set: leaves, time in force.
    TAPEWIRE_SELDOM void add_extra(uint32_t slot, const Extra& terms) {
        Order& o = orders[slot];
        o.extra = extras.take();
        extras[o.extra] = terms;
        extras[o.extra].order = slot;
        icebergs += terms.display_qty != 0;
        refreshes += refreshes_of(terms.display_qty, o.leaves);
        if (o.time_in_force == GTD) expiries.add(terms.expire_time, o.extra, due_at());
    }

    TAPEWIRE_SELDOM void drop_extra(Order& o) {
        Extra& extra = extras[o.extra];
        icebergs -= extra.display_qty != 0;
        refreshes -= refreshes_of(extra.display_qty, o.leaves);
        if (o.time_in_force == GTD) expiries.erase(extra.due_at, due_at());
        extras.give(o.extra);
        o.extra = 0;
    }

    bool iceberg(const Order& o) const { return o.extra && extras[o.extra].display_qty; }
    // What others see of an order in the book.
    int64_t shown(const Order& o) const { return o.hidden() ? 0 : iceberg(o) ? extras[o.extra].shown : o.leaves; }

    void set_leaves(Order& o, int64_t leaves) {
        if (o.extra) [[unlikely]] {
            const int64_t display = extras[o.extra].display_qty;
            refreshes += refreshes_of(display, leaves) - refreshes_of(display, o.leaves);
        }
        o.leaves = leaves;
    }

    // How often an iceberg will show a next part. A part that is used in part can lead to one more.
    static int64_t refreshes_of(int64_t display_qty, int64_t leaves) {
        return display_qty && leaves ? (leaves - 1) / display_qty : 0;
    }

    // Into the queue of `level` behind `before`; 0: to its front.
    void link(Level& level, uint32_t slot, uint32_t before) {
        Order& order = orders[slot];
        uint32_t& from_before = before ? orders[before].next : level.head;
        order.prev = before;
        order.next = from_before;
        (from_before ? orders[from_before].prev : level.tail) = slot;
        from_before = slot;
    }

    void unlink(Level& level, const Order& order) {
        uint32_t& before = order.prev ? orders[order.prev].next : level.head;
        uint32_t& behind = order.next ? orders[order.next].prev : level.tail;
        before = order.next;
        behind = order.prev;
    }

    void give_level(uint32_t at) {
        if (levels[at].unshown) [[unlikely]] unshown.give(levels[at].unshown);
        levels.give(at);
    }

    Pool<Order, &Order::next> orders;
    Pool<Level, &Level::head> levels;
    Pool<Extra, &Extra::order> extras;
    Pool<Unshown, &Unshown::last_shown> unshown;
    Pool<Pivot, &Pivot::link> pivots;
    IdIndex index;
    Dues expiries;  // of extras
    std::unique_ptr<std::pmr::unsynchronized_pool_resource> nodes;  // of the far maps; see ladder.hpp
    int64_t refreshes = 0;  // to come, of all icebergs
    uint32_t icebergs = 0, waiting = 0;  // live ones
};

}  // namespace tapewire::matcher
