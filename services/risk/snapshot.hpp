// Risk's state as bytes, and back. Little endian, 8-byte words, in this order:
//
//   "TWRISK02"  killed
//   count, then per defined instrument:  id  tick  lot  max_qty  min_price  max_price  reference  collar_bps
//   count, then per known account:       id  max_order_qty  max_notional  max_position  killed|selfTrade<<32  group
//   count, then per exposure that is not 0:   account<<32|instrument  position  open_buy  open_sell
//   count, then per ClOrdID mark by key: (source+1)<<32|account  last ClOrdID
//   count, then per live order by id:    id  leaves  cum  account<<32|instrument  buy|ordType<<32  stop_px
#pragma once
#include "services/risk/risk.hpp"
#include "tapewire/wire/words.hpp"

namespace tapewire::risk {

inline constexpr uint64_t SNAPSHOT_MAGIC = 0x32304b5349525754;  // "TWRISK02"

inline void Risk::snapshot(std::vector<uint8_t>& out) const {
    wire::WordWriter w(out);
    w.expect(8 * instruments_.size() + 6 * accounts_.size() + 4 * exposures_.size() + 2 * last_cl_ord_.size() + 6 * orders_.live() + 7);
    w.put(SNAPSHOT_MAGIC, killed_);
    w.put(std::count_if(instruments_.begin(), instruments_.end(), [](const Instrument& i) { return i.defined != 0; }));
    for (size_t id = 0; id < instruments_.size(); ++id)
        if (const Instrument& i = instruments_[id]; i.defined)
            w.put(id, i.tick, i.lot, i.max_qty, i.min_price, i.max_price, i.reference, i.collar_bps);
    w.put(std::count_if(accounts_.begin(), accounts_.end(), [](const Account& a) { return a.known; }));
    for (size_t id = 0; id < accounts_.size(); ++id)
        if (const Account& a = accounts_[id]; a.known)
            w.put(id, a.max_order_qty, a.max_notional, a.max_position, pair(a.self_trade, a.killed), a.group);
    size_t open = 0;
    exposures_.each_sorted([&](uint64_t, const Exposure& e) { open += e.any(); });
    w.put(open);
    exposures_.each_sorted([&](uint64_t key, const Exposure& e) {
        if (e.any()) w.put(key, e.position, e.open_buy, e.open_sell);
    });
    w.put(last_cl_ord_.size());
    last_cl_ord_.each_sorted([&](uint64_t key, uint64_t last) { w.put(key, last); });
    w.put(orders_.live());
    orders_.each([&](uint64_t id, const OpenOrder& o) { w.put(id, o.leaves, o.cum, pair(o.account, o.instrument), pair(o.ord_type, o.buy), o.stop_px); });
}

// False: not a snapshot of this version, cut short, or of what cannot be; the state is then empty. `next_order_id` is the
// sequencer's: ids from there on were never given, and risk's table of orders is as long as the greatest one says.
inline bool Risk::restore(const uint8_t* p, size_t n, uint64_t next_order_id) {
    *this = Risk{};
    wire::WordReader r(p, n);
    if (r.get() != SNAPSHOT_MAGIC) return false;
    killed_ = r.get() != 0;
    for (size_t left = r.count(8); left; --left) {
        uint64_t id = r.get();
        if (id == 0 || id >= MAX_INSTRUMENTS) return *this = Risk{}, false;
        if (id >= instruments_.size()) instruments_.resize(id + 1);
        Instrument& i = instruments_[id];
        i.tick = int64_t(r.get()), i.lot = int64_t(r.get()), i.max_qty = int64_t(r.get());
        i.min_price = int64_t(r.get()), i.max_price = int64_t(r.get());
        const auto reference = int64_t(r.get());
        i.collar_bps = uint32_t(r.get()), i.defined = 1;
        if (i.tick <= 0 || i.lot <= 0) return *this = Risk{}, false;
        if (reference < 0 || reference > MAX_PRICE || i.collar_bps > MAX_COLLAR_BPS) return *this = Risk{}, false;
        i.set_reference(reference);
    }
    for (size_t left = r.count(6); left; --left) {
        uint64_t id = r.get();
        if (id == 0 || id >= MAX_ACCOUNTS) return *this = Risk{}, false;
        if (id >= accounts_.size()) accounts_.resize(id + 1);
        Account& a = accounts_[id];
        a.max_order_qty = int64_t(r.get()), a.max_notional = int64_t(r.get()), a.max_position = int64_t(r.get());
        const uint64_t flags = r.get(), group = r.get();
        if (uint32_t(flags) > 1 || flags >> 32 > uint64_t(wire::SelfTrade::decrement_and_cancel) || group >= 2 * MAX_GROUPS)
            return *this = Risk{}, false;
        a.killed = uint32_t(flags) != 0, a.self_trade = uint16_t(flags >> 32), a.group = uint32_t(group), a.known = true;
    }
    for (size_t left = r.count(4); left; --left) {
        uint64_t key = r.get();
        if (key == 0) return *this = Risk{}, false;
        Exposure& e = exposures_[key];
        e.position = int64_t(r.get()), e.open_buy = int64_t(r.get()), e.open_sell = int64_t(r.get());
    }
    for (size_t left = r.count(2); left; --left) {
        uint64_t key = r.get();
        if (key == 0) return *this = Risk{}, false;
        last_cl_ord_[key] = r.get();
    }
    uint64_t last_id = 0;
    for (size_t left = r.count(6); left; --left) {
        const uint64_t id = r.get();
        int64_t leaves = int64_t(r.get()), cum = int64_t(r.get());
        const uint64_t owner = r.get(), kind = r.get();
        const int64_t stop_px = int64_t(r.get());
        if (id <= last_id || id >= next_order_id || leaves <= 0) return *this = Risk{}, false;
        if (owner >> 32 >= MAX_ACCOUNTS || uint32_t(owner) >= instruments_.size()) return *this = Risk{}, false;
        last_id = id;
        if (uint32_t(kind) > 1 || kind >> 32 > uint64_t(wire::OrdType::stop_limit) || stop_px < 0 || stop_px > MAX_PRICE)
            return *this = Risk{}, false;
        OpenOrder& order = orders_.add(id);
        order = OpenOrder::of(leaves, cum, uint32_t(owner >> 32), uint32_t(owner), kind & 1, wire::OrdType(kind >> 32));
        order.stop_px = stop_px;
    }
    if (!r.done()) return *this = Risk{}, false;
    return true;
}

}  // namespace tapewire::risk
