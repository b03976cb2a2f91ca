# sippx/_core/connectiontable.pyx: a table of connections as Python drives it: what tests and benchmarks use.
import os
import socket as python_socket
import time

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.errno cimport errno
from libc.stdint cimport uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from sippx._core.address cimport address_of_connection, address_t
from sippx._core.clock cimport monotonic_ns
from sippx._core.connection cimport waiting_bytes
from sippx._core.connections cimport *
from sippx._core.linux cimport (
    AF_INET, AF_INET6, EPOLL_CLOEXEC, IPPROTO_SCTP, IPPROTO_TCP, SOCK_STREAM, close, epoll_create1, epoll_event,
    epoll_wait,
)
from sippx._core.span cimport span_of
from sippx._core.tls cimport tls_failure_text, tls_peer_init, tls_prepare
from sippx._core.tlscontext cimport TlsContext
from sippx._core.upgrade cimport upgrade_init

CARRIES = {"sip": CARRY_SIP, "websocket": CARRY_WEBSOCKET, "messages": CARRY_MESSAGES, "commands": CARRY_COMMANDS}
STATES = {CONNECTION_FREE: "free", CONNECTION_PARKED: "parked", CONNECTION_CONNECTING: "connecting",
          CONNECTION_SECURING: "securing", CONNECTION_UPGRADING: "upgrading", CONNECTION_OPEN: "open",
          CONNECTION_LOST: "lost"}


cdef void on_message(void* owner, connection_t* n, const char* bytes, uint32_t len) noexcept nogil:
    with gil:
        (<ConnectionTable> owner)._arrived.append((n.index, <uintptr_t> bytes, len))
        (<ConnectionTable> owner)._call("message", n)


cdef void on_drain(void* owner) noexcept nogil:
    with gil:
        (<ConnectionTable> owner)._drain()


cdef void on_accepted(void* owner, connection_t* n) noexcept nogil:
    with gil:
        (<ConnectionTable> owner)._note("accepted", n, ())


cdef void on_opened(void* owner, connection_t* n, uint64_t took_ns) noexcept nogil:
    with gil:
        (<ConnectionTable> owner)._note("opened", n, (took_ns,))


cdef void on_writable(void* owner, connection_t* n) noexcept nogil:
    with gil:
        (<ConnectionTable> owner)._note("writable", n, ())


cdef void on_lost(void* owner, connection_t* n) noexcept nogil:
    with gil:
        cause = connection_cause_text(n.cause).decode()
        (<ConnectionTable> owner)._note("lost", n, (cause, n.error_detail, n.last_errno))


cdef void on_due(void* owner, connection_t* n) noexcept nogil:
    with gil:
        (<ConnectionTable> owner)._note("due", n, ())


cdef int parse_address(object host, int port, address_t* out) except -1:
    """host: an address in text, None: none."""
    memset(out, 0, sizeof(address_t))
    if host is None:
        return 0
    family = python_socket.AF_INET6 if ":" in host else python_socket.AF_INET
    packed = python_socket.inet_pton(family, host)
    out.family = <unsigned char> (AF_INET6 if ":" in host else AF_INET)
    out.port = <uint16_t> python_socket.htons(port)
    memcpy(out.ip, PyBytes_AS_STRING(packed), len(packed))
    return 0


cdef class ConnectionTable:
    """A table on an epoll of its own. What it tells its owner is kept as (name, index, ...) until poll() returns it;
    hook, where set, is called with the name and index while the owner is being told."""
    cdef connections_t c
    cdef int _epoll_fd
    cdef list _told, _arrived, _contexts
    cdef public object hook
    cdef bint _clock_is_set

    def __cinit__(self, uint32_t cap=1024, *, uint64_t seed=1):
        cdef connection_owner_t to
        self._epoll_fd = epoll_create1(EPOLL_CLOEXEC)
        if self._epoll_fd < 0:
            raise OSError(errno, os.strerror(errno))
        self._told, self._arrived, self._contexts = [], [], []
        to.owner = <void*> self
        to.message = on_message
        to.drain = on_drain
        to.accepted = on_accepted
        to.opened = on_opened
        to.writable = on_writable
        to.lost = on_lost
        to.due = on_due
        if connections_init(&self.c, &to, self._epoll_fd, cap, seed) != 0:
            raise MemoryError
        self.c.now_ms = time.monotonic_ns() // 1000000

    def __dealloc__(self):
        self.shut()

    cpdef shut(self):
        """Closes all of its sockets."""
        if self._epoll_fd >= 0:
            connections_free(&self.c)
            close(self._epoll_fd)
            self._epoll_fd = -1

    cdef object _call(self, str name, connection_t* n):
        if self.hook is not None:
            self.hook(name, n.index)

    cdef object _note(self, str name, connection_t* n, tuple more):
        self._told.append((name, n.index, *more))
        self._call(name, n)

    cdef object _drain(self):
        arrived, self._arrived = self._arrived, []
        for index, at, length in arrived:
            data = PyBytes_FromStringAndSize(<const char*> <uintptr_t> at, length)
            self._told.append(("message", index, data))
        if self.hook is not None:
            self.hook("drain", 0)

    cdef connection_t* _at(self, uint32_t index) except NULL:
        if index >= self.c.n_touched:
            raise IndexError(f"there is no connection {index}")
        return connection_at(&self.c, index)

    def add_channel(self, *, str carries="sip", client_tls=None, server_tls=None, bytes name=b"",
                    uint64_t destination=0, bytes host=b"localhost", bytes path=b"/", bint is_sctp=False,
                    uint32_t open_timeout_ms=0, uint32_t queue_cap=1 << 20, uint32_t high_water=65536,
                    uint32_t low_water=16384, options=()):
        """Its number. options: (level, name, value in bytes) of outgoing sockets."""
        cdef channel_t* channel = &self.c.channels[self.c.n_channels]
        if self.c.n_channels == CHANNEL_CAP:
            raise ValueError("too many channels")
        channel.carries = CARRIES[carries]
        channel.socket_type = SOCK_STREAM
        channel.protocol = IPPROTO_SCTP if is_sctp else IPPROTO_TCP
        self._use_tls(channel, client_tls, server_tls)
        if not tls_peer_init(&channel.tls_peer, span_of(PyBytes_AS_STRING(name), <uint32_t> len(name)), destination):
            raise ValueError("the name is too long")
        memcpy(channel.host, PyBytes_AS_STRING(host), len(host) + 1)
        memcpy(channel.path, PyBytes_AS_STRING(path), len(path) + 1)
        if carries == "websocket":
            upgrade_init()
        channel.open_timeout_ms = open_timeout_ms
        channel.queue_cap_bytes = queue_cap
        channel.high_water_bytes = high_water
        channel.low_water_bytes = low_water
        for level, option, value in options:
            channel.options[channel.n_options].level = level
            channel.options[channel.n_options].name = option
            channel.options[channel.n_options].n_bytes = <uint32_t> len(value)
            memcpy(channel.options[channel.n_options].value, PyBytes_AS_STRING(value), len(value))
            channel.n_options += 1
        self.c.n_channels += 1
        return self.c.n_channels - 1

    cdef object _use_tls(self, channel_t* channel, TlsContext client_tls, TlsContext server_tls):
        if client_tls is None and server_tls is None:
            return
        # they are to be there for as long as sessions are
        self._contexts += [client_tls, server_tls]
        if client_tls is not None:
            channel.client_tls = &client_tls.c
        if server_tls is not None:
            channel.server_tls = &server_tls.c
        if not tls_prepare() or not connections_use_tls(&self.c, 16):
            raise MemoryError

    def listen(self, int fd, uint32_t channel):
        cdef int error = connections_listen(&self.c, fd, channel)
        if error:
            raise OSError(-error, os.strerror(-error))

    def connect(self, uint32_t channel, str host not None, int port, *, source=None, int source_port=0):
        """The new connection's index; OSError where it is refused at once."""
        cdef address_t peer, own
        cdef int error = 0
        cdef uint32_t index
        parse_address(host, port, &peer)
        parse_address(source, source_port, &own)
        index = connections_connect(&self.c, channel, &peer, &own, &error)
        if index == NO_CONNECTION:
            raise OSError(error, os.strerror(error))
        return index

    def reopen(self, uint32_t index, str host not None, int port):
        """0, or an errno."""
        cdef address_t peer, own
        parse_address(host, port, &peer)
        parse_address(None, 0, &own)
        return connections_reopen(&self.c, self._at(index), &peer, &own)

    def park(self, uint32_t index, uint32_t delay_ms):
        connections_park(&self.c, self._at(index), delay_ms)

    def adopt(self, int fd, uint32_t channel):
        """Takes over a connected non-blocking socket as an accepted one: its index."""
        cdef address_t peer
        parse_address(None, 0, &peer)
        cdef connection_t* n = connections_adopt(&self.c, fd, channel, &peer, monotonic_ns())
        if n == NULL:
            raise MemoryError
        return n.index

    def send(self, uint32_t index, messages, *, int n_parts=1):
        """Sends the messages in so many parts."""
        cdef connection_t* n = self._at(index)
        cdef part_t* parts = <part_t*> calloc(n_parts, sizeof(part_t))
        cdef uint32_t* ends = NULL
        cdef uint32_t i, k = 0
        cdef bint is_sent
        messages = list(messages)
        ends = <uint32_t*> calloc(len(messages) or 1, sizeof(uint32_t))
        if parts == NULL or ends == NULL:
            raise MemoryError
        share = (len(messages) + n_parts - 1) // n_parts
        groups = [messages[at:at + share] for at in range(0, len(messages), share)]
        joined = [b"".join(group) for group in groups]
        for i, group in enumerate(groups):
            parts[i].bytes = PyBytes_AS_STRING(joined[i])
            parts[i].n_bytes = <uint32_t> len(joined[i])
            parts[i].ends = ends + k
            parts[i].n_messages = <uint32_t> len(group)
            end = 0
            for message in group:
                end += len(message)
                ends[k] = end
                k += 1
        is_sent = connections_send(&self.c, n, parts, <uint32_t> len(groups))
        free(parts)
        free(ends)
        return is_sent

    def close(self, uint32_t index):
        connections_close(&self.c, self._at(index))

    def event(self, uint64_t data, uint32_t events):
        """An event as if epoll had told it."""
        connections_event(&self.c, data, events, monotonic_ns())

    def poll(self, int timeout_ms=0):
        """One turn of an owner's loop; what was told since the last one."""
        cdef epoll_event[64] events
        cdef int count
        with nogil:
            count = epoll_wait(self._epoll_fd, events, 64, timeout_ms)
            connections_events(&self.c, events, count if count > 0 else 0, monotonic_ns())
            connections_read_on(&self.c, monotonic_ns())
            connections_reap(&self.c)
        if not self._clock_is_set:
            connections_expire(&self.c, time.monotonic_ns() // 1000000)
        return self.take()

    def take(self):
        """What was told and not yet returned."""
        told, self._told = self._told, []
        return told

    def expire(self, uint64_t now_ms):
        """Runs the timers; from now on the clock is the caller's."""
        self._clock_is_set = True
        connections_expire(&self.c, now_ms)

    def reap(self):
        connections_reap(&self.c)

    def is_known(self, uint32_t index, uint32_t generation):
        """Whether that names a connection."""
        cdef address_t name
        address_of_connection(&name, index, generation)
        return connections_find(&self.c, &name) != NULL

    def describe(self, uint32_t index):
        cdef connection_t* n = self._at(index)
        return {
            "generation": n.generation, "state": STATES[n.state], "fd": n.fd, "number": n.socket_number,
            "waiting": waiting_bytes(n), "queue_cap": n.queue_cap, "held": n.n_held, "cap_held": n.cap_held,
            "is_congested": bool(n.is_congested), "is_accepted": bool(n.is_accepted),
            "local_port": connection_local_port(n),
        }

    def tls_failure(self):
        return tls_failure_text(&self.c.tls)

    def tls_totals(self):
        return {"handshakes": self.c.tls.n_handshakes, "resumed": self.c.tls.n_resumed,
                "failed": self.c.tls.n_failed_handshakes}

    @property
    def now_ms(self):
        return self.c.now_ms

    @property
    def next_ms(self):
        """When expire has something to do, None: never."""
        cdef uint64_t at = connections_next_ms(&self.c)
        return None if at == ~0ULL else at

    @property
    def is_accepting(self):
        return bool(self.c.is_accepting)

    @property
    def n_records(self):
        """Records touched so far."""
        return self.c.n_touched

    @property
    def record_bytes(self):
        return sizeof(connection_t)

    def totals(self):
        cdef uint32_t i
        ended = {}
        for i in range(<uint32_t> N_CONNECTION_CAUSES):
            ended[connection_cause_text(i).decode()] = self.c.n_ended[i]
        return {
            "connects": self.c.n_connects, "accepts": self.c.n_accepts, "opened": self.c.n_opened,
            "ended": ended,
            "closed": self.c.n_closed, "accept_errors": self.c.n_accept_errors,
            "send_calls": self.c.n_send_calls, "receive_calls": self.c.n_receive_calls,
            "sent_bytes": self.c.n_sent_bytes, "received_bytes": self.c.n_received_bytes,
            "messages_sent": self.c.n_messages_sent, "messages_received": self.c.n_messages_received,
            "congested": self.c.n_congested, "pings": self.c.n_pings, "open_sockets": self.c.n_open_sockets,
            "last_accept_errno": self.c.last_accept_errno,
        }

# --------------------------------------------------------------------------- benchmarks

# An owner without Python: counts messages, answers each where there is an answer, then closes where it is to.
cdef struct counting_t:
    connections_t* c
    part_t answer
    bint is_closing
    uint64_t n_messages
    uint64_t n_lost


cdef void count_message(void* owner, connection_t* n, const char* bytes, uint32_t len) noexcept nogil:
    cdef counting_t* counting = <counting_t*> owner
    counting.n_messages += 1
    if counting.answer.n_messages:
        connections_send(counting.c, n, &counting.answer, 1)
    if counting.is_closing:
        connections_close(counting.c, n)


cdef void count_loss(void* owner, connection_t* n) noexcept nogil:
    (<counting_t*> owner).n_lost += 1


cdef void leave_alone(void* owner, connection_t* n) noexcept nogil:
    pass


cdef void leave_opened(void* owner, connection_t* n, uint64_t took_ns) noexcept nogil:
    pass


cdef void leave_batch(void* owner) noexcept nogil:
    pass


cdef connection_owner_t counting_owner(counting_t* counting) noexcept nogil:
    cdef connection_owner_t to
    to.owner = counting
    to.message = count_message
    to.drain = leave_batch
    to.accepted = leave_alone
    to.opened = leave_opened
    to.writable = leave_alone
    to.lost = count_loss
    to.due = leave_alone
    return to


cdef void turn(connections_t* c) noexcept nogil:
    cdef epoll_event[64] events
    cdef int count = epoll_wait(c.epoll_fd, events, 64, 0)
    connections_events(c, events, count if count > 0 else 0, monotonic_ns())
    connections_read_on(c, monotonic_ns())
    connections_reap(c)


def bench_messages(ConnectionTable client not None, ConnectionTable server not None, uint32_t index,
                   bytes message not None, uint32_t burst, uint32_t repeat):
    """Sends `burst` messages on the client's open connection and receives them, `repeat` times without the GIL."""
    cdef connection_owner_t kept = server.c.to
    cdef counting_t counting
    cdef part_t part
    cdef uint32_t i, _k
    cdef bytes data = message * burst
    cdef uint32_t* ends = <uint32_t*> calloc(burst, sizeof(uint32_t))
    if ends == NULL:
        raise MemoryError
    for i in range(burst):
        ends[i] = <uint32_t> ((i + 1) * len(message))
    part.bytes = PyBytes_AS_STRING(data)
    part.n_bytes = <uint32_t> len(data)
    part.ends = ends
    part.n_messages = burst
    memset(&counting, 0, sizeof(counting))
    counting.c = &server.c
    server.c.to = counting_owner(&counting)
    with nogil:
        for _k in range(repeat):
            if not connections_send(&client.c, connection_at(&client.c, index), &part, 1):
                break
            while counting.n_messages < <uint64_t> (_k + 1) * burst and counting.n_lost == 0:
                turn(&server.c)
                turn(&client.c)
    server.c.to = kept
    free(ends)
    return counting.n_messages


def bench_exchanges(ConnectionTable client not None, ConnectionTable server not None, uint32_t channel, int port,
                    bytes message not None, uint32_t n_parallel, uint32_t repeat):
    """Connects to 127.0.0.1, sends a message, gets one back and closes, n_parallel at a time, `repeat` times without
    the GIL; the number of messages that came back."""
    cdef connection_owner_t kept_client = client.c.to, kept_server = server.c.to
    cdef counting_t[2] counting
    cdef part_t part
    cdef uint32_t _k, _i, index, end = <uint32_t> len(message)
    cdef address_t peer, own
    cdef int error = 0
    parse_address("127.0.0.1", port, &peer)
    parse_address(None, 0, &own)
    part.bytes = PyBytes_AS_STRING(message)
    part.n_bytes = end
    part.ends = &end
    part.n_messages = 1
    memset(counting, 0, sizeof(counting))
    counting[0].c = &client.c
    counting[0].is_closing = True
    counting[1].c = &server.c
    counting[1].answer = part
    client.c.to = counting_owner(&counting[0])
    server.c.to = counting_owner(&counting[1])
    with nogil:
        for _k in range(repeat):
            for _i in range(n_parallel):
                index = connections_connect(&client.c, channel, &peer, &own, &error)
                if index == NO_CONNECTION or not connections_send(
                        &client.c, connection_at(&client.c, index), &part, 1):
                    error = -1
            while error == 0 and client.c.n_open_sockets and counting[0].n_lost == 0:
                turn(&client.c)
                turn(&server.c)
    client.c.to = kept_client
    server.c.to = kept_server
    return counting[0].n_messages
