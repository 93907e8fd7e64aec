// What the books of an orders tape show at their tops, and who has traded what: the state that rows need besides their
// own record. A fold of the tape; it has no clock and does no I/O.
//
//   live orders ──▶ per instrument and side: price ──▶ how many orders show there ──▶ the best bid and ask
//   matches     ──▶ per account and instrument: quantities and notionals bought and sold
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>

#include "services/flusher/sinks/postgres/copy_row.hpp"
#include "tapewire/wire/flat.hpp"

namespace tapewire::postgres {

struct Top {
    int64_t bid = 0, ask = 0;
    bool has_bid = false, has_ask = false;
};

struct Instrument {
    bool known = false;
    int8_t price_exponent = 0, qty_exponent = 0;
    std::string ticker;
    std::map<int64_t, uint32_t> bids, asks;  // orders that show at a price
    uint64_t arrived = 0;                    // the command whose first event here was met last
    Top arrival;                             // the top before that command

    Top top() const {
        Top now;
        if (!bids.empty()) now.bid = bids.rbegin()->first, now.has_bid = true;
        if (!asks.empty()) now.ask = asks.begin()->first, now.has_ask = true;
        return now;
    }
};

struct Live {
    uint32_t instrument;
    wire::Side side;
    bool hidden, waiting;
    int64_t price;

    bool shows() const { return !hidden && !waiting; }
};

struct Position {
    i128 bought = 0, sold = 0, bought_notional = 0, sold_notional = 0;
    uint64_t fills = 0;
};

class Tops {
public:
    std::map<uint32_t, Instrument> instruments;
    std::unordered_map<uint64_t, Live> live;
    std::map<uint64_t, Position> positions;  // by account << 32 | instrument
    std::map<uint16_t, std::string> venues;  // a router's, by number: what they are called

    void define(uint32_t instrument, int8_t price_exponent, int8_t qty_exponent, std::string_view ticker) {
        Instrument& one = instruments[instrument];
        one.known = true, one.price_exponent = price_exponent, one.qty_exponent = qty_exponent, one.ticker = ticker;
    }

    Position& position(uint32_t account, uint32_t instrument) { return positions[uint64_t(account) << 32 | instrument]; }

    // The instrument of an event, its top remembered as it was before the event's command.
    Instrument& meet(const wire::Header& header) {
        Instrument& one = instruments[header.instrument];
        const uint64_t command = header.cause ? header.cause : header.seq;
        if (one.arrived != command) one.arrived = command, one.arrival = one.top();
        return one;
    }

    void accepted(const wire::OrderAccepted& m) {
        Live& order = live[m.order_id];
        order = Live{m.header.instrument, m.side, m.hidden(), m.waiting(), m.price};
        count(order, +1);
    }

    void triggered(const wire::OrderTriggered& m) {
        auto found = live.find(m.order_id);
        if (found == live.end()) return;
        count(found->second, -1);
        found->second.waiting = false, found->second.price = m.price;
        count(found->second, +1);
    }

    void replaced(const wire::OrderReplaced& m) {
        auto found = live.find(m.order_id);
        if (found == live.end()) return;
        count(found->second, -1);
        if (m.leaves_qty == 0) {
            live.erase(found);
            return;
        }
        found->second.price = m.price;
        count(found->second, +1);
    }

    void gone(uint64_t order_id) {
        auto found = live.find(order_id);
        if (found == live.end()) return;
        count(found->second, -1);
        live.erase(found);
    }

    void executed(const wire::OrderExecuted& m) {
        if (m.maker_leaves_qty == 0) gone(m.maker_order_id);
        if (m.taker_leaves_qty == 0) gone(m.taker_order_id);
        const bool taker_buys = m.taker_side == wire::Side::buy;
        fill(m.maker_account, m.header.instrument, !taker_buys, m.price, m.qty, +1);
        fill(m.taker_account, m.header.instrument, taker_buys, m.price, m.qty, +1);
    }

    // `sign` -1 takes a fill back.
    void fill(uint32_t account, uint32_t instrument, bool buys, int64_t price, int64_t qty, int sign) {
        Position& one = position(account, instrument);
        (buys ? one.bought : one.sold) += sign * i128(qty);
        (buys ? one.bought_notional : one.sold_notional) += sign * i128(price) * qty;
        one.fills += uint64_t(int64_t(sign));
    }

    // A live order as it was kept.
    void restored(uint64_t order_id, const Live& order) {
        live[order_id] = order;
        count(order, +1);
    }

private:
    void count(const Live& order, int change) {
        if (!order.shows()) return;
        Instrument& one = instruments[order.instrument];
        auto& side = order.side == wire::Side::buy ? one.bids : one.asks;
        if ((side[order.price] += uint32_t(change)) == 0) side.erase(order.price);
    }
};

}  // namespace tapewire::postgres
