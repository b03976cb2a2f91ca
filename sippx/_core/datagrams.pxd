# sippx/_core/datagrams.pxd: UDP sockets of calls beside the engine's own: one for each call, or one for each source IP.
#
# per_call (-t un): a call takes a socket, bound to the local address and a port of the kernel's choice, and drops it at
# its end; where no more may or can be opened, calls share those that are there, in turn. A dropped socket is closed by
# datagrams_settle, which the owner calls when no message waits in an outbox any more.
# per_ip (-t ui): the sockets are opened by the owner and borrowed; a field of an injection file's line says which one.
# A socket is named by its number in udp_t (address_t.via); 0 is the engine's own.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from sippx._core.address cimport VIA_UNATTACHED, address_t
from sippx._core.connections cimport SOCKET_OPTION_CAP, socket_option_t
from sippx._core.injection cimport injection_state_t, injection_t
from sippx._core.linux cimport sockaddr_storage, socklen_t
from sippx._core.udp cimport udp_t

cdef enum:
    EVENT_UDP = 3                # kind of an epoll event (EVENT_KIND_SHIFT); data.u64 & 0xFFFF is the via

cdef struct call_socket_t:
    uint32_t n_calls
    uint16_t port                # host order
    uint16_t open_idx            # where it is in `open`
    uint8_t is_dropped           # is in `dropped`

# An IP address, or another text that stands for one, by its hash; hash 0: empty.
cdef struct ip_slot_t:
    uint64_t hash
    uint16_t via

cdef struct datagrams_t:
    udp_t* udp                   # borrowed
    int epoll_fd                 # borrowed
    # per_call
    sockaddr_storage local
    socklen_t local_len
    uint32_t max_sockets
    uint32_t n_options
    socket_option_t options[SOCKET_OPTION_CAP]
    call_socket_t* sockets       # by via, UDP_SOCKETS_CAP
    uint16_t* open               # vias of the n_open sockets, in no order
    uint16_t* dropped            # vias of sockets that were without a call
    uint32_t n_open, n_dropped
    uint32_t share_next
    bint is_exhausted            # the last attempt to open one failed, and none was closed since
    # per_ip
    uint8_t family
    uint64_t seed
    ip_slot_t* ips               # open addressing, at most half full; NULL: per_call
    uint32_t ips_mask
    uint32_t ip_field
    uint16_t* line_vias          # of the file's lines as they are on disk; NULL: found anew each time
    uint32_t n_lines
    # totals
    uint64_t n_opened
    uint64_t n_shared            # calls that got a socket which was there
    uint64_t n_open_errors
    int last_open_errno

cdef class DatagramSettings:
    cdef readonly str mode
    cdef readonly object max_sockets, ip_field
    cdef readonly tuple options, sockets
    cdef readonly dict names
    cdef address_t local
    cdef dict _vias(self)
    cdef bytes _own_ip(self)

# OSError, MemoryError. udp and epoll_fd are the engine's; free() is right after either.
cdef datagrams_init(datagrams_t* d, DatagramSettings settings, udp_t* udp, int epoll_fd, uint64_t seed)
# Closes the sockets it opened.
cdef void datagrams_free(datagrams_t* d) noexcept nogil

# ---- per_call

# A socket for a call: its number, 0 where there is none at all (last_open_errno says why).
cdef uint32_t datagrams_take(datagrams_t* d) noexcept nogil
# Another call sends through that socket, too; False: it is gone.
cdef bint datagrams_join(datagrams_t* d, uint32_t via) noexcept nogil
cdef void datagrams_drop(datagrams_t* d, uint32_t via) noexcept nogil
# Closes the sockets whose calls have all dropped them.
cdef void datagrams_settle(datagrams_t* d) noexcept nogil

cdef inline uint16_t datagrams_local_port(const datagrams_t* d, uint32_t via) noexcept nogil:
    """Port of a socket that is open, host order."""
    return d.sockets[via].port

# ---- per_ip

# Finds the sockets of all lines ahead, where that is possible: False: no memory.
cdef bint datagrams_use_file(datagrams_t* d, const injection_t* file, const injection_state_t* state) noexcept nogil
# The socket whose IP address that line's field says, VIA_UNATTACHED: none.
cdef uint32_t datagrams_via_of_line(const datagrams_t* d, const injection_t* file, const injection_state_t* state,
                                    uint32_t line) noexcept nogil
