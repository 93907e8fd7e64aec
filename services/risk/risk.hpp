// Pre-trade risk: decides on commands before they are sequenced, from a state that is a fold over the tape.
//
//   check(command)   the decision, with the two numbers compared; reads state only
//   fold(record)     takes what was sequenced, commands and events alike, into the state
//
// A price is a mantissa at the instrument's exponent; a position counts quantity bought less sold.
// Nothing here overflows: prices, quantities and positions are bounded before they are multiplied or added.
#pragma once
#include <algorithm>
#include <cstring>
#include <vector>

#include "services/risk/flat_map.hpp"
#include "services/risk/open_orders.hpp"
#include "tapewire/wire/flat.hpp"

namespace tapewire::risk {

inline constexpr int64_t MAX_PRICE = int64_t{1} << 50;
inline constexpr int64_t MAX_QTY = int64_t{1} << 50;
inline constexpr int64_t MAX_POSITION = int64_t{1} << 60;
inline constexpr uint32_t MAX_INSTRUMENTS = 1 << 20;
inline constexpr uint32_t MAX_ACCOUNTS = 1 << 20;
inline constexpr uint32_t MAX_COLLAR_BPS = 100'000;
inline constexpr size_t MAX_LIVE_ORDERS = 1 << 22;  // one MassCancel ends them all: its events must fit one batch of the tape

struct Verdict {
    wire::RejectReason reason = wire::RejectReason::unspecified;  // unspecified: accepted
    int64_t value = 0, limit = 0;
};

// The order that a cancel or a replace is about, else 0.
inline uint64_t order_named(const uint8_t* command) {
    static_assert(offsetof(wire::CancelOrder, order_id) == offsetof(wire::ReplaceOrder, order_id));
    const wire::MessageType type = wire::header(command).type;
    const bool names = (type == wire::MessageType::cancel_order) | (type == wire::MessageType::replace_order);
    return names ? reinterpret_cast<const wire::CancelOrder*>(command)->order_id : 0;
}

class Risk {
  public:
    // `command` is a flat, checked message. A market order that is accepted is given its protection price here.
    Verdict check(uint8_t* command) const {
        switch (wire::header(command).type) {
            case wire::MessageType::new_order: return check_new(*reinterpret_cast<wire::NewOrder*>(command));
            case wire::MessageType::replace_order: return check_replace(*reinterpret_cast<wire::ReplaceOrder*>(command));
            case wire::MessageType::cancel_order: return check_cancel(*reinterpret_cast<wire::CancelOrder*>(command));
            case wire::MessageType::mass_cancel: return check_mass_cancel(*reinterpret_cast<wire::MassCancel*>(command));
            case wire::MessageType::instrument_definition:
                return check_instrument(*reinterpret_cast<wire::InstrumentDefinition*>(command));
            case wire::MessageType::account_limits: return check_limits(*reinterpret_cast<wire::AccountLimits*>(command));
            case wire::MessageType::kill_switch: return check_kill(*reinterpret_cast<wire::KillSwitch*>(command));
            default: return {wire::RejectReason::invalid_field, int64_t(wire::header(command).type), 0};
        }
    }

    void fold(const uint8_t* record) {
        switch (wire::header(record).type) {
            case wire::MessageType::new_order: return fold_client<wire::NewOrder>(record);
            case wire::MessageType::replace_order: return fold_client<wire::ReplaceOrder>(record);
            case wire::MessageType::cancel_order: return fold_client<wire::CancelOrder>(record);
            case wire::MessageType::mass_cancel: return fold_client<wire::MassCancel>(record);
            case wire::MessageType::order_accepted: return accepted(*reinterpret_cast<const wire::OrderAccepted*>(record));
            case wire::MessageType::order_executed: return executed(*reinterpret_cast<const wire::OrderExecuted*>(record));
            case wire::MessageType::order_cancelled: return cancelled(*reinterpret_cast<const wire::OrderCancelled*>(record));
            case wire::MessageType::order_replaced: return replaced(*reinterpret_cast<const wire::OrderReplaced*>(record));
            case wire::MessageType::instrument_definition:
                return define(*reinterpret_cast<const wire::InstrumentDefinition*>(record));
            case wire::MessageType::account_limits: return limits(*reinterpret_cast<const wire::AccountLimits*>(record));
            case wire::MessageType::kill_switch: return kill(*reinterpret_cast<const wire::KillSwitch*>(record));
            default: return;
        }
    }

    struct Exposure {
        int64_t position = 0, open_buy = 0, open_sell = 0;
        bool any() const { return position || open_buy || open_sell; }
    };

    // All zero for a pair that never traded.
    Exposure exposure(uint32_t account, uint32_t instrument) const {
        const Exposure* e = exposures_.find(pair(account, instrument));
        return e ? *e : Exposure{};
    }

    // Fetch what a later command (flat, checked) will touch, in two steps.
    [[gnu::always_inline]] void prefetch(const uint8_t* command) const {
        const wire::Header& header = wire::header(command);
        if (header.type == wire::MessageType::new_order)
            exposures_.prefetch(pair(reinterpret_cast<const wire::NewOrder*>(command)->account, header.instrument));
        else orders_.prefetch_page(order_named(command));
    }
    [[gnu::always_inline]] void prefetch_order(uint64_t id) const { orders_.prefetch(id); }

    size_t live_orders() const { return orders_.live(); }
    bool killed() const { return killed_; }
    int64_t reference_price(uint32_t instrument) const {
        return instrument < instruments_.size() ? instruments_[instrument].reference : 0;
    }

    // Canonical: equal states give equal bytes. Layout: see write() calls, in order; version first.
    void snapshot(std::vector<uint8_t>& out) const;
    bool restore(const uint8_t* p, size_t n);

  private:
    using Reason = wire::RejectReason;

    struct Instrument {
        int64_t tick = 0, lot = 0, max_qty = 0, min_price = 0, max_price = 0;
        uint32_t collar_bps = 0;
        uint32_t status = 0;  // wire::InstrumentStatus; 0: not defined
        int64_t reference = 0, highest = 0, lowest = 0;  // set_reference()
    };

    struct Account {
        int64_t max_order_qty = 0, max_notional = 0, max_position = 0;
        uint32_t known = 0, killed = 0;
    };

    static uint64_t pair(uint32_t a, uint32_t b) { return uint64_t(a) << 32 | b; }

    static int64_t saturate(__int128 v) {
        return v > INT64_MAX ? INT64_MAX : v < INT64_MIN ? INT64_MIN : int64_t(v);
    }

    // One word of ASCII: it becomes part of subjects and file names, and every reader must be able to write it.
    static bool printable(const char* text, size_t n) {
        return n && std::all_of(text, text + n, [](char c) { return c > ' ' && c <= '~'; });
    }

    static bool known(wire::Side side) { return side == wire::Side::buy || side == wire::Side::sell; }

    const Instrument* instrument(uint32_t id) const {
        return id < instruments_.size() && instruments_[id].status ? &instruments_[id] : nullptr;
    }

    const Account* account(uint32_t id) const { return id < accounts_.size() && accounts_[id].known ? &accounts_[id] : nullptr; }

    Verdict check_clordid(const wire::Header& header, uint32_t account, uint64_t cl_ord_id) const {
        const uint64_t* last = last_cl_ord_.find(pair(header.source + 1u, account));
        if (last && cl_ord_id <= *last) return {Reason::stale_cl_ord_id, int64_t(cl_ord_id), int64_t(*last)};
        if (!last && cl_ord_id == 0) return {Reason::stale_cl_ord_id, 0, 0};
        return {};
    }

    Verdict check_sender(const wire::Header& header, uint32_t account_id, uint64_t cl_ord_id) const {
        if (!account(account_id)) return {Reason::unknown_account, int64_t(account_id), 0};
        return check_clordid(header, account_id, cl_ord_id);
    }

    // The last price of the instrument, and from it the collar's edges: the highest price to buy at, the lowest to sell at.
    static void set_reference(Instrument& in, int64_t price) {
        in.reference = price;
        in.highest = in.lowest = 0;
        if (!in.collar_bps || !price) return;
        // price * collar_bps / 10'000 without its product, which could overflow; what is left stays below 2^54
        const int64_t width = price / 10'000 * in.collar_bps + price % 10'000 * in.collar_bps / 10'000;
        const int64_t high = price + width, low = price - width;
        const auto within = [&](int64_t edge) { return edge < in.tick ? in.tick : std::min(edge, in.max_price); };
        in.highest = within(high - high % in.tick);
        in.lowest = within(low + (in.tick - low % in.tick) % in.tick);
    }

    // 0: none.
    static int64_t collar(const Instrument& in, bool buy) { return buy ? in.highest : in.lowest; }

    static Verdict check_qty(const Instrument& in, int64_t qty) {
        if (qty <= 0) return {Reason::invalid_qty, qty, in.lot};
        if (qty > in.max_qty) return {Reason::invalid_qty, qty, in.max_qty};
        if (qty % in.lot) return {Reason::invalid_qty, qty, in.lot};
        return {};
    }

    static Verdict check_price(const Instrument& in, bool buy, int64_t price) {
        if (price < in.min_price) return {Reason::invalid_price, price, in.min_price};
        if (price > in.max_price) return {Reason::invalid_price, price, in.max_price};
        if (price % in.tick) return {Reason::off_tick, price, in.tick};
        int64_t edge = collar(in, buy);
        if (edge && (buy ? price > edge : price < edge)) return {Reason::price_collar, price, edge};
        return {};
    }

    // `extra`: what the order adds to what is open on its side; `worth`: the price its notional is counted at.
    Verdict check_account(const Account& a, uint32_t id, uint32_t instrument_id, bool buy, int64_t qty, int64_t extra, int64_t worth) const {
        if (a.max_order_qty && qty > a.max_order_qty) return {Reason::max_order_qty, qty, a.max_order_qty};
        // A market order where nothing has a price yet: its cost is not known, which is not the same as none.
        if (a.max_notional && worth == 0) return {Reason::max_notional, 0, a.max_notional};
        __int128 notional = __int128(worth) * qty;
        if (a.max_notional && notional > a.max_notional) return {Reason::max_notional, saturate(notional), a.max_notional};
        Exposure e = exposure(id, instrument_id);
        int64_t most = a.max_position ? a.max_position : MAX_POSITION;
        int64_t reached = buy ? e.position + e.open_buy : e.open_sell - e.position;
        if (extra > 0 && reached > most - extra) return {Reason::max_position, saturate(__int128(reached) + extra), most};
        return {};
    }

    Verdict check_new(wire::NewOrder& order) const {
        const uint32_t id = order.header.instrument;
        if (Verdict v = check_sender(order.header, order.account, order.cl_ord_id); v.reason != Reason::unspecified) return v;
        const Account& a = accounts_[order.account];
        if (killed_ || a.killed) return {Reason::kill_switch, int64_t(order.account), 0};
        const Instrument* in = instrument(id);
        if (!in) return {Reason::unknown_instrument, int64_t(id), 0};
        if (in->status != uint32_t(wire::InstrumentStatus::trading)) return {Reason::instrument_halted, int64_t(id), in->status};
        if (!known(order.side)) return {Reason::invalid_field, int64_t(order.side), 0};
        if (order.time_in_force < wire::TimeInForce::day || order.time_in_force > wire::TimeInForce::fok)
            return {Reason::invalid_field, int64_t(order.time_in_force), 0};
        const bool buy = order.side == wire::Side::buy;
        if (Verdict v = check_qty(*in, order.qty); v.reason != Reason::unspecified) return v;
        int64_t worth = order.price, protection = order.price;
        if (order.ord_type == wire::OrdType::market) {
            if (order.price) return {Reason::invalid_price, order.price, 0};
            if (order.post_only()) return {Reason::invalid_field, 1, 0};
            protection = collar(*in, buy);
            worth = protection ? protection : in->reference;
        } else if (order.ord_type == wire::OrdType::limit) {
            if (Verdict v = check_price(*in, buy, order.price); v.reason != Reason::unspecified) return v;
        } else {
            return {Reason::invalid_field, int64_t(order.ord_type), 0};
        }
        if (orders_.live() >= MAX_LIVE_ORDERS) return {Reason::capacity, int64_t(orders_.live()), int64_t(MAX_LIVE_ORDERS)};
        const Verdict v = check_account(a, order.account, id, buy, order.qty, order.qty, worth);
        // A refused order stays as it came: replay decides on it again, and a price would be one too many.
        if (v.reason == Reason::unspecified) order.price = protection;
        return v;
    }

    Verdict check_replace(const wire::ReplaceOrder& replace) const {
        if (Verdict v = check_sender(replace.header, replace.account, replace.cl_ord_id); v.reason != Reason::unspecified) return v;
        const Account& a = accounts_[replace.account];
        if (killed_ || a.killed) return {Reason::kill_switch, int64_t(replace.account), 0};
        const OpenOrder* order = const_cast<OpenOrders&>(orders_).find(replace.order_id);
        if (!order) return {Reason::unknown_order, int64_t(replace.order_id), 0};
        if (order->account != replace.account) return {Reason::not_your_order, int64_t(replace.order_id), 0};
        const Instrument& in = instruments_[order->instrument];
        if (in.status != uint32_t(wire::InstrumentStatus::trading))
            return {Reason::instrument_halted, int64_t(order->instrument), in.status};
        if (Verdict v = check_qty(in, replace.qty); v.reason != Reason::unspecified) return v;
        if (Verdict v = check_price(in, order->buy, replace.price); v.reason != Reason::unspecified) return v;
        int64_t extra = replace.qty - order->cum - order->leaves;
        return check_account(a, replace.account, order->instrument, order->buy, replace.qty, extra, replace.price);
    }

    // Cancelling is always allowed to a known account, kill switch or not: it only ever reduces exposure.
    Verdict check_cancel(const wire::CancelOrder& cancel) const {
        return check_sender(cancel.header, cancel.account, cancel.cl_ord_id);
    }

    Verdict check_mass_cancel(const wire::MassCancel& cancel) const {
        if (cancel.account && !account(cancel.account)) return {Reason::unknown_account, int64_t(cancel.account), 0};
        if (cancel.side > wire::Side::sell) return {Reason::invalid_field, int64_t(cancel.side), 0};
        return check_clordid(cancel.header, cancel.account, cancel.cl_ord_id);
    }

    Verdict check_instrument(const wire::InstrumentDefinition& d) const {
        const uint32_t id = d.header.instrument;
        if (id == 0 || id >= MAX_INSTRUMENTS) return {Reason::capacity, int64_t(id), MAX_INSTRUMENTS - 1};
        if (!printable(d.ticker, wire::text_length(d.ticker_pointer))) return {Reason::invalid_field, 0, 0};
        if (d.tick_size <= 0 || d.tick_size > MAX_PRICE) return {Reason::invalid_price, d.tick_size, MAX_PRICE};
        if (d.lot_size <= 0 || d.lot_size > MAX_QTY) return {Reason::invalid_qty, d.lot_size, MAX_QTY};
        if (d.max_qty < 0 || d.max_qty > MAX_QTY) return {Reason::invalid_qty, d.max_qty, MAX_QTY};
        if (d.min_price < 0 || d.min_price > MAX_PRICE) return {Reason::invalid_price, d.min_price, MAX_PRICE};
        if (d.max_price < 0 || d.max_price > MAX_PRICE) return {Reason::invalid_price, d.max_price, MAX_PRICE};
        if (d.max_price && d.min_price > d.max_price) return {Reason::invalid_price, d.min_price, d.max_price};
        // Somewhere in the range lies a tick: the collar is clamped to it.
        const int64_t highest = (d.max_price ? d.max_price : MAX_PRICE) / d.tick_size * d.tick_size;
        if (highest < std::max<int64_t>(d.min_price, 1)) return {Reason::invalid_price, d.tick_size, d.max_price};
        if (d.reference_price < 0 || d.reference_price > MAX_PRICE) return {Reason::invalid_price, d.reference_price, MAX_PRICE};
        if (d.collar_bps > MAX_COLLAR_BPS) return {Reason::invalid_field, d.collar_bps, MAX_COLLAR_BPS};
        if (d.status < wire::InstrumentStatus::trading || d.status > wire::InstrumentStatus::closed)
            return {Reason::invalid_field, int64_t(d.status), 0};
        // Prices and quantities of live orders are multiples of tick and lot: those stay for an instrument's life.
        if (const Instrument* in = instrument(id)) {
            if (d.tick_size != in->tick) return {Reason::instrument_exists, d.tick_size, in->tick};
            if (d.lot_size != in->lot) return {Reason::instrument_exists, d.lot_size, in->lot};
        }
        return {};
    }

    Verdict check_limits(const wire::AccountLimits& l) const {
        if (l.account == 0 || l.account >= MAX_ACCOUNTS) return {Reason::capacity, int64_t(l.account), MAX_ACCOUNTS - 1};
        if (l.max_order_qty < 0) return {Reason::invalid_qty, l.max_order_qty, 0};
        if (l.max_notional < 0) return {Reason::invalid_qty, l.max_notional, 0};
        if (l.max_position < 0 || l.max_position > MAX_POSITION) return {Reason::invalid_qty, l.max_position, MAX_POSITION};
        return {};
    }

    Verdict check_kill(const wire::KillSwitch& k) const {
        if (k.account && !account(k.account)) return {Reason::unknown_account, int64_t(k.account), 0};
        return {};
    }

    template <class Command>
    void fold_client(const uint8_t* record) {
        const Command& c = *reinterpret_cast<const Command*>(record);
        // A refused duplicate must not lower the mark, and what came from an unknown account must not make one.
        if (c.account && !account(c.account)) return;
        uint64_t& last = last_cl_ord_[pair(c.header.source + 1u, c.account)];
        last = std::max(last, c.cl_ord_id);
    }

    void accepted(const wire::OrderAccepted& e) {
        OpenOrder& order = orders_.add(e.order_id);
        order = {e.qty, e.account, e.header.instrument, 0, e.side == wire::Side::buy};
        open(order) += e.qty;
    }

    void executed(const wire::OrderExecuted& e) {
        fill(e.maker_order_id, e.qty, e.maker_leaves_qty);
        fill(e.taker_order_id, e.qty, e.taker_leaves_qty);
        set_reference(instruments_[e.header.instrument], e.price);
    }

    void fill(uint64_t id, int64_t qty, int64_t leaves) {
        OpenOrder* order = orders_.find(id);
        if (!order) return;
        Exposure& e = exposures_[pair(order->account, order->instrument)];
        (order->buy ? e.open_buy : e.open_sell) -= qty;
        e.position += order->buy ? qty : -qty;
        order->leaves = leaves;
        order->cum += qty;
        if (leaves == 0) orders_.erase(id);
    }

    void cancelled(const wire::OrderCancelled& e) {
        OpenOrder* order = orders_.find(e.order_id);
        if (!order) return;
        open(*order) -= e.cancelled_qty;
        orders_.erase(e.order_id);
    }

    void replaced(const wire::OrderReplaced& e) {
        OpenOrder* order = orders_.find(e.order_id);
        if (!order) return;
        open(*order) += e.leaves_qty - order->leaves;
        order->leaves = e.leaves_qty;
    }

    int64_t& open(const OpenOrder& order) {
        Exposure& e = exposures_[pair(order.account, order.instrument)];
        return order.buy ? e.open_buy : e.open_sell;
    }

    void define(const wire::InstrumentDefinition& d) {
        if (d.decision != Reason::unspecified) return;
        const uint32_t id = d.header.instrument;
        if (id >= instruments_.size()) instruments_.resize(id + 1);
        Instrument& in = instruments_[id];
        const int64_t reference = d.reference_price ? d.reference_price : in.reference;
        in = {d.tick_size, d.lot_size, d.max_qty ? d.max_qty : MAX_QTY, std::max<int64_t>(d.min_price, 1),
              d.max_price ? d.max_price : MAX_PRICE, d.collar_bps, uint32_t(d.status)};
        set_reference(in, reference);
    }

    void limits(const wire::AccountLimits& l) {
        if (l.decision != Reason::unspecified) return;
        if (l.account >= accounts_.size()) accounts_.resize(l.account + 1);
        Account& a = accounts_[l.account];
        a = {l.max_order_qty, l.max_notional, l.max_position, 1, a.killed};
    }

    void kill(const wire::KillSwitch& k) {
        if (k.decision != Reason::unspecified) return;
        if (k.account == 0) killed_ = k.engaged();
        else accounts_[k.account].killed = k.engaged();
    }

    bool killed_ = false;
    std::vector<Instrument> instruments_;
    std::vector<Account> accounts_;
    FlatMap<Exposure> exposures_;       // by account, instrument
    FlatMap<uint64_t> last_cl_ord_;     // by source + 1, account
    OpenOrders orders_;
};

}  // namespace tapewire::risk

#include "services/risk/snapshot.hpp"
