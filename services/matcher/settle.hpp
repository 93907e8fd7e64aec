// The end of a command, for an instrument it touched: what its trades set off, and what its subscribers must be told.
#pragma once
#include "services/matcher/matcher.hpp"

namespace tapewire::matcher {

// To be called only for books that watch something; `executed`: this command has set their last price.
template <class Sink>
TAPEWIRE_SELDOM void Matcher::settle(Book& b, int64_t ts, bool executed, Sink& sink) {
    if (executed && (b.watch & Book::STOPS) && b.trading()) elect(b, sink);
    if (b.watch & Book::BANDS) {
        if (b.last != rules_[b.id].banded_last) set_edges(b);
        tell_limit_state(b, ts, sink);
    }
    if (b.watch & Book::CALL) indicate(b, sink);
}

// An order ends once: by a trade that fills it, by a cancel, or by a decrement, which also restates the other order. It is
// triggered once at most. A trade that ends neither side uses up a part that an iceberg shows: two events, for each part
// to come and for the one shown now; and an order may come in, or be replaced, as a new iceberg. An instrument changes its
// status once, and tells its limit state or indication twice: after orders expired, and in its new status.
inline uint64_t Matcher::most_events() const {
    const uint64_t ends = 2 * (uint64_t{store_.orders.size()} + 1), triggers = store_.waiting;
    const uint64_t refreshes = 2 * (uint64_t(store_.refreshes) + store_.icebergs + MAX_PARTS + 1);
    return ends + triggers + refreshes + 3 * (instruments_.size() + 1) + 3;
}

}  // namespace tapewire::matcher
