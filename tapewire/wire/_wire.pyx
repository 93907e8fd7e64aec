# cython: language_level=3, boundscheck=False, wraparound=False
# distutils: language = c++
"""The Python face of flat messages: immutable views whose attributes read at constant offsets."""

import sys

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Malloc
from cpython.long cimport PyLong_Check
from cpython.number cimport PyNumber_Index
from cpython.object cimport Py_EQ, Py_NE, PyObject
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

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
    Fault relayout(const uint8_t*, size_t, uint8_t*, size_t, size_t&)
    uint64_t load64(const uint8_t*)
    size_t set_tail_text(uint8_t*, const PointerLayout&, const MessageLayout&, const char*, size_t)
    size_t set_tail_list(uint8_t*, const PointerLayout&, const MessageLayout&, size_t)

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


cdef inline int64_t _load(const uint8_t* p, int size, bint signed) noexcept:
    if size == 8:
        return (<const int64_t*>p)[0]
    if size == 4:
        return (<const int32_t*>p)[0] if signed else <int64_t>(<const uint32_t*>p)[0]
    if size == 2:
        return (<const int16_t*>p)[0] if signed else <int64_t>(<const uint16_t*>p)[0]
    return (<const int8_t*>p)[0] if signed else <int64_t>p[0]


cdef inline object _whole(object value):
    # Without this a float would be cut to an integer in silence.
    return value if PyLong_Check(value) else PyNumber_Index(value)


cdef inline int _store(uint8_t* p, int size, bint signed, object value) except -1:
    cdef int64_t v
    cdef uint64_t u
    value = _whole(value)
    if size == 8:
        if signed:
            v = value
            (<int64_t*>p)[0] = v
        else:
            u = value
            (<uint64_t*>p)[0] = u
        return 0
    v = value
    if signed and not -(<int64_t>1 << (8 * size - 1)) <= v < (<int64_t>1 << (8 * size - 1)):
        raise OverflowError(f"{v} does not fit {8 * size} signed bits")
    if not signed and not 0 <= v < (<int64_t>1 << (8 * size)):
        raise OverflowError(f"{v} does not fit {8 * size} unsigned bits")
    memcpy(p, &v, size)
    return 0


cdef inline int _store_bit(uint8_t* p, int bit, object value) except -1:
    if value:
        p[0] |= 1 << bit
    else:
        p[0] &= ~(1 << bit)
    return 0


cdef class Field:
    """One attribute of a message: reads straight from the message's bytes."""

    cdef public str name
    cdef readonly int at

    def __set_name__(self, owner, name):
        self.name = name

    cdef object read(self, Message m):
        raise NotImplementedError

    cdef int write(self, _Builder b, object value) except -1:
        raise NotImplementedError

    def __get__(self, m, owner):
        if m is None:
            return self
        return self.read(<Message>m)


cdef class IntField(Field):
    cdef readonly int size
    cdef readonly bint signed

    def __init__(self, int at, int size, bint signed):
        self.at, self.size, self.signed = at, size, signed

    cdef object read(self, Message m):
        if self.size == 8 and not self.signed:
            return load64(m.p + self.at)
        return _load(m.p + self.at, self.size, self.signed)

    cdef int write(self, _Builder b, object value) except -1:
        return _store(b.p + self.at, self.size, self.signed, value)


cdef class BoolField(Field):
    cdef readonly int bit

    def __init__(self, int at, int bit):
        self.at, self.bit = at, bit

    cdef object read(self, Message m):
        return bool(m.p[self.at] >> self.bit & 1)

    cdef int write(self, _Builder b, object value) except -1:
        return _store_bit(b.p + self.at, self.bit, value)


cdef class EnumField(Field):
    """Reads as a member; an enumerant this build does not know reads as its number."""

    cdef readonly object enum
    cdef tuple members
    cdef int count

    def __init__(self, int at, enum):
        self.at, self.enum = at, enum
        self.members = tuple(enum)
        self.count = len(self.members)

    cdef object read(self, Message m):
        cdef int value = (<const uint16_t*>(m.p + self.at))[0]
        return self.members[value] if value < self.count else value

    cdef int write(self, _Builder b, object value) except -1:
        return _store(b.p + self.at, 2, False, value)


cdef class TextField(Field):
    """UTF-8. With room: at a constant place, interned on reading (tickers recur). Without: the message's tail."""

    cdef readonly int text_at
    cdef readonly int capacity

    def __init__(self, int at, int text_at, int capacity):
        self.at, self.text_at, self.capacity = at, text_at, capacity

    cdef object read(self, Message m):
        cdef uint64_t pointer = load64(m.p + self.at)
        if pointer == 0:
            return ""
        cdef object text = PyUnicode_DecodeUTF8(<const char*>m.p + self.text_at, <Py_ssize_t>(pointer >> 35) - 1, "replace")
        return sys.intern(text) if self.capacity else text

    cdef int write(self, _Builder b, object value) except -1:
        cdef Py_ssize_t n
        cdef const char* text = PyUnicode_AsUTF8AndSize(value, &n)
        if self.capacity == 0:
            b.set_tail_text(text, n)
            return 0
        if n >= self.capacity:
            raise ValueError(f"{self.name}: {n} bytes of UTF-8, at most {self.capacity - 1} fit: {value!r}")
        memcpy(b.p + self.text_at, text, n)
        memset(b.p + self.text_at + n, 0, self.capacity - n)
        (<uint32_t*>(b.p + self.at))[1] = <uint32_t>(2 | (n + 1) << 3)
        return 0


cdef class ListField(Field):
    """A list of plain structs, read as a tuple of NamedTuples, written from any sequence of tuples in that order."""

    cdef readonly int data_at
    cdef readonly int stride
    cdef readonly object element
    cdef readonly tuple parts
    cdef int n_parts
    cdef int offsets[16]
    cdef int sizes[16]
    cdef bint signs[16]
    cdef list enums

    def __init__(self, int at, int data_at, int stride, element, tuple parts):
        self.at, self.data_at, self.stride, self.element, self.parts = at, data_at, stride, element, parts
        self.n_parts = len(parts)
        self.enums = [None if part[3] is None else tuple(part[3]) for part in parts]
        for i, part in enumerate(parts):
            self.offsets[i], self.sizes[i], self.signs[i] = part[0], part[1], part[2]

    def __class_getitem__(cls, item):
        return cls

    cdef object read(self, Message m):
        cdef uint64_t pointer = load64(m.p + self.at)
        if pointer == 0:
            return ()
        cdef Py_ssize_t count = <Py_ssize_t>((load64(m.p + self.data_at) & 0xffffffff) >> 2), i
        cdef const uint8_t* p
        cdef int k
        cdef list rows = [], row
        cdef int64_t value
        make = self.element._make
        for i in range(count):
            p = m.p + self.data_at + 8 + i * self.stride
            row = []
            for k in range(self.n_parts):
                value = _load(p + self.offsets[k], self.sizes[k], self.signs[k])
                members = self.enums[k]
                row.append(value if members is None or value >= len(members) else members[value])
            rows.append(make(row))
        return tuple(rows)

    cdef int write(self, _Builder b, object value) except -1:
        cdef Py_ssize_t count = len(value), i
        cdef int k
        cdef uint8_t* p = b.tail_list(count, self.stride)
        for i, row in enumerate(value):
            for k, cell in enumerate(row):
                _store(p + i * self.stride + self.offsets[k], self.sizes[k], self.signs[k], cell)
        return 0


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
    `decode` or `Trade.decode`. Equality, hash and order are those of the bytes.
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


ctypedef object (*Vectorcall)(PyObject*, PyObject* const*, size_t, PyObject*)

cdef extern from *:
    """
    // Calls of an Encoder come without a tuple made for each (PEP 590). Before the first instance is made.
    static int set_vectorcall(PyObject* type, Py_ssize_t offset) {
        ((PyTypeObject*)type)->tp_vectorcall_offset = offset;
        ((PyTypeObject*)type)->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
        return 0;
    }
    static inline Py_ssize_t count_of(size_t nargsf) { return PyVectorcall_NARGS(nargsf); }
    static inline PyObject* const* items_of(PyObject* tuple) { return ((PyTupleObject*)tuple)->ob_item; }
    """
    int set_vectorcall(object, Py_ssize_t)
    Py_ssize_t count_of(size_t)
    PyObject* const* items_of(tuple)

cdef enum Kind:
    I64, U64, NARROW, OTHER

cdef struct Slot:
    int at, size
    Kind kind
    bint signed

cdef enum:
    MAX_VALUES = 32  # of one encoder; no message has so many fields


cdef class Encoder:
    """Makes messages of one type from positional values over constant bytes. See Message.encoder."""

    cdef Vectorcall call
    cdef bytes template
    cdef int type
    cdef tuple fields
    cdef Py_ssize_t count
    cdef Slot slots[MAX_VALUES]
    cdef bint whole  # all of `slots` are plain numbers: nothing needs the builder
    cdef readonly tuple names

    def __cinit__(self, *args, **kwargs):
        self.call = _encode

    def __init__(self, cls, names, constants):
        unknown = [name for name in names if name not in cls.FIELDS]
        if unknown:
            raise TypeError(f"{cls.__name__} has no field {', '.join(unknown)}; it has {', '.join(cls.FIELDS)}")
        if len(names) > MAX_VALUES:
            raise TypeError(f"{cls.__name__}: an encoder of {len(names)} values; at most {MAX_VALUES}")
        self.names = tuple(names)
        self.fields = tuple(cls.FIELDS[name] for name in names)
        self.count = len(self.fields)
        self.template = bytes(constants)
        self.type = cls.TYPE
        for i, field in enumerate(self.fields):
            self.slots[i] = _slot_of(field)
        self.whole = all(isinstance(field, (IntField, EnumField, BoolField)) for field in self.fields)

    def __call__(self, *values):
        # The interpreter goes by `call`; this is for those who ask for the method itself.
        return _encode(<PyObject*>self, items_of(values), len(values), NULL)

    cdef bytes encode(self, PyObject* const* values):
        """Straight into the bytes that will be returned: nobody else has seen them yet."""
        cdef Py_ssize_t i, n = PyBytes_GET_SIZE(self.template)
        cdef bytes raw = PyBytes_FromStringAndSize(NULL, n)
        cdef uint8_t* p = <uint8_t*>PyBytes_AS_STRING(raw)
        cdef Slot* slot
        memcpy(p, PyBytes_AS_STRING(self.template), n)
        for i in range(self.count):
            slot = &self.slots[i]
            if slot.kind == Kind.I64:
                (<int64_t*>(p + slot.at))[0] = <int64_t>_whole(<object>values[i])
            elif slot.kind == Kind.U64:
                (<uint64_t*>(p + slot.at))[0] = <uint64_t>_whole(<object>values[i])
            elif slot.kind == Kind.NARROW:
                _store(p + slot.at, slot.size, slot.signed, <object>values[i])
            else:
                _store_bit(p + slot.at, slot.size, <object>values[i])
        return raw

    cdef bytes build(self, PyObject* const* values):
        cdef Py_ssize_t i
        cdef _Builder b = _builder
        b.type, b.p, b.length = self.type, _scratch, PyBytes_GET_SIZE(self.template)
        memcpy(b.p, PyBytes_AS_STRING(self.template), b.length)
        for i in range(self.count):
            (<Field>self.fields[i]).write(b, <object>values[i])
        return b.finish()


cdef object _encode(PyObject* callable, PyObject* const* values, size_t nargsf, PyObject* names):
    cdef Encoder encoder = <Encoder>callable
    cdef Py_ssize_t count = count_of(nargsf)
    if names is not NULL and len(<tuple>names):
        raise TypeError("an encoder takes its values by position")
    if count != encoder.count:
        raise TypeError(f"expected {encoder.count} values ({', '.join(encoder.names)}), got {count}")
    return encoder.encode(values) if encoder.whole else encoder.build(values)


cdef Slot _slot_of(Field field):
    cdef Slot slot
    slot.at, slot.size, slot.signed, slot.kind = field.at, 0, False, Kind.OTHER
    if isinstance(field, IntField):
        slot.size, slot.signed = (<IntField>field).size, (<IntField>field).signed
        slot.kind = Kind.NARROW if slot.size != 8 else Kind.I64 if slot.signed else Kind.U64
    elif isinstance(field, EnumField):
        slot.size, slot.kind = 2, Kind.NARROW
    elif isinstance(field, BoolField):
        slot.size = (<BoolField>field).bit
    return slot


cdef Encoder _no_encoder = Encoder.__new__(Encoder)
set_vectorcall(Encoder, <char*>&_no_encoder.call - <char*><PyObject*>_no_encoder)


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


def decode(data):
    """The message in `data` (bytes, or anything with a buffer): any Cap'n Proto encoding of a message type of ours.

    Flat bytes are viewed as they are; others are laid out anew. Raises WireError on anything else.
    """
    cdef bytes raw = <bytes>data if type(data) is bytes else bytes(data)
    cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(raw)
    cdef Py_ssize_t n = PyBytes_GET_SIZE(raw)
    cdef Fault fault = check(p, n)
    cdef size_t length = 0
    if fault == Fault.none:
        return _view(_classes[c_type_of(p)], raw)
    fault = relayout(p, n, _scratch, MAX_MESSAGE, length)
    if fault != Fault.none:
        raise WireError(f"not a message: {FAULTS[fault]} ({n} bytes, beginning {raw[:16].hex(' ')})")
    return _view(_classes[c_type_of(_scratch)], PyBytes_FromStringAndSize(<const char*>_scratch, length))


def is_flat(data) -> bool:
    """Whether `data` has exactly the flat layout, so that the compiled core takes it without laying it out anew."""
    cdef bytes raw = bytes(data)
    return check(<const uint8_t*>PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw)) == Fault.none


def type_of(bytes raw) -> int:
    """The MessageType number of a flat message, without looking at anything else in it."""
    if PyBytes_GET_SIZE(raw) < <Py_ssize_t>DATA_AT:
        raise WireError(f"not a message: {PyBytes_GET_SIZE(raw)} bytes")
    return c_type_of(<const uint8_t*>PyBytes_AS_STRING(raw))
