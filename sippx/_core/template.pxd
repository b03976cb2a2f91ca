# sippx/_core/template.pxd: renders a compiled message template (a run of piece_t) into bytes.
from libc.stdint cimport int32_t, uint32_t, uint64_t

from sippx._core.message cimport msg_t
from sippx._core.span cimport span_t
from sippx._core.tables cimport piece_t

cdef enum:
    RENDER_E_TOO_LONG = -1
    MESSAGE_CAP = 65507          # the largest UDP payload over IPv4

# What the pieces of one message may refer to. Every span must be readable BYTES_READABLE_PAST_END
# bytes past its end (the literal pool, the call slab and message blocks are padded).
cdef struct render_ctx_t:
    span_t call_id
    span_t peer_tag              # without ";tag="; empty: [peer_tag_param] expands to nothing
    uint64_t call_number
    uint64_t elapsed_ns          # since the engine's start
    uint64_t* random_state
    msg_t* last                  # last received message of the call, NULL before the first
    uint32_t cseq

# Writes at most cap bytes (plus padding garbage behind them) to out, which must have room for
# cap + BYTES_READABLE_PAST_END. Returns the length or RENDER_E_TOO_LONG.
cdef int32_t template_render(const piece_t* pieces, uint32_t n_pieces, const char* pool, render_ctx_t* ctx,
                             char* out, uint32_t cap) noexcept nogil

# Decimal digits of v at out (needs 20 + padding); returns the end.
cdef char* put_decimal(char* out, uint64_t v) noexcept nogil
