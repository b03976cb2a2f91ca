# sippx/_core/sendqueue.pyx: encodes, writes and keeps what connections send; see sendqueue.pxd.
from libc.errno cimport errno
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove, memset

from sippx._core.connection cimport (
    CARRY_COMMANDS, CARRY_MESSAGES, CARRY_SIP, CARRY_WEBSOCKET, CAUSE_FRAMING, CAUSE_NO_MEMORY, CAUSE_OVERFLOW,
    CAUSE_PEER_CLOSED, CAUSE_RESET, CAUSE_TLS, CONNECTION_OPEN, CONNECTION_PARKED, ENCODE_BYTES, channel_of,
    channel_t, connection_t, connections_t, has_tls, lose, note_broken, part_t, take_tls_totals, waiting_bytes,
)
from sippx._core.linux cimport EAGAIN, EINTR, MSG_NOSIGNAL, iovec, msghdr, send, sendmsg, ssize_t
from sippx._core.span cimport span_of
from sippx._core.tls cimport TLS_CAUSE_SOCKET, TLS_TRUNCATED, tls_is_final, tls_write
from sippx._core.websocket cimport (
    OPCODE_TEXT, WEBSOCKET_CONTROL_CAP, WEBSOCKET_E_TOO_LONG, WEBSOCKET_HEADER_CAP, websocket_put_close,
    websocket_put_frame, websocket_t,
)

cdef enum:
    IOV_CAP = 64
    SMALLEST_QUEUE = 1024
    LENGTH_BYTES = 4             # before each message in the queue of a socket that keeps boundaries
    ESCAPE = 27
    # results of writing, below the number of bytes
    TOO_LONG = -1                # a message cannot be encoded
    BROKEN = -2

# --------------------------------------------------------------------------- the socket


cdef ssize_t after_send(connections_t* c, connection_t* n, ssize_t sent) noexcept nogil:
    """Bytes that the socket took, 0 where it is full, or BROKEN."""
    c.n_send_calls += 1
    if sent >= 0:
        c.n_sent_bytes += <uint64_t> sent
        return sent
    if errno == EAGAIN:
        return 0
    note_broken(c, n, CAUSE_RESET, errno)
    return BROKEN


cdef ssize_t write_clear(connections_t* c, connection_t* n, const char* data, uint32_t n_bytes) noexcept nogil:
    cdef ssize_t sent
    while True:
        sent = send(n.fd, data, n_bytes, MSG_NOSIGNAL)
        if sent >= 0 or errno != EINTR:
            return after_send(c, n, sent)


cdef ssize_t write_tls(connections_t* c, connection_t* n, const char* data, uint32_t n_bytes) noexcept nogil:
    cdef int taken = tls_write(&n.session.tls, data, n_bytes)
    take_tls_totals(c)
    if taken > 0:
        return taken
    if not tls_is_final(taken):
        return 0
    if taken == TLS_TRUNCATED:
        note_broken(c, n, CAUSE_PEER_CLOSED, 0)
    elif c.tls.failure.cause == TLS_CAUSE_SOCKET:
        note_broken(c, n, CAUSE_RESET, c.tls.failure.socket_errno)
    else:
        memcpy(&n.session.failure, &c.tls.failure, sizeof(c.tls.failure))
        note_broken(c, n, CAUSE_TLS, 0)
    return BROKEN


cdef ssize_t write_bytes(connections_t* c, connection_t* n, const char* data, uint32_t n_bytes) noexcept nogil:
    """Bytes taken of a stream, or BROKEN; fewer than all: the socket is full, and epoll will tell when it is not."""
    return write_tls(c, n, data, n_bytes) if has_tls(n) else write_clear(c, n, data, n_bytes)

# --------------------------------------------------------------------------- the queue


cdef bint reserve(connections_t* c, connection_t* n, uint64_t n_more) noexcept nogil:
    """Room for so much more behind what waits; False: it is lost."""
    cdef uint32_t waiting = waiting_bytes(n)
    cdef uint64_t cap = SMALLEST_QUEUE
    cdef char* grown
    if waiting + n_more > channel_of(c, n).queue_cap_bytes:
        lose(c, n, CAUSE_OVERFLOW)
        return False
    if n.queue_end + n_more <= n.queue_cap:
        return True
    if n.queue_pos:
        memmove(n.queue, n.queue + n.queue_pos, waiting)
        n.queue_pos = 0
        n.queue_end = waiting
    if waiting + n_more <= n.queue_cap:
        return True
    while cap < waiting + n_more:
        cap *= 2
    grown = <char*> realloc(n.queue, cap) if cap <= 0xFFFFFFFFULL else NULL
    if grown == NULL:
        lose(c, n, CAUSE_NO_MEMORY)
        return False
    n.queue = grown
    n.queue_cap = <uint32_t> cap
    return True


cdef bint keep(connections_t* c, connection_t* n, const char* data, uint32_t n_bytes) noexcept nogil:
    if not reserve(c, n, n_bytes):
        return False
    memcpy(n.queue + n.queue_end, data, n_bytes)
    n.queue_end += n_bytes
    return True


cdef void taken_from_queue(connection_t* n, uint32_t n_bytes) noexcept nogil:
    n.queue_pos += n_bytes
    n.n_early = n.n_early - n_bytes if n.n_early > n_bytes else 0
    if n.queue_pos == n.queue_end:
        free(n.queue)
        n.queue = NULL
        n.queue_pos = n.queue_end = n.queue_cap = 0
    elif n.queue_pos > n.queue_cap // 2:
        # a queue that never quite empties does not grow for it
        memmove(n.queue, n.queue + n.queue_pos, waiting_bytes(n))
        n.queue_end -= n.queue_pos
        n.queue_pos = 0


cdef void heed_high_water(connections_t* c, connection_t* n) noexcept nogil:
    if not n.is_congested and waiting_bytes(n) > channel_of(c, n).high_water_bytes:
        n.is_congested = True
        c.n_congested += 1


cdef bint flush_messages(connections_t* c, connection_t* n) noexcept nogil:
    cdef uint32_t length
    cdef ssize_t sent
    while waiting_bytes(n):
        memcpy(&length, n.queue + n.queue_pos, LENGTH_BYTES)
        sent = write_clear(c, n, n.queue + n.queue_pos + LENGTH_BYTES, length)
        if sent == BROKEN:
            return False
        if sent < length:
            break
        taken_from_queue(n, LENGTH_BYTES + length)
    return True


cdef bint flush(connections_t* c, connection_t* n) noexcept nogil:
    cdef uint32_t limit
    cdef ssize_t sent
    if n.is_broken:
        return False
    if channel_of(c, n).carries == CARRY_MESSAGES:
        return n.state != CONNECTION_OPEN or flush_messages(c, n)
    while True:
        limit = waiting_bytes(n) if n.state == CONNECTION_OPEN else n.n_early
        if limit == 0:
            return True
        sent = write_bytes(c, n, n.queue + n.queue_pos, limit)
        if sent == BROKEN:
            return False
        taken_from_queue(n, <uint32_t> sent)
        if sent < limit:
            return True

# --------------------------------------------------------------------------- encoding


cdef uint64_t encoded_cap(uint32_t carries, const part_t* parts, uint32_t n_parts) noexcept nogil:
    """Bytes that the parts need at most as they are carried."""
    cdef uint64_t n_bytes = 0, n_messages = 0
    cdef uint32_t i
    for i in range(n_parts):
        n_bytes += parts[i].n_bytes
        n_messages += parts[i].n_messages
    if carries == CARRY_WEBSOCKET:
        return n_bytes + n_messages * WEBSOCKET_HEADER_CAP
    if carries == CARRY_MESSAGES:
        return n_bytes + n_messages * LENGTH_BYTES
    if carries == CARRY_COMMANDS:
        return n_bytes + n_messages
    return n_bytes


cdef int64_t encode_messages(connections_t* c, const connection_t* n, const part_t* part, char* out) noexcept nogil:
    """Bytes put to out, or TOO_LONG."""
    cdef uint32_t carries = channel_of(c, n).carries
    cdef uint32_t i, length, start = 0
    cdef char* p = out
    cdef websocket_t side
    memset(&side, 0, sizeof(side))
    side.is_client = not n.is_accepted
    for i in range(part.n_messages):
        length = part.ends[i] - start
        if carries == CARRY_WEBSOCKET:
            length = websocket_put_frame(&side, OPCODE_TEXT, span_of(part.bytes + start, length), p, &c.random_state)
            if length == 0:
                return TOO_LONG
            p += length
        else:
            if carries == CARRY_MESSAGES:
                memcpy(p, &length, LENGTH_BYTES)
                p += LENGTH_BYTES
            memcpy(p, part.bytes + start, length)
            p += length
            if carries == CARRY_COMMANDS:
                p[0] = ESCAPE
                p += 1
        start = part.ends[i]
    return p - out


cdef int64_t encode(connections_t* c, const connection_t* n, const part_t* parts, uint32_t n_parts,
                    char* out) noexcept nogil:
    cdef int64_t n_bytes = 0, more
    cdef uint32_t i
    for i in range(n_parts):
        if channel_of(c, n).carries == CARRY_SIP:
            memcpy(out + n_bytes, parts[i].bytes, parts[i].n_bytes)
            more = parts[i].n_bytes
        else:
            more = encode_messages(c, n, &parts[i], out + n_bytes)
            if more < 0:
                return more
        n_bytes += more
    return n_bytes

# --------------------------------------------------------------------------- sending


cdef bint keep_parts(connections_t* c, connection_t* n, const part_t* parts, uint32_t n_parts,
                     uint64_t cap) noexcept nogil:
    cdef int64_t n_bytes
    if not reserve(c, n, cap):
        return False
    n_bytes = encode(c, n, parts, n_parts, n.queue + n.queue_end)
    if n_bytes < 0:
        n.error_detail = WEBSOCKET_E_TOO_LONG
        lose(c, n, CAUSE_FRAMING)
        return False
    n.queue_end += <uint32_t> n_bytes
    return True


cdef bint keep_rest(connections_t* c, connection_t* n, const part_t* parts, uint32_t n_parts,
                    uint64_t n_taken) noexcept nogil:
    """Keeps the parts without their first n_taken bytes."""
    cdef uint32_t i, skipped
    for i in range(n_parts):
        skipped = <uint32_t> min(n_taken, <uint64_t> parts[i].n_bytes)
        n_taken -= skipped
        if skipped < parts[i].n_bytes and not keep(c, n, parts[i].bytes + skipped, parts[i].n_bytes - skipped):
            return False
    return True


cdef bint write_plain(connections_t* c, connection_t* n, const part_t* parts, uint32_t n_parts) noexcept nogil:
    """In clear and as they are: from where the caller has them."""
    cdef iovec[IOV_CAP] vectors
    cdef msghdr header
    cdef uint32_t at = 0, k
    cdef uint64_t n_bytes
    cdef ssize_t sent
    while at < n_parts:
        if n_parts - at == 1:
            k = 1
            n_bytes = parts[at].n_bytes
            sent = write_bytes(c, n, parts[at].bytes, parts[at].n_bytes)
        else:
            memset(&header, 0, sizeof(header))
            header.msg_iov = vectors
            k = 0
            n_bytes = 0
            while k < IOV_CAP and at + k < n_parts:
                vectors[k].iov_base = <void*> parts[at + k].bytes
                vectors[k].iov_len = parts[at + k].n_bytes
                n_bytes += parts[at + k].n_bytes
                k += 1
            header.msg_iovlen = k
            sent = sendmsg(n.fd, &header, MSG_NOSIGNAL)
            if sent < 0 and errno == EINTR:
                continue
            sent = after_send(c, n, sent)
        if sent == BROKEN:
            return False
        if <uint64_t> sent < n_bytes:
            return keep_rest(c, n, parts + at, n_parts - at, sent)
        at += k
    return True


cdef bint write_messages(connections_t* c, connection_t* n, const part_t* parts, uint32_t n_parts) noexcept nogil:
    """One at a time: each is a message of the socket."""
    cdef uint32_t i, k, start, length
    cdef ssize_t sent = 0
    cdef bint is_full = False
    for i in range(n_parts):
        start = 0
        for k in range(parts[i].n_messages):
            length = parts[i].ends[k] - start
            if not is_full:
                sent = write_clear(c, n, parts[i].bytes + start, length)
                if sent == BROKEN:
                    return False
                is_full = sent < length
            if is_full and not (keep(c, n, <const char*> &length, LENGTH_BYTES)
                                and keep(c, n, parts[i].bytes + start, length)):
                return False
            start = parts[i].ends[k]
    return True


cdef bint write_encoded(connections_t* c, connection_t* n, const part_t* parts, uint32_t n_parts,
                        uint64_t cap) noexcept nogil:
    """By way of the table's buffer, or where they do not fit it by way of the queue."""
    cdef int64_t n_bytes
    cdef ssize_t sent
    if cap > ENCODE_BYTES:
        return keep_parts(c, n, parts, n_parts, cap) and flush(c, n)
    n_bytes = encode(c, n, parts, n_parts, c.out_bytes)
    if n_bytes < 0:
        n.error_detail = WEBSOCKET_E_TOO_LONG
        lose(c, n, CAUSE_FRAMING)
        return False
    sent = write_bytes(c, n, c.out_bytes, <uint32_t> n_bytes)
    if sent == BROKEN:
        return False
    return sent == n_bytes or keep(c, n, c.out_bytes + sent, <uint32_t> (n_bytes - sent))


cdef bint send_parts(connections_t* c, connection_t* n, const part_t* parts, uint32_t n_parts) noexcept nogil:
    cdef channel_t* channel = channel_of(c, n)
    cdef uint64_t cap
    cdef uint32_t i
    cdef bint is_sent
    if (n.fd < 0 and n.state != CONNECTION_PARKED) or n.is_broken or n.is_closing:
        return False
    if n.state == CONNECTION_OPEN and n.queue == NULL:
        if channel.carries == CARRY_SIP and not has_tls(n):
            is_sent = write_plain(c, n, parts, n_parts)
        elif channel.carries == CARRY_MESSAGES:
            is_sent = write_messages(c, n, parts, n_parts)
        else:
            cap = encoded_cap(channel.carries, parts, n_parts)
            is_sent = write_encoded(c, n, parts, n_parts, cap)
    else:
        is_sent = keep_parts(c, n, parts, n_parts, encoded_cap(channel.carries, parts, n_parts))
    if not is_sent:
        return False
    for i in range(n_parts):
        c.n_messages_sent += parts[i].n_messages
    heed_high_water(c, n)
    return True


cdef bint send_raw(connections_t* c, connection_t* n, const char* bytes, uint32_t n_bytes) noexcept nogil:
    cdef bint is_first = n.queue == NULL
    if n.is_broken or not keep(c, n, bytes, n_bytes):
        return False
    return not is_first or flush(c, n)


cdef bint send_early(connections_t* c, connection_t* n, const char* bytes, uint32_t n_bytes) noexcept nogil:
    if n.is_broken or not reserve(c, n, n_bytes):
        return False
    memmove(n.queue + n.queue_pos + n_bytes, n.queue + n.queue_pos, waiting_bytes(n))
    memcpy(n.queue + n.queue_pos, bytes, n_bytes)
    n.queue_end += n_bytes
    n.n_early = n_bytes
    return flush(c, n)


cdef void send_close_frame(connections_t* c, connection_t* n, uint16_t code) noexcept nogil:
    cdef char[WEBSOCKET_CONTROL_CAP + WEBSOCKET_HEADER_CAP] frame
    cdef uint32_t n_bytes
    cdef websocket_t side
    if channel_of(c, n).carries != CARRY_WEBSOCKET or n.state != CONNECTION_OPEN:
        return
    memset(&side, 0, sizeof(side))
    side.is_client = not n.is_accepted
    n_bytes = websocket_put_close(&side, code, span_of(NULL, 0), frame, &c.random_state)
    send_raw(c, n, frame, n_bytes)
