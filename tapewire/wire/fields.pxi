# The attributes of messages: each reads and writes one field at its constant offset. Part of _wire.pyx.

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
                if self.sizes[k] == 8 and not self.signs[k]:
                    row.append(load64(p + self.offsets[k]))
                    continue
                value = _load(p + self.offsets[k], self.sizes[k], self.signs[k])
                members = self.enums[k]
                row.append(value if members is None or value >= len(members) else members[value])
            rows.append(make(row))
        return tuple(rows)

    cdef int write(self, _Builder b, object value) except -1:
        # Tuples of our own: their length, which the room is made for, cannot change while their numbers are asked for.
        cdef tuple rows = tuple(value)
        cdef object row
        cdef Py_ssize_t i
        cdef int k
        cdef uint8_t* p = b.tail_list(len(rows), self.stride)
        for i in range(len(rows)):
            row = rows[i] if isinstance(rows[i], tuple) else tuple(rows[i])
            if PyTuple_GET_SIZE(row) != self.n_parts:
                raise ValueError(f"element {i} has {len(row)} values; expected {self.n_parts} ({', '.join(self.element._fields)})")
            for k in range(self.n_parts):
                _store(p + i * self.stride + self.offsets[k], self.sizes[k], self.signs[k], <object>PyTuple_GET_ITEM(row, k))
        return 0
