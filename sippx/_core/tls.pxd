# sippx/_core/tls.pxd: one TLS session over a connected, non-blocking stream socket; no call of it ever blocks.
#
# One thread drives a tls_owner_t and all sessions opened with it. The owner of the socket waits (for reading or
# writing, as the results say), keeps time, and closes the socket after tls_free.
#
# OpenSSL reaches the socket through two functions of ours (a BIO), not SSL_set_fd: input is taken with one recv
# for many records into a buffer that all sessions of a thread share, so that an idle session holds none, and no
# ciphertext is ever left in it between two calls: what is not yet read is in the socket, where epoll sees it.
from libc.stdint cimport int8_t, uint8_t, uint16_t, uint32_t, uint64_t

from sippx._core.span cimport span_t
from sippx._core.tlscontext cimport TLS_SUBJECT_BYTES, tls_context_t, tls_feedback_t

cdef enum:
    TLS_RECORD_BYTES = 16384     # the longest plaintext of a record
    TLS_INPUT_BYTES = 65536      # of ciphertext, the most that one recv takes
    TLS_READ_MIN_BYTES = 32768   # room that tls_read needs
    TLS_READ_BEST_BYTES = 81920  # ... and with which it takes TLS_INPUT_BYTES at once; it uses no more
    TLS_NAME_BYTES = 256

    # results; those below TLS_WANT_WRITE are final: the session can only be freed
    TLS_DONE = 0
    TLS_WANT_READ = -1           # go on when the socket is readable
    TLS_WANT_WRITE = -2          # ... writable
    TLS_CLOSED = -3              # the peer has said that it sends no more (close_notify)
    TLS_TRUNCATED = -4           # the connection ended without that
    TLS_FAILED = -5              # owner.failure says why

    TLS_HANDSHAKING = 0
    TLS_OPEN = 1

cdef enum:
    TLS_CAUSE_NONE
    TLS_CAUSE_PROTOCOL           # bytes that are not TLS, or not as it should be: failure.error
    TLS_CAUSE_ALERT              # the peer refused: failure.alert
    TLS_CAUSE_VERIFY             # its certificate was refused: failure.verify_*
    TLS_CAUSE_SOCKET             # failure.socket_errno
    TLS_CAUSE_END                # the peer closed during the handshake
    TLS_CAUSE_MEMORY             # there was none for a session

cdef struct tls_failure_t:
    int cause                    # TLS_CAUSE_
    bint is_in_handshake
    unsigned long error          # OpenSSL's
    int alert                    # RFC 8446 6
    int socket_errno
    int verify_error             # X509_V_ERR_
    int verify_depth             # 0: the peer's own certificate
    char verify_subject[TLS_SUBJECT_BYTES]   # of the certificate that was refused; NUL-terminated

# A session that can be resumed, of one destination.
cdef struct tls_saved_t:
    uint64_t destination         # 0: free
    void* session                # SSL_SESSION, owned

# What the sessions of one thread share. Stays where it is in memory while it has sessions.
cdef struct tls_owner_t:
    tls_t* current               # the session that is being driven
    uint8_t* in_bytes            # TLS_INPUT_BYTES
    uint32_t in_pos, in_end
    tls_saved_t* saved           # n_saved of them, a power of two; 0: none
    uint32_t n_saved
    tls_failure_t failure        # of the last TLS_FAILED
    tls_feedback_t feedback
    # totals; the reader takes differences
    uint64_t n_handshakes, n_resumed, n_failed_handshakes
    uint64_t n_send_calls, n_receive_calls, n_sent_bytes, n_received_bytes     # of the sockets: ciphertext

# The other side of a client's sessions: made once a destination, and kept by whoever calls tls_open.
cdef struct tls_peer_t:
    uint64_t destination         # key of its saved session: hash of address, port and name; 0: never resume
    uint16_t n_name              # 0: neither sent (SNI) nor checked
    uint8_t n_ip                 # 4, 16; 0: the name is not an address
    uint8_t ip[16]
    char name[TLS_NAME_BYTES]    # NUL-terminated

# May be moved in memory between calls.
cdef struct tls_t:
    void* ssl                    # SSL; NULL: not open
    tls_owner_t* owner
    const tls_context_t* context     # borrowed, for as long as the session is open
    uint64_t destination
    int fd                       # borrowed
    int socket_errno             # of the last failed call, 0: none failed
    uint8_t state                # TLS_HANDSHAKING, TLS_OPEN
    int8_t end                   # TLS_DONE, or the final result that calls give from now on
    bint may_receive             # within tls_read: the one recv has not been made yet
    uint32_t receive_bytes       # ... and what it may take; 0: as much as OpenSSL asks for
    bint is_drained              # the last recv of tls_read took all that the socket had by then
    bint is_eof
    bint is_write_pending        # a record is half sent
    bint is_shut_down            # close_notify is sent
    bint is_resumed

# Of the process: False where libssl has no room for it. After libssl_load(), with the GIL, before any tls_open.
cdef bint tls_prepare()

# n_saved: sessions kept for resumption, rounded up to a power of two. False: no memory. A zeroed owner may be
# freed; sessions are freed first.
cdef bint tls_owner_init(tls_owner_t* o, uint32_t n_saved) noexcept nogil
cdef void tls_owner_free(tls_owner_t* o) noexcept nogil

# name: host name or address in text, without brackets; may be empty. False: it is too long or has a NUL.
cdef bint tls_peer_init(tls_peer_t* p, span_t name, uint64_t destination) noexcept nogil

# Makes the session; peer is NULL for a server, and not needed after the call. False: no memory, and t is not open.
cdef bint tls_open(tls_t* t, tls_owner_t* o, const tls_context_t* context, int fd,
                   const tls_peer_t* peer) noexcept nogil

# TLS_DONE: open. TLS_WANT_*: call again then; else final. A client that is TLS_DONE may have been refused all the
# same (TLS 1.3): the alert comes with tls_read. The socket may hold data when it is TLS_DONE: where epoll is
# edge-triggered, read at once.
cdef int tls_handshake(tls_t* t) noexcept nogil

# Reads what one recv brings, at least one record: number of bytes put to out (cap >= TLS_READ_MIN_BYTES), or a
# result. TLS_WANT_READ says that the socket is empty. After a number, the socket may hold more unless t.is_drained
# (epoll tells where it is level-triggered), and t.end, where not TLS_DONE, is what the next call returns: nobody else
# will tell.
cdef int tls_read(tls_t* t, char* out, uint32_t cap) noexcept nogil

# Writes records until all are taken by the socket, or it takes no more: number of bytes that need no more be given
# (> 0), or a result. After TLS_WANT_WRITE, or fewer than n, wait for the socket; the next call begins with the byte
# after those taken, and has all that were left over, or more; they may have moved. TLS_DONE: nothing to write, or
# the session is not open yet.
cdef int tls_write(tls_t* t, const char* data, uint32_t n) noexcept nogil

# Sends close_notify; TLS_DONE: sent, or there is nobody to send it to. TLS_WANT_WRITE: call again then; where a record
# is half sent, it is tls_write that has to finish it first. The peer's own close_notify is for tls_read to meet.
cdef int tls_shutdown(tls_t* t) noexcept nogil

# Frees the session; sends nothing. A session that is not open is left alone.
cdef void tls_free(tls_t* t) noexcept nogil

cdef inline bint tls_is_final(int result) noexcept nogil:
    return result < TLS_WANT_WRITE

# Of an open session: "TLSv1.3" and "TLS_AES_256_GCM_SHA384"; NUL-terminated, of static storage.
cdef const char* tls_version_name(const tls_t* t) noexcept nogil
cdef const char* tls_cipher_name(const tls_t* t) noexcept nogil

# One sentence on o.failure, without a full stop.
cdef str tls_failure_text(const tls_owner_t* o)
