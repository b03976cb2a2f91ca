# sippx/_core/streams.pyx: connections for calls: finding, making, sharing, closing and losing them.
from libc.stdint cimport int32_t, uint32_t

import os

from sippx._core.address cimport (
    ADDRESS_CONNECTION, VIA_UNATTACHED, address_equal, address_of_connection, address_t,
)
from sippx._core.addressing cimport address_text
from sippx._core.bits cimport likely, unlikely
from sippx._core.calls cimport CALL_INCOMING, DEAD_FAILED, DEAD_SUCCESSFUL, call_at, call_t
from sippx._core.codes cimport *
from sippx._core.connections cimport *
from sippx._core.endings cimport end_call, only_waits_for_its_end
from sippx._core.intake cimport take_message
from sippx._core.interp cimport interp_resume
from sippx._core.outbox cimport OUTBOX_GROUPS, outbox_clear, outbox_t
from sippx._core.runtime cimport (
    NO_CALL, NOT_READY, READY, call_link, choose_remote, count, link_t, now_ms, runtime_t, target_failed, trace, traces,
)
from sippx._core.span cimport span_of, span_t
from sippx._core.state cimport (
    CHANNEL_SIP, CLOSING_CAP, SHARED_CAP, engine_t, shared_connection_t, streams_t,
)
from sippx._core.stats cimport HIST_WORDS, hist_record
from sippx._core.stream cimport stream_error_text
from sippx._core.targets cimport targets_next, targets_t
from sippx._core.tls cimport tls_failure_text, tls_prepare
from sippx._core.upgrade cimport upgrade_error_text, upgrade_init
from sippx._core.websocket cimport websocket_error_text

cdef enum:
    # connection_t.owner_word
    ROLE_ACCEPTED = 0
    ROLE_SHARED = 1
    ROLE_OWN = 2
    ROLE_MASK = 3
    WAS_OPEN = 4

    TRIES_SHIFT = 8              # above: targets tried in vain

    SIDE_CALL = 1 << 31          # in the list of waiting calls: the index is one of the second scenario
    SHARE_TRIES = 4096           # connections looked at for one to share
    SAVED_SESSIONS = 1024        # TLS sessions kept for resumption

# --------------------------------------------------------------------------- calls of a connection

cdef inline runtime_t* runtime_of(engine_t* e, uint32_t side) noexcept nogil:
    return e.side if side else &e.rt


cdef void link_call(runtime_t* rt, call_t* call, connection_t* n) noexcept nogil:
    cdef link_t* link = call_link(rt, call)
    link.previous = NO_CALL
    link.next = n.first_call[rt.side_idx]
    if link.next != NO_CALL:
        call_link(rt, call_at(&rt.calls, link.next)).previous = call.index
    n.first_call[rt.side_idx] = call.index
    n.n_calls += 1
    link.is_linked = True


cdef void unlink_call(runtime_t* rt, call_t* call, connection_t* n) noexcept nogil:
    cdef link_t* link = call_link(rt, call)
    if link.next != NO_CALL:
        call_link(rt, call_at(&rt.calls, link.next)).previous = link.previous
    if link.previous != NO_CALL:
        call_link(rt, call_at(&rt.calls, link.previous)).next = link.next
    else:
        n.first_call[rt.side_idx] = link.next
    n.n_calls -= 1
    link.is_linked = False


cdef inline link_t* waiting_link(engine_t* e, uint32_t waiting) noexcept nogil:
    cdef runtime_t* rt = runtime_of(e, waiting & SIDE_CALL)
    return call_link(rt, call_at(&rt.calls, waiting & ~<uint32_t> SIDE_CALL))


cdef inline uint32_t waiting_name(runtime_t* rt, const call_t* call) noexcept nogil:
    return call.index | SIDE_CALL if rt.side_idx else call.index


cdef void wait_for_room(engine_t* e, runtime_t* rt, call_t* call, connection_t* n) noexcept nogil:
    """Puts the call behind those that wait until the connection takes more."""
    cdef link_t* link = call_link(rt, call)
    cdef uint32_t name = waiting_name(rt, call)
    if link.is_waiting:
        return
    link.is_waiting = True
    link.next_waiting = NO_CALL
    link.previous_waiting = n.waiting_tail
    if n.waiting_tail != NO_CALL:
        waiting_link(e, n.waiting_tail).next_waiting = name
    else:
        n.waiting_head = name
    n.waiting_tail = name


cdef void stop_waiting(engine_t* e, link_t* link, connection_t* n) noexcept nogil:
    if not link.is_waiting:
        return
    link.is_waiting = False
    if link.previous_waiting != NO_CALL:
        waiting_link(e, link.previous_waiting).next_waiting = link.next_waiting
    else:
        n.waiting_head = link.next_waiting
    if link.next_waiting != NO_CALL:
        waiting_link(e, link.next_waiting).previous_waiting = link.previous_waiting
    else:
        n.waiting_tail = link.previous_waiting


cdef void forget_calls(engine_t* e, connection_t* n) noexcept nogil:
    """The connection goes and its calls stay: they are on none."""
    cdef uint32_t k
    cdef runtime_t* rt
    cdef call_t* call
    for k in range(2):
        while n.first_call[k] != NO_CALL:
            rt = runtime_of(e, k)
            call = call_at(&rt.calls, n.first_call[k])
            stop_waiting(e, call_link(rt, call), n)
            unlink_call(rt, call, n)


cdef uint32_t fail_calls(engine_t* e, connection_t* n, uint32_t failure) noexcept nogil:
    """Ends the calls of a lost connection: as many failed."""
    cdef uint32_t k, n_failed = 0
    cdef runtime_t* rt
    cdef call_t* call
    for k in range(2):
        while n.first_call[k] != NO_CALL:
            rt = runtime_of(e, k)
            call = call_at(&rt.calls, n.first_call[k])
            if only_waits_for_its_end(rt, call):
                end_call(rt, call, 0, DEAD_SUCCESSFUL, True)
            else:
                n_failed += 1
                end_call(rt, call, failure, DEAD_FAILED, True)
    return n_failed

# --------------------------------------------------------------------------- making connections

cdef inline void begin(connection_t* n, uint32_t role) noexcept nogil:
    n.owner_word = role
    n.first_call[0] = NO_CALL
    n.first_call[1] = NO_CALL
    n.n_calls = 0
    n.waiting_head = NO_CALL
    n.waiting_tail = NO_CALL


cdef connection_t* share_own(engine_t* e, const address_t* peer) noexcept nogil:
    """One of the calls' connections, in turn: as many are open as may be. NULL: none to that peer."""
    cdef connections_t* c = e.connections
    cdef connection_t* n
    cdef uint32_t _i
    for _i in range(SHARE_TRIES if c.n_touched > SHARE_TRIES else c.n_touched):
        e.streams.share_next += 1
        if e.streams.share_next >= c.n_touched:
            e.streams.share_next = 0
        n = connection_at(c, e.streams.share_next)
        if n.state != CONNECTION_FREE and n.state != CONNECTION_LOST and not n.is_closing and n.n_calls > 0 \
                and n.channel == CHANNEL_SIP and n.owner_word & ROLE_MASK == ROLE_OWN and address_equal(&n.peer, peer):
            return n
    return NULL


cdef connection_t* connect_own(engine_t* e, const address_t* peer) noexcept nogil:
    """A connection for one call; NULL: refused, which was told."""
    cdef streams_t* s = e.streams
    cdef connection_t* n
    cdef uint32_t i
    cdef int error = 0
    if s.n_own >= s.max_sockets:
        return share_own(e, peer)
    i = connections_connect(e.connections, CHANNEL_SIP, peer, &s.source, &error)
    if i == <uint32_t> NO_CONNECTION:
        count(&e.rt, COUNT_CONNECTIONS_FAILED)
        tell_of_loss(e, peer, CAUSE_REFUSED, error, False, False, 1)
        return NULL
    n = connection_at(e.connections, i)
    begin(n, ROLE_OWN)
    s.n_own += 1
    return n


cdef shared_connection_t* shared_to(streams_t* s, const address_t* peer) noexcept nogil:
    """The entry of the connection that calls to that peer share; NULL: no room for another peer."""
    cdef uint32_t i
    for i in range(s.n_shared):
        if address_equal(&s.shared[i].peer, peer):
            return &s.shared[i]
    if s.n_shared == SHARED_CAP:
        return NULL
    s.shared[s.n_shared].peer = peer[0]
    s.shared[s.n_shared].index = NO_CONNECTION
    s.shared[s.n_shared].generation = 0
    s.n_shared += 1
    return &s.shared[s.n_shared - 1]


cdef connection_t* connect_shared(engine_t* e, const address_t* peer) noexcept nogil:
    """The connection to that peer, made where there never was one; NULL: it is lost for good."""
    cdef shared_connection_t* entry = shared_to(e.streams, peer)
    cdef connection_t* n
    cdef address_t name
    if entry == NULL:
        return NULL
    if likely(entry.generation != 0):
        address_of_connection(&name, entry.index, entry.generation)
        return connections_find(e.connections, &name)
    entry.index = connections_create(e.connections, CHANNEL_SIP, peer)
    if entry.index == <uint32_t> NO_CONNECTION:
        return NULL
    n = connection_at(e.connections, entry.index)
    entry.generation = n.generation
    begin(n, ROLE_SHARED)
    if not reopen(e, n):
        return NULL
    return n


cdef void start_streams(engine_t* e) noexcept nogil:
    cdef address_t peer = e.rt.remote
    if e.rt.program.is_client and not e.streams.is_per_call:
        peer.via = 0
        connect_shared(e, &peer)


cdef connection_t* connect(engine_t* e, call_t* call, const address_t* peer) noexcept nogil:
    if e.streams.is_per_call and not call.flags & CALL_INCOMING:
        return connect_own(e, peer)
    return connect_shared(e, peer)


cdef uint32_t find_connection(engine_t* e, runtime_t* rt, call_t* call) noexcept nogil:
    """Gives the call a connection to call.remote, which becomes its name; else the Counter of the failure."""
    cdef address_t peer = call.remote
    cdef connection_t* n
    cdef uint32_t n_tries = 1
    peer.via = 0
    n = connect(e, call, &peer)
    if unlikely(n == NULL) and rt.shared.targets != NULL and not call.flags & CALL_INCOMING:
        # RFC 3263 4.3: the next one, each at most once
        while n == NULL and n_tries < rt.shared.targets.n_targets:
            n_tries += 1
            target_failed(rt, &peer)
            choose_remote(rt, call)
            peer = call.remote
            peer.via = 0
            n = connect(e, call, &peer)
    if unlikely(n == NULL):
        return COUNT_FAILED_TCP_CONNECT
    address_of_connection(&call.remote, n.index, n.generation)
    link_call(rt, call, n)
    if rt.config.owns_sockets:
        call_link(rt, call).local_port = connection_local_port(n)
    return 0

# --------------------------------------------------------------------------- what the runtimes call

cdef uint32_t prepare(runtime_t* rt, call_t* call) noexcept nogil:
    cdef engine_t* e = <engine_t*> rt.owner
    cdef connection_t* n
    cdef uint32_t failure
    if call.remote.family != ADDRESS_CONNECTION:
        failure = find_connection(e, rt, call)
        if unlikely(failure != 0):
            return failure
    n = connections_find(e.connections, &call.remote)
    if unlikely(n == NULL or n.state == CONNECTION_LOST):
        return COUNT_FAILED_TCP_CLOSED
    if unlikely(n.is_congested):
        wait_for_room(e, rt, call, n)
        return NOT_READY
    return READY


cdef void adopt(runtime_t* rt, call_t* call) noexcept nogil:
    cdef engine_t* e = <engine_t*> rt.owner
    cdef connection_t* n
    if call.remote.family != ADDRESS_CONNECTION:
        return                   # -rsa: connected with the first answer
    n = connections_find(e.connections, &call.remote)
    if likely(n != NULL):
        link_call(rt, call, n)
        if n.owner_word & ROLE_MASK == ROLE_OWN:
            # the peer knows no other port: the call of the main scenario told it this one
            call_link(rt, call).local_port = connection_local_port(n)


cdef void release(runtime_t* rt, call_t* call, bint closes) noexcept nogil:
    cdef engine_t* e = <engine_t*> rt.owner
    cdef link_t* link = call_link(rt, call)
    cdef streams_t* s = e.streams
    cdef connection_t* n
    if not link.is_linked:
        return
    n = connections_find(e.connections, &call.remote)
    if n == NULL:
        link.is_linked = False
        return
    stop_waiting(e, link, n)
    unlink_call(rt, call, n)
    if closes and n.owner_word & ROLE_MASK != ROLE_ACCEPTED:
        # the next message finds or makes another connection to where this one went
        call.remote = n.peer
        call.remote.via = VIA_UNATTACHED
    if n.n_calls > 0 or n.state == CONNECTION_LOST or n.owner_word & ROLE_MASK == ROLE_SHARED:
        return
    if closes or n.owner_word & ROLE_MASK == ROLE_OWN:
        # what the call sent last may still be in the outbox
        if s.n_closing == CLOSING_CAP:
            close_connections(e)
        address_of_connection(&s.closing[s.n_closing], n.index, n.generation)
        s.n_closing += 1


cdef void close_connections(engine_t* e) noexcept nogil:
    """Closes the connections whose calls have ended, behind their last messages."""
    cdef streams_t* s = e.streams
    cdef connection_t* n
    cdef uint32_t i
    e.rt.flush(&e.rt)
    if e.side != NULL:
        e.side.flush(e.side)
    for i in range(s.n_closing):
        n = connections_find(e.connections, &s.closing[i])
        if n != NULL and n.n_calls == 0 and n.state != CONNECTION_LOST:
            if n.owner_word & ROLE_MASK == ROLE_OWN:
                s.n_own -= 1
            connections_close(e.connections, n)
    s.n_closing = 0


cdef void settle_streams(engine_t* e) noexcept nogil:
    if e.streams.n_closing > 0:
        close_connections(e)
    connections_reap(e.connections)


cdef void flush_streams(runtime_t* rt) noexcept nogil:
    cdef engine_t* e = <engine_t*> rt.owner
    cdef outbox_t* o = &rt.outbox
    cdef part_t[OUTBOX_GROUPS] parts
    cdef connection_t* n
    cdef uint32_t i = 0, k, n_messages
    while i < o.n_groups:
        k = 0
        n_messages = 0
        n = connections_find(e.connections, &o.groups[i].dest) \
            if o.groups[i].dest.family == ADDRESS_CONNECTION else NULL
        while True:
            parts[k].bytes = o.groups[i].bytes
            parts[k].n_bytes = o.groups[i].n_bytes
            parts[k].ends = o.groups[i].ends
            parts[k].n_messages = o.groups[i].n_segments
            n_messages += o.groups[i].n_segments
            k += 1
            i += 1
            if i == o.n_groups or not address_equal(&o.groups[i].dest, &o.groups[i - 1].dest):
                break
        if n_messages > 0 and (n == NULL or not connections_send(e.connections, n, parts, k)):
            rt.shared.counters[<int> COUNT_SEND_ERRORS] += n_messages
    outbox_clear(o)

# --------------------------------------------------------------------------- what the connections tell

cdef void stream_message(engine_t* e, connection_t* n, const char* bytes, unsigned int n_bytes) noexcept nogil:
    cdef address_t* source = &e.streams.sources[e.n_parsed]
    address_of_connection(source, n.index, n.generation)
    take_message(e, bytes, n_bytes, source)


cdef void stream_accepted(connection_t* n) noexcept nogil:
    begin(n, ROLE_ACCEPTED)


cdef void stream_opened(engine_t* e, connection_t* n, unsigned long took_ns) noexcept nogil:
    cdef uint32_t hist = e.rt.program.n_rtds + 2
    n.owner_word = n.owner_word & ROLE_MASK | WAS_OPEN
    count(&e.rt, COUNT_CONNECTIONS_ACCEPTED if n.is_accepted else COUNT_CONNECTIONS_OPENED)
    hist_record(e.rt.hists + hist * HIST_WORDS, &e.rt.maxima[hist], took_ns)


cdef void stream_writable(engine_t* e, connection_t* n) noexcept nogil:
    cdef runtime_t* rt
    cdef uint32_t waiting
    while n.waiting_head != NO_CALL and not n.is_congested and n.state != CONNECTION_LOST:
        waiting = n.waiting_head
        rt = runtime_of(e, waiting & SIDE_CALL)
        stop_waiting(e, waiting_link(e, waiting), n)
        interp_resume(rt, call_at(&rt.calls, waiting & ~<uint32_t> SIDE_CALL))


cdef bint may_reconnect(streams_t* s) noexcept nogil:
    if s.n_reconnects_left == 0:
        return False
    if s.n_reconnects_left > 0:
        s.n_reconnects_left -= 1
    return True


cdef bint reopen(engine_t* e, connection_t* n) noexcept nogil:
    """Makes a connection that has no socket; False: it is refused, and not tried again."""
    cdef int error = connections_reopen(e.connections, n, &n.peer, &e.streams.source)
    if likely(error == 0):
        return True
    count(&e.rt, COUNT_CONNECTIONS_FAILED)
    if outlive(e, n, CAUSE_REFUSED, error):
        return True
    connections_drop(e.connections, n)
    return False


cdef bint outlive(engine_t* e, connection_t* n, uint32_t cause, int detail) noexcept nogil:
    """A connection has no socket: what that means for its calls. False: it will not be made anew."""
    cdef streams_t* s = e.streams
    cdef bint was_open = n.owner_word & WAS_OPEN != 0
    cdef uint32_t role = n.owner_word & ROLE_MASK
    cdef uint32_t n_calls = n.n_calls, n_failed = 0
    cdef bint is_kept = False
    n.owner_word = role
    if e.shared.targets != NULL and role != ROLE_ACCEPTED and (n_calls > 0 or not was_open):
        target_failed(&e.rt, &n.peer)
    if s.closes_calls:
        connections_clear(e.connections, n)
        n_failed = fail_calls(e, n, COUNT_FAILED_TCP_CLOSED if was_open else COUNT_FAILED_TCP_CONNECT)
    if role == ROLE_SHARED or role == ROLE_OWN and n.n_calls > 0:
        is_kept = (e.quit_level == QUIT_RUN or n.n_calls > 0) and may_reconnect(s)
    if was_open and (n_calls > 0 or cause != CAUSE_PEER_CLOSED):
        count(&e.rt, COUNT_CONNECTIONS_LOST)
    if n_calls > 0 or cause != CAUSE_PEER_CLOSED or role == ROLE_SHARED:
        tell_of_loss(e, &n.peer, cause, detail, n.is_accepted, role == ROLE_SHARED and not is_kept, n_failed)
    if is_kept:
        connections_park(e.connections, n, s.reconnect_sleep_ms)
        return True
    forget_calls(e, n)
    if role == ROLE_OWN:
        s.n_own -= 1
    return False


cdef bint fail_over(engine_t* e, connection_t* n) noexcept nogil:
    """RFC 3263 4.3: what waits on a connection that never came about goes to the next target; False: to none."""
    cdef targets_t* targets = e.shared.targets
    cdef uint32_t i
    if targets == NULL or n.owner_word & WAS_OPEN or n.owner_word & ROLE_MASK == ROLE_ACCEPTED \
            or (n.owner_word >> TRIES_SHIFT) + 1 >= targets.n_targets:
        return False
    target_failed(&e.rt, &n.peer)
    i = targets_next(targets, now_ms(&e.rt))
    n.owner_word += 1 << TRIES_SHIFT
    return connections_reopen(e.connections, n, &targets.targets[i].address, &e.streams.source) == 0


cdef void stream_lost(engine_t* e, connection_t* n) noexcept nogil:
    if not n.owner_word & WAS_OPEN:
        count(&e.rt, COUNT_CONNECTIONS_FAILED)
        if fail_over(e, n):
            return
    if n.cause == CAUSE_FRAMING:
        count(&e.rt, COUNT_FRAMING_ERRORS)
    outlive(e, n, n.cause, n.last_errno if n.cause == CAUSE_REFUSED or n.cause == CAUSE_RESET else n.error_detail)


cdef void stream_due(engine_t* e, connection_t* n) noexcept nogil:
    cdef span_t none = span_of(<const char*> b"", 0)
    count(&e.rt, COUNT_RECONNECTIONS)
    count(&e.rt, COUNT_WARNINGS)
    trace(&e.rt, TRACE_RECONNECTION, 0, 0, none, none)
    reopen(e, n)


cdef void tell_of_loss(engine_t* e, const address_t* peer, uint32_t cause, int detail, bint is_accepted,
                       bint is_final, uint32_t n_failed) noexcept nogil:
    count(&e.rt, COUNT_WARNINGS)
    if traces(&e.rt, TRACE_CONNECTION_LOST):
        trace_loss(e, peer, cause, detail, is_accepted, is_final, n_failed)


cdef void trace_loss(engine_t* e, const address_t* peer, uint32_t cause, int detail, bint is_accepted,
                     bint is_final, uint32_t n_failed) noexcept with gil:
    cdef bytes text
    cdef span_t none = span_of(<const char*> b"", 0)
    where = address_text(peer)
    reason = connection_cause_text(cause).decode()
    if cause == CAUSE_REFUSED or cause == CAUSE_RESET:
        reason = os.strerror(detail)
    elif cause == CAUSE_TLS:
        reason = tls_failure_text(&e.connections.tls)
    elif cause == CAUSE_UPGRADE:
        why = f"the server answered with status {detail}" if detail > 0 else upgrade_error_text(detail).decode()
        reason += f": {why}"
    elif cause == CAUSE_FRAMING:
        known = websocket_error_text if e.connections.channels[0].carries == CARRY_WEBSOCKET else stream_error_text
        reason += ": " + known(detail).decode()
    if is_final:
        reason += "; it is not made anew (-max_reconnect), calls that need it fail"
    text = f"connection {'from' if is_accepted else 'to'} {where}: {reason}".encode()
    trace(&e.rt, TRACE_CONNECTION_LOST, <int32_t> n_failed, detail, none, span_of(text, <uint32_t> len(text)))

# --------------------------------------------------------------------------- opening

cdef void set_hooks(runtime_t* rt) noexcept:
    rt.flush = flush_streams
    rt.prepare = prepare
    rt.adopt = adopt
    rt.release = release


cdef open_streams(engine_t* e, StreamSettings settings):
    cdef connections_t* c = e.connections
    cdef streams_t* s = e.streams
    cdef int status
    s.is_per_call = settings.per_call
    s.closes_calls = settings.closes_calls
    s.n_reconnects_left = settings.max_reconnects
    s.reconnect_sleep_ms = settings.reconnect_sleep_ms
    s.max_sockets = settings.max_connections
    s.source = settings.source
    c.channels[<int> CHANNEL_SIP] = settings.channel
    c.n_channels = max(c.n_channels, 1)
    if settings.kind in ("tls", "wss") and not (tls_prepare() and connections_use_tls(c, SAVED_SESSIONS)):
        raise MemoryError
    if settings.kind in ("ws", "wss"):
        reason = upgrade_init()
        if reason is not None:
            raise OSError(reason)
    for fd in settings.listeners:
        status = connections_listen(c, fd, CHANNEL_SIP)
        if status != 0:
            raise OSError(-status, os.strerror(-status))
    set_hooks(&e.rt)
    if e.side != NULL:
        set_hooks(e.side)


cdef void collect_stream_counters(engine_t* e) noexcept nogil:
    cdef connections_t* c = e.connections
    cdef runtime_t* rt = &e.rt
    cdef span_t none = span_of(<const char*> b"", 0)
    rt.counters[<int> COUNT_DATAGRAMS_SENT] = c.n_messages_sent
    rt.counters[<int> COUNT_BYTES_SENT] = c.n_sent_bytes
    rt.counters[<int> COUNT_BYTES_RECEIVED] = c.n_received_bytes
    rt.counters[<int> COUNT_SEND_SYSCALLS] = c.n_send_calls
    rt.counters[<int> COUNT_RECEIVE_SYSCALLS] = c.n_receive_calls
    rt.counters[<int> COUNT_CONGESTIONS] = c.n_congested
    rt.counters[<int> COUNT_TLS_HANDSHAKES] = c.tls.n_handshakes
    rt.counters[<int> COUNT_TLS_RESUMED] = c.tls.n_resumed
    rt.counters[<int> COUNT_TLS_FAILURES] = c.tls.n_failed_handshakes
    rt.gauges[<int> GAUGE_OPEN_SOCKETS] = c.n_open_sockets
    if unlikely(c.n_accept_errors != rt.counters[<int> COUNT_ACCEPT_ERRORS]):
        rt.counters[<int> COUNT_ACCEPT_ERRORS] = c.n_accept_errors
        count(rt, COUNT_WARNINGS)
        trace(rt, TRACE_ACCEPT_ERROR, c.last_accept_errno, 0, none, none)
