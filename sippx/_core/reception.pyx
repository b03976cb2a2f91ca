# sippx/_core/reception.pyx: handshakes, reading and framing of connections; see reception.pxd.
from libc.errno cimport errno
from libc.stdint cimport int32_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memchr, memcpy, memset, strlen

from sippx._core.connection cimport (
    CARRY_COMMANDS, CARRY_MESSAGES, CARRY_SIP, CARRY_WEBSOCKET, CAUSE_CONNECT_TIMEOUT, CAUSE_FRAMING, CAUSE_NO_MEMORY,
    CAUSE_PEER_CLOSED, CAUSE_REFUSED, CAUSE_RESET, CAUSE_TLS, CAUSE_UPGRADE, CONNECTION_CONNECTING, CONNECTION_OPEN,
    CONNECTION_SECURING, CONNECTION_UPGRADING, ENCODE_BYTES, NORMAL_CLOSE, RECEIVE_BYTES, channel_of, channel_t,
    close_gently, connection_t, connections_t, has_tls, list_for_reap, list_ready, lose, release_record, session_t,
    take_tls_totals, waiting_bytes,
)
from sippx._core.dial cimport is_self_connected, leave_no_trace
from sippx._core.linux cimport (
    EAGAIN, ECONNREFUSED, EINTR, EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, ETIMEDOUT, IPPROTO_SCTP, MSG_EOR,
    MSG_TRUNC, SO_ERROR, SOL_SOCKET, getsockopt, iovec, msghdr, recv, recvmsg, socklen_t, ssize_t,
)
from sippx._core.message cimport MSG_LEN_CAP
from sippx._core.sendqueue cimport flush, send_close_frame, send_early, send_raw
from sippx._core.span cimport span_of
from sippx._core.stream cimport STREAM_E_TOO_LONG, STREAM_MESSAGE, STREAM_MORE, STREAM_PING, stream_next
from sippx._core.tls cimport (
    TLS_CAUSE_SOCKET, TLS_DONE, TLS_FAILED, TLS_READ_BEST_BYTES, TLS_WANT_READ, TLS_WANT_WRITE, tls_handshake,
    tls_is_final, tls_open, tls_read, tls_shutdown,
)
from sippx._core.tlscontext cimport tls_context_t
from sippx._core.upgrade cimport (
    UPGRADE_ANSWER_CAP, UPGRADE_E_STATUS, UPGRADE_E_TOO_LONG, UPGRADE_MORE, UPGRADE_OPEN, upgrade_put_answer,
    upgrade_put_request, upgrade_read_request, upgrade_read_response,
)
from sippx._core.websocket cimport (
    OPCODE_PONG, WEBSOCKET_CLOSE, WEBSOCKET_CONTROL_CAP, WEBSOCKET_HEADER_CAP, WEBSOCKET_MESSAGE, WEBSOCKET_MORE,
    WEBSOCKET_PING, websocket_close_code, websocket_item_t, websocket_next, websocket_put_frame,
)
from sippx._core.wheel cimport wheel_cancel, wheel_is_scheduled

cdef enum:
    ALIGNMENT = 64               # of what is read into the buffer
    CLEAR_ROOM_BYTES = 65536     # room that one read in clear has at least
    READ_SHARE_BYTES = 1048576   # read from one connection before others have their turn
    SMALLEST_HELD = 512
    COMMAND_CAP = 65536
    ESCAPE = 27
    MSG_NOTIFICATION = 0x8000    # <netinet/sctp.h>
    # results of reading, below the number of bytes
    READ_END = 0
    READ_EMPTY = -1
    READ_FAILED = -2             # it is lost

# What was read and is being taken apart: the connection's bytes from its first one that is not consumed.
cdef struct view_t:
    char* data
    uint32_t n_bytes
    uint32_t pos                 # consumed
    uint32_t needed              # bytes behind pos that complete the next message, 0: not known

# --------------------------------------------------------------------------- the batch


cdef void drain_batch(connections_t* c) noexcept nogil:
    if c.n_in_batch:
        c.n_in_batch = 0
        c.to.drain(c.to.owner)
    c.in_end = 0


cdef inline void hand_over(connections_t* c, connection_t* n, const char* bytes, uint32_t n_bytes) noexcept nogil:
    c.n_messages_received += 1
    c.n_in_batch += 1
    c.in_end = <uint32_t> (bytes + n_bytes - c.in_bytes)
    c.to.message(c.to.owner, n, bytes, n_bytes)


cdef bint hold(connections_t* c, connection_t* n, const view_t* v) noexcept nogil:
    """Keeps what is not consumed; False: it is lost."""
    cdef uint32_t n_bytes = v.n_bytes - v.pos
    cdef uint32_t cap = SMALLEST_HELD
    cdef char* grown
    if n_bytes == 0:
        free(n.held)
        n.held = NULL
        n.cap_held = n.n_held = 0
        return True
    if n.cap_held < n_bytes:
        if v.needed >= n_bytes:
            cap = v.needed
        while cap < n_bytes:
            cap *= 2
        grown = <char*> realloc(n.held, cap)
        if grown == NULL:
            lose(c, n, CAUSE_NO_MEMORY)
            return False
        n.held = grown
        n.cap_held = cap
    memcpy(n.held, v.data + v.pos, n_bytes)
    n.n_held = n_bytes
    return True

# --------------------------------------------------------------------------- opening


cdef void enter_open(connections_t* c, connection_t* n, uint64_t now_ns) noexcept nogil:
    n.state = CONNECTION_OPEN
    n.took_ns = now_ns - n.begun_ns if now_ns > n.begun_ns else 0
    c.n_opened += 1
    if n.is_closing:
        send_close_frame(c, n, NORMAL_CLOSE)
    else:
        wheel_cancel(&c.timers, &n.timer)
        n.is_untold = True
    if n.queue != NULL:
        flush(c, n)


cdef void tell_opened(connections_t* c, connection_t* n) noexcept nogil:
    if n.is_untold:
        n.is_untold = False
        c.to.opened(c.to.owner, n, n.took_ns)


cdef void begin_upgrade(connections_t* c, connection_t* n) noexcept nogil:
    cdef channel_t* channel = channel_of(c, n)
    cdef uint32_t n_bytes
    n.state = CONNECTION_UPGRADING
    n.session.websocket.is_client = not n.is_accepted
    if n.is_accepted:
        return
    n_bytes = upgrade_put_request(
        &n.session.upgrade, span_of(channel.host, <uint32_t> strlen(channel.host)),
        span_of(channel.path, <uint32_t> strlen(channel.path)), &c.random_state, c.out_bytes, ENCODE_BYTES)
    if n_bytes == 0:
        n.error_detail = UPGRADE_E_TOO_LONG
        lose(c, n, CAUSE_UPGRADE)
    else:
        send_early(c, n, c.out_bytes, n_bytes)


cdef void begin_session(connections_t* c, connection_t* n, uint64_t now_ns) noexcept nogil:
    cdef channel_t* channel = channel_of(c, n)
    cdef const tls_context_t* context = channel.server_tls if n.is_accepted else channel.client_tls
    if context == NULL and channel.carries != CARRY_WEBSOCKET:
        enter_open(c, n, now_ns)
        return
    free(n.session)
    n.session = <session_t*> calloc(1, sizeof(session_t))
    if n.session == NULL or (context != NULL and not (c.has_tls and tls_open(
            &n.session.tls, &c.tls, context, n.fd, NULL if n.is_accepted else &channel.tls_peer))):
        lose(c, n, CAUSE_NO_MEMORY)
    elif context != NULL:
        n.state = CONNECTION_SECURING
    else:
        begin_upgrade(c, n)


cdef void finish_connect(connections_t* c, connection_t* n, bint is_refused, uint64_t now_ns) noexcept nogil:
    cdef int error = 0
    cdef socklen_t size = sizeof(error)
    if is_refused and getsockopt(n.fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0:
        error = errno
    if n.may_be_itself and error == 0 and is_self_connected(n.fd, &n.peer):
        error = ECONNREFUSED
        leave_no_trace(n.fd)
    if error:
        n.last_errno = error
        lose(c, n, CAUSE_REFUSED)
    else:
        begin_session(c, n, now_ns)


cdef void secure(connections_t* c, connection_t* n, uint64_t now_ns) noexcept nogil:
    cdef int result = tls_handshake(&n.session.tls)
    n.is_handshake_begun = True
    take_tls_totals(c)
    if tls_is_final(result):
        # the alert that says why is to arrive
        close_gently(c, n)
        lose(c, n, CAUSE_TLS)
    elif result == TLS_DONE:
        if channel_of(c, n).carries == CARRY_WEBSOCKET:
            begin_upgrade(c, n)
        else:
            enter_open(c, n, now_ns)


cdef void answer_upgrade(connections_t* c, connection_t* n, int result) noexcept nogil:
    cdef char[UPGRADE_ANSWER_CAP] answer
    send_early(c, n, answer, upgrade_put_answer(&n.session.upgrade, result, answer))


cdef bint take_upgrade(connections_t* c, connection_t* n, view_t* v, uint64_t now_ns) noexcept nogil:
    """True where frames follow, or more of the handshake has to; False: it is done with."""
    cdef uint32_t number = n.socket_number
    cdef uint32_t length = 0
    cdef int result
    if n.is_accepted:
        result = upgrade_read_request(&n.session.upgrade, v.data, v.n_bytes, &length)
        if result != UPGRADE_MORE:
            answer_upgrade(c, n, result)
    else:
        result = upgrade_read_response(&n.session.upgrade, v.data, v.n_bytes, &length)
    if result == UPGRADE_MORE:
        return True
    if n.socket_number != number:
        return False
    if result != UPGRADE_OPEN:
        n.error_detail = n.session.upgrade.status_code if result == UPGRADE_E_STATUS else result
        close_gently(c, n)
        lose(c, n, CAUSE_UPGRADE)
        return False
    v.pos = length
    enter_open(c, n, now_ns)
    tell_opened(c, n)
    if is_done_with(n, number):
        return False
    heed_low_water(c, n)
    return not is_done_with(n, number)


cdef void give_up_opening(connections_t* c, connection_t* n) noexcept nogil:
    cdef uint32_t number = n.socket_number
    n.last_errno = ETIMEDOUT
    if n.state == CONNECTION_UPGRADING and n.is_accepted:
        answer_upgrade(c, n, UPGRADE_MORE)
        if n.socket_number != number:
            return
        close_gently(c, n)
    lose(c, n, CAUSE_CONNECT_TIMEOUT)

# --------------------------------------------------------------------------- framing


cdef bint lose_framing(connections_t* c, connection_t* n, int32_t detail) noexcept nogil:
    n.error_detail = detail
    lose(c, n, CAUSE_FRAMING)
    return False


cdef void note_end(connections_t* c, connection_t* n) noexcept nogil:
    n.has_ended = True
    n.is_readable = False
    list_for_reap(c, n)


cdef bint frame_sip(connections_t* c, connection_t* n, view_t* v) noexcept nogil:
    """False: it is done with, as of all of these."""
    cdef uint32_t number = n.socket_number
    cdef uint32_t length
    cdef const char* p
    cdef int result
    while True:
        p = v.data + v.pos
        result = stream_next(&n.stream, p, v.n_bytes - v.pos, &length)
        if result == STREAM_MORE:
            v.needed = length
            return True
        if result < 0:
            return lose_framing(c, n, result)
        v.pos += length
        if result == STREAM_MESSAGE:
            hand_over(c, n, p, length)
        elif result == STREAM_PING:
            c.n_pings += 1
            send_raw(c, n, b"\r\n", 2)
        if is_done_with(n, number):
            return False


cdef bint frame_commands(connections_t* c, connection_t* n, view_t* v) noexcept nogil:
    cdef uint32_t number = n.socket_number
    cdef uint32_t length
    cdef char* p
    cdef char* end
    while True:
        p = v.data + v.pos
        length = v.n_bytes - v.pos
        end = <char*> memchr(p + n.stream.scanned, ESCAPE, length - n.stream.scanned)
        if end == NULL:
            n.stream.scanned = length
        else:
            length = <uint32_t> (end - p)
        if length > COMMAND_CAP:
            return lose_framing(c, n, STREAM_E_TOO_LONG)
        if end == NULL:
            return True
        n.stream.scanned = 0
        v.pos += length + 1
        hand_over(c, n, p, length)
        if is_done_with(n, number):
            return False


cdef void send_pong(connections_t* c, connection_t* n, const websocket_item_t* item) noexcept nogil:
    cdef char[WEBSOCKET_CONTROL_CAP + WEBSOCKET_HEADER_CAP] frame
    c.n_pings += 1
    send_raw(c, n, frame, websocket_put_frame(&n.session.websocket, OPCODE_PONG, item.payload, frame, &c.random_state))


cdef bint frame_websocket(connections_t* c, connection_t* n, view_t* v) noexcept nogil:
    cdef uint32_t number = n.socket_number
    cdef uint32_t left
    cdef websocket_item_t item
    cdef int result
    while True:
        left = v.n_bytes - v.pos
        result = websocket_next(&n.session.websocket, v.data + v.pos, &left, &item)
        v.n_bytes = v.pos + left
        v.pos += item.consumed
        if result == WEBSOCKET_MORE:
            v.needed = item.needed
            return True
        if result < 0:
            send_close_frame(c, n, websocket_close_code(result))
            if n.socket_number == number:
                close_gently(c, n)
                lose_framing(c, n, result)
            return False
        if result == WEBSOCKET_MESSAGE:
            hand_over(c, n, item.payload.ptr, item.payload.len)
        elif result == WEBSOCKET_PING:
            send_pong(c, n, &item)
        elif result == WEBSOCKET_CLOSE:
            n.error_detail = item.close_code
            note_end(c, n)
            v.pos = v.n_bytes
            return True
        if is_done_with(n, number):
            return False


cdef bint take_apart(connections_t* c, connection_t* n, view_t* v, uint64_t now_ns) noexcept nogil:
    """Hands over the messages of what was read and keeps the rest; False: it is done with."""
    cdef uint32_t carries = channel_of(c, n).carries
    cdef uint32_t number = n.socket_number
    cdef bint is_there = True
    if n.state == CONNECTION_UPGRADING:
        is_there = take_upgrade(c, n, v, now_ns)
    if is_there and n.state == CONNECTION_OPEN:
        if carries == CARRY_SIP:
            is_there = frame_sip(c, n, v)
        elif carries == CARRY_WEBSOCKET:
            is_there = frame_websocket(c, n, v)
        elif carries == CARRY_COMMANDS:
            is_there = frame_commands(c, n, v)
        else:
            v.pos = v.n_bytes
            hand_over(c, n, v.data, v.n_bytes)
            is_there = not is_done_with(n, number)
    return is_there and hold(c, n, v)

# --------------------------------------------------------------------------- reading


cdef ssize_t after_receive(connections_t* c, connection_t* n, ssize_t got) noexcept nogil:
    c.n_receive_calls += 1
    if got >= 0:
        c.n_received_bytes += <uint64_t> got
        return got
    if errno == EAGAIN:
        return READ_EMPTY
    if not n.is_broken:
        n.last_errno = errno
        n.cause = CAUSE_RESET
    lose(c, n, n.cause)
    return READ_FAILED


cdef ssize_t read_clear(connections_t* c, connection_t* n, char* out, uint32_t room, bint* is_drained) noexcept nogil:
    cdef ssize_t got
    while True:
        got = recv(n.fd, out, room, 0)
        if got >= 0 or errno != EINTR:
            break
    # a stream gives all it has; its end is told by epoll, or later by another event
    is_drained[0] = got < room and not n.ends
    return after_receive(c, n, got)


cdef ssize_t read_tls(connections_t* c, connection_t* n, char* out, uint32_t room, bint* is_drained) noexcept nogil:
    cdef int got = tls_read(&n.session.tls, out, room)
    take_tls_totals(c)
    is_drained[0] = n.session.tls.is_drained and n.session.tls.end == TLS_DONE and not n.ends
    if got > 0:
        return got
    if got == TLS_WANT_READ or got == TLS_WANT_WRITE:
        return READ_EMPTY
    if got == TLS_FAILED:
        if n.is_broken:
            lose(c, n, n.cause)
        elif c.tls.failure.cause == TLS_CAUSE_SOCKET:
            n.last_errno = c.tls.failure.socket_errno
            lose(c, n, CAUSE_RESET)
        else:
            # an alert that answers what came, or a peer that refused us only now
            close_gently(c, n)
            lose(c, n, CAUSE_TLS)
        return READ_FAILED
    return READ_END


cdef ssize_t read_message(connections_t* c, connection_t* n, char* out, uint32_t room, bint* is_whole) noexcept nogil:
    """One message of a socket that keeps boundaries, or a part of it."""
    cdef msghdr header
    cdef iovec vector
    cdef ssize_t got
    while True:
        vector.iov_base = out
        vector.iov_len = room
        memset(&header, 0, sizeof(header))
        header.msg_iov = &vector
        header.msg_iovlen = 1
        got = recvmsg(n.fd, &header, 0)
        if got < 0 and errno == EINTR:
            continue
        if got > 0 and header.msg_flags & MSG_NOTIFICATION:
            c.n_receive_calls += 1
            continue
        break
    is_whole[0] = header.msg_flags & MSG_EOR != 0 or channel_of(c, n).protocol != IPPROTO_SCTP
    got = after_receive(c, n, got)
    if got > 0 and (header.msg_flags & MSG_TRUNC or <uint64_t> n.n_held + got > MSG_LEN_CAP):
        lose_framing(c, n, STREAM_E_TOO_LONG)
        return READ_FAILED
    return got


cdef bint read_once(connections_t* c, connection_t* n, uint64_t now_ns, uint64_t* n_read) noexcept nogil:
    """One read and what comes of it: True where there may be more to read."""
    cdef uint32_t at = c.in_end + ALIGNMENT - 1 & ~<uint32_t> (ALIGNMENT - 1)
    cdef uint32_t room = RECEIVE_BYTES - at - n.n_held
    cdef bint is_drained = False, is_whole = True
    cdef view_t v
    cdef char* out
    cdef ssize_t got
    v.data = c.in_bytes + at
    v.pos = v.needed = 0
    if n.n_held:
        memcpy(v.data, n.held, n.n_held)
    out = v.data + n.n_held
    if has_tls(n):
        got = read_tls(c, n, out, room, &is_drained)
    elif channel_of(c, n).carries == CARRY_MESSAGES:
        got = read_message(c, n, out, room, &is_whole)
    else:
        got = read_clear(c, n, out, room, &is_drained)
    if got <= 0:
        if got == READ_EMPTY:
            n.is_readable = False
        elif got == READ_END:
            note_end(c, n)
        return False
    v.n_bytes = n.n_held + <uint32_t> got
    n.n_held = 0
    n_read[0] += <uint64_t> got
    if not is_whole:
        return hold(c, n, &v)
    if not take_apart(c, n, &v, now_ns):
        return False
    if is_drained:
        n.is_readable = False
    return not is_drained and not n.has_ended


cdef void read_connection(connections_t* c, connection_t* n, uint64_t now_ns) noexcept nogil:
    cdef uint32_t number = n.socket_number
    cdef uint32_t needed_room = TLS_READ_BEST_BYTES if has_tls(n) else CLEAR_ROOM_BYTES
    cdef uint64_t n_read = 0
    if n.has_ended:
        return
    n.is_readable = True
    while True:
        if c.in_end + ALIGNMENT + n.n_held + needed_room > RECEIVE_BYTES:
            drain_batch(c)
            if is_done_with(n, number):
                return
        if not read_once(c, n, now_ns, &n_read):
            return
        if n_read >= READ_SHARE_BYTES:
            list_ready(c, n)
            return

# --------------------------------------------------------------------------- ends


cdef bint finish_closing(connections_t* c, connection_t* n) noexcept nogil:
    if n.state == CONNECTION_OPEN and not n.is_broken and (n.session != NULL or wheel_is_scheduled(&n.timer)):
        if has_tls(n):
            if tls_shutdown(&n.session.tls) == TLS_WANT_WRITE:
                return False
            take_tls_totals(c)
        close_gently(c, n)
    release_record(c, n)
    return True


cdef void finish_ended(connections_t* c, connection_t* n) noexcept nogil:
    cdef uint32_t number = n.socket_number
    if n.error_detail:
        send_close_frame(c, n, <uint16_t> n.error_detail)
        if n.socket_number != number:
            return
    if has_tls(n):
        tls_shutdown(&n.session.tls)
        take_tls_totals(c)
    lose(c, n, CAUSE_PEER_CLOSED)

# --------------------------------------------------------------------------- events


cdef void heed_low_water(connections_t* c, connection_t* n) noexcept nogil:
    if n.is_congested and n.state == CONNECTION_OPEN and waiting_bytes(n) <= channel_of(c, n).low_water_bytes:
        n.is_congested = False
        c.to.writable(c.to.owner, n)


cdef bint open_further(connections_t* c, connection_t* n, uint32_t events, uint64_t now_ns) noexcept nogil:
    """A step of what is not open yet: False where there is nothing more to be done about this event."""
    cdef uint32_t number = n.socket_number
    if n.state == CONNECTION_CONNECTING:
        if not events & <uint32_t> (EPOLLOUT | EPOLLERR | EPOLLHUP):
            return False
        finish_connect(c, n, events & <uint32_t> (EPOLLERR | EPOLLHUP) != 0, now_ns)
        if n.socket_number != number:
            return False
    if n.state == CONNECTION_SECURING:
        # a server's first step is to read
        if n.is_accepted and not n.is_handshake_begun and not events & <uint32_t> (EPOLLIN | EPOLLERR | EPOLLHUP):
            return False
        secure(c, n, now_ns)
        if n.socket_number != number or n.state == CONNECTION_SECURING:
            return False
    tell_opened(c, n)
    return n.socket_number == number


cdef void heed_event(connections_t* c, connection_t* n, uint32_t events, uint64_t now_ns) noexcept nogil:
    cdef uint32_t number = n.socket_number
    # bytes may have come with the end of a handshake, which no further event tells of
    cdef bint is_to_be_read = n.state == CONNECTION_SECURING or events & <uint32_t> (
        EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)
    if events & <uint32_t> (EPOLLRDHUP | EPOLLERR | EPOLLHUP):
        n.ends = True
    if (n.state != CONNECTION_OPEN or n.is_untold) and not open_further(c, n, events, now_ns):
        return
    if n.queue != NULL and events & <uint32_t> (EPOLLOUT | EPOLLERR | EPOLLHUP):
        flush(c, n)
    if n.is_closing and n.state == CONNECTION_OPEN:
        if n.is_broken or n.queue == NULL or events & <uint32_t> (EPOLLERR | EPOLLHUP):
            finish_closing(c, n)
        return
    heed_low_water(c, n)
    if is_done_with(n, number):
        return
    if n.has_ended and n.queue == NULL:
        list_for_reap(c, n)
    if is_to_be_read:
        read_connection(c, n, now_ns)
        # opened by what was read, after it had been closed
        if n.socket_number == number and n.is_closing and n.state == CONNECTION_OPEN and n.queue == NULL:
            finish_closing(c, n)
