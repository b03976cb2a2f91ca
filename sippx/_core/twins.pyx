# sippx/_core/twins.pyx: commands of twins: listening, connecting, gathering, delivering; see twins.pxd.
from libc.errno cimport errno
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memchr, memcmp, memcpy, memset

import fcntl
import os
import socket

from sippx._core.address cimport address_of_connection, address_t
from sippx._core.addressing cimport address_from_tuple, address_text
from sippx._core.bits cimport likely, unlikely
from sippx._core.calls cimport CALL_FREE, CALL_WAITING, call_at, call_t
from sippx._core.codes cimport *
from sippx._core.connections cimport *
from sippx._core.endings cimport give_up
from sippx._core.intake cimport take_command
from sippx._core.runtime cimport STOP_ERROR, STOP_NOW, count, now_ms, runtime_t, trace, traces
from sippx._core.span cimport span_of, span_t
from sippx._core.state cimport (
    CHANNEL_TWIN, TWIN_A, TWIN_B, TWIN_BATCH, TWIN_GROUP_BYTES, TWIN_GROUP_COMMANDS, TWIN_MASTER, TWIN_NAME_CAP,
    TWIN_PEERS_CAP, TWIN_SLAVE, engine_t, twin_peer_t, twins_t,
)
from sippx._core.stream cimport stream_error_text
from sippx._core.tables cimport step_t

cdef enum:
    # connection_t.owner_word
    CAME_IN = 0
    REFUSED = 1                  # is being closed: what it brings does not count
    WENT_OUT = 2
    WAS_OPEN = 4

    ACCEPTED_CAP = 10            # as SIPp
    ESCAPE = 27
    COMMAND_CAP = 65536          # of connections
    EXCERPT = 512                # bytes of a command that reach the error log
    QUEUE_CAP_BYTES = 16 << 20
    HIGH_WATER_BYTES = 8 << 20
    LOW_WATER_BYTES = 1 << 20
    OPEN_TIMEOUT_MS = 10000
    SCAN_NS = 50000000           # between two searches for calls whose command will not come
    GRACE_NS = 1000000000        # for calls that need no command when a twin has ended
    LINGER_NS = 300000000        # as long as SIPp takes for its own end, and some more

# --------------------------------------------------------------------------- saying

cdef void say(engine_t* e, const char* text, uint32_t n) noexcept nogil:
    cdef span_t none = span_of(<const char*> b"", 0)
    count(&e.rt, COUNT_WARNINGS)
    trace(&e.rt, TRACE_TWIN, 0, 0, none, span_of(text, n))


cdef str cause_text(uint32_t cause, int error, int detail):
    if (cause == CAUSE_REFUSED or cause == CAUSE_RESET) and error:
        return os.strerror(error)
    if cause == CAUSE_FRAMING:
        return f"what it sends are no commands: {stream_error_text(detail).decode()}"
    return connection_cause_text(cause).decode()


cdef void say_unreachable(engine_t* e, const twin_peer_t* peer, uint32_t cause, int error) noexcept with gil:
    cdef bytes text, name
    if peer == NULL:
        return
    name = peer.name[:peer.name_len]
    who = f"{name.decode(errors='replace')} at " if name else ""
    text = f"Unable to connect a twin sipp socket, {who}{address_text(&peer.address)}: " \
           f"{cause_text(cause, error, 0)}".encode()
    say(e, text, <uint32_t> len(text))


cdef void say_ended(engine_t* e, const connection_t* n) noexcept with gil:
    cdef bytes text
    if e.twins.role == TWIN_B:
        said = "3PCC controller A has ended -> exiting"
    elif e.twins.role == TWIN_A:
        said = "3PCC controller B has ended -> no new calls"
    else:
        said = "One of the twin instances has ended -> exiting"
    if n.cause != CAUSE_PEER_CLOSED:
        said += f" ({cause_text(n.cause, n.last_errno, n.error_detail)})"
    text = said.encode()
    say(e, text, <uint32_t> len(text))

# --------------------------------------------------------------------------- peers

cdef inline bint has_one_twin(const twins_t* t) noexcept nogil:
    return t.role == TWIN_A or t.role == TWIN_B


cdef twin_peer_t* peer_named(twins_t* t, span_t name) noexcept nogil:
    cdef uint32_t i
    if has_one_twin(t):
        return &t.peers[0]
    for i in range(t.n_peers):
        if t.peers[i].name_len == name.len and memcmp(t.peers[i].name, name.ptr, name.len) == 0:
            return &t.peers[i]
    return NULL


cdef twin_peer_t* peer_of(twins_t* t, const connection_t* n) noexcept nogil:
    """Whose commands leave through that connection, NULL: nobody's."""
    cdef uint32_t i
    for i in range(t.n_peers):
        if t.peers[i].generation == n.generation and t.peers[i].index == n.index:
            return &t.peers[i]
    return NULL


cdef connection_t* connection_of(engine_t* e, const twin_peer_t* peer) noexcept nogil:
    cdef address_t name
    if peer.generation == 0:
        return NULL
    address_of_connection(&name, peer.index, peer.generation)
    return connections_find(e.connections, &name)


cdef inline void bind_peer(twin_peer_t* peer, const connection_t* n) noexcept nogil:
    peer.index = n.index
    peer.generation = n.generation
    peer.is_slow = False


cdef void fail_to_connect(engine_t* e, const twin_peer_t* peer, uint32_t cause, int error) noexcept nogil:
    """A run without its twins makes no sense: as in SIPp it ends."""
    say_unreachable(e, peer, cause, error)
    if e.shared.stop < <uint32_t> STOP_ERROR:
        e.shared.stop = STOP_ERROR


cdef void connect_peers(engine_t* e) noexcept nogil:
    cdef twins_t* t = e.twins
    cdef uint32_t i, index
    cdef int error = 0
    t.is_connected = True
    for i in range(t.n_peers):
        if t.peers[i].address.family == 0 or t.peers[i].generation != 0:
            continue
        index = connections_connect(e.connections, CHANNEL_TWIN, &t.peers[i].address, &t.source, &error)
        if index == <uint32_t> NO_CONNECTION:
            fail_to_connect(e, &t.peers[i], CAUSE_REFUSED, error)
            return
        connection_at(e.connections, index).owner_word = WENT_OUT
        bind_peer(&t.peers[i], connection_at(e.connections, index))

# --------------------------------------------------------------------------- sending

cdef void flush_peer(engine_t* e, twin_peer_t* peer) noexcept nogil:
    cdef connection_t* n = connection_of(e, peer)
    cdef part_t part
    part.bytes = peer.bytes
    part.n_bytes = peer.n_bytes
    part.ends = peer.ends
    part.n_messages = peer.n_commands
    if n != NULL:
        connections_send(e.connections, n, &part, 1)     # what is not sent is of a twin that will be told to be lost
    peer.n_bytes = 0
    peer.n_commands = 0


cdef void flush_twins(engine_t* e) noexcept nogil:
    cdef twins_t* t = e.twins
    cdef uint32_t i
    for i in range(t.n_peers):
        if t.peers[i].n_commands > 0:
            flush_peer(e, &t.peers[i])


cdef bint may_take(engine_t* e, twin_peer_t* peer) noexcept nogil:
    """Whether commands can be sent to it; said once where it does not read what it was sent."""
    cdef connection_t* n = connection_of(e, peer)
    if n == NULL or n.state == CONNECTION_LOST:
        return False
    if likely(not n.is_congested):
        return True
    if not peer.is_slow:
        peer.is_slow = True
        count(&e.rt, COUNT_CONGESTIONS)
        say(e, b"A twin does not read its commands: calls that send it one fail until it does", 76)
    return False


cdef bint send_to_twin(runtime_t* rt, span_t name, span_t text) noexcept nogil:
    """rt.send_command"""
    cdef engine_t* e = <engine_t*> rt.owner
    cdef twin_peer_t* peer = peer_named(e.twins, name)
    # an ESC within it would end it for the other side
    if peer == NULL or text.len > <uint32_t> COMMAND_CAP or not may_take(e, peer) \
            or memchr(text.ptr, ESCAPE, text.len) != NULL:
        return False
    if peer.n_bytes + text.len > <uint32_t> TWIN_GROUP_BYTES or peer.n_commands == <uint32_t> TWIN_GROUP_COMMANDS:
        flush_peer(e, peer)
    memcpy(peer.bytes + peer.n_bytes, text.ptr, text.len)
    peer.n_bytes += text.len
    peer.ends[peer.n_commands] = peer.n_bytes
    peer.n_commands += 1
    if unlikely(traces(rt, TRACE_COMMAND_SENT)):
        trace(rt, TRACE_COMMAND_SENT, 0, 0, call_id_of(text), text)
    return True

# --------------------------------------------------------------------------- receiving

cdef inline bint is_blank(char c) noexcept nogil:
    return c == c' ' or c == c'\t' or c == c'\r'


cdef bint names_call_id(const char* p, uint32_t n) noexcept nogil:
    """Whether a header field's name is Call-ID or its compact form, in any case."""
    cdef const char* wanted = b"call-id"
    cdef uint32_t i
    if n == 1:
        return (p[0] | 32) == c'i'
    if n != 7:
        return False
    for i in range(7):
        if (p[i] | 32 if wanted[i] != c'-' else p[i]) != wanted[i]:
            return False
    return True


cdef span_t call_id_of(span_t text) noexcept nogil:
    """Value of the first Call-ID line, trimmed; empty where there is none."""
    cdef const char* p = text.ptr
    cdef const char* end = text.ptr + text.len
    cdef const char* eol
    cdef const char* colon
    cdef const char* stop
    while p < end:
        eol = <const char*> memchr(p, c'\n', end - p)
        if eol == NULL:
            eol = end
        colon = <const char*> memchr(p, c':', eol - p)
        if colon != NULL:
            stop = colon
            while stop > p and is_blank((stop - 1)[0]):
                stop -= 1
            if stop - p <= 7 and names_call_id(p, <uint32_t> (stop - p)):
                colon += 1
                while colon < eol and is_blank(colon[0]):
                    colon += 1
                while eol > colon and is_blank((eol - 1)[0]):
                    eol -= 1
                return span_of(colon, <uint32_t> (eol - colon))
        p = eol + 1
    return span_of(text.ptr, 0)


cdef void twin_message(engine_t* e, connection_t* n, const char* bytes, uint32_t n_bytes) noexcept nogil:
    cdef twins_t* t = e.twins
    cdef runtime_t* rt = &e.rt
    cdef span_t text = span_of(bytes, n_bytes)
    cdef span_t call_id = call_id_of(text)
    if n.owner_word & REFUSED:
        return
    if unlikely(traces(rt, TRACE_COMMAND_RECEIVED)):
        trace(rt, TRACE_COMMAND_RECEIVED, 0, 0, call_id, text)
    if unlikely(call_id.len == 0):
        count(rt, COUNT_MALFORMED_NO_CALL_ID)
        count(rt, COUNT_WARNINGS)
        trace(rt, TRACE_NO_CALL_ID, 0, 0, call_id, span_of(bytes, n_bytes if n_bytes < EXCERPT else EXCERPT))
        return
    t.texts[t.n_texts] = text
    t.ids[t.n_texts] = call_id
    t.n_texts += 1
    if t.n_texts == <uint32_t> TWIN_BATCH:
        deliver_commands(e)


cdef void deliver_commands(engine_t* e) noexcept nogil:
    cdef twins_t* t = e.twins
    cdef uint32_t i, n = t.n_texts
    t.n_texts = 0
    for i in range(n):
        take_command(e, t.texts[i], t.ids[i])


def command_call_id(bytes command not None):
    """The Call-ID that a command is for, empty where it names none."""
    cdef span_t found = call_id_of(span_of(command, <uint32_t> len(command)))
    return found.ptr[:found.len]


# --------------------------------------------------------------------------- connections

cdef void twin_accepted(engine_t* e, connection_t* n) noexcept nogil:
    cdef twins_t* t = e.twins
    if t.adopted_peer >= 0:
        n.owner_word = WENT_OUT | WAS_OPEN
        bind_peer(&t.peers[t.adopted_peer], n)
        return
    if t.n_accepted >= (1 if has_one_twin(t) else <uint32_t> ACCEPTED_CAP):
        n.owner_word = REFUSED
        say(e, b"Max number of twin instances reached", 36)
        connections_close(e.connections, n)
        return
    n.owner_word = CAME_IN
    t.n_accepted += 1
    if has_one_twin(t):
        bind_peer(&t.peers[0], n)
    elif not t.is_connected:
        connect_peers(e)


cdef void twin_opened(connection_t* n) noexcept nogil:
    n.owner_word |= WAS_OPEN


cdef void twin_writable(engine_t* e, connection_t* n) noexcept nogil:
    cdef twin_peer_t* peer = peer_of(e.twins, n)
    if peer != NULL:
        peer.is_slow = False


cdef void twin_lost(engine_t* e, connection_t* n) noexcept nogil:
    cdef twins_t* t = e.twins
    cdef twin_peer_t* peer = peer_of(t, n)
    if n.owner_word & REFUSED:
        return
    if peer != NULL:
        peer.generation = 0
        peer.n_bytes = 0
        peer.n_commands = 0
    if not n.owner_word & WENT_OUT:
        t.n_accepted -= 1
    elif not n.owner_word & WAS_OPEN:
        fail_to_connect(e, peer, n.cause, n.last_errno)
        return
    if t.has_ended:
        return
    t.has_ended = True
    if e.quit_level != QUIT_RUN and e.rt.calls.n_open == 0:
        return                   # this side has ended, too
    say_ended(e, n)
    if e.quit_level < QUIT_SOFT:
        e.quit_level = QUIT_SOFT
    if t.role != TWIN_A:
        t.give_up_ns = e.rt.now_ns + GRACE_NS


cdef bint waits_for_command(const runtime_t* rt, const call_t* call) noexcept nogil:
    """Whether the call can go on by nothing but a command, maybe with optional messages before it."""
    cdef uint32_t i = call.step
    cdef const step_t* s
    if call.state != CALL_WAITING:
        return False
    while i < rt.program.n_steps:
        s = &rt.program.steps[i]
        if s.kind == STEP_RECV_CMD:
            return True
        if s.kind != STEP_RECV or not s.flags & STEP_OPTIONAL:
            return False
        i += 1
    return False


cdef void end_waiting_calls(runtime_t* rt) noexcept nogil:
    cdef uint32_t i
    for i in range(rt.calls.n_touched):
        if call_at(&rt.calls, i).state != CALL_FREE and waits_for_command(rt, call_at(&rt.calls, i)):
            give_up(rt, call_at(&rt.calls, i))


cdef void settle_twins(engine_t* e) noexcept nogil:
    cdef twins_t* t = e.twins
    if likely(not t.has_ended) or e.rt.now_ns < t.scan_ns:
        return
    t.scan_ns = e.rt.now_ns + SCAN_NS
    end_waiting_calls(&e.rt)
    if e.side != NULL:
        end_waiting_calls(e.side)
    if t.give_up_ns != 0 and e.rt.now_ns >= t.give_up_ns and e.quit_level < QUIT_FORCED:
        e.quit_level = QUIT_FORCED


cdef uint64_t twins_linger_ns(const engine_t* e) noexcept nogil:
    cdef bint begins_calls = e.twins.role == TWIN_A or e.twins.role == TWIN_MASTER
    if begins_calls and e.rt.n_calls > 0 and e.quit_level < QUIT_FORCED and e.shared.stop < <uint32_t> STOP_NOW:
        return LINGER_NS
    return 0

# --------------------------------------------------------------------------- opening

ROLES = {"a": TWIN_A, "b": TWIN_B, "master": TWIN_MASTER, "slave": TWIN_SLAVE}


cdef class TwinSettings:
    """An engine's twins.

    role: "a" or "b", "master" or "slave". listener: descriptor of a non-blocking listening socket, borrowed; None:
    nobody connects to this side. peers: by the names that sendCmd's dest has (b"" in 3PCC of two), where commands go
    to: an address (family, packed ip, port), which a slave connects to when the first twin has connected to it, or
    the descriptor of a connected socket, which is duplicated; None for b"": who connects to the listener.
    source: address that outgoing connections are bound to, None for any.
    """

    def __cinit__(self, str role not None, *, listener=None, peers, source=None):
        peers = dict(peers)
        if role not in ROLES:
            raise ValueError(f"role '{role}' is none of {', '.join(ROLES)}")
        if not len(peers) <= TWIN_PEERS_CAP:
            raise ValueError(f"{len(peers)} twins, at most {<int> TWIN_PEERS_CAP}")
        for name in peers:
            if not isinstance(name, bytes) or len(name) > TWIN_NAME_CAP:
                raise ValueError(f"a twin's name is at most {<int> TWIN_NAME_CAP} bytes")
        if role in ("a", "b") and list(peers) != [b""]:
            raise ValueError("3PCC of two has one twin, without a name")
        self.role = role
        self.listener = listener
        self.peers = peers
        self.source = source


cdef open_twins(engine_t* e, TwinSettings settings):
    cdef twins_t* t = e.twins
    cdef channel_t* channel = &e.connections.channels[<int> CHANNEL_TWIN]
    cdef twin_peer_t* peer
    cdef int status
    t.role = ROLES[settings.role]
    t.adopted_peer = -1
    if settings.source is not None:
        t.source = address_from_tuple(settings.source)
    for name, where in settings.peers.items():
        peer = &t.peers[t.n_peers]
        t.n_peers += 1
        memcpy(peer.name, <const char*> <bytes> name, len(name))
        peer.name_len = <uint32_t> len(name)
        if isinstance(where, tuple):
            peer.address = address_from_tuple(where)
        # the renderer's text may be as long as a group, and the space behind it is never read
        peer.bytes = <char*> calloc(1, TWIN_GROUP_BYTES)
        peer.ends = <uint32_t*> malloc(TWIN_GROUP_COMMANDS * sizeof(uint32_t))
        if peer.bytes == NULL or peer.ends == NULL:
            raise MemoryError
    memset(channel, 0, sizeof(channel_t))
    channel.carries = CARRY_COMMANDS
    channel.socket_type = socket.SOCK_STREAM
    channel.protocol = socket.IPPROTO_TCP
    channel.open_timeout_ms = OPEN_TIMEOUT_MS
    channel.queue_cap_bytes = QUEUE_CAP_BYTES
    channel.high_water_bytes = HIGH_WATER_BYTES
    channel.low_water_bytes = LOW_WATER_BYTES
    e.connections.n_channels = max(e.connections.n_channels, CHANNEL_TWIN + 1)
    if settings.listener is not None:
        status = connections_listen(e.connections, settings.listener, CHANNEL_TWIN)
        if status != 0:
            raise OSError(-status, os.strerror(-status))
    e.rt.send_command = send_to_twin
    e.rt.config.has_plain_twin = has_one_twin(t)
    if e.side != NULL:
        e.side.send_command = send_to_twin
        e.side.config.has_plain_twin = has_one_twin(t)


cdef void close_twins(engine_t* e) noexcept nogil:
    cdef uint32_t i
    if e.twins == NULL:
        return
    for i in range(e.twins.n_peers):
        free(e.twins.peers[i].bytes)
        free(e.twins.peers[i].ends)
    free(e.twins)
    e.twins = NULL


cdef start_twins(engine_t* e, TwinSettings settings):
    cdef twins_t* t = e.twins
    cdef address_t nowhere
    cdef connection_t* n
    cdef int fd, i = 0
    memset(&nowhere, 0, sizeof(nowhere))
    e.connections.now_ms = now_ms(&e.rt)
    for where in settings.peers.values():
        if isinstance(where, int):
            fd = fcntl.fcntl(where, fcntl.F_DUPFD_CLOEXEC, 0)
            t.adopted_peer = i
            n = connections_adopt(e.connections, fd, CHANNEL_TWIN, &nowhere, e.rt.now_ns)
            t.adopted_peer = -1
            if n == NULL:
                raise OSError(errno, os.strerror(errno))
        i += 1
