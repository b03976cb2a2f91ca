# sippx/_core/tracelog.pxd: turns the trace records that come with every message into the text of their logs.
#
# The consumer's side of a trace ring. Records of messages and response times become entries in byte
# buffers, without the GIL and without an object a record; everything else is left to Python. Time stamps
# are put together from texts that Python gives once a second, so their format is known in one place.
from libc.stdint cimport int32_t, uint32_t, uint64_t

from sippx._core.ring cimport TraceRing, record_t, ring_t, rtt_trace_t

cdef enum:
    LOG_BUFFER_BYTES = 1 << 19   # entries of one batch; the last one may reach LOG_SLACK_BYTES further
    LOG_SLACK_BYTES = 1 << 17
    LOG_DATA_CAP = 65536         # bytes of a record's data that an entry holds
    STAMP_PART_CAP = 48
    RTD_NAMES_CAP = 64           # as many durations as a call can have

# What format_records stopped at.
cdef enum Stop:
    STOP_EMPTY                   # nothing is left in the ring
    STOP_FULL                    # a buffer is full, or an entry crossed the bound it was given
    STOP_RECORD                  # the oldest record is for Python
    STOP_SECOND                  # the stamps' texts are those of another second

# Entries of one log: n bytes; `room` is where the owner wants to be asked (a bound of the file's size).
cdef struct log_text_t:
    char* bytes                  # LOG_BUFFER_BYTES + LOG_SLACK_BYTES, owned by a bytearray
    uint64_t n
    uint64_t room
    bint wanted

# A time: part 0, six digits of microseconds, part 1, the digits again where there is a part 1, part 2.
cdef struct stamp_t:
    uint32_t n[3]
    char part[3][STAMP_PART_CAP]

cdef struct trace_log_t:
    log_text_t messages          # -trace_msg
    log_text_t shorts            # -trace_shortmsg
    log_text_t rtts              # -trace_rtt
    uint64_t n_rtts              # lines in rtts
    uint64_t record_mask         # bit per TraceKind that Python gets as a record
    int32_t n_rtd_names
    bint is_formatted            # the oldest record's entries are written, the record is still in the ring
    uint64_t second              # since the epoch, of the stamps
    uint64_t wanted_second
    stamp_t message_stamp
    stamp_t short_stamp
    const char* transport
    uint64_t transport_len
    const char* rtd_names[RTD_NAMES_CAP]
    uint32_t rtd_name_lens[RTD_NAMES_CAP]
    char* message                # scratch: data of a record in one piece, LOG_DATA_CAP bytes

cdef Stop format_records(trace_log_t* log, ring_t* ring, record_t* h) noexcept nogil

cdef class TraceLog:
    cdef trace_log_t log
    cdef TraceRing ring
    cdef object stamp_texts
    cdef bytearray message_bytes, short_bytes, rtt_bytes, scratch
    cdef bytes transport
    cdef tuple rtd_names
