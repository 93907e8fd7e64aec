# Part of _risk.pyx and _matcher.pyx, which say by CAnswering whose core it is: what an engine asks, answered.

cdef class Answering:
    """One shard's part as a service: what an engine asks, answered. See tapewire/split/answering.hpp."""

    cdef CAnswering* core

    def __cinit__(self, uint64_t instance, str version):
        cdef bytes text = version.encode()
        self.core = new CAnswering(instance, text)

    def __dealloc__(self):
        del self.core

    def answer(self, bytes ask not None, int64_t now):
        cdef vector[uint8_t] out
        cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(ask)
        cdef size_t n = PyBytes_GET_SIZE(ask)
        cdef cbool ours
        with nogil:
            ours = self.core.answer(p, n, now, out)
        return PyBytes_FromStringAndSize(<const char*>out.data(), out.size()) if ours else None

    @property
    def stands(self):
        return self.core.stands()

    @property
    def ready(self):
        return bool(self.core.ready())
