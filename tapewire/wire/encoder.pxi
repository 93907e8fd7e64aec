# Encoders: messages of one type made from positional values over constant bytes. Part of _wire.pyx.

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
        if len(set(names)) < len(names):
            raise TypeError(f"{cls.__name__}: an encoder of {', '.join(names)}; expected each field once")
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
