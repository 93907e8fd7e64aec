// Orders of one self-trade group do not trade with each other: what happens instead is the incoming order's choice.
#pragma once
#include "services/matcher/matcher.hpp"

namespace tapewire::matcher {

// `slot` is the order that `in` would trade with next. `in` has no leaves afterwards if it is over.
template <class Sink>
TAPEWIRE_SELDOM void Matcher::prevent(Incoming& in, uint32_t slot, Sink& sink) {
    using wire::SelfTrade;
    constexpr auto WHY = wire::CancelReason::self_trade;
    int64_t maker_loses = 0, taker_loses = 0;
    const int64_t resting = store_.orders[slot].leaves;
    switch (in.self_trade) {
        case SelfTrade::cancel_newest: taker_loses = in.leaves; break;
        case SelfTrade::cancel_oldest: maker_loses = resting; break;
        case SelfTrade::cancel_both: maker_loses = resting, taker_loses = in.leaves; break;
        default: maker_loses = taker_loses = std::min(in.leaves, resting); break;
    }
    if (maker_loses == resting) {
        cancel(slot, 0, WHY, sink);
    } else if (maker_loses) {
        store_.orders[slot].qty -= maker_loses;
        in.book->set_leaves(store_, slot, resting - maker_loses);
        restated(slot, wire::RestateReason::self_trade_decrement, true, sink);
    }
    if (taker_loses == in.leaves) {
        cancelled(in, WHY, sink);
        in.leaves = 0;
    } else if (taker_loses) {
        in.leaves -= taker_loses;
        in.qty -= taker_loses;
        restated(in, sink);
    }
}

// An incoming order lost leaves to one it must not trade with.
template <class Sink>
void Matcher::restated(const Incoming& in, Sink& sink) {
    auto* e = sink.template begin<wire::OrderRestated>();
    e->header.instrument = in.book->id;
    e->order_id = in.id;
    e->price = in.price;
    e->qty = in.qty;
    e->leaves_qty = in.leaves;
    e->account = in.account;
    e->side = side_of(in.side);
    e->reason = wire::RestateReason::self_trade_decrement;
    e->set_priority_kept(true);
    sink.end(e);
}

// What `in` could trade at once, counted no further than `enough`: up to the first order it must not trade with, which
// it passes over only if that is cancelled and it goes on.
inline int64_t Matcher::available(const Incoming& in, int64_t enough) const {
    const Ladder& makers = in.book->sides[!in.side];
    const auto reaches = [&](const Level& level) { return level.key >= in.reach; };
    int64_t sum = 0;
    makers.each(store_, [&](uint32_t at) {
        const Level& level = store_.levels[at];
        if (!reaches(level)) return false;
        bool stopped = false;
        const int64_t there = in.group == NO_GROUP ? level.qty : available_at(level, in, stopped);
        sum += std::min(there, enough - sum);
        return sum < enough && !stopped;
    });
    return sum;
}

// Of one level. The first own order ends it (`stopped`), and before a displayed one icebergs trade but the part they
// show: the next ones would come behind it.
inline int64_t Matcher::available_at(const Level& level, const Incoming& in, bool& stopped) const {
    int64_t whole = 0, shown = 0;
    for (uint32_t slot = level.head; slot; slot = store_.orders[slot].next) {
        const Order& o = store_.orders[slot];
        if (o.self_trade_group != in.group) {
            whole += o.leaves;
            shown += store_.shown(o);
        } else if (in.self_trade != wire::SelfTrade::cancel_oldest) {
            stopped = true;
            return o.hidden() ? whole : shown;
        }
    }
    return whole;
}

}  // namespace tapewire::matcher
