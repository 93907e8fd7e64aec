# cython: language_level=3, boundscheck=False, wraparound=False
# distutils: language = c++
"""The Python face of binance_frames.hpp: one frame's bytes to the numbers a session works with."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t
from libcpp cimport bool as cbool
from libcpp.string_view cimport string_view

cdef extern from "services/connector/binance_frames.hpp" namespace "tapewire::connector" nogil:
    cdef struct TradeFields:
        int64_t id, price, qty, time_ms
        cbool buyer_is_maker
    cdef struct TopFields:
        int64_t id, bid, bid_qty, ask, ask_qty
    cdef struct DepthFields:
        int64_t time_ms, first, last
        string_view bids, asks
    string_view stream_of(const char*, size_t)
    cbool read_trade(const char*, size_t, int, int, TradeFields*)
    cbool read_top(const char*, size_t, int, int, TopFields*)
    cbool read_depth(const char*, size_t, DepthFields*)


def stream(bytes frame not None):
    cdef string_view name = stream_of(PyBytes_AS_STRING(frame), PyBytes_GET_SIZE(frame))
    return PyBytes_FromStringAndSize(name.data(), name.size())


def trade(bytes frame not None, int price_exponent, int qty_exponent):
    cdef TradeFields t
    if not read_trade(PyBytes_AS_STRING(frame), PyBytes_GET_SIZE(frame), price_exponent, qty_exponent, &t):
        return None
    return t.id, t.price, t.qty, t.time_ms, t.buyer_is_maker


def top(bytes frame not None, int price_exponent, int qty_exponent):
    cdef TopFields t
    if not read_top(PyBytes_AS_STRING(frame), PyBytes_GET_SIZE(frame), price_exponent, qty_exponent, &t):
        return None
    return t.id, t.bid, t.bid_qty, t.ask, t.ask_qty


def depth(bytes frame not None):
    cdef DepthFields d
    if not read_depth(PyBytes_AS_STRING(frame), PyBytes_GET_SIZE(frame), &d):
        return None
    return (
        d.time_ms,
        d.first,
        d.last,
        PyBytes_FromStringAndSize(d.bids.data(), d.bids.size()),
        PyBytes_FromStringAndSize(d.asks.data(), d.asks.size()),
    )
