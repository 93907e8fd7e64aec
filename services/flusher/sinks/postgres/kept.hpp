// The state of a Rows as bytes, and back: what a restart goes on from. Little endian, in an order that the fold decides.
#pragma once
#include <algorithm>

#include "services/flusher/sinks/postgres/rows.hpp"

namespace tapewire::postgres {

inline constexpr uint32_t KEPT_VERSION = 2;

class Keeper {
public:
    std::vector<uint8_t> bytes;
    template <class T>
    void put(T v) {
        const size_t at = bytes.size();
        bytes.resize(at + sizeof v);
        std::memcpy(bytes.data() + at, &v, sizeof v);
    }
    void put_text(std::string_view s) {
        put(uint32_t(s.size()));
        bytes.insert(bytes.end(), s.begin(), s.end());
    }
};

class Restorer {
public:
    Restorer(const uint8_t* p, size_t n) : p_(p), end_(p + n) {}
    template <class T>
    T get() {
        T v{};
        if (size_t(end_ - p_) < sizeof v) return good = false, v;
        std::memcpy(&v, p_, sizeof v);
        p_ += sizeof v;
        return v;
    }
    std::string get_text() {
        const uint32_t n = get<uint32_t>();
        if (!good || size_t(end_ - p_) < n) return good = false, std::string();
        std::string s(reinterpret_cast<const char*>(p_), n);
        p_ += n;
        return s;
    }
    bool done() const { return good && p_ == end_; }
    bool good = true;

private:
    const uint8_t *p_, *end_;
};

inline void keep(const Rows& rows, Keeper& out) {
    out.put(KEPT_VERSION), out.put(rows.at);
    out.put(rows.command.seq), out.put(rows.command.type), out.put_text(rows.command.text);
    out.put(uint64_t(rows.state.instruments.size()));
    for (const auto& [number, one] : rows.state.instruments) {
        out.put(number), out.put(uint8_t(one.known)), out.put(one.price_exponent), out.put(one.qty_exponent), out.put_text(one.ticker);
        out.put(one.arrived), out.put(one.arrival.bid), out.put(one.arrival.ask);
        out.put(uint8_t(one.arrival.has_bid)), out.put(uint8_t(one.arrival.has_ask));
    }
    std::vector<uint64_t> ids;
    ids.reserve(rows.state.live.size());
    for (const auto& [id, order] : rows.state.live) ids.push_back(id);
    std::sort(ids.begin(), ids.end());
    out.put(uint64_t(ids.size()));
    for (const uint64_t id : ids) {
        const Live& order = rows.state.live.at(id);
        out.put(id), out.put(order.instrument), out.put(uint16_t(order.side)), out.put(order.price);
        out.put(uint8_t(order.hidden | order.waiting << 1));
    }
    out.put(uint64_t(rows.state.positions.size()));
    for (const auto& [key, one] : rows.state.positions) {
        out.put(key), out.put(one.bought), out.put(one.sold), out.put(one.bought_notional), out.put(one.sold_notional), out.put(one.fills);
    }
    out.put(uint64_t(rows.state.venues.size()));
    for (const auto& [number, name] : rows.state.venues) out.put(number), out.put_text(name);
}

// False for other bytes; `rows` is then spent.
inline bool restore(Rows& rows, const uint8_t* p, size_t n) {
    Restorer in(p, n);
    if (in.get<uint32_t>() != KEPT_VERSION) return false;
    rows.state = Tops();
    rows.at = in.get<uint64_t>();
    rows.command.seq = in.get<uint64_t>(), rows.command.type = in.get<uint16_t>(), rows.command.text = in.get_text();
    for (uint64_t left = in.get<uint64_t>(); left && in.good; --left) {
        Instrument& one = rows.state.instruments[in.get<uint32_t>()];
        one.known = in.get<uint8_t>(), one.price_exponent = in.get<int8_t>(), one.qty_exponent = in.get<int8_t>();
        one.ticker = in.get_text(), one.arrived = in.get<uint64_t>();
        one.arrival.bid = in.get<int64_t>(), one.arrival.ask = in.get<int64_t>();
        one.arrival.has_bid = in.get<uint8_t>(), one.arrival.has_ask = in.get<uint8_t>();
    }
    for (uint64_t left = in.get<uint64_t>(); left && in.good; --left) {
        const uint64_t id = in.get<uint64_t>();
        Live order{};
        order.instrument = in.get<uint32_t>(), order.side = wire::Side(in.get<uint16_t>()), order.price = in.get<int64_t>();
        const uint8_t flags = in.get<uint8_t>();
        order.hidden = flags & 1, order.waiting = flags >> 1 & 1;
        if (in.good) rows.state.restored(id, order);
    }
    for (uint64_t left = in.get<uint64_t>(); left && in.good; --left) {
        Position& one = rows.state.positions[in.get<uint64_t>()];
        one.bought = in.get<i128>(), one.sold = in.get<i128>(), one.bought_notional = in.get<i128>(), one.sold_notional = in.get<i128>();
        one.fills = in.get<uint64_t>();
    }
    for (uint64_t left = in.get<uint64_t>(); left && in.good; --left) {
        const uint16_t number = in.get<uint16_t>();
        rows.state.venues[number] = in.get_text();
    }
    return in.done();
}

}  // namespace tapewire::postgres
