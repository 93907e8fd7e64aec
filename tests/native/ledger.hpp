// Live orders as a subscriber knows them: from the events alone. Whether these can be so is checked with each.
//
// What is shown of an order: nothing if it is hidden or waits, of an iceberg a part, else all. An execution takes from the
// maker's part; a taker shows anew what it rests with. Auctions and refreshes are followed by OrderRestated.
#pragma once
#include <map>
#include <string>

#include "services/matcher/matcher.hpp"

namespace tapewire::check {

struct Held {
    uint32_t instrument = 0;
    bool buy = false, hidden = false, waiting = false;
    int64_t price = 0, qty = 0, leaves = 0, display = 0, shown = 0;

    void show_anew() { shown = hidden || waiting ? 0 : display ? std::min(display, leaves) : leaves; }
};

class Ledger {
  public:
    void take(const uint8_t* p) {
        switch (wire::header(p).type) {
            case wire::MessageType::order_accepted: return accepted(*reinterpret_cast<const wire::OrderAccepted*>(p));
            case wire::MessageType::order_executed: return executed(*reinterpret_cast<const wire::OrderExecuted*>(p));
            case wire::MessageType::order_cancelled: return cancelled(*reinterpret_cast<const wire::OrderCancelled*>(p));
            case wire::MessageType::order_replaced: return replaced(*reinterpret_cast<const wire::OrderReplaced*>(p));
            case wire::MessageType::order_triggered: return triggered(*reinterpret_cast<const wire::OrderTriggered*>(p));
            case wire::MessageType::order_restated: return restated(*reinterpret_cast<const wire::OrderRestated*>(p));
            default: return;
        }
    }

    // What was wrong first, with an event or with what the matcher shows; empty if nothing was.
    const std::string& fault() const { return fault_; }

    void compare(const matcher::Matcher& matcher) {
        if (held.size() != matcher.live_orders()) fail("another number of orders is live", 0);
        std::map<std::pair<uint32_t, bool>, std::map<int64_t, std::pair<int64_t, uint32_t>>> books;
        for (const auto& [id, order] : held) {
            if (!matcher.is_live(id)) fail("an order is not live", id);
            if (!order.shown) continue;
            auto& [qty, orders] = books[{order.instrument, order.buy}][order.price];
            qty += order.shown;
            ++orders;
        }
        for (auto& [which, levels] : books) {
            const auto [instrument, buy] = which;
            const auto side = buy ? wire::Side::buy : wire::Side::sell;
            if (!matcher.defined(instrument)) return fail("orders of an instrument that is not there", instrument);
            const auto shown = matcher.depth(instrument, side, SIZE_MAX);
            if (shown.size() != levels.size()) fail("another number of levels is shown", instrument);
            for (const auto& level : shown) {
                if (levels[level.price] != std::pair(level.qty, level.orders)) fail("a level is not what its events say", uint64_t(level.price));
                if (matcher.at(instrument, side, level.price).qty != level.qty) fail("a level is not found by its price", uint64_t(level.price));
            }
        }
    }

    std::map<uint64_t, Held> held;

  private:
    void fail(const char* what, uint64_t which) {
        if (fault_.empty()) fault_ = std::string(what) + " (" + std::to_string(which) + ")";
    }
    void require(bool ok, const char* what, uint64_t which) {
        if (!ok) fail(what, which);
    }
    Held* find(uint64_t id) {
        const auto at = held.find(id);
        if (at == held.end()) return fail("an event about an order that is not live", id), nullptr;
        return &at->second;
    }

    void accepted(const wire::OrderAccepted& e) {
        Held o;
        o.instrument = e.header.instrument, o.buy = e.side == wire::Side::buy, o.hidden = e.hidden(), o.waiting = e.waiting();
        o.price = e.price, o.qty = o.leaves = e.qty, o.display = e.display_qty;
        o.show_anew();
        require(e.qty > 0 && held.emplace(e.order_id, o).second, "an order is accepted twice, or of nothing", e.order_id);
    }

    void executed(const wire::OrderExecuted& e) {
        Held *maker = find(e.maker_order_id), *taker = find(e.taker_order_id);
        require(e.match_id == ++matches_, "a match id is left out", e.match_id);
        if (!maker || !taker) return;
        require(e.qty > 0 && maker->leaves - e.qty == e.maker_leaves_qty && taker->leaves - e.qty == e.taker_leaves_qty, "quantity comes or goes", e.match_id);
        require(maker->buy != taker->buy && e.header.instrument == maker->instrument && maker->instrument == taker->instrument, "an odd match", e.match_id);
        require(!maker->waiting && !taker->waiting, "a waiting order trades", e.match_id);
        require(e.auction() ? e.maker_order_id < e.taker_order_id : e.price == maker->price, "an odd price or maker", e.match_id);
        maker->leaves = e.maker_leaves_qty;
        taker->leaves = e.taker_leaves_qty;
        if (!e.auction()) maker->shown = std::max<int64_t>(maker->shown - e.qty, 0);
        if (!e.auction() || !taker->display) taker->show_anew();
        if (e.auction() && !maker->display) maker->show_anew();
        if (!e.maker_leaves_qty) held.erase(e.maker_order_id);
        if (!e.taker_leaves_qty) held.erase(e.taker_order_id);
    }

    void cancelled(const wire::OrderCancelled& e) {
        const Held* o = find(e.order_id);
        if (!o) return;
        require(o->leaves == e.cancelled_qty && o->qty - o->leaves == e.cum_qty, "a cancel of another quantity", e.order_id);
        require(o->instrument == e.header.instrument && o->price == e.price, "a cancel at another price", e.order_id);
        held.erase(e.order_id);
    }

    void replaced(const wire::OrderReplaced& e) {
        Held* o = find(e.order_id);
        if (!o) return;
        require(o->leaves == e.old_leaves_qty && o->price == e.old_price, "a replace of another order", e.order_id);
        require(o->qty - o->leaves == e.qty - e.leaves_qty && e.leaves_qty > 0, "a replace changes what is executed", e.order_id);
        o->qty = e.qty, o->leaves = e.leaves_qty, o->price = e.price;
        if (e.priority_kept()) o->shown = std::min(o->shown, o->leaves);
        else o->show_anew();
    }

    void triggered(const wire::OrderTriggered& e) {
        Held* o = find(e.order_id);
        if (!o) return;
        require(o->waiting && o->leaves == e.leaves_qty, "a trigger of another order", e.order_id);
        o->waiting = false;
        o->price = e.price;
        o->show_anew();
    }

    void restated(const wire::OrderRestated& e) {
        Held* o = find(e.order_id);
        if (!o) return;
        require(o->qty - o->leaves == e.qty - e.leaves_qty && e.leaves_qty > 0, "a restatement changes what is executed", e.order_id);
        require(o->price == e.price && (e.reason == wire::RestateReason::self_trade_decrement || o->leaves == e.leaves_qty), "an odd restatement", e.order_id);
        o->qty = e.qty, o->leaves = e.leaves_qty, o->shown = e.displayed_qty;
        // Of an incoming order nothing is shown yet; it rests with what there is to show.
        if (e.reason == wire::RestateReason::self_trade_decrement && !e.displayed_qty) o->show_anew();
    }

    uint64_t matches_ = 0;
    std::string fault_;
};

}  // namespace tapewire::check
