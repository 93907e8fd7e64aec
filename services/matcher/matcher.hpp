// The matcher: a pure state machine from commands to events, for all instruments of a shard.
//
//   NewOrder              OrderAccepted, OrderExecuted*, [OrderCancelled]      or OrderRejected
//   ReplaceOrder          OrderReplaced, OrderExecuted*  or OrderCancelled     or CancelRejected
//   CancelOrder           OrderCancelled                                       or CancelRejected
//   MassCancel            OrderCancelled*, by instrument, then order id        or CancelRejected
//   KillSwitch            OrderCancelled* if cancelOpen, in the same order
//   InstrumentDefinition  nothing: the command on the tape says it             or OrderRejected
//
// A command whose decision is a refusal, and whatever is not listed, changes nothing and yields nothing. Every other
// command that wire::check passes is answered as above, whatever its fields hold; README.md has the rules.
//
// Sink: `template <class M> M* begin()` hands out a blank event with its header filled from the command, never null (a
// sink without room hands out scratch and remembers that it failed); `void end(M*)` completes it.
#pragma once
#include "services/matcher/book.hpp"
#include "tapewire/wire/flat.hpp"

namespace tapewire::wire {
class WordReader;
}

namespace tapewire::matcher {


inline constexpr uint32_t MAX_INSTRUMENTS = 1 << 20;  // ids lie below

class Matcher {
  public:
    explicit Matcher(size_t max_live_orders = MAX_LIVE_ORDERS) : store_(max_live_orders), books_(MAX_INSTRUMENTS) {}
    ~Matcher() { close_books(); }
    Matcher(const Matcher&) = delete;
    Matcher& operator=(const Matcher&) = delete;

    // `command`: flat and checked, its header.seq, ts and orderId stamped, lying at a multiple of 8.
    template <class Sink>
    void apply(const uint8_t* command, Sink& sink);

    // Brings closer what a command some places ahead in a batch will touch. Each step reads what the one before it has
    // fetched, so they are taken some commands apart.
    class Trail {
      public:
        void start(const Matcher& m, const uint8_t* command);  // the index
        void order(const Matcher& m);
        void around(const Matcher& m) const;  // its neighbours in the queue, and the level

      private:
        uint64_t id_ = 0;
        uint32_t slot_ = 0;
    };

    // Canonical: equal states give equal bytes, whatever history led there. Layout: snapshot.hpp.
    void snapshot(std::vector<uint8_t>& out) const;
    // False: these are not bytes that snapshot() wrote, or hold more orders than fit; the matcher is then empty.
    bool restore(const uint8_t* p, size_t n);

    struct Top {
        int64_t bid, bid_qty, ask, ask_qty;
    };
    struct Depth {
        int64_t price, qty;
        uint32_t orders;
    };

    bool defined(uint32_t instrument) const { return book(instrument) != nullptr; }
    // Zeros where a side is empty. `instrument` is defined.
    Top best(uint32_t instrument) const {
        const Book& b = books_[instrument];
        const auto qty = [&](unsigned side) { return b.sides[side].best_level ? store_.levels[b.sides[side].best_level].qty : 0; };
        return {b.best_price(0), qty(0), b.best_price(1), qty(1)};
    }
    // f(Depth) for each level from the best, until it returns false. `instrument` is defined.
    template <class F>
    void each_level(uint32_t instrument, wire::Side side, F&& f) const {
        const unsigned s = side == wire::Side::sell;
        const Book& b = books_[instrument];
        b.sides[s].each(store_, [&](uint32_t at) {
            const Level& level = store_.levels[at];
            return f(Depth{b.price(level.key, s), level.qty, level.count});
        });
    }
    // At most `levels` of them, from the best. `instrument` is defined.
    std::vector<Depth> depth(uint32_t instrument, wire::Side side, size_t levels) const {
        std::vector<Depth> out;
        if (levels) each_level(instrument, side, [&](const Depth& level) { return out.push_back(level), out.size() < levels; });
        return out;
    }
    // The level of exactly this price, whatever number that is; without quantity and orders if there is none. `instrument`
    // is defined.
    Depth at(uint32_t instrument, wire::Side side, int64_t price) const {
        const unsigned s = side == wire::Side::sell;
        const Book& b = books_[instrument];
        if (price <= 0 || price > MAX_PRICE) return {price, 0, 0};
        const int64_t ticks = b.tick.quotient(price);
        const uint32_t level = ticks * b.tick.value() == price ? b.sides[s].find(Book::key(ticks, s)) : 0;
        if (!level) return {price, 0, 0};
        return {price, store_.levels[level].qty, store_.levels[level].count};
    }
    bool is_live(uint64_t order_id) const { return store_.index.find(order_id) != 0; }
    size_t live_orders() const { return store_.orders.size(); }
    size_t live_levels() const { return store_.levels.size(); }
    uint64_t last_order_id() const { return last_order_id_; }
    uint64_t next_match_id() const { return next_match_id_; }

    // Throws std::logic_error naming the first invariant that does not hold. Slow, and slower still if `deep`; included
    // with -DTAPEWIRE_CHECK.
    void check_invariants(bool deep = true) const;

  private:
    using Reason = wire::RejectReason;

    struct Refusal {
        Reason reason = Reason::unspecified;  // unspecified: not refused
        int64_t value = 0, limit = 0;
        explicit operator bool() const { return reason != Reason::unspecified; }
    };

    // An order on its way in, new or replaced.
    struct Incoming {
        Book* book = nullptr;
        uint64_t id = 0;
        int64_t leaves = 0;
        int64_t reach = 0;  // the worst key on the other side that it may trade with
        int64_t key = 0;    // where it would rest
        uint32_t level = 0; // the level there, 0: none yet
        uint32_t account = 0;
        unsigned side = 0;
        bool rests = false;
    };

    const Book* book(uint32_t id) const { return id < book_count_ && books_[id].defined() ? &books_[id] : nullptr; }
    Book* book(uint32_t id) { return const_cast<Book*>(std::as_const(*this).book(id)); }

    static wire::Side side_of(unsigned side) { return side ? wire::Side::sell : wire::Side::buy; }
    size_t check_queue(const Book& b, unsigned side, uint32_t at) const;
    bool restore_book(wire::WordReader& r);
    bool restore_side(wire::WordReader& r, Book& b, unsigned side);
    bool restore_order(wire::WordReader& r, Book& b, unsigned side, int64_t key);

    void close_books() {
        for (const uint32_t id : instruments_) books_[id].close();
    }

    void clear() {
        close_books();
        store_ = Store(store_.orders.capacity());
        books_ = Arena<Book>(MAX_INSTRUMENTS);
        book_count_ = 0;
        instruments_.clear();
        next_match_id_ = 1;
        last_order_id_ = 0;
    }

    Book& add_book(uint32_t id) {
        books_.ensure(size_t{id} + 1);
        book_count_ = std::max(book_count_, id + 1);
        instruments_.insert(std::lower_bound(instruments_.begin(), instruments_.end(), id), id);
        books_[id].open(id);
        return books_[id];
    }

    static Refusal check_qty(const Book& book, int64_t qty);
    static Refusal check_price(const Book& book, int64_t price, int64_t& ticks);
    static Refusal check_definition(const wire::InstrumentDefinition& d);
    Refusal check_terms(const wire::NewOrder& c) const;
    Refusal check_market(const wire::NewOrder& c, Incoming& in) const;
    Refusal check_limit(const wire::NewOrder& c, Incoming& in) const;
    Refusal check_new(const wire::NewOrder& c, Incoming& in);
    Refusal check_owner(uint64_t id, uint32_t account, uint32_t& slot) const;
    Refusal check_replace(const wire::ReplaceOrder& c, uint32_t& slot, int64_t& key) const;
    Refusal check_define(const wire::InstrumentDefinition& d) const;
    static Refusal check_mass(const wire::MassCancel& c);

    template <class Sink> void dispatch(const uint8_t* command, Sink& sink);
    template <class Sink> void new_order(const wire::NewOrder& c, Sink& sink);
    template <class Sink> void cancel_order(const wire::CancelOrder& c, Sink& sink);
    template <class Sink> void replace_order(const wire::ReplaceOrder& c, Sink& sink);
    template <class Sink> void mass_cancel(const wire::MassCancel& c, Sink& sink);
    template <class Sink> void kill_switch(const wire::KillSwitch& c, Sink& sink);
    template <class Sink> void define(const wire::InstrumentDefinition& c, Sink& sink);
    template <class Sink> void requeue(uint32_t slot, int64_t key, Sink& sink);
    template <class Sink> void match(Incoming& in, Sink& sink);
    template <class Sink> void cancel(uint32_t slot, uint64_t cl_ord_id, wire::CancelReason reason, Sink& sink);
    template <class Sink>
    void cancel_all(uint32_t account, uint32_t instrument, wire::Side side, uint64_t cl_ord_id, wire::CancelReason reason, Sink& sink);
    void collect(uint32_t account, uint32_t instrument, wire::Side side);
    template <class M, class Sink>
    static void refuse(uint64_t order_id, uint64_t cl_ord_id, uint32_t account, const Refusal& r, Sink& sink);

    Store store_;
    Arena<Book> books_;
    uint32_t book_count_ = 0;             // ids below may be defined
    std::vector<uint32_t> instruments_;   // those that are, ascending
    uint64_t next_match_id_ = 1, last_order_id_ = 0;
    std::vector<uint32_t> scratch_;
};

}  // namespace tapewire::matcher

#include "services/matcher/checks.hpp"
#include "services/matcher/matching.hpp"
#include "services/matcher/snapshot.hpp"
#ifdef TAPEWIRE_CHECK
#include "services/matcher/invariants.hpp"
#endif
