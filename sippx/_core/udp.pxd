# sippx/_core/udp.pxd: batched datagram input and output on one UDP socket.
#
# Sending: one sendmmsg for all groups of an outbox, each with a UDP_SEGMENT control message where the
# kernel has segmentation offload. Receiving: recvmmsg into 64 KiB buffers which UDP_GRO fills with
# many datagrams of equal length. What the kernel or a path refuses is given up at run time (`gso`,
# `gro`, `batch` become 0) and the owner told by a fallback bit.
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from sippx._core.address cimport address_t
from sippx._core.linux cimport iovec, mmsghdr, sockaddr_storage
from sippx._core.outbox cimport outbox_t

cdef enum:
    UDP_RX_BATCH = 64            # buffers of one recvmmsg ...
    UDP_RX_GRO_BATCH = 8         # ... where each may hold 64 datagrams: what fits the cache
    UDP_TX_BATCH = 256           # datagrams of one plain sendmmsg
    UDP_RX_BYTES = 65536
    UDP_CONTROL_BYTES = 128

    FALLBACK_GSO = 1
    FALLBACK_GRO = 2
    FALLBACK_SENDMMSG = 4
    FALLBACK_RECVMMSG = 8

cdef struct udp_t:
    int fd
    uint8_t gso, gro, batch_tx, batch_rx
    uint32_t rx_batch
    uint32_t fallbacks                   # FALLBACK_ bits not yet reported by the owner
    int fallback_errno
    uint32_t gso_max_segment             # longer segments leave one by one (path MTU), 0: no limit known
    # totals; the owner reads differences
    uint64_t n_send_calls, n_receive_calls, n_sent, n_sent_bytes, n_received, n_received_bytes
    uint64_t n_send_errors, n_congested, n_icmp_errors, n_receive_errors
    uint32_t n_socket_drops              # of the kernel, modulo 2**32
    int last_errno                       # of the last refused send
    int last_icmp_errno
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

# Sends every group; datagrams the kernel refuses are counted, never retried here: SIP's timers do that.
cdef void udp_send_outbox(udp_t* u, outbox_t* o) noexcept nogil

# Buffers filled (u.rx_*), 0 where nothing is waiting; fewer than u.rx_batch: the queue was empty then.
cdef uint32_t udp_receive(udp_t* u) noexcept nogil

# Brings n_socket_drops up to date: SO_RXQ_OVFL tells of drops only with a datagram that comes after them.
cdef void udp_read_drops(udp_t* u) noexcept nogil

# Takes ICMP errors off the socket's error queue and counts them; u.last_icmp_errno is the newest.
cdef void udp_drain_errors(udp_t* u) noexcept nogil
