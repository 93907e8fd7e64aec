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
#include <type_traits>
#include <utility>
#include <vector>

#include "services/risk/flat_map.hpp"
#include "services/risk/instrument.hpp"
#include "services/risk/open_orders.hpp"
#include "tapewire/wire/flat.hpp"

namespace tapewire::risk {

inline constexpr int64_t MAX_POSITION = int64_t{1} << 60;
inline constexpr uint32_t MAX_ACCOUNTS = 1 << OpenOrder::ID_BITS;
inline constexpr uint32_t MAX_GROUPS = 1 << 20;  // self-trade groups; above the accounts' numbers, which are groups, too
static_assert(MAX_ACCOUNTS <= MAX_GROUPS && MAX_INSTRUMENTS <= 1 << OpenOrder::ID_BITS);

// The order that a cancel or a replace is about, else 0.
inline uint64_t order_named(const uint8_t* command) {
    static_assert(offsetof(wire::CancelOrder, order_id) == offsetof(wire::ReplaceOrder, order_id));
    const wire::MessageType type = wire::header(command).type;
    const bool names = (type == wire::MessageType::cancel_order) | (type == wire::MessageType::replace_order);
    return names ? reinterpret_cast<const wire::CancelOrder*>(command)->order_id : 0;
}

class Risk {
  public:
    // `command` is a flat, checked message. What is risk's to say is written into one that is accepted: a market or stop
    // order's protection price, an order's self-trade group and what it does on meeting it.
    Verdict check(uint8_t* command) const {
        switch (wire::header(command).type) {
            case wire::MessageType::new_order: return check_new(*reinterpret_cast<wire::NewOrder*>(command));
            case wire::MessageType::replace_order: return check_replace(*reinterpret_cast<wire::ReplaceOrder*>(command));
            case wire::MessageType::cancel_order: return check_cancel(*reinterpret_cast<wire::CancelOrder*>(command));
            case wire::MessageType::mass_cancel: return check_mass_cancel(*reinterpret_cast<wire::MassCancel*>(command));
            case wire::MessageType::instrument_definition:
                return Instrument::check(*reinterpret_cast<wire::InstrumentDefinition*>(command));
            case wire::MessageType::account_limits: return check_limits(*reinterpret_cast<wire::AccountLimits*>(command));
            case wire::MessageType::kill_switch: return check_kill(*reinterpret_cast<wire::KillSwitch*>(command));
            case wire::MessageType::bust_trade: return check_bust(*reinterpret_cast<wire::BustTrade*>(command));
            case wire::MessageType::correct_trade: return check_correct(*reinterpret_cast<wire::CorrectTrade*>(command));
            case wire::MessageType::set_instrument_status:
            case wire::MessageType::advance_clock: return {};  // the matcher's alone
            default: return {wire::RejectReason::invalid_field, int64_t(wire::header(command).type), 0};
        }
    }

    // Takes an accepted command back to what its client sent, as far as check() looks at it.
    void unwrite(uint8_t* command) const {
        const wire::MessageType type = wire::header(command).type;
        if (type == wire::MessageType::new_order) {
            auto& order = *reinterpret_cast<wire::NewOrder*>(command);
            if (order.ord_type == wire::OrdType::market || order.ord_type == wire::OrdType::stop) order.price = 0;
        } else if (type == wire::MessageType::replace_order) {
            auto& replace = *reinterpret_cast<wire::ReplaceOrder*>(command);
            const OpenOrder* order = const_cast<OpenOrders&>(orders_).find(replace.order_id);
            if (order && order->type() == wire::OrdType::stop) replace.price = 0;
        }
    }

    void fold(const uint8_t* record) {
        switch (wire::header(record).type) {
            case wire::MessageType::new_order: return fold_client<wire::NewOrder>(record);
            case wire::MessageType::replace_order:
                asked_stop_px_ = reinterpret_cast<const wire::ReplaceOrder*>(record)->stop_px;
                return fold_client<wire::ReplaceOrder>(record);
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
            case wire::MessageType::order_restated: return restated(*reinterpret_cast<const wire::OrderRestated*>(record));
            case wire::MessageType::order_triggered: return triggered(*reinterpret_cast<const wire::OrderTriggered*>(record));
            case wire::MessageType::trade_busted: return busted(*reinterpret_cast<const wire::TradeBusted*>(record));
            case wire::MessageType::trade_corrected: return corrected(*reinterpret_cast<const wire::TradeCorrected*>(record));
            case wire::MessageType::instrument_status_changed:
                return status_changed(*reinterpret_cast<const wire::InstrumentStatusChanged*>(record));
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
    bool restore(const uint8_t* p, size_t n, uint64_t next_order_id);

  private:
    using Reason = wire::RejectReason;

    struct Account {
        int64_t max_order_qty = 0, max_notional = 0, max_position = 0;
        uint32_t group = 0;  // of self-trade prevention, as NewOrder carries it
        bool known = false, killed = false;
        uint16_t self_trade = 0;  // wire::SelfTrade
    };

    static uint64_t pair(uint32_t a, uint32_t b) { return uint64_t(a) << 32 | b; }

    static int64_t saturate(__int128 v) {
        return v > INT64_MAX ? INT64_MAX : v < INT64_MIN ? INT64_MIN : int64_t(v);
    }

    static bool known(wire::Side side) { return side == wire::Side::buy || side == wire::Side::sell; }

    const Instrument* instrument(uint32_t id) const {
        return id < instruments_.size() && instruments_[id].defined ? &instruments_[id] : nullptr;
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
        if (!known(order.side)) return {Reason::invalid_field, int64_t(order.side), 0};
        if (order.ord_type < wire::OrdType::limit || order.ord_type > wire::OrdType::stop_limit)
            return {Reason::invalid_field, int64_t(order.ord_type), 0};
        const bool buy = order.side == wire::Side::buy;
        if (Verdict v = in->check_qty(order.qty); v.reason != Reason::unspecified) return v;
        const int64_t stop_px = order.ord_type >= wire::OrdType::stop ? order.stop_px : 0;
        const Pricing p = in->price(order.ord_type, buy, order.price, stop_px);
        if (p.verdict.reason != Reason::unspecified) return p.verdict;
        const Verdict v = check_account(a, order.account, id, buy, order.qty, order.qty, p.worth);
        if (v.reason != Reason::unspecified) return v;
        // A refused order stays as it came: replay decides on it again, and a price would be one too many.
        order.price = p.price;
        order.self_trade_group = a.group;
        if (order.self_trade == wire::SelfTrade::unspecified) order.self_trade = wire::SelfTrade(a.self_trade);
        return v;
    }

    Verdict check_replace(wire::ReplaceOrder& replace) const {
        if (Verdict v = check_sender(replace.header, replace.account, replace.cl_ord_id); v.reason != Reason::unspecified) return v;
        const Account& a = accounts_[replace.account];
        if (killed_ || a.killed) return {Reason::kill_switch, int64_t(replace.account), 0};
        const OpenOrder* order = const_cast<OpenOrders&>(orders_).find(replace.order_id);
        if (!order) return {Reason::unknown_order, int64_t(replace.order_id), 0};
        if (order->account != replace.account) return {Reason::not_your_order, int64_t(replace.order_id), 0};
        if (order->type() == wire::OrdType::market) return {};  // no market order is replaced: the matcher says so
        const uint32_t id = order->instrument;
        const Instrument& in = instruments_[id];
        if (Verdict v = in.check_qty(replace.qty); v.reason != Reason::unspecified) return v;
        // A stop price for an order that waits for none is the matcher's to refuse.
        const int64_t stop_px = order->stop_px && replace.stop_px ? replace.stop_px : order->stop_px;
        const wire::OrdType type = stop_px ? order->type() : wire::OrdType::limit;
        const Pricing p = in.price(type, order->buy, replace.price, stop_px);
        if (p.verdict.reason != Reason::unspecified) return p.verdict;
        const int64_t extra = replace.qty - order->cum - order->leaves;
        const Verdict v = check_account(a, replace.account, id, order->buy, replace.qty, extra, p.worth);
        if (v.reason == Reason::unspecified) replace.price = p.price;
        return v;
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

    Verdict check_limits(const wire::AccountLimits& l) const {
        if (l.account == 0 || l.account >= MAX_ACCOUNTS) return {Reason::capacity, int64_t(l.account), MAX_ACCOUNTS - 1};
        if (l.max_order_qty < 0) return {Reason::invalid_qty, l.max_order_qty, 0};
        if (l.max_notional < 0) return {Reason::invalid_qty, l.max_notional, 0};
        if (l.max_position < 0 || l.max_position > MAX_POSITION) return {Reason::invalid_qty, l.max_position, MAX_POSITION};
        if (l.self_trade_group >= MAX_GROUPS) return {Reason::capacity, int64_t(l.self_trade_group), MAX_GROUPS - 1};
        if (l.self_trade > wire::SelfTrade::decrement_and_cancel) return {Reason::invalid_field, int64_t(l.self_trade), 0};
        return {};
    }

    Verdict check_bust(const wire::BustTrade& b) const {
        if (Verdict v = check_parties(b); v.reason != Reason::unspecified) return v;
        return check_amended(b, -b.qty);
    }

    Verdict check_correct(const wire::CorrectTrade& c) const {
        if (Verdict v = check_parties(c); v.reason != Reason::unspecified) return v;
        if (c.new_qty <= 0 || c.new_qty > MAX_QTY) return {Reason::invalid_qty, c.new_qty, MAX_QTY};
        return check_amended(c, c.new_qty - c.qty);
    }

    // That there was such a trade is the matcher's to say; here that what it says of it can be folded.
    template <class Command>
    Verdict check_parties(const Command& c) const {
        if (c.header.instrument == 0 || c.header.instrument >= MAX_INSTRUMENTS)
            return {Reason::unknown_instrument, int64_t(c.header.instrument), 0};
        for (const uint32_t party : {c.maker_account, c.taker_account})
            if (!account(party)) return {Reason::unknown_account, int64_t(party), 0};
        if (!known(c.taker_side)) return {Reason::invalid_field, int64_t(c.taker_side), 0};
        if (c.qty <= 0 || c.qty > MAX_QTY) return {Reason::invalid_qty, c.qty, MAX_QTY};
        return {};
    }

    // `more`: by how much the trade's quantity changes. No position may leave the platform's bound by it.
    template <class Command>
    Verdict check_amended(const Command& c, int64_t more) const {
        if (c.maker_account == c.taker_account) return {};
        const int64_t bought = c.taker_side == wire::Side::buy ? more : -more;  // by the taker
        for (const auto& [party, change] : {std::pair{c.taker_account, bought}, std::pair{c.maker_account, -bought}}) {
            const Exposure e = exposure(party, c.header.instrument);
            const int64_t reached = change > 0 ? e.position + e.open_buy + change : e.open_sell - e.position - change;
            if (reached > MAX_POSITION) return {Reason::max_position, reached, MAX_POSITION};
        }
        return {};
    }

    Verdict check_kill(const wire::KillSwitch& k) const {
        if (k.account && !account(k.account)) return {Reason::unknown_account, int64_t(k.account), 0};
        return {};
    }

    template <class Command>
    void fold_client(const uint8_t* record) {
        const Command& c = *reinterpret_cast<const Command*>(record);
        // A refused duplicate must not lower the mark, and what came from an unknown account must not make one. Nobody is
        // account 0, only a mass cancel means all by it: a stray order must not make those stale.
        if (!account(c.account) && !(std::is_same_v<Command, wire::MassCancel> && c.account == 0)) return;
        uint64_t& last = last_cl_ord_[pair(c.header.source + 1u, c.account)];
        last = std::max(last, c.cl_ord_id);
    }

    void accepted(const wire::OrderAccepted& e) {
        OpenOrder& order = orders_.add(e.order_id);
        order = OpenOrder::of(e.qty, 0, e.account, e.header.instrument, e.side == wire::Side::buy, e.ord_type);
        order.stop_px = e.stop_px;
        open(order) += e.qty;
    }

    void executed(const wire::OrderExecuted& e) {
        fill(e.maker_order_id, e.qty, e.maker_leaves_qty);
        fill(e.taker_order_id, e.qty, e.taker_leaves_qty);
        instruments_[e.header.instrument].set_reference(e.price);
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
        set_leaves(*order, e.leaves_qty);
        if (order->stop_px && asked_stop_px_) order->stop_px = asked_stop_px_;
    }

    void restated(const wire::OrderRestated& e) {
        if (OpenOrder* order = orders_.find(e.order_id)) set_leaves(*order, e.leaves_qty);
    }

    // What waited acts now: its collar is the market's.
    void triggered(const wire::OrderTriggered& e) {
        if (OpenOrder* order = orders_.find(e.order_id)) order->stop_px = 0;
    }

    void busted(const wire::TradeBusted& e) { amend(e, -e.qty); }
    void corrected(const wire::TradeCorrected& e) { amend(e, e.qty - e.old_qty); }

    template <class Event>
    void amend(const Event& e, int64_t more) {
        const int64_t bought = e.taker_side == wire::Side::buy ? more : -more;
        exposures_[pair(e.taker_account, e.header.instrument)].position += bought;
        exposures_[pair(e.maker_account, e.header.instrument)].position -= bought;
    }

    // Positions stay: what was traded was traded.
    void status_changed(const wire::InstrumentStatusChanged& e) {
        if (e.status == wire::InstrumentStatus::delisted && e.header.instrument < instruments_.size()) instruments_[e.header.instrument] = {};
    }

    void set_leaves(OpenOrder& order, int64_t leaves) {
        open(order) += leaves - order.leaves;
        order.leaves = leaves;
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
              d.max_price ? d.max_price : MAX_PRICE, d.collar_bps, 1};
        in.set_reference(reference);
    }

    void limits(const wire::AccountLimits& l) {
        if (l.decision != Reason::unspecified) return;
        if (l.account >= accounts_.size()) accounts_.resize(l.account + 1);
        Account& a = accounts_[l.account];
        const wire::SelfTrade self_trade = l.self_trade == wire::SelfTrade::unspecified ? wire::SelfTrade::allow : l.self_trade;
        a = {l.max_order_qty, l.max_notional, l.max_position, l.self_trade_group ? MAX_GROUPS + l.self_trade_group : l.account,
             true, a.killed, uint16_t(self_trade)};
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
    int64_t asked_stop_px_ = 0;  // by the ReplaceOrder folded last: its OrderReplaced, which comes next, does not say it
};

}  // namespace tapewire::risk

#include "services/risk/snapshot.hpp"
