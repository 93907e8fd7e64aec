// What stands defined on an orders tape: each instrument as it was defined last, in the status and with the reference
// price of now, and each account's limits. A fold of the tape's records; a part of the engine's state, and of every
// snapshot of it, so that nobody needs the records that said it.
//
// As bytes: "TWDEFS01", then flat messages: an InstrumentDefinition each by rising id, an AccountLimits each by rising
// account. An engine's state begins with "TWSTATE2", the length of this section in 8 bytes, and the section: whoever needs
// no more of a snapshot than the definitions finds them without knowing the rest.
#pragma once
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tapewire/wire/relayout.hpp"
#include "tapewire/wire/words.hpp"

namespace tapewire::definitions {

inline constexpr uint64_t STATE_MAGIC = 0x3245544154535754;  // "TWSTATE2"

class Definitions {
  public:
    using Instruments = std::map<uint32_t, wire::InstrumentDefinition>;
    using Accounts = std::map<uint32_t, wire::AccountLimits>;

    // What a definition asks and what stands against it; false: nothing does.
    struct Clash {
        bool any = false;
        int64_t asked = 0, stands = 0;
        explicit operator bool() const { return any; }
    };

    // Whether fold() looks at records of this type: there are few of them.
    static bool concerns(wire::MessageType type) {
        constexpr uint64_t THOSE = uint64_t{1} << uint16_t(wire::MessageType::instrument_definition) |
                                   uint64_t{1} << uint16_t(wire::MessageType::account_limits) |
                                   uint64_t{1} << uint16_t(wire::MessageType::instrument_status_changed);
        return uint16_t(type) < 64 && THOSE >> uint16_t(type) & 1;
    }

    // Kept out of the way of the records that come by the million.
    [[gnu::noinline, gnu::cold]] void fold(const uint8_t* record) {
        switch (wire::header(record).type) {
            case wire::MessageType::instrument_definition: return define(*reinterpret_cast<const wire::InstrumentDefinition*>(record));
            case wire::MessageType::account_limits: return limit(*reinterpret_cast<const wire::AccountLimits*>(record));
            case wire::MessageType::instrument_status_changed:
                return changed(*reinterpret_cast<const wire::InstrumentStatusChanged*>(record));
            default: return;
        }
    }

    // An id stands for one ticker and its exponents for ever: positions, trades and reports name nothing else. A ticker
    // names one listed instrument.
    Clash clash(const wire::InstrumentDefinition& d) const {
        const uint32_t id = d.header.instrument;
        if (const auto at = instruments_.find(id); at != instruments_.end()) {
            const wire::InstrumentDefinition& stands = at->second;
            if (d.price_exponent != stands.price_exponent) return {true, d.price_exponent, stands.price_exponent};
            if (d.qty_exponent != stands.qty_exponent) return {true, d.qty_exponent, stands.qty_exponent};
            if (ticker(d) != ticker(stands)) return {true, int64_t(id), int64_t(id)};
        }
        for (auto at = listed_.lower_bound({ticker(d), 0}); at != listed_.end() && at->first == ticker(d); ++at)
            if (at->second != id) return {true, int64_t(id), int64_t(at->second)};
        return {};
    }

    const Instruments& instruments() const { return instruments_; }
    const Accounts& accounts() const { return accounts_; }

    void snapshot(std::vector<uint8_t>& out) const {
        out.reserve(out.size() + 8 + instruments_.size() * sizeof(wire::InstrumentDefinition) + accounts_.size() * sizeof(wire::AccountLimits));
        wire::WordWriter(out).put(SNAPSHOT_MAGIC);
        const auto put = [&](const auto& message) {
            const auto* p = reinterpret_cast<const uint8_t*>(&message);
            out.insert(out.end(), p, p + sizeof message);
        };
        for (const auto& [id, definition] : instruments_) put(definition);
        for (const auto& [account, limits] : accounts_) put(limits);
    }

    // False: not a snapshot of this version, cut short, or of what cannot be; the state is then empty. Messages that another
    // version of the schemas laid out are laid out anew; `whole`: not if a field is set there that this one does not know.
    bool restore(const uint8_t* p, size_t n, bool whole = true) {
        *this = {};
        bool ok = n >= 8 && wire::load64(p) == SNAPSHOT_MAGIC;
        for (size_t at = 8; ok && at < n;) {
            const size_t length = n - at < 8 ? 0 : size_t(wire::load64(p + at) >> 32) * 8 + 8;
            ok = length && length <= n - at && take(p + at, length, whole);
            at += length;
        }
        if (!ok) *this = {};
        return ok;
    }

    // Of an engine's state, for a reader; false and empty, if it is none of this format.
    bool restore_of_state(const uint8_t* p, size_t n) {
        const bool ours = n >= 16 && wire::load64(p) == STATE_MAGIC && wire::load64(p + 8) <= n - 16;
        if (!ours) *this = {};
        return ours && restore(p + 16, wire::load64(p + 8), false);
    }

  private:
    static constexpr uint64_t SNAPSHOT_MAGIC = 0x3130534645445754;  // "TWDEFS01"

    static std::string ticker(const wire::InstrumentDefinition& d) { return {d.ticker, wire::text_length(d.ticker_pointer)}; }
    static bool is_listed(const wire::InstrumentDefinition& d) { return d.status != wire::InstrumentStatus::delisted; }

    // What a definition leaves open stays as it was, unless it lists the instrument anew.
    void define(const wire::InstrumentDefinition& d) {
        if (d.decision != wire::RejectReason::unspecified) return;
        const uint32_t id = d.header.instrument;
        const auto at = instruments_.find(id);
        wire::InstrumentDefinition now = d;
        if (at != instruments_.end() && is_listed(at->second)) {
            if (!d.reference_price) now.reference_price = at->second.reference_price;
            if (d.status == wire::InstrumentStatus::unspecified) now.status = at->second.status;
            listed_.erase({ticker(at->second), id});
        }
        if (is_listed(now)) listed_.insert({ticker(now), id});
        instruments_.insert_or_assign(at, id, now);
    }

    void limit(const wire::AccountLimits& l) {
        if (l.decision == wire::RejectReason::unspecified) accounts_[l.account] = l;
    }

    void changed(const wire::InstrumentStatusChanged& e) {
        const auto at = instruments_.find(e.header.instrument);
        if (at == instruments_.end()) return;
        at->second.status = e.status;
        const std::pair named{ticker(at->second), at->first};
        if (is_listed(at->second)) listed_.insert(named);
        else listed_.erase(named);
    }

    bool take(const uint8_t* p, size_t n, bool whole) {
        alignas(8) uint8_t anew[std::max(sizeof(wire::InstrumentDefinition), sizeof(wire::AccountLimits))];
        size_t length = n;
        bool drops = false;
        wire::Fault fault = n > sizeof anew ? wire::Fault::not_flat : wire::check(p, n);
        if (fault == wire::Fault::none) std::memcpy(anew, p, n);
        else if (fault == wire::Fault::not_flat) fault = wire::relayout(p, n, anew, sizeof anew, length, drops);
        if (fault != wire::Fault::none || (whole && drops) || wire::check(anew, length) != wire::Fault::none) return false;
        if (wire::header(anew).type == wire::MessageType::instrument_definition)
            return accounts_.empty() && take_as(instruments_, wire::header(anew).instrument, *reinterpret_cast<wire::InstrumentDefinition*>(anew));
        if (wire::header(anew).type != wire::MessageType::account_limits) return false;
        const auto& limits = *reinterpret_cast<wire::AccountLimits*>(anew);
        return take_as(accounts_, limits.account, limits);
    }

    template <class Map, class Message>
    bool take_as(Map& map, uint32_t key, const Message& message) {
        if (message.decision != wire::RejectReason::unspecified || (!map.empty() && key <= map.rbegin()->first)) return false;
        fold(reinterpret_cast<const uint8_t*>(&message));
        return true;
    }

    Instruments instruments_;
    Accounts accounts_;
    std::set<std::pair<std::string, uint32_t>> listed_;  // by ticker
};

}  // namespace tapewire::definitions
