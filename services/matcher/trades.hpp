// Trades that are busted or corrected: a record of how each stands, which never touches an order.
#pragma once
#include "services/matcher/matcher.hpp"

namespace tapewire::matcher {

// The command must name the trade as it stands, corrections included.
template <class Command>
Matcher::Refusal Matcher::check_amend(const Command& c) const {
    const Refusal unknown{Reason::unknown_trade, int64_t(c.match_id), int64_t(next_match_id_)};
    if (c.match_id == 0 || c.match_id >= next_match_id_) return unknown;
    const auto before = amended_.find(c.match_id);
    if (before != amended_.end()) {
        const Amended& stands = before->second;
        if (stands.qty == 0 || stands.price != c.price || stands.qty != c.qty) return unknown;
    }
    if (c.qty <= 0) return {Reason::invalid_field, c.qty, 0};
    if (c.price <= 0) return {Reason::invalid_field, c.price, 0};
    if constexpr (requires { c.new_price; }) {
        if (c.new_price <= 0 || c.new_price > MAX_PRICE) return {Reason::invalid_price, c.new_price, MAX_PRICE};
        if (c.new_qty <= 0 || c.new_qty > MAX_QTY) return {Reason::invalid_qty, c.new_qty, MAX_QTY};
    }
    if (before == amended_.end() && amended_.size() >= MAX_AMENDED) return {Reason::capacity, int64_t(amended_.size()), MAX_AMENDED};
    return {};
}

template <class Sink>
void Matcher::bust(const wire::BustTrade& c, Sink& sink) {
    if (const Refusal r = check_amend(c)) return refuse<wire::OrderRejected>(0, 0, 0, r, sink);
    amended_[c.match_id] = {c.price, 0};
    auto* e = sink.template begin<wire::TradeBusted>();
    e->match_id = c.match_id;
    e->maker_order_id = c.maker_order_id;
    e->taker_order_id = c.taker_order_id;
    e->price = c.price;
    e->qty = c.qty;
    e->maker_account = c.maker_account;
    e->taker_account = c.taker_account;
    e->taker_side = c.taker_side;
    sink.end(e);
    complete(c, 0, sink);
}

template <class Sink>
void Matcher::correct(const wire::CorrectTrade& c, Sink& sink) {
    if (const Refusal r = check_amend(c)) return refuse<wire::OrderRejected>(0, 0, 0, r, sink);
    amended_[c.match_id] = {c.new_price, c.new_qty};
    auto* e = sink.template begin<wire::TradeCorrected>();
    e->match_id = c.match_id;
    e->maker_order_id = c.maker_order_id;
    e->taker_order_id = c.taker_order_id;
    e->old_price = c.price;
    e->old_qty = c.qty;
    e->price = c.new_price;
    e->qty = c.new_qty;
    e->maker_account = c.maker_account;
    e->taker_account = c.taker_account;
    e->taker_side = c.taker_side;
    sink.end(e);
    complete(c, 0, sink);
}

}  // namespace tapewire::matcher
