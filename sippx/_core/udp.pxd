# sippx/_core/udp.pxd: batched datagram input and output on a UDP socket, and on further ones beside it.
#
# A further socket is named by its number, address_t.via, from 1; 0 is the own one (u.fd). What is sent leaves from the
# socket that its destination names, what is received is marked with the one that it came to. Totals are of all sockets.
# Descriptors are borrowed: who opened one closes it, after udp_remove_socket.
#
# Sending: one sendmmsg for all groups of an outbox, each with a UDP_SEGMENT control message where the
# kernel has segmentation offload. Receiving: recvmmsg into 64 KiB buffers which UDP_GRO fills with
# many datagrams of equal length. What the kernel or a path refuses is given up at run time (`gso`,
# `gro`, `batch` become 0) and the owner told by a fallback bit.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from sippx._core.address cimport address_t
from sippx._core.linux cimport iovec, mmsghdr, sockaddr_storage
from sippx._core.outbox cimport group_t, outbox_t

cdef enum:
    UDP_RX_BATCH = 64            # buffers of one recvmmsg ...
    UDP_RX_GRO_BATCH = 8         # ... where each may hold 64 datagrams: what fits the cache
    UDP_TX_BATCH = 256           # datagrams of one plain sendmmsg
    UDP_RX_BYTES = 65536
    UDP_CONTROL_BYTES = 128
    UDP_SOCKETS_CAP = 65535      # the own one included
    UDP_NO_VIA = 0               # udp_add_socket: no room

    FALLBACK_GSO = 1
    FALLBACK_GRO = 2
    FALLBACK_SENDMMSG = 4
    FALLBACK_RECVMMSG = 8

cdef struct udp_socket_t:
    int fd                       # -1: no such socket
    uint32_t seen_drops          # of the kernel's count, modulo 2**32
    uint16_t next_free
    uint8_t is_brief

cdef struct udp_t:
    int fd
    uint8_t gso, gro, batch_tx, batch_rx, is_ipv6
    uint32_t rx_batch
    uint32_t fallbacks                   # FALLBACK_ bits not yet reported by the owner
    int fallback_errno
    uint32_t gso_max_segment             # longer segments leave one by one (path MTU), 0: no limit known
    # totals; the owner reads differences
    uint64_t n_send_calls, n_receive_calls, n_sent, n_sent_bytes, n_received, n_received_bytes
    uint64_t n_send_errors, n_congested, n_icmp_errors, n_receive_errors
    uint32_t n_socket_drops              # modulo 2**32
    int last_errno                       # of the last refused send
    int last_icmp_errno
    # sockets[0] is the own one
    udp_socket_t* sockets
    uint32_t n_sockets, sockets_cap      # slots ever used, allocated
    uint16_t free_via                    # 0: none
    uint32_t drops_via                   # whose drops udp_read_drops reads next
    # the batch received last
    uint32_t rx_n
    address_t rx_source[UDP_RX_BATCH]
    uint32_t rx_len[UDP_RX_BATCH]
    uint32_t rx_segment[UDP_RX_BATCH]    # length of all but the last datagram in the buffer
    char* rx_bytes                       # UDP_RX_BATCH buffers, UDP_RX_STRIDE apart
    mmsghdr rx_msgs[UDP_RX_BATCH]
    iovec rx_iov[UDP_RX_BATCH]
    sockaddr_storage rx_names[UDP_RX_BATCH]
    char rx_control[UDP_RX_BATCH][UDP_CONTROL_BYTES]
    mmsghdr tx_msgs[UDP_TX_BATCH]
    iovec tx_iov[UDP_TX_BATCH]
    sockaddr_storage tx_names[UDP_TX_BATCH]
    char tx_control[UDP_TX_BATCH][UDP_CONTROL_BYTES]

cdef enum:
    UDP_RX_STRIDE = 65792        # UDP_RX_BYTES and what the parser may read past the end

cdef int udp_init(udp_t* u, int fd, bint gso, bint gro, bint batch) noexcept nogil     # 0, or -1: no memory
cdef void udp_free(udp_t* u) noexcept nogil

# A further socket, non-blocking: its number, or UDP_NO_VIA where there is no room. is_brief: opened for a message or
# a few; what takes system calls and only pays off on a busy socket (GRO, drops told with each datagram) is left out.
cdef uint32_t udp_add_socket(udp_t* u, int fd, bint is_brief) noexcept nogil
# Its number may be given to another socket from now on.
cdef void udp_remove_socket(udp_t* u, uint32_t via) noexcept nogil

cdef inline int udp_fd(const udp_t* u, uint32_t via) noexcept nogil:
    """Descriptor of a socket, -1 where there is none of that number."""
    return u.sockets[via].fd if via < u.n_sockets else -1

# Sends n groups, consecutive ones of one via with as few calls as possible. Datagrams the kernel refuses, or whose
# socket is gone, are counted, never retried here: SIP's timers do that.
cdef void udp_send_groups(udp_t* u, const group_t* groups, uint32_t n) noexcept nogil

cdef inline void udp_send_outbox(udp_t* u, const outbox_t* o) noexcept nogil:
    udp_send_groups(u, o.groups, o.n_groups)

# Buffers filled (u.rx_*), 0 where nothing is waiting; fewer than u.rx_batch: the queue was empty then.
cdef uint32_t udp_receive(udp_t* u) noexcept nogil
# The same from a further socket, which u.rx_source names. From a brief one a single datagram, and more may wait.
cdef uint32_t udp_receive_from(udp_t* u, uint32_t via) noexcept nogil

# Brings n_socket_drops up to date: SO_RXQ_OVFL tells of drops only with a datagram that comes after them. Of many
# further sockets some are looked at each time.
cdef void udp_read_drops(udp_t* u) noexcept nogil

# Takes ICMP errors off a socket's error queue and counts them; u.last_icmp_errno is the newest.
cdef void udp_drain_errors(udp_t* u) noexcept nogil
cdef void udp_drain_errors_of(udp_t* u, uint32_t via) noexcept nogil
