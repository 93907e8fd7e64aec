// The matcher: a pure state machine from commands to events, for all instruments of a shard.
//
//   NewOrder              OrderAccepted, then trades and what they lead to    or OrderRejected
//   ReplaceOrder          OrderReplaced, then the same  or OrderCancelled     or CancelRejected
//   CancelOrder           OrderCancelled                                      or CancelRejected
//   MassCancel            OrderCancelled*, by instrument, then order id       or CancelRejected
//   KillSwitch            the same if cancelOpen
//   InstrumentDefinition  OrderCancelled* of what a new band shuts out        or OrderRejected
//   SetInstrumentStatus   an uncross, cancels, InstrumentStatusChanged, ...   or OrderRejected
//   AdvanceClock          what is due: orders expire, pauses begin and end    or OrderRejected
//   BustTrade             TradeBusted                                         or OrderRejected
//   CorrectTrade          TradeCorrected                                      or OrderRejected
//   AccountLimits         nothing of its own
//
// Those from MassCancel on end with CommandCompleted if they are taken. At the end of a command come, for each instrument
// it touched, what its trades set off and what its subscribers must know: stops, LimitStateChanged, AuctionIndicated.
//
// A command whose decision is a refusal, and whatever is not listed, changes nothing and yields nothing. Every other
// command that wire::check passes is answered as above, whatever its fields hold; README.md has the rules.
//
// Sink: `template <class M> M* begin()` hands out a blank event with its header filled from the command, never null (a
// sink without room hands out scratch and remembers that it failed); `void end(M*)` completes it.
#pragma once
#include <map>

#include "services/matcher/waiting.hpp"
#include "tapewire/wire/flat.hpp"

namespace tapewire::wire {
class WordReader;
class WordWriter;
}

namespace tapewire::matcher {

inline constexpr uint32_t MAX_BPS = 10'000;           // of a band's width
inline constexpr size_t MAX_AMENDED = size_t{1} << 20;  // trades busted or corrected

class Matcher {
  public:
    explicit Matcher(size_t max_live_orders = MAX_LIVE_ORDERS)
        : store_(max_live_orders), books_(MAX_INSTRUMENTS), rules_(MAX_INSTRUMENTS), waiting_(MAX_INSTRUMENTS), timers_(MAX_INSTRUMENTS) {}
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

    // Why a command is refused, and the two numbers compared.
    struct Refusal {
        wire::RejectReason reason = wire::RejectReason::unspecified;  // unspecified: not refused
        int64_t value = 0, limit = 0;
        explicit operator bool() const { return reason != wire::RejectReason::unspecified; }
    };
    // What apply() would answer now.
    Refusal refuses(const wire::InstrumentDefinition& d) const { return check_define(d); }

    bool defined(uint32_t instrument) const { return book(instrument) != nullptr; }
    // Unspecified if it is not defined.
    wire::InstrumentStatus status(uint32_t instrument) const {
        const Book* b = book(instrument);
        return b ? b->status : wire::InstrumentStatus::unspecified;
    }
    // Displayed quantities; zeros where a side shows nothing. `instrument` is defined, here and below.
    Top best(uint32_t instrument) const;
    // f(Depth) for each level that shows something, from the best, until it returns false.
    template <class F> void each_shown(uint32_t instrument, wire::Side side, F&& f) const;
    // At most `levels` of those that show something, from the best.
    std::vector<Depth> depth(uint32_t instrument, wire::Side side, size_t levels) const;
    // What is displayed at exactly this price; zeros if nothing is.
    Depth at(uint32_t instrument, wire::Side side, int64_t price) const;

    bool is_live(uint64_t order_id) const { return store_.index.find(order_id) != 0; }
    size_t live_orders() const { return store_.orders.size(); }
    size_t live_levels() const { return store_.levels.size(); }
    uint64_t last_order_id() const { return last_order_id_; }
    uint64_t next_match_id() const { return next_match_id_; }

    // When an order expires, a limit state becomes a pause or a pause ends next (UTC ns): AdvanceClock is to be sent once
    // that has passed. 0: nothing is to come.
    int64_t next_due() const;
    // The next command, whatever it is, causes fewer events than this; see settle.hpp.
    uint64_t most_events() const;

    // Throws std::logic_error naming the first invariant that does not hold. Slow, and slower still if `deep`; included
    // with -DTAPEWIRE_CHECK.
    void check_invariants(bool deep = true) const;

  private:
    using Reason = wire::RejectReason;
    using Status = wire::InstrumentStatus;

    static constexpr int64_t OUT_OF_REACH = INT64_MAX;      // of an order that is not to trade now
    static constexpr uint64_t NO_GROUP = uint64_t{1} << 32;  // no order's self-trade group

    // An order on its way in, new, replaced or triggered. Without initial values: who makes one sets what is needed of it.
    struct Incoming {
        Book* book;
        uint64_t id;
        int64_t leaves, qty;
        int64_t price;  // its limit, or protection price
        int64_t reach;  // the worst key on the other side that it may trade with
        int64_t key;    // where it would rest, or wait
        int64_t display_qty;
        uint64_t group;  // whose orders it must not trade with
        uint32_t level;  // the level at `key`, 0: none yet
        uint32_t account;
        unsigned side;
        wire::SelfTrade self_trade;
        bool plain;  // nothing about it is unusual; see checks.hpp
        bool rests, waits;

        void avoid(uint32_t self_trade_group, wire::SelfTrade how) {
            self_trade = how;
            group = how > wire::SelfTrade::allow && self_trade_group ? self_trade_group : NO_GROUP;
        }
    };

    // What a ReplaceOrder comes to.
    struct Change {
        uint32_t slot = 0;
        int64_t key = 0;  // of its new price, if it is in the book; of its stop price, if it waits for that
        int64_t price = 0, stop_px = 0, leaves = 0;
    };

    // Where an auction trades: at which price, how much, and what is left of the bids (if positive) or asks there.
    struct Cross {
        int64_t price = 0;
        Wide qty = 0, imbalance = 0;
    };

    const Book* book(uint32_t id) const { return id < book_count_ && books_[id].defined() ? &books_[id] : nullptr; }
    Book* book(uint32_t id) { return const_cast<Book*>(std::as_const(*this).book(id)); }

    static wire::Side side_of(unsigned side) { return side ? wire::Side::sell : wire::Side::buy; }
    static int64_t cap(Wide n) { return n > INT64_MAX ? INT64_MAX : int64_t(n); }
    static int64_t after(int64_t time, uint32_t ms) { return cap(Wide{time} + Wide{ms} * 1'000'000); }

    // The books as a whole.
    void close_books();
    void clear();
    Book& add_book(uint32_t id);
    void forget_book(Book& b);  // nothing is live in it; the caller takes it off instruments_
    void close_ladders(Book& b);
    Waiting& waiting_of(Book& b);
    const Waiting* waiting(const Book& b) const { return b.waiting ? &waiting_[b.waiting] : nullptr; }
    bool unused(const Book& b) const { return b.empty() && (!b.waiting || waiting_[b.waiting].empty()); }
    uint8_t watched(const Book& b) const;
    void watch(Book& b) { b.watch = watched(b); }  // to be called whenever something has changed that it asks for
    void set_timer(const Book& b, int64_t due);
    int64_t price_of(const Order& o) const;
    Depth shown_at(const Book& b, unsigned side, uint32_t level) const;

    // checks.hpp, replace_checks.hpp: what is refused
    static Refusal check_qty(const Book& book, int64_t qty);
    static Refusal check_price(const Book& book, int64_t price, int64_t& ticks);
    static Refusal check_terms(const wire::NewOrder& c);
    static Refusal check_parts(const Book& b, const wire::NewOrder& c, Incoming& in);
    static Refusal check_status(const Book& b, const wire::NewOrder& c);
    static Refusal check_stop(const Book& b, unsigned side, int64_t stop_px, int64_t& ticks);
    static Refusal make_passive(const Book& b, unsigned side, bool slide, int64_t price, int64_t& key);
    Refusal check_room(const Ladder* ladder, Incoming& in) const;
    Refusal check_waiting(const wire::NewOrder& c, Incoming& in) const;
    Refusal check_call(const wire::NewOrder& c, Incoming& in) const;
    Refusal check_market(const wire::NewOrder& c, Incoming& in) const;
    Refusal check_limit(const wire::NewOrder& c, Incoming& in) const;
    Refusal check_available(const wire::NewOrder& c, const Incoming& in) const;
    Refusal check_new(const wire::NewOrder& c, Incoming& in);
    Refusal check_owner(uint64_t id, uint32_t account, uint32_t& slot) const;
    Refusal check_replace(const wire::ReplaceOrder& c, Change& to) const;
    Refusal check_replace_stop(const wire::ReplaceOrder& c, const Order& o, const Book& b, Change& to) const;
    Refusal check_replace_room(const Order& o, const Ladder& ladder, const Change& to) const;
    Refusal check_refreshes(const Order& o, int64_t leaves) const;
    static Refusal check_mass(const wire::MassCancel& c);
    static int64_t protection_reach(const Book& b, int64_t price, unsigned side);
    static int64_t resting_key(const Book& b, int64_t price, unsigned side);

    // matching.hpp: orders come in, trade, rest
    template <class Sink> void dispatch(const uint8_t* command, Sink& sink);
    template <class Sink> void dispatch_seldom(const uint8_t* command, Sink& sink);
    template <class Sink> void new_order(const wire::NewOrder& c, Sink& sink);
    template <class Sink> void accept(const wire::NewOrder& c, const Incoming& in, Sink& sink);
    uint32_t add_order(const wire::NewOrder& c, const Incoming& in);
    void rest(const wire::NewOrder& c, const Incoming& in);
    void wait(const wire::NewOrder& c, const Incoming& in);
    template <class Sink> void match(Incoming& in, Sink& sink);
    template <class Sink> void match_front(Incoming& in, Level& level, int64_t price, Sink& sink);
    template <class Sink> void executed(Book& b, const Order& maker, const Incoming& in, int64_t price, int64_t qty, Sink& sink);
    template <class Sink> void restated(uint32_t slot, wire::RestateReason reason, bool kept, Sink& sink);

    // self_trade.hpp
    template <class Sink> void prevent(Incoming& in, uint32_t slot, Sink& sink);
    template <class Sink> void restated(const Incoming& in, Sink& sink);
    int64_t available(const Incoming& in, int64_t enough) const;
    int64_t available_at(const Level& level, const Incoming& in, bool& stopped) const;

    // changes.hpp: orders are replaced and cancelled
    template <class Sink> void cancel_order(const wire::CancelOrder& c, Sink& sink);
    template <class Sink> void replace_order(const wire::ReplaceOrder& c, Sink& sink);
    void replace_waiting(const Change& to, bool keeps);
    template <class Sink> void requeue(const Change& to, Sink& sink);
    Incoming returning(const Order& o, int64_t price);
    template <class Sink> void cancel(uint32_t slot, uint64_t cl_ord_id, wire::CancelReason reason, Sink& sink);
    template <class Sink> void cancelled(const Incoming& in, wire::CancelReason reason, Sink& sink);
    template <class Sink> void mass_cancel(const wire::MassCancel& c, Sink& sink);
    template <class Sink> void kill_switch(const wire::KillSwitch& c, Sink& sink);
    template <class F> void collect(uint32_t instrument, F&& fits);
    template <class F> void collect_book(const Book& b, F&& fits);
    template <class F> void collect_waiting(const Waiting& there, F&& fits);
    template <class F> void collect_ladder(const Ladder& ladder, F&& fits);
    template <class F> void collect_level(uint32_t level, F&& fits);
    void sort_collected();
    template <class Sink> void cancel_collected(uint64_t cl_ord_id, wire::CancelReason reason, int64_t ts, Sink& sink);
    template <class M, class Sink>
    static void refuse(uint64_t order_id, uint64_t cl_ord_id, uint32_t account, const Refusal& r, Sink& sink);
    template <class Command, class Sink> static void complete(const Command& c, uint32_t count, Sink& sink);

    // settle.hpp, stops.hpp, bands.hpp, auction.hpp: what a command leads to
    template <class Sink> void settle(Book& b, int64_t ts, bool executed, Sink& sink);
    void stop_waiting(uint32_t slot);
    template <class Sink> void elect_reached(Book& b, Sink& sink);
    template <class Sink> void elect(Book& b, Sink& sink);
    template <class Sink> void trigger(uint32_t slot, Sink& sink);
    template <class Sink> void join_closing(Book& b, Sink& sink);
    template <class Sink> void triggered(const Order& o, int64_t price, wire::TriggerReason reason, Sink& sink);
    void enter_book(uint32_t slot, int64_t key, uint32_t at);
    struct Edges {
        int64_t buy, sell;  // see Book::edge
    };
    Edges edges(const Book& b) const;
    void set_edges(Book& b);
    wire::LimitState limit_state(const Book& b) const;
    template <class Sink> void tell_limit_state(Book& b, int64_t ts, Sink& sink);
    template <class Sink> void enforce_band(Book& b, Sink& sink);
    Pivot sum_up(const Book& b) const;
    void keep_pivot(Book& b);
    int64_t price_above(const Book& b, int64_t ticks, int64_t reference) const;
    int64_t price_below(const Book& b, int64_t ticks, int64_t reference) const;
    int64_t qty_at(const Book& b, unsigned side, int64_t ticks) const;
    void step_up(const Book& b, Pivot& at, int64_t ticks) const;
    void step_down(const Book& b, Pivot& at, int64_t ticks) const;
    Cross find_cross(const Book& b, Pivot& pivot) const;
    Indication indication(const Book& b, Pivot& pivot) const;
    template <class Sink> Cross uncross(Book& b, Sink& sink);
    template <class Sink> void fill(Book& b, const uint32_t (&pair)[2], int64_t price, int64_t qty, Sink& sink);
    template <class Sink> void indicate(Book& b, Sink& sink);

    // instruments.hpp, status.hpp, trades.hpp: commands of the operator
    static Refusal check_definition(const wire::InstrumentDefinition& d);
    Refusal check_define(const wire::InstrumentDefinition& d) const;
    template <class Sink> void define(const wire::InstrumentDefinition& d, Sink& sink);
    void set_rules(Book& b, const wire::InstrumentDefinition& d);
    Refusal check_set_status(const wire::SetInstrumentStatus& c) const;
    template <class Sink> void set_status(const wire::SetInstrumentStatus& c, Sink& sink);
    struct NewStatus {
        Status status;
        wire::StatusReason reason;
        int64_t resume_time;
    };
    template <class Sink> bool change_status(Book& b, const NewStatus& to, int64_t ts, Sink& sink);
    template <class Sink> void cancel_for(Book& b, Status status, Sink& sink);
    template <class Sink> void advance(const wire::AdvanceClock& c, Sink& sink);
    template <class Sink> void timer_due(Book& b, int64_t ts, Sink& sink);
    template <class Command> Refusal check_amend(const Command& c) const;
    template <class Sink> void bust(const wire::BustTrade& c, Sink& sink);
    template <class Sink> void correct(const wire::CorrectTrade& c, Sink& sink);

    // snapshot.hpp, restore.hpp, invariants.hpp
    void write_book(wire::WordWriter& w, const Book& b) const;
    void write_ladder(wire::WordWriter& w, const Book& b, const Ladder& ladder, unsigned side) const;
    void write_queue(wire::WordWriter& w, uint32_t level) const;
    enum class RestoredPlace { book, stop, close };
    struct Restored;
    bool restore_amended(wire::WordReader& r);
    bool restore_book(wire::WordReader& r);
    bool restore_rules(wire::WordReader& r, Book& b);
    bool restore_ladder(wire::WordReader& r, Book& b, RestoredPlace place, unsigned side);
    uint32_t restore_order(wire::WordReader& r, Book& b, Restored&& into);
    bool plausible(const Book& b, const Restored& in) const;
    uint32_t stand(Book& b, const Restored& in);
    bool consistent(const Book& b) const;
    struct Census;
    void check_book(const Book& b, bool deep, Census& seen) const;
    void check_pivot(const Book& b, Census& seen) const;
    void check_queue(const Book& b, unsigned side, uint32_t at, Census& seen) const;
    void check_waiting(const Book& b, const Waiting& there, bool deep, Census& seen) const;
    void check_waiting_queue(const Book& b, uint32_t at, int side, Census& seen) const;
    void check_order(const Book& b, uint32_t slot, uint32_t at, Census& seen) const;
    void check_pools() const;
    void check_totals(const Census& seen) const;

    Store store_;
    Arena<Book> books_;
    Arena<Rules> rules_;
    Pool<Waiting, &Waiting::at_close> waiting_;
    Dues timers_;                         // of instruments
    uint32_t book_count_ = 0;             // ids below may be defined
    std::vector<uint32_t> instruments_;   // those that are, ascending
    uint64_t next_match_id_ = 1, last_order_id_ = 0;
    int64_t clock_ = 0;  // how far AdvanceClock has come
    struct Amended {
        int64_t price, qty;  // as it stands; qty 0: busted
    };
    std::map<uint64_t, Amended> amended_;  // by match id
    std::vector<uint32_t> scratch_, touched_, elected_;
};

}  // namespace tapewire::matcher

#include "services/matcher/books.hpp"
#include "services/matcher/checks.hpp"
#include "services/matcher/replace_checks.hpp"
#include "services/matcher/matching.hpp"
#include "services/matcher/self_trade.hpp"
#include "services/matcher/changes.hpp"
#include "services/matcher/settle.hpp"
#include "services/matcher/stops.hpp"
#include "services/matcher/bands.hpp"
#include "services/matcher/auction.hpp"
#include "services/matcher/instruments.hpp"
#include "services/matcher/status.hpp"
#include "services/matcher/trades.hpp"
#include "services/matcher/snapshot.hpp"
#include "services/matcher/restore.hpp"
#ifdef TAPEWIRE_CHECK
#include "services/matcher/invariants.hpp"
#endif
