// The sink of the C library: keeps what the matcher says as the structures of include/tapewire/book.h.
#pragma once
#include <cstdlib>
#include <cstring>

#include "include/tapewire/book.h"
#include "services/matcher/matcher.hpp"

namespace tapewire::matcher {

// Events in one piece of memory. Grows by doubling; keeps what it has grown to up to KEPT events.
class AbiEvents {
  public:
    AbiEvents() { resize(FIRST); }
    ~AbiEvents() { std::free(at_); }
    AbiEvents(const AbiEvents&) = delete;
    AbiEvents& operator=(const AbiEvents&) = delete;

    // The events that follow belong to a command about this instrument.
    void command(uint64_t number, int64_t ts, uint32_t instrument) {
        command_ = number;
        ts_ = ts;
        instrument_ = instrument;
        refused_ = false;
    }
    bool refused() const { return refused_; }

    // The matcher writes a wire message, of which only what C is told of is kept.
    template <class M>
    M* begin() {
        static_assert(sizeof(M) <= sizeof blank_);
        std::memset(blank_ + wire::DATA_AT, 0, sizeof(M) - wire::DATA_AT);
        M* m = reinterpret_cast<M*>(blank_);
        m->header.instrument = instrument_;
        return m;
    }
    template <class M>
    void end(const M* m) {
        if (end_ == room_) [[unlikely]] make_room();
        tw_event& e = at_[end_++];
        e.header = {++seq_, command_, ts_, m->header.instrument, uint16_t(M::TYPE), 0};
        tell(*m, e);
    }

    const tw_event* data() const { return at_ + first_; }
    size_t count() const { return end_ - first_; }

    void clear() {
        first_ = end_ = 0;
        if (room_ > KEPT) [[unlikely]] resize(KEPT);
    }
    void forget(size_t oldest) {
        first_ += oldest;
        if (first_ == end_) clear();
    }

  private:
    static constexpr size_t FIRST = 1 << 9, KEPT = 1 << 15;

    void make_room() {
        if (2 * first_ < room_) return resize(2 * room_);
        std::memmove(at_, data(), count() * sizeof(tw_event));
        end_ -= std::exchange(first_, 0);
    }

    void resize(size_t room) {
        auto* moved = static_cast<tw_event*>(std::realloc(at_, room * sizeof(tw_event)));
        if (!moved && room < room_) return;  // more room than needed does no harm
        if (!moved) throw std::bad_alloc();
        at_ = moved;
        room_ = room;
    }

    void tell(const wire::OrderAccepted& m, tw_event& event) {
        auto& e = event.accepted;
        e.order_id = m.order_id, e.cl_ord_id = m.cl_ord_id, e.price = m.price, e.qty = m.qty;
        e.stop_px = m.stop_px, e.display_qty = m.display_qty, e.expire_time = m.expire_time;
        e.account = m.account, e.session = m.session;
        e.side = uint16_t(m.side), e.ord_type = uint16_t(m.ord_type), e.time_in_force = uint16_t(m.time_in_force);
        e.post_only = m.post_only(), e.hidden = m.hidden(), e.waiting = m.waiting();
    }
    template <class M>
    void refusal(const M& m, tw_rejected& e) {
        e.order_id = m.order_id, e.cl_ord_id = m.cl_ord_id, e.value = m.value, e.limit = m.limit;
        e.account = m.account, e.reason = uint16_t(m.reason);
        refused_ = true;
    }
    void tell(const wire::OrderRejected& m, tw_event& event) { refusal(m, event.rejected); }
    void tell(const wire::CancelRejected& m, tw_event& event) { refusal(m, event.rejected); }
    void tell(const wire::OrderCancelled& m, tw_event& event) {
        auto& e = event.cancelled;
        e.order_id = m.order_id, e.cl_ord_id = m.cl_ord_id, e.price = m.price;
        e.cancelled_qty = m.cancelled_qty, e.cum_qty = m.cum_qty;
        e.account = m.account, e.side = uint16_t(m.side), e.reason = uint16_t(m.reason);
    }
    void tell(const wire::OrderReplaced& m, tw_event& event) {
        auto& e = event.replaced;
        e.order_id = m.order_id, e.cl_ord_id = m.cl_ord_id, e.price = m.price, e.qty = m.qty, e.leaves_qty = m.leaves_qty;
        e.old_price = m.old_price, e.old_leaves_qty = m.old_leaves_qty;
        e.account = m.account, e.side = uint16_t(m.side), e.priority_kept = m.priority_kept();
    }
    void tell(const wire::OrderExecuted& m, tw_event& event) {
        auto& e = event.executed;
        e.match_id = m.match_id, e.maker_order_id = m.maker_order_id, e.taker_order_id = m.taker_order_id;
        e.price = m.price, e.qty = m.qty, e.maker_leaves_qty = m.maker_leaves_qty, e.taker_leaves_qty = m.taker_leaves_qty;
        e.maker_account = m.maker_account, e.taker_account = m.taker_account;
        e.aggressor = uint16_t(m.aggressor), e.taker_side = uint16_t(m.taker_side), e.auction = m.auction();
    }
    void tell(const wire::OrderTriggered& m, tw_event& event) {
        auto& e = event.triggered;
        e.order_id = m.order_id, e.price = m.price, e.leaves_qty = m.leaves_qty, e.stop_px = m.stop_px, e.last_px = m.last_px;
        e.account = m.account, e.side = uint16_t(m.side), e.reason = uint16_t(m.reason);
    }
    void tell(const wire::OrderRestated& m, tw_event& event) {
        auto& e = event.restated;
        e.order_id = m.order_id, e.price = m.price, e.qty = m.qty, e.leaves_qty = m.leaves_qty;
        e.displayed_qty = m.displayed_qty, e.account = m.account, e.side = uint16_t(m.side);
        e.reason = uint16_t(m.reason), e.priority_kept = m.priority_kept();
    }
    void tell(const wire::InstrumentStatusChanged& m, tw_event& event) {
        auto& e = event.status_changed;
        e.auction_price = m.auction_price, e.auction_qty = m.auction_qty, e.resume_time = m.resume_time;
        e.status = uint16_t(m.status), e.old_status = uint16_t(m.old_status), e.reason = uint16_t(m.reason);
    }
    void tell(const wire::AuctionIndicated& m, tw_event& event) {
        auto& e = event.auction_indicated;
        e.price = m.price, e.qty = m.qty, e.imbalance_qty = m.imbalance_qty, e.imbalance_side = uint16_t(m.imbalance_side);
    }
    void tell(const wire::LimitStateChanged& m, tw_event& event) {
        auto& e = event.limit_state_changed;
        e.lower_price = m.lower_price, e.upper_price = m.upper_price, e.state = uint16_t(m.state);
    }
    template <class M, class E>
    static void parties(const M& m, E& e) {
        e.match_id = m.match_id, e.maker_order_id = m.maker_order_id, e.taker_order_id = m.taker_order_id;
        e.price = m.price, e.qty = m.qty, e.maker_account = m.maker_account, e.taker_account = m.taker_account;
        e.taker_side = uint16_t(m.taker_side);
    }
    void tell(const wire::TradeBusted& m, tw_event& event) { parties(m, event.trade_busted); }
    void tell(const wire::TradeCorrected& m, tw_event& event) {
        auto& e = event.trade_corrected;
        parties(m, e);
        e.old_price = m.old_price, e.old_qty = m.old_qty;
    }
    void tell(const wire::CommandCompleted& m, tw_event& event) {
        auto& e = event.completed;
        e.cl_ord_id = m.cl_ord_id, e.account = m.account, e.count = m.count, e.command = uint16_t(m.command);
    }

    tw_event* at_ = nullptr;
    size_t first_ = 0, end_ = 0, room_ = 0;  // held are [first_, end_)
    uint64_t seq_ = 0, command_ = 0;
    int64_t ts_ = 0;
    uint32_t instrument_ = 0;
    bool refused_ = false;
    alignas(64) uint8_t blank_[256];
};

}  // namespace tapewire::matcher
