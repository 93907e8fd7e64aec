# cython: language_level=3, boundscheck=False, wraparound=False
# distutils: language = c++
"""The Python face of flat messages: immutable views whose attributes read at constant offsets."""

import sys

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Malloc
from cpython.long cimport PyLong_Check
from cpython.number cimport PyNumber_Index
from cpython.object cimport Py_EQ, Py_NE, PyObject
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from libcpp cimport bool as cbool

from tapewire.errors import WireError

cdef extern from "tapewire/wire/flat.hpp" namespace "tapewire::wire" nogil:
    cdef enum class Fault(int):
        none, truncated, not_flat, unknown_type, bad_pointer, too_long
    cdef struct PointerLayout:
        uint8_t kind, index
        uint16_t room_at, room, element_words
    cdef struct MessageLayout:
        uint16_t bytes, data_at, data_words, pointers_at, pointer_words
        uint8_t pointer_count
        PointerLayout pointers[3]
    const MessageLayout LAYOUTS[]
    const void* BLANKS[]
    const size_t MAX_MESSAGE, DATA_AT
    uint16_t c_type_of "tapewire::wire::type_of"(const uint8_t*)
    Fault check(const uint8_t*, size_t)
    uint64_t load64(const uint8_t*)
    size_t set_tail_text(uint8_t*, const PointerLayout&, const MessageLayout&, const char*, size_t)
    size_t set_tail_list(uint8_t*, const PointerLayout&, const MessageLayout&, size_t)

cdef extern from "tapewire/wire/relayout.hpp" namespace "tapewire::wire" nogil:
    Fault relayout(const uint8_t*, size_t, uint8_t*, size_t, size_t&, cbool&)

cdef enum:
    MAX_TYPES = 256

cdef list _classes = [None] * MAX_TYPES
cdef uint8_t* _scratch = <uint8_t*>PyMem_Malloc(1 << 20)

FAULTS = {
    Fault.truncated: "shorter than it says, or not whole words",
    Fault.not_flat: "not a Cap'n Proto message of ours",
    Fault.unknown_type: "header.type is not a known MessageType",
    Fault.bad_pointer: "a pointer leads outside the message or to something of the wrong kind",
    Fault.too_long: "a text exceeds its room, or the message 1 MiB",
}


include "fields.pxi"


cdef class _Builder:
    """A message while it is being made; becomes bytes once and is not touched again."""

    cdef uint8_t* p
    cdef size_t length
    cdef int type

    cdef int begin(self, int type) except -1:
        self.type = type
        self.p = _scratch
        self.length = LAYOUTS[type].bytes
        memcpy(self.p, BLANKS[type], self.length)
        return 0

    cdef const PointerLayout* tail(self) except NULL:
        cdef const MessageLayout* layout = &LAYOUTS[self.type]
        cdef int i
        for i in range(layout.pointer_count):
            if layout.pointers[i].kind != 1:
                return &layout.pointers[i]
        raise TypeError("this message has no tail")

    cdef int set_tail_text(self, const char* text, size_t n) except -1:
        if LAYOUTS[self.type].bytes + n + 8 > MAX_MESSAGE:
            raise ValueError(f"text of {n} bytes: a message holds at most {MAX_MESSAGE}")
        self.length = set_tail_text(self.p, self.tail()[0], LAYOUTS[self.type], text, n)
        return 0

    cdef uint8_t* tail_list(self, size_t count, size_t stride) except NULL:
        if LAYOUTS[self.type].bytes + 8 + count * stride > MAX_MESSAGE:
            raise ValueError(f"{count} list elements: a message holds at most {MAX_MESSAGE} bytes")
        self.length = set_tail_list(self.p, self.tail()[0], LAYOUTS[self.type], count)
        cdef uint8_t* start = self.p + LAYOUTS[self.type].bytes + 8
        memset(start, 0, count * stride)
        return start

    cdef bytes finish(self):
        return PyBytes_FromStringAndSize(<const char*>self.p, self.length)


cdef _Builder _builder = _Builder()


cdef class Message:
    """An immutable message: a typed view of its own wire bytes.

    Make one with keywords (`Trade(ticker="BTCUSDT", price=1)`; what is not given is 0 or empty), read one with
    `decode` or `Trade.decode`. Equality and hash are those of the bytes.
    """

    cdef bytes raw
    cdef const uint8_t* p

    def __init__(self, **fields):
        cls = type(self)
        _builder.begin(cls.TYPE)
        for name, value in fields.items():
            descriptor = cls.FIELDS.get(name)
            if descriptor is None:
                raise TypeError(f"{cls.__name__} has no field {name!r}; it has {', '.join(cls.FIELDS)}")
            try:
                (<Field>descriptor).write(_builder, value)
            except UnicodeEncodeError as error:
                raise ValueError(f"{cls.__name__}.{name}: {error}") from None
            except (TypeError, ValueError, OverflowError) as error:
                raise type(error)(f"{cls.__name__}.{name}: {error}") from None
        self.raw = _builder.finish()
        self.p = <const uint8_t*>PyBytes_AS_STRING(self.raw)

    @classmethod
    def decode(cls, data):
        """The message in `data`, which must be of this type. Raises WireError saying what is wrong."""
        m = decode(data)
        if type(m) is not cls:
            raise WireError(f"expected a {cls.__name__}, got a {type(m).__name__}")
        return m

    @classmethod
    def encoder(cls, *names, **constants):
        """A fast maker of this message: `encoder("price", "qty", ticker="X")(price, qty) -> bytes`."""
        both = [name for name in names if name in constants]
        if both:
            raise TypeError(f"{cls.__name__}: {', '.join(both)} cannot be a value and a constant of one encoder")
        return Encoder(cls, names, cls(**constants))

    def replace(self, **fields):
        """A new message with some fields changed (this one stays as it is)."""
        cls = type(self)
        given = {name: getattr(self, name) for name in cls.FIELDS}
        given.update(fields)
        return cls(**given)

    def __bytes__(self):
        return self.raw

    def __len__(self):
        return PyBytes_GET_SIZE(self.raw)

    def __hash__(self):
        return hash(self.raw)

    def __richcmp__(self, other, int op):
        if op == Py_EQ:
            return isinstance(other, Message) and (<Message>self).raw == (<Message>other).raw
        if op == Py_NE:
            return not isinstance(other, Message) or (<Message>self).raw != (<Message>other).raw
        return NotImplemented

    def __reduce__(self):
        return decode, (self.raw,)

    def to_dict(self):
        """Plain values by field name; enumerants by name. What `--json` prints."""
        out = {}
        for name in type(self).FIELDS:
            value = getattr(self, name)
            if isinstance(value, tuple):
                value = [{k: getattr(v, "name", v) for k, v in row._asdict().items()} for row in value]
            else:
                value = getattr(value, "name", value)
            out[name] = value
        return out

    def __repr__(self):
        blank = type(self)()
        shown = []
        for name in type(self).FIELDS:
            value = getattr(self, name)
            if name == "type" or value == getattr(blank, name):
                continue
            shown.append(f"{name}={getattr(value, 'name', None) or repr(value)}")
        return f"{type(self).__name__}({', '.join(shown)})"


include "encoder.pxi"


def register(cls, type):
    """Binds a message class to its MessageType; called once per class by tapewire/messages.py."""
    fields = {name: value for name, value in vars(cls).items() if isinstance(value, Field)}
    cls.FIELDS = fields
    cls.TYPE = int(type)
    _classes[int(type)] = cls


cdef extern from *:
    """
    // What `cls.__new__(cls)` comes to, without looking `__new__` up by its name.
    static inline PyObject* blank_of(PyObject* cls, PyObject* empty) {
        return ((PyTypeObject*)cls)->tp_new((PyTypeObject*)cls, empty, NULL);
    }
    """
    object blank_of(object, tuple)


cdef inline object _view(object cls, bytes raw):
    cdef Message m = <Message>blank_of(cls, ())
    m.raw = raw
    m.p = <const uint8_t*>PyBytes_AS_STRING(raw)
    return m


cdef size_t _lay_out(const uint8_t* p, size_t n, cbool& drops) except 0:
    """Lays a message out in _scratch; returns its length."""
    cdef size_t length = 0
    cdef Fault fault = relayout(p, n, _scratch, MAX_MESSAGE, length, drops)
    if fault != Fault.none:
        raise WireError(f"not a message: {FAULTS[fault]} ({n} bytes, beginning {p[:16 if n > 16 else n].hex(' ')})")
    return length


def decode(data):
    """The message in `data` (bytes, or anything with a buffer): any Cap'n Proto encoding of a message type of ours.

    Flat bytes are viewed as they are; others are laid out anew. Raises WireError on anything else.
    """
    cdef bytes raw = <bytes>data if type(data) is bytes else bytes(data)
    cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(raw)
    cdef Py_ssize_t n = PyBytes_GET_SIZE(raw)
    cdef cbool drops = False
    if check(p, n) == Fault.none:
        return _view(_classes[c_type_of(p)], raw)
    cdef size_t length = _lay_out(p, n, drops)
    return _view(_classes[c_type_of(_scratch)], PyBytes_FromStringAndSize(<const char*>_scratch, length))


def drops(data) -> bool:
    """Whether a field is set in `data` that lies where this version of the schemas has no field, so that `decode` leaves
    it out. Raises WireError if it is no message of ours."""
    cdef bytes raw = bytes(data)
    cdef cbool found = False
    _lay_out(<const uint8_t*>PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw), found)
    return found


def is_flat(data) -> bool:
    """Whether `data` has exactly the flat layout, so that the compiled core takes it without laying it out anew."""
    cdef bytes raw = bytes(data)
    return check(<const uint8_t*>PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw)) == Fault.none


def type_of(bytes raw) -> int:
    """The MessageType number of a flat message, without looking at anything else in it."""
    if PyBytes_GET_SIZE(raw) < <Py_ssize_t>DATA_AT:
        raise WireError(f"not a message: {PyBytes_GET_SIZE(raw)} bytes")
    return c_type_of(<const uint8_t*>PyBytes_AS_STRING(raw))
