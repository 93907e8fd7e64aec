// The matcher's state as bytes. Little endian, 8-byte words, in this order:
//
//   "TWMATCH2"  nextMatchId  lastOrderId  clock (how far AdvanceClock has come)
//   amended trades, then per trade by matchId: matchId  price  qty (0: busted)
//   instruments, then per instrument by id:
//     id  tick  lot  maxQty  minPrice  maxPrice  status
//     referencePrice  staticReference  last  staticBps | dynamicBps << 32  limitStateMs | pauseMs << 32
//     limitState | reason of the status << 32  limitStateDue  resumeTime
//     indicated: price  qty  imbalanceQty  imbalanceSide
//     then for bids, then for asks:
//       levels, then per level from the best: price  orders, then its orders from the front of the queue
//     then for buy stops by ascending stopPx, then for sell stops by descending stopPx:
//       levels, then per level: stopPx  orders, then its orders from the front of the queue
//     at-the-close orders, then each from the front of the queue
//   an order:
//     id  leaves  qty  account | timeInForce << 32 | ordType << 40 | selfTrade << 48 | flags << 56
//     session | selfTradeGroup << 32
//     and if flags have 8: price  stopPx  displayQty  shown  expireTime
//
// Flags: 1 post-only, 2 slide, 4 hidden, 8 waiting, iceberg or GTD, 16 to sell (at-the-close orders only: elsewhere the
// place says it). Nothing depends on where things lie in memory or on how the state came about: equal states give equal
// bytes. Snapshots of the first version ("TWMATCH1") are not read: they lack what the rules need; replay the tape.
#pragma once
#include "services/matcher/matcher.hpp"
#include "tapewire/wire/words.hpp"

namespace tapewire::matcher {

inline constexpr uint64_t SNAPSHOT_MAGIC = 0x32484354414d5754;  // "TWMATCH2"

namespace detail {

inline constexpr uint64_t HAS_EXTRA = 8, TO_SELL = 16;  // beside Order's flags
inline constexpr uint64_t BOOK_WORDS = 24, LEVEL_WORDS = 7, ORDER_WORDS = 5, EXTRA_WORDS = 5;  // the least they take

inline uint64_t pair(uint32_t low, uint32_t high) { return low | uint64_t{high} << 32; }

}  // namespace detail

inline void Matcher::snapshot(std::vector<uint8_t>& out) const {
    using namespace detail;
    wire::WordWriter w(out);
    w.expect(6 + 3 * amended_.size() + BOOK_WORDS * instruments_.size() + 2 * store_.levels.size() +
             ORDER_WORDS * store_.orders.size() + EXTRA_WORDS * store_.extras.size());
    w.put(SNAPSHOT_MAGIC, next_match_id_, last_order_id_, clock_, amended_.size());
    for (const auto& [match_id, stands] : amended_) w.put(match_id, stands.price, stands.qty);
    w.put(instruments_.size());
    for (const uint32_t id : instruments_) write_book(w, books_[id]);
}

inline void Matcher::write_book(wire::WordWriter& w, const Book& b) const {
    const Rules& r = rules_[b.id];
    w.put(b.id, b.tick.value(), b.lot.value(), b.max_qty, b.min_price, b.max_price, uint16_t(b.status));
    w.put(r.reference, r.static_reference, b.last, detail::pair(r.static_bps, r.dynamic_bps), detail::pair(r.limit_state_ms, r.pause_ms));
    w.put(detail::pair(uint16_t(r.limit_state), uint16_t(r.reason)), b.trading() ? r.due : 0, b.trading() ? 0 : r.due);
    w.put(r.indicated.price, r.indicated.qty, r.indicated.imbalance_qty, uint16_t(r.indicated.imbalance_side));
    for (unsigned side = 0; side < 2; ++side) write_ladder(w, b, b.sides[side], side);
    const Waiting none{}, &there = b.waiting ? waiting_[b.waiting] : none;
    for (unsigned side = 0; side < 2; ++side) write_ladder(w, b, there.stops[side], !side);
    w.put(there.at_close ? store_.levels[there.at_close].count : 0);
    if (there.at_close) write_queue(w, there.at_close);
}

// `side`: whose keys it has.
inline void Matcher::write_ladder(wire::WordWriter& w, const Book& b, const Ladder& ladder, unsigned side) const {
    w.put(ladder.count());
    ladder.each(store_, [&](uint32_t at) {
        w.put(b.price(store_.levels[at].key, side), store_.levels[at].count);
        write_queue(w, at);
        return true;
    });
}

inline void Matcher::write_queue(wire::WordWriter& w, uint32_t level) const {
    for (uint32_t slot = store_.levels[level].head; slot; slot = store_.orders[slot].next) {
        const Order& o = store_.orders[slot];
        uint64_t flags = o.flags & (Order::POST_ONLY | Order::SLIDE | Order::HIDDEN);
        if (o.extra) flags |= detail::HAS_EXTRA;
        if (o.waiting() && !Waiting::stop(o) && o.side) flags |= detail::TO_SELL;
        const uint64_t terms = uint64_t{o.time_in_force} << 32 | uint64_t{o.ord_type} << 40 | uint64_t{o.self_trade} << 48;
        w.put(o.id, o.leaves, o.qty, o.account | terms | flags << 56, detail::pair(o.session, o.self_trade_group));
        if (!o.extra) continue;
        const Extra& extra = store_.extras[o.extra];
        w.put(price_of(o), extra.stop_px, extra.display_qty, o.waiting() ? 0 : store_.shown(o), extra.expire_time);
    }
}

}  // namespace tapewire::matcher
