// The books as a whole: where they come from and go, and what they look like from outside.
#pragma once
#include "services/matcher/matcher.hpp"

namespace tapewire::matcher {

inline void Matcher::close_ladders(Book& b) {
    b.close();
    if (b.waiting) waiting_[b.waiting].close();
}

inline void Matcher::close_books() {
    for (const uint32_t id : instruments_) close_ladders(books_[id]);
}

inline void Matcher::clear() {
    close_books();
    store_ = Store(store_.orders.capacity());
    books_ = Arena<Book>(MAX_INSTRUMENTS);
    rules_ = Arena<Rules>(MAX_INSTRUMENTS);
    waiting_ = Pool<Waiting, &Waiting::at_close>(MAX_INSTRUMENTS);
    timers_ = Dues(MAX_INSTRUMENTS);
    book_count_ = 0;
    instruments_.clear();
    amended_.clear();
    next_match_id_ = 1;
    last_order_id_ = 0;
    clock_ = 0;
}

inline Book& Matcher::add_book(uint32_t id) {
    books_.ensure(size_t{id} + 1);
    rules_.ensure(size_t{id} + 1);
    book_count_ = std::max(book_count_, id + 1);
    instruments_.insert(std::lower_bound(instruments_.begin(), instruments_.end(), id), id);
    books_[id].open(id);
    rules_[id] = Rules{};
    rules_[id].limit_state = wire::LimitState::normal;
    return books_[id];
}

inline void Matcher::forget_book(Book& b) {
    set_timer(b, 0);
    close_ladders(b);
    if (b.waiting) waiting_.give(b.waiting);
    if (b.pivot) store_.pivots.give(b.pivot);
    b.open(b.id);  // not defined
}

inline Waiting& Matcher::waiting_of(Book& b) {
    if (!b.waiting) {
        b.waiting = waiting_.take();
        waiting_[b.waiting] = Waiting{};
    }
    return waiting_[b.waiting];
}

inline uint8_t Matcher::watched(const Book& b) const {
    const Rules& r = rules_[b.id];
    return uint8_t((b.waiting && waiting_[b.waiting].any_stops() ? Book::STOPS : 0) |
                   (b.trading() && (r.static_bps || r.dynamic_bps) ? Book::BANDS : 0) | (b.in_call() ? Book::CALL : 0));
}

inline void Matcher::set_timer(const Book& b, int64_t due) {
    Rules& r = rules_[b.id];
    const auto place = [this](uint32_t id) -> uint32_t& { return rules_[id].due_at; };
    if (r.due) timers_.erase(r.due_at, place);
    if (due) timers_.add(due, b.id, place);
    r.due = due;
}

inline int64_t Matcher::price_of(const Order& o) const {
    return o.waiting() ? store_.extras[o.extra].price : books_[o.instrument].price(store_.levels[o.level].key, o.side);
}

inline int64_t Matcher::next_due() const {
    if (timers_.empty()) return store_.expiries.empty() ? 0 : store_.expiries.first();
    return store_.expiries.empty() ? timers_.first() : std::min(timers_.first(), store_.expiries.first());
}

// What of a level is displayed.
inline Matcher::Depth Matcher::shown_at(const Book& b, unsigned side, uint32_t at) const {
    const Level& level = store_.levels[at];
    const Unshown none{}, &unshown = level.unshown ? store_.unshown[level.unshown] : none;
    return {b.price(level.key, side), level.qty - unshown.qty, level.count - unshown.orders};
}

template <class F>
void Matcher::each_shown(uint32_t instrument, wire::Side side, F&& f) const {
    const unsigned s = side == wire::Side::sell;
    const Book& b = books_[instrument];
    b.sides[s].each(store_, [&](uint32_t level) {
        const Depth shown = shown_at(b, s, level);
        return !shown.orders || f(shown);
    });
}

inline std::vector<Matcher::Depth> Matcher::depth(uint32_t instrument, wire::Side side, size_t levels) const {
    std::vector<Depth> out;
    if (levels) each_shown(instrument, side, [&](const Depth& shown) { return out.push_back(shown), out.size() < levels; });
    return out;
}

inline Matcher::Depth Matcher::at(uint32_t instrument, wire::Side side, int64_t price) const {
    const unsigned s = side == wire::Side::sell;
    const Book& b = books_[instrument];
    const int64_t ticks = b.tick.quotient(std::clamp<int64_t>(price, 0, MAX_PRICE));
    const uint32_t level = ticks * b.tick.value() == price ? b.sides[s].find(Book::key(ticks, s)) : 0;
    return level ? shown_at(b, s, level) : Depth{price, 0, 0};
}

inline Matcher::Top Matcher::best(uint32_t instrument) const {
    Top top{};
    const Book& b = books_[instrument];
    for (unsigned side = 0; side < 2; ++side) {
        b.sides[side].each(store_, [&](uint32_t level) {
            const Depth shown = shown_at(b, side, level);
            if (!shown.orders) return true;
            (side ? top.ask : top.bid) = shown.price;
            (side ? top.ask_qty : top.bid_qty) = shown.qty;
            return false;
        });
    }
    return top;
}

}  // namespace tapewire::matcher
