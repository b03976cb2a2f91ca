# sippx/_core/template.pxd: renders a compiled message template (a run of piece_t) into bytes.
from libc.stdint cimport int32_t, uint32_t, uint64_t

from sippx._core.message cimport msg_t
from sippx._core.span cimport span_t
from sippx._core.tables cimport piece_t

cdef enum:
    RENDER_E_TOO_LONG = -1
    RENDER_E_NOT_AUTHORIZED = -2     # the authorize hook said why
    MESSAGE_CAP = 65507          # the largest UDP payload over IPv4

cdef struct render_ctx_t

# Expands a piece that the renderer does not know (PIECE_VARIABLE and above) at out; the new end, or NULL
# where it does not fit below limit.
ctypedef char* (*expand_t)(render_ctx_t* ctx, const piece_t* piece, char* out, char* limit) noexcept nogil
# The message stands from start to end, complete but for the header field that belongs at ctx.auth_at:
# makes room for it and writes it there. The new end, or NULL: the message cannot be built.
ctypedef char* (*authorize_t)(render_ctx_t* ctx, char* start, char* end, char* limit) noexcept nogil

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
    uint32_t local_port          # [local_port] of a call with a socket of its own
    # what needs more of a call than the above; NULL: such pieces expand to nothing
    expand_t expand
    authorize_t authorize
    void* runtime
    void* call
    # set where an authentication header field is to be inserted at the end; auth_at NULL: none
    char* auth_at
    const piece_t* auth_piece    # its keyword, or NULL: auth_text is the keyword's text from an injected field
    span_t auth_text

# Writes at most cap bytes (plus padding garbage behind them) to out, which must have room for
# cap + BYTES_READABLE_PAST_END. Returns the length or RENDER_E_.
cdef int32_t template_render(const piece_t* pieces, uint32_t n_pieces, const char* pool, render_ctx_t* ctx,
                             char* out, uint32_t cap) noexcept nogil

# The empty line between headers and body of a message being made, NULL where there is none. auth_at: a place
# (or NULL) that another header field will fill; the line breaks around it are no empty line.
cdef char* empty_line(char* start, char* end, const char* auth_at) noexcept nogil

# Decimal digits of v at out (needs 20 + padding); returns the end.
cdef char* put_decimal(char* out, uint64_t v) noexcept nogil
