# sippx/_core/tls.pyx: drives OpenSSL's sessions over non-blocking sockets; see tls.pxd.
import os

from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport INT32_MAX
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memchr, memcpy, memset

from sippx._core.libssl cimport (
    LIBSSL,
    SSL_ERROR_WANT_READ,
    SSL_ERROR_WANT_WRITE,
    SSL_ERROR_ZERO_RETURN,
    SSL_REASON_ALERT,
    libssl_load,
    ssl_reason_of,
    ssl_reason_text,
)
from sippx._core.span cimport span_of
from sippx._core.tlscontext cimport TLS_EX_DATA_IDX, TlsContext

cdef extern from "<sys/socket.h>" nogil:
    int MSG_DONTWAIT, MSG_NOSIGNAL
    int AF_INET, AF_INET6
    long recv(int fd, void* out, size_t n, int flags)
    long send(int fd, const void* data, size_t n, int flags)

cdef extern from "<arpa/inet.h>" nogil:
    int inet_pton(int family, const char* text, void* out)

cdef enum:
    BIO_TYPE_SOURCE_SINK = 0x400
    BIO_CTRL_EOF = 2
    BIO_CTRL_FLUSH = 11
    BIO_FLAGS_READ = 1
    BIO_FLAGS_WRITE = 2
    BIO_FLAGS_RETRY = 8
    BIO_FLAGS_ALL_RETRY = 15

    CTRL_SET_HOST_NAME = 55
    HOST_NAME = 0                # the only type of a server name
    SHUTDOWN_BOTH = 3

    SAVED_PROBES = 4

# A fact about the process: how sessions reach their sockets; kept for good.
cdef void* SOCKET_METHOD = NULL

# --------------------------------------------------------------------------- the socket, as OpenSSL sees it


cdef inline bint is_to_be_retried() noexcept nogil:
    return errno == EAGAIN or errno == EINTR


cdef long receive(tls_t* t, void* out, size_t n) noexcept nogil:
    """As recv; -1 and t.socket_errno 0 where there is nothing yet."""
    cdef tls_owner_t* o = t.owner
    cdef long got = recv(t.fd, out, n, MSG_DONTWAIT)
    o.n_receive_calls += 1
    if got > 0:
        o.n_received_bytes += <uint64_t> got
    elif got == 0:
        t.is_eof = True
    elif not is_to_be_retried():
        t.socket_errno = errno
    return got


cdef int socket_read(void* bio, char* out, int n) noexcept nogil:
    cdef tls_owner_t* o = <tls_owner_t*> LIBSSL.BIO_get_data(bio)
    cdef tls_t* t = o.current
    cdef long got = -1
    LIBSSL.BIO_clear_flags(bio, BIO_FLAGS_ALL_RETRY)
    if t.receive_bytes == 0:
        got = receive(t, out, <size_t> n)
    else:
        if o.in_pos == o.in_end and t.may_receive:
            t.may_receive = False
            got = receive(t, o.in_bytes, t.receive_bytes)
            t.is_drained = got < <long> t.receive_bytes
            o.in_pos = 0
            o.in_end = <uint32_t> got if got > 0 else 0
        if o.in_pos < o.in_end:
            got = min(<long> n, <long> (o.in_end - o.in_pos))
            memcpy(out, o.in_bytes + o.in_pos, <size_t> got)
            o.in_pos += <uint32_t> got
    if got < 0 and t.socket_errno == 0:
        LIBSSL.BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_RETRY)
    return <int> got


cdef int socket_write(void* bio, const char* data, int n) noexcept nogil:
    cdef tls_owner_t* o = <tls_owner_t*> LIBSSL.BIO_get_data(bio)
    cdef tls_t* t = o.current
    cdef long sent
    LIBSSL.BIO_clear_flags(bio, BIO_FLAGS_ALL_RETRY)
    sent = send(t.fd, data, <size_t> n, MSG_DONTWAIT | MSG_NOSIGNAL)
    o.n_send_calls += 1
    if sent >= 0:
        o.n_sent_bytes += <uint64_t> sent
    elif is_to_be_retried():
        LIBSSL.BIO_set_flags(bio, BIO_FLAGS_WRITE | BIO_FLAGS_RETRY)
    else:
        t.socket_errno = errno
    return <int> sent


cdef long socket_ctrl(void* bio, int command, long number, void* pointer) noexcept nogil:
    cdef tls_owner_t* o
    if command == BIO_CTRL_FLUSH:
        return 1
    if command == BIO_CTRL_EOF:
        o = <tls_owner_t*> LIBSSL.BIO_get_data(bio)
        return o.current.is_eof
    return 0


cdef bint tls_prepare():
    global SOCKET_METHOD
    cdef void* method
    if SOCKET_METHOD != NULL:
        return True
    method = LIBSSL.BIO_meth_new(LIBSSL.BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, b"sippx")
    if (method == NULL or LIBSSL.BIO_meth_set_read(method, socket_read) != 1
            or LIBSSL.BIO_meth_set_write(method, socket_write) != 1
            or LIBSSL.BIO_meth_set_ctrl(method, socket_ctrl) != 1):
        return False
    SOCKET_METHOD = method
    return True

# --------------------------------------------------------------------------- owners, peers, saved sessions


cdef bint tls_owner_init(tls_owner_t* o, uint32_t n_saved) noexcept nogil:
    memset(o, 0, sizeof(tls_owner_t))
    o.in_bytes = <uint8_t*> malloc(TLS_INPUT_BYTES)
    if o.in_bytes == NULL:
        return False
    if n_saved:
        o.n_saved = SAVED_PROBES
        while o.n_saved < n_saved and o.n_saved < 1 << 30:
            o.n_saved *= 2
        o.saved = <tls_saved_t*> calloc(o.n_saved, sizeof(tls_saved_t))
        if o.saved == NULL:
            tls_owner_free(o)
            return False
    return True


cdef void tls_owner_free(tls_owner_t* o) noexcept nogil:
    cdef uint32_t i
    if o.saved != NULL:
        for i in range(o.n_saved):
            if o.saved[i].session != NULL:
                LIBSSL.SSL_SESSION_free(o.saved[i].session)
    if o.feedback.new_session != NULL:
        LIBSSL.SSL_SESSION_free(o.feedback.new_session)
    free(o.saved)
    free(o.in_bytes)
    memset(o, 0, sizeof(tls_owner_t))


cdef bint tls_peer_init(tls_peer_t* p, span_t name, uint64_t destination) noexcept nogil:
    memset(p, 0, sizeof(tls_peer_t))
    if name.len >= TLS_NAME_BYTES or (name.len and memchr(name.ptr, 0, name.len) != NULL):
        return False
    p.destination = destination
    p.n_name = <uint16_t> name.len
    if name.len:
        memcpy(p.name, name.ptr, name.len)
    if inet_pton(AF_INET, p.name, p.ip) == 1:
        p.n_ip = 4
    elif inet_pton(AF_INET6, p.name, p.ip) == 1:
        p.n_ip = 16
    return True


cdef tls_saved_t* saved_at(tls_owner_t* o, uint64_t destination) noexcept nogil:
    """The place of a destination's session; else a free one near its home, or its home."""
    cdef uint32_t mask = o.n_saved - 1
    cdef uint32_t home = <uint32_t> ((destination * 0x9E3779B97F4A7C15ULL) >> 32)
    cdef uint32_t i
    cdef tls_saved_t* place = NULL
    for i in range(SAVED_PROBES):
        if o.saved[(home + i) & mask].destination == destination:
            return &o.saved[(home + i) & mask]
        if place == NULL and o.saved[(home + i) & mask].destination == 0:
            place = &o.saved[(home + i) & mask]
    return &o.saved[home & mask] if place == NULL else place


cdef void save_session(tls_t* t) noexcept nogil:
    """What a callback kept becomes the session to resume with next."""
    cdef tls_owner_t* o = t.owner
    cdef void* session = o.feedback.new_session
    cdef tls_saved_t* place
    o.feedback.new_session = NULL
    if o.n_saved == 0 or t.destination == 0:
        LIBSSL.SSL_SESSION_free(session)
        return
    place = saved_at(o, t.destination)
    if place.session != NULL:
        LIBSSL.SSL_SESSION_free(place.session)
    place.destination = t.destination
    place.session = session


cdef void resume_saved(tls_t* t) noexcept nogil:
    cdef tls_saved_t* place
    if t.owner.n_saved == 0 or t.destination == 0:
        return
    place = saved_at(t.owner, t.destination)
    if place.destination != t.destination:
        return
    if LIBSSL.SSL_SESSION_is_resumable(place.session) != 1 or LIBSSL.SSL_set_session(t.ssl, place.session) != 1:
        LIBSSL.SSL_SESSION_free(place.session)
        memset(place, 0, sizeof(tls_saved_t))

# --------------------------------------------------------------------------- sessions


cdef bint address_peer(tls_t* t, const tls_peer_t* peer) noexcept nogil:
    """Says whom a client wants (an address is not sent, RFC 6066 3), and checks that it is who answers."""
    cdef void* param
    t.destination = peer.destination
    if peer.n_name == 0:
        return True
    if peer.n_ip == 0 and LIBSSL.SSL_ctrl(t.ssl, CTRL_SET_HOST_NAME, HOST_NAME, <void*> peer.name) != 1:
        return False
    if not t.context.is_verifying:
        return True
    param = LIBSSL.SSL_get0_param(t.ssl)
    if peer.n_ip:
        return LIBSSL.X509_VERIFY_PARAM_set1_ip(param, peer.ip, peer.n_ip) == 1
    return LIBSSL.X509_VERIFY_PARAM_set1_host(param, peer.name, peer.n_name) == 1


cdef bint set_up(tls_t* t, const tls_peer_t* peer) noexcept nogil:
    cdef void* bio
    t.ssl = LIBSSL.SSL_new(t.context.ctx)
    if t.ssl == NULL or LIBSSL.SSL_set_ex_data(t.ssl, TLS_EX_DATA_IDX, &t.owner.feedback) != 1:
        return False
    bio = LIBSSL.BIO_new(SOCKET_METHOD)
    if bio == NULL:
        return False
    LIBSSL.BIO_set_data(bio, t.owner)
    LIBSSL.BIO_set_init(bio, 1)
    LIBSSL.SSL_set_bio(t.ssl, bio, bio)
    if t.context.is_server:
        LIBSSL.SSL_set_accept_state(t.ssl)
        return True
    LIBSSL.SSL_set_connect_state(t.ssl)
    if peer == NULL:
        return True
    if not address_peer(t, peer):
        return False
    resume_saved(t)
    return True


cdef bint tls_open(tls_t* t, tls_owner_t* o, const tls_context_t* context, int fd,
                   const tls_peer_t* peer) noexcept nogil:
    memset(t, 0, sizeof(tls_t))
    t.owner = o
    t.context = context
    t.fd = fd
    if set_up(t, peer):
        return True
    LIBSSL.ERR_clear_error()
    LIBSSL.SSL_free(t.ssl)
    t.ssl = NULL
    memset(&o.failure, 0, sizeof(tls_failure_t))
    o.failure.cause = TLS_CAUSE_MEMORY
    return False


cdef inline void enter(tls_t* t) noexcept nogil:
    t.owner.current = t
    t.owner.feedback.context = t.context
    t.owner.feedback.verify_error = 0
    # SSL_get_error looks at all errors of the thread, others' too
    LIBSSL.ERR_clear_error()


cdef void note_failure(tls_t* t) noexcept nogil:
    cdef tls_owner_t* o = t.owner
    cdef tls_failure_t* f = &o.failure
    memset(f, 0, sizeof(tls_failure_t))
    f.is_in_handshake = t.state == TLS_HANDSHAKING
    # the one of TLS itself; those before it are of the ciphers it uses
    f.error = LIBSSL.ERR_peek_last_error()
    f.socket_errno = t.socket_errno
    LIBSSL.ERR_clear_error()
    if ssl_reason_of(f.error) >= SSL_REASON_ALERT and ssl_reason_of(f.error) < SSL_REASON_ALERT + 256:
        f.cause = TLS_CAUSE_ALERT
        f.alert = ssl_reason_of(f.error) - SSL_REASON_ALERT
    elif o.feedback.verify_error:
        f.cause = TLS_CAUSE_VERIFY
        f.verify_error = o.feedback.verify_error
        f.verify_depth = o.feedback.verify_depth
        memcpy(f.verify_subject, o.feedback.verify_subject, sizeof(f.verify_subject))
    elif t.socket_errno:
        f.cause = TLS_CAUSE_SOCKET
    elif t.is_eof:
        f.cause = TLS_CAUSE_END
    else:
        f.cause = TLS_CAUSE_PROTOCOL


cdef int result_of(tls_t* t, int returned) noexcept nogil:
    """What a call of OpenSSL that did not succeed comes to."""
    cdef int error = LIBSSL.SSL_get_error(t.ssl, returned)
    if error == SSL_ERROR_WANT_READ:
        return TLS_WANT_READ
    if error == SSL_ERROR_WANT_WRITE:
        return TLS_WANT_WRITE
    if t.state == TLS_OPEN and t.is_eof and t.socket_errno == 0:
        LIBSSL.ERR_clear_error()
        t.end = TLS_TRUNCATED
    elif t.state == TLS_OPEN and error == SSL_ERROR_ZERO_RETURN:
        t.end = TLS_CLOSED
    else:
        note_failure(t)
        t.end = TLS_FAILED
    return t.end


cdef int tls_handshake(tls_t* t) noexcept nogil:
    cdef tls_owner_t* o = t.owner
    cdef int result
    if t.end != TLS_DONE or t.state == TLS_OPEN:
        return t.end
    enter(t)
    # no more is taken from the socket than OpenSSL asks for: what follows the handshake is tls_read's
    t.receive_bytes = 0
    result = LIBSSL.SSL_do_handshake(t.ssl)
    if o.feedback.new_session != NULL:
        save_session(t)
    if result != 1:
        result = result_of(t, result)
        o.n_failed_handshakes += tls_is_final(result)
        return result
    t.state = TLS_OPEN
    t.is_resumed = LIBSSL.SSL_session_reused(t.ssl) == 1
    o.n_handshakes += 1
    o.n_resumed += t.is_resumed
    return TLS_DONE


cdef int read_records(tls_t* t, char* out, uint32_t cap, uint32_t* n_read) noexcept nogil:
    """Reads until OpenSSL wants more input than it may have; that result."""
    cdef int got
    while True:
        got = LIBSSL.SSL_read(t.ssl, out + n_read[0], <int> (cap - n_read[0]))
        if t.owner.feedback.new_session != NULL:
            save_session(t)
        if got <= 0:
            return result_of(t, got)
        n_read[0] += <uint32_t> got


cdef int tls_read(tls_t* t, char* out, uint32_t cap) noexcept nogil:
    cdef tls_owner_t* o = t.owner
    cdef uint32_t n_read = 0
    cdef int result
    if t.end != TLS_DONE:
        return t.end
    if t.state != TLS_OPEN or cap < TLS_READ_MIN_BYTES:
        return TLS_WANT_READ
    cap = min(cap, <uint32_t> TLS_READ_BEST_BYTES)
    enter(t)
    o.in_pos = o.in_end = 0
    # Plaintext is shorter than its ciphertext, and a record that began in an earlier call ends in this one: with
    # this much room all fits, and OpenSSL asks for input until none is left over.
    t.receive_bytes = cap - TLS_RECORD_BYTES
    while True:
        t.may_receive = True
        result = read_records(t, out, cap, &n_read)
        # part of a record, or a ticket: there may be more
        if n_read or result != TLS_WANT_READ or t.may_receive or o.in_end == 0:
            break
    t.receive_bytes = 0
    return <int> n_read if n_read else result


cdef int tls_write(tls_t* t, const char* data, uint32_t n) noexcept nogil:
    cdef uint32_t n_written = 0
    cdef int taken, result = TLS_DONE
    if t.end == TLS_FAILED or t.end == TLS_TRUNCATED:
        return t.end
    if t.state != TLS_OPEN or n == 0:
        return TLS_DONE
    n = min(n, <uint32_t> INT32_MAX)
    enter(t)
    t.is_write_pending = False
    while n_written < n:
        taken = LIBSSL.SSL_write(t.ssl, data + n_written, <int> (n - n_written))
        if taken <= 0:
            result = result_of(t, taken)
            t.is_write_pending = result == TLS_WANT_WRITE
            break
        n_written += <uint32_t> taken
    return <int> n_written if n_written else result


cdef int tls_shutdown(tls_t* t) noexcept nogil:
    cdef int result
    if (t.ssl == NULL or t.state != TLS_OPEN or t.is_shut_down or t.end == TLS_FAILED
            or t.end == TLS_TRUNCATED):
        return TLS_DONE
    if t.is_write_pending:
        return TLS_WANT_WRITE
    enter(t)
    result = LIBSSL.SSL_shutdown(t.ssl)
    if result < 0:
        return result_of(t, result)
    t.is_shut_down = True
    return TLS_DONE


cdef void tls_free(tls_t* t) noexcept nogil:
    if t.ssl == NULL:
        return
    enter(t)
    if t.state == TLS_OPEN and t.end != TLS_FAILED:
        # else OpenSSL takes it for broken, and its session is never resumed
        LIBSSL.SSL_set_shutdown(t.ssl, SHUTDOWN_BOTH)
    LIBSSL.SSL_free(t.ssl)
    t.ssl = NULL
    t.owner.current = NULL


cdef const char* tls_version_name(const tls_t* t) noexcept nogil:
    return LIBSSL.SSL_get_version(t.ssl)


cdef const char* tls_cipher_name(const tls_t* t) noexcept nogil:
    return LIBSSL.SSL_CIPHER_get_name(LIBSSL.SSL_get_current_cipher(t.ssl))


cdef str verification_text(const tls_failure_t* f):
    whose = "its certificate" if f.verify_depth == 0 else f"the certificate {f.verify_depth} above its own"
    reason = LIBSSL.X509_verify_cert_error_string(f.verify_error).decode(errors="replace")
    subject = (<const char*> f.verify_subject).decode(errors="replace")
    return f"{whose} is refused: {reason} (error {f.verify_error}, depth {f.verify_depth}, {subject})"


cdef str tls_failure_text(const tls_owner_t* o):
    cdef const tls_failure_t* f = &o.failure
    where = "TLS handshake failed" if f.is_in_handshake else "TLS session failed"
    if f.cause == TLS_CAUSE_ALERT:
        reason = ssl_reason_text(f.error)
        name = reason.rpartition("alert ")[2]
        return f"{where}: the peer sent alert {f.alert} ({name})"
    if f.cause == TLS_CAUSE_VERIFY:
        return f"{where}: {verification_text(f)}"
    if f.cause == TLS_CAUSE_SOCKET:
        return f"{where}: {os.strerror(f.socket_errno)}"
    if f.cause == TLS_CAUSE_END:
        return f"{where}: the peer closed the connection"
    if f.cause == TLS_CAUSE_MEMORY:
        return "no TLS session: out of memory"
    reason = ssl_reason_text(f.error)
    if reason in ("wrong version number", "http request", "packet length too long", "record overflow"):
        reason += " (does the peer speak TLS?)"
    return f"{where}: {reason}"

# --------------------------------------------------------------------------- test surface

RESULTS = {TLS_DONE: "done", TLS_WANT_READ: "want read", TLS_WANT_WRITE: "want write", TLS_CLOSED: "closed",
           TLS_TRUNCATED: "truncated", TLS_FAILED: "failed"}


cdef class Owner:
    """The owner of some sessions: their saved sessions, failures and totals."""
    cdef tls_owner_t o

    def __cinit__(self, int n_saved=0):
        error = libssl_load()
        if error is not None:
            raise RuntimeError(error)
        if not tls_prepare() or not tls_owner_init(&self.o, n_saved):
            raise MemoryError

    def __dealloc__(self):
        tls_owner_free(&self.o)

    def failure(self):
        """The sentence on what failed last, without a full stop."""
        return tls_failure_text(&self.o)

    def totals(self):
        return {
            "handshakes": self.o.n_handshakes, "resumed": self.o.n_resumed, "failed": self.o.n_failed_handshakes,
            "send_calls": self.o.n_send_calls, "receive_calls": self.o.n_receive_calls,
            "sent_bytes": self.o.n_sent_bytes, "received_bytes": self.o.n_received_bytes,
        }


cdef class Session:
    """One session over a socket, which the caller closes; results are words."""
    cdef tls_t t
    cdef Owner owner
    cdef TlsContext context
    cdef char* out
    cdef uint32_t cap

    def __cinit__(self, Owner owner not None, TlsContext context not None, int fd, bytes name=b"",
                  uint64_t destination=0, uint32_t cap=TLS_READ_MIN_BYTES):
        cdef tls_peer_t peer
        self.owner = owner
        self.context = context
        self.cap = cap
        self.out = <char*> malloc(cap)
        if self.out == NULL:
            raise MemoryError
        if not tls_peer_init(&peer, span_of(name, <uint32_t> len(name)), destination):
            raise ValueError("the name is too long, or has a NUL")
        if not tls_open(&self.t, &owner.o, &context.c, fd, NULL if context.c.is_server else &peer):
            raise MemoryError

    def __dealloc__(self):
        if self.t.owner != NULL:
            tls_free(&self.t)
        free(self.out)

    def handshake(self):
        return RESULTS[tls_handshake(&self.t)]

    def read(self):
        """Bytes, or a result."""
        cdef int n = tls_read(&self.t, self.out, self.cap)
        return self.out[:n] if n > 0 else RESULTS[n]

    def write(self, bytes data not None):
        """Number of bytes taken, or a result."""
        cdef int n = tls_write(&self.t, data, <uint32_t> len(data))
        return n if n > 0 else RESULTS[n]

    def shutdown(self):
        return RESULTS[tls_shutdown(&self.t)]

    def close(self):
        tls_free(&self.t)

    @property
    def end(self):
        return RESULTS[self.t.end]

    @property
    def is_resumed(self):
        return self.t.is_resumed

    @property
    def version(self):
        return tls_version_name(&self.t).decode()

    @property
    def cipher(self):
        return tls_cipher_name(&self.t).decode()
