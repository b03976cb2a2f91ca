# sippx/_core/addressing.pxd: addresses between Python and the core: packed tuples in, texts out. With the GIL.
from sippx._core.address cimport address_t

# Of (family, packed ip, port[, scope id]); ValueError for what is no such address.
cdef address_t address_from_tuple(where) except *

# Host and port as they stand in a SIP URI: "127.0.0.1:5060", "[::1]:5060".
cdef str address_text(const address_t* a)
