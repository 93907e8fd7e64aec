# cython: language_level=3, boundscheck=False, wraparound=False
# distutils: language = c++
"""The Python face of decimal.hpp: venue text to integers."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport int64_t

cdef extern from "services/connector/decimal.hpp" namespace "tapewire::connector" nogil:
    const int64_t _REFUSED "tapewire::connector::REFUSED"
    const int64_t _MAX_MANTISSA "tapewire::connector::MAX_MANTISSA"
    int64_t _mantissa "tapewire::connector::mantissa"(const char*, const char*, int)
    int _decimals "tapewire::connector::decimals"(const char*, const char*)
    int64_t _rfc3339_ns "tapewire::connector::rfc3339_ns"(const char*, const char*)
    cdef struct Level:
        int64_t price, qty
    cdef enum class Step "tapewire::connector::LevelScanner::Step"(int):
        level, done, refused
    cdef cppclass LevelScanner:
        LevelScanner(const char*, size_t, int, int)
        Step next(Level*)

REFUSED = _REFUSED
MAX_MANTISSA = _MAX_MANTISSA


def mantissa(str text, int exponent):
    """The integer m with text = m x 10^exponent; -1 if malformed, negative, too large or finer than the exponent."""
    cdef Py_ssize_t n
    cdef const char* p = PyUnicode_AsUTF8AndSize(text, &n)
    return _mantissa(p, p + n, exponent)


def lexeme_mantissa(bytes lexeme, int exponent):
    """As `mantissa`, of a JSON number as it was written."""
    cdef const char* p = PyBytes_AS_STRING(lexeme)
    return _mantissa(p, p + PyBytes_GET_SIZE(lexeme), exponent)


def decimals(bytes lexeme):
    """How many decimal places the number writes, trailing zeros included; -1 if it is not a plain decimal."""
    cdef const char* p = PyBytes_AS_STRING(lexeme)
    return _decimals(p, p + PyBytes_GET_SIZE(lexeme))


def rfc3339_ns(str text):
    """UTC ns of a time such as 2021-04-17T16:43:30.244075Z; -1 if malformed, not UTC, or outside 1970 to 2261."""
    cdef Py_ssize_t n
    cdef const char* p = PyUnicode_AsUTF8AndSize(text, &n)
    return _rfc3339_ns(p, p + n)


def levels(raw, int price_exponent, int qty_exponent):
    """The (price, quantity) mantissas of a JSON list of [price, quantity] strings; None if any of it is impossible.

    Impossible: not such a list, a price of zero, a negative number, one that the exponent cannot express. A quantity
    of zero is allowed: it removes the level. `raw` is bytes or a msgspec.Raw.
    """
    cdef Py_buffer view
    PyObject_GetBuffer(raw, &view, PyBUF_SIMPLE)
    cdef LevelScanner* scanner = new LevelScanner(<const char*>view.buf, view.len, price_exponent, qty_exponent)
    cdef Level level
    cdef Step step
    cdef list out = []
    try:
        step = scanner.next(&level)
        while step == Step.level:
            out.append((level.price, level.qty))
            step = scanner.next(&level)
    finally:
        del scanner
        PyBuffer_Release(&view)
    return out if step == Step.done else None


def checksum_digits(bytes price, bytes qty):
    """Kraken's text of one level in its checksum: both numbers without their point and without leading zeros."""
    return price.replace(b".", b"").lstrip(b"0") + qty.replace(b".", b"").lstrip(b"0")
