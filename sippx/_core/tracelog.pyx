# sippx/_core/tracelog.pyx: entries of the message log, the short message log and the response times.
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memchr, memcpy

from sippx._core.bits cimport likely, unlikely
from sippx._core.codes cimport *
from sippx._core.message cimport bytes_equal_nocase, is_blank
from sippx._core.ring cimport TraceRing, record_t, ring_drop, ring_peek, ring_read, ring_t, ring_take
from sippx._core.span cimport span_of, span_t

cdef enum:
    NS_PER_S = 1000000000
    NS_PER_US = 1000

# --------------------------------------------------------------------------- text

cdef inline void put(log_text_t* t, const char* p, uint64_t n) noexcept nogil:
    memcpy(t.bytes + t.n, p, n)
    t.n += n


cdef void put_number(log_text_t* t, uint64_t v) noexcept nogil:
    cdef char[20] digits
    cdef int i = 20
    while True:
        i -= 1
        digits[i] = <char> (c'0' + v % 10)
        v //= 10
        if v == 0:
            break
    put(t, &digits[i], 20 - i)


cdef void put_padded(log_text_t* t, uint32_t v, int width) noexcept nogil:
    cdef int i
    for i in range(width - 1, -1, -1):
        t.bytes[t.n + i] = <char> (c'0' + v % 10)
        v //= 10
    t.n += width


cdef void put_stamp(log_text_t* t, const stamp_t* s, uint64_t wall_ns) noexcept nogil:
    cdef uint32_t us = <uint32_t> (wall_ns % NS_PER_S // NS_PER_US)
    put(t, s.part[0], s.n[0])
    put_padded(t, us, 6)
    if s.n[1]:
        put(t, s.part[1], s.n[1])
        put_padded(t, us, 6)
    put(t, s.part[2], s.n[2])


cdef void put_ms(log_text_t* t, uint64_t ns) noexcept nogil:
    put_number(t, ns // 1000000)
    put(t, b".", 1)
    put_padded(t, <uint32_t> (ns // NS_PER_US % 1000), 3)

# --------------------------------------------------------------------------- entries

cdef inline void put_data(log_text_t* t, ring_t* ring, const record_t* h) noexcept nogil:
    cdef uint32_t n = h.data_len if h.data_len < LOG_DATA_CAP else LOG_DATA_CAP
    ring_read(ring, sizeof(record_t) + h.call_id_len, t.bytes + t.n, n)
    t.n += n


cdef void put_message(trace_log_t* log, ring_t* ring, const record_t* h, const char* what, uint32_t n,
                      bint sent) noexcept nogil:
    cdef log_text_t* t = &log.messages
    put(t, b"----------------------------------------------- ", 48)
    put_stamp(t, &log.message_stamp, h.wall_ns)
    put(t, b"\n", 1)
    put(t, what, n)
    if sent:
        put(t, b" message sent [", 15)
    else:
        put(t, b" message received [", 19)
    put_number(t, h.data_len)
    put(t, b"] bytes:\n\n", 10)
    put_data(t, ring, h)
    put(t, b"\n", 1)


cdef void put_block(trace_log_t* log, ring_t* ring, const record_t* h, bint dead) noexcept nogil:
    """An entry without a time, as in SIPp: what the message is, then the message."""
    cdef log_text_t* t = &log.messages
    put(t, b"-----------------------------------------------\n", 48)
    if dead:
        put(t, b"Dead call ", 10)
        ring_read(ring, sizeof(record_t), t.bytes + t.n, h.call_id_len)
        t.n += h.call_id_len
        put(t, b" received a ", 12)
        put(t, log.transport, log.transport_len)
        put(t, b" message:\n\n", 11)
    else:
        put(t, b"Unexpected ", 11)
        put(t, log.transport, log.transport_len)
        put(t, b" message received:\n\n", 20)
    put_data(t, ring, h)
    put(t, b"\n", 1)


cdef void put_lost(trace_log_t* log, const record_t* h) noexcept nogil:
    cdef log_text_t* t = &log.messages
    put(t, log.transport, log.transport_len)
    if h.a == 0:
        put(t, b" message voluntary lost (while sending).\n", 41)
    elif h.b:
        put(t, b" message (retrans) lost (recv).\n", 32)
    else:
        put(t, b" message lost (recv).\n", 22)


cdef span_t cseq_of(const char* p, const char* end) noexcept nogil:
    """Value of the CSeq header field of a message, trimmed; empty where there is none."""
    cdef const char* eol
    cdef const char* q
    while p < end:
        eol = <const char*> memchr(p, c'\n', end - p)
        if eol == NULL:
            eol = end
        if eol - p > 5 and (p[0] | 32) == c'c' and bytes_equal_nocase(p, b"cseq", 4):
            q = p + 4
            while q < eol and (q[0] == c' ' or q[0] == c'\t'):
                q += 1
            if q < eol and q[0] == c':':
                q += 1
                while q < eol and is_blank(q[0]):
                    q += 1
                while eol > q and is_blank((eol - 1)[0]):
                    eol -= 1
                return span_of(q, <uint32_t> (eol - q))
        elif eol == p or eol - p == 1 and p[0] == c'\r':
            break
        p = eol + 1
    return span_of(end, 0)


cdef void put_short(trace_log_t* log, ring_t* ring, const record_t* h, bint sent) noexcept nogil:
    cdef log_text_t* t = &log.shorts
    cdef uint32_t n = h.data_len if h.data_len < LOG_DATA_CAP else LOG_DATA_CAP
    cdef const char* end = log.message + n
    cdef const char* eol
    cdef span_t cseq
    ring_read(ring, sizeof(record_t) + h.call_id_len, log.message, n)
    eol = <const char*> memchr(log.message, c'\n', n)
    if eol == NULL:
        eol = end
    cseq = cseq_of(eol + 1 if eol < end else end, end)
    put_stamp(t, &log.short_stamp, h.wall_ns)
    put(t, b"\tS\t" if sent else b"\tR\t", 3)
    ring_read(ring, sizeof(record_t), t.bytes + t.n, h.call_id_len)
    t.n += h.call_id_len
    put(t, b"\tCSeq:", 6)
    # both texts lie in the message, at most once each
    put(t, cseq.ptr, cseq.len)
    put(t, b"\t", 1)
    while eol > log.message and is_blank((eol - 1)[0]):
        eol -= 1
    put(t, log.message, eol - log.message)
    put(t, b"\n", 1)


cdef void put_rtt(trace_log_t* log, ring_t* ring, const record_t* h) noexcept nogil:
    cdef log_text_t* t = &log.rtts
    cdef rtt_trace_t rtt
    if h.data_len != sizeof(rtt_trace_t) or not 0 <= h.a < log.n_rtd_names:
        return
    ring_read(ring, sizeof(record_t) + h.call_id_len, <char*> &rtt, sizeof(rtt))
    put_ms(t, rtt.at_ns)
    put(t, b";", 1)
    put_ms(t, rtt.duration_ns)
    put(t, b";", 1)
    put(t, log.rtd_names[h.a], log.rtd_name_lens[h.a])
    put(t, b"\n", 1)
    log.n_rtts += 1


cdef void format_record(trace_log_t* log, ring_t* ring, const record_t* h) noexcept nogil:
    """The entries of one record in the logs that want it."""
    cdef uint32_t kind = h.kind & ~<uint32_t> TRACE_OF_SIDE
    if likely(kind == TRACE_SENT or kind == TRACE_RECEIVED):
        if log.messages.wanted:
            put_message(log, ring, h, log.transport, log.transport_len, kind == TRACE_SENT)
        if log.shorts.wanted:
            put_short(log, ring, h, kind == TRACE_SENT)
    elif kind == TRACE_RTT:
        if log.rtts.wanted and not h.kind & TRACE_OF_SIDE:
            put_rtt(log, ring, h)
    elif log.messages.wanted:
        if kind == TRACE_UNEXPECTED or kind == TRACE_DEAD_CALL:
            put_block(log, ring, h, kind == TRACE_DEAD_CALL)
        elif kind == TRACE_LOST:
            put_lost(log, h)
        elif kind == TRACE_COMMAND_SENT or kind == TRACE_COMMAND_RECEIVED:
            put_message(log, ring, h, b"TCP control", 11, kind == TRACE_COMMAND_SENT)


cdef inline bint is_full(const log_text_t* t) noexcept nogil:
    return t.n >= LOG_BUFFER_BYTES or t.n > t.room


cdef Stop format_records(trace_log_t* log, ring_t* ring, record_t* h) noexcept nogil:
    """Writes entries until one of the reasons to stop; h: the oldest record where it is for Python."""
    cdef bint has_stamp = log.messages.wanted or log.shorts.wanted
    cdef uint64_t second
    while True:
        if unlikely(is_full(&log.messages) or is_full(&log.shorts) or is_full(&log.rtts)):
            return STOP_FULL
        if not ring_peek(ring, h):
            return STOP_EMPTY
        if not log.is_formatted:
            second = h.wall_ns // NS_PER_S
            if unlikely(has_stamp and second != log.second):
                log.wanted_second = second
                return STOP_SECOND
            format_record(log, ring, h)
        if unlikely(log.record_mask >> (h.kind & ~<uint32_t> TRACE_OF_SIDE & 63) & 1):
            log.is_formatted = True
            return STOP_RECORD
        ring_drop(ring, h)

# --------------------------------------------------------------------------- the object

cdef void take_texts(stamp_t* s, tuple texts) except *:
    cdef bytes text
    for i, text in enumerate(texts):
        if i > 2 or len(text) > STAMP_PART_CAP:
            raise ValueError(f"a stamp has three texts of at most {<int> STAMP_PART_CAP} bytes, not {texts!r}")
        memcpy(s.part[<int> i], <const char*> text, len(text))
        s.n[<int> i] = <uint32_t> len(text)


cdef void open_text(log_text_t* t, bytearray owner) except *:
    t.bytes = owner
    t.room = ~0ULL


cdef class TraceLog:
    """The consumer of a trace ring that writes the entries of the logs; one thread at a time.

    stamp_texts  gives for a second since the epoch the texts of a stamp of the message log and of one of the
                 short message log: in front of, between and behind the microseconds, which follow each of
                 the first two that is not empty
    rtd_names    names of the response-time durations

    The views that drain() and take_rtts() return are valid until the next call.
    """

    def __cinit__(self, TraceRing ring not None, *, stamp_texts, bytes transport=b"UDP", rtd_names=()):
        cdef bytes name
        self.ring = ring
        self.stamp_texts = stamp_texts
        self.transport = transport[:64]
        self.rtd_names = tuple(name[:1024] for name in rtd_names)
        if len(self.rtd_names) > RTD_NAMES_CAP:
            raise ValueError(f"more than {<int> RTD_NAMES_CAP} response-time durations")
        self.message_bytes = bytearray(LOG_BUFFER_BYTES + LOG_SLACK_BYTES)
        self.short_bytes = bytearray(LOG_BUFFER_BYTES + LOG_SLACK_BYTES)
        self.rtt_bytes = bytearray(LOG_BUFFER_BYTES + LOG_SLACK_BYTES)
        self.scratch = bytearray(LOG_DATA_CAP)
        open_text(&self.log.messages, self.message_bytes)
        open_text(&self.log.shorts, self.short_bytes)
        open_text(&self.log.rtts, self.rtt_bytes)
        self.log.message = self.scratch
        self.log.transport = self.transport
        self.log.transport_len = len(self.transport)
        self.log.second = ~0ULL
        self.log.n_rtd_names = <int> len(self.rtd_names)
        for i, name in enumerate(self.rtd_names):
            self.log.rtd_names[<int> i] = name
            self.log.rtd_name_lens[<int> i] = <uint32_t> len(name)

    @property
    def n_dropped(self):
        """Records for which the ring had no room."""
        return self.ring.ring.n_dropped

    def select(self, *, bint messages, bint short_messages, bint rtts, uint64_t records):
        """Which logs get entries from now on, and the kinds (a bit each) that Python gets as records."""
        self.log.messages.wanted = messages
        self.log.shorts.wanted = short_messages
        self.log.rtts.wanted = rtts
        self.log.record_mask = records

    def drain(self, uint64_t message_room=~0ULL, uint64_t short_room=~0ULL, int max_records=4096):
        """Records for Python, new entries of the message log and of the short message log, whether more is waiting.

        It stops behind the first entry that makes a log longer than its room.
        """
        cdef record_t h
        cdef Stop stop = STOP_FULL
        self.log.messages.n = self.log.shorts.n = 0
        self.log.messages.room = message_room
        self.log.shorts.room = short_room
        records = []
        while len(records) < max_records:
            with nogil:
                stop = format_records(&self.log, &self.ring.ring, &h)
            if stop == STOP_RECORD:
                records.append(ring_take(&self.ring.ring, &h))
                self.log.is_formatted = False
            elif stop == STOP_SECOND:
                message, short = self.stamp_texts(self.log.wanted_second)
                take_texts(&self.log.message_stamp, message)
                take_texts(&self.log.short_stamp, short)
                self.log.second = self.log.wanted_second
            else:
                break
        return (records, memoryview(self.message_bytes)[:self.log.messages.n],
                memoryview(self.short_bytes)[:self.log.shorts.n], stop != STOP_EMPTY)

    @property
    def n_rtts(self):
        """Lines that take_rtts() would give."""
        return self.log.n_rtts

    def take_rtts(self):
        """The lines of response times since the last call."""
        n = self.log.rtts.n
        self.log.rtts.n = self.log.n_rtts = 0
        return memoryview(self.rtt_bytes)[:n]
