# sippx/_core/expand.pxd: expands templates for a call: all that a render context alone does not know.
#
# Variables, injected fields, files, routes, credentials: what [keywords] mean for one call of one run.
# Scratch texts 0 and 1 are for the texts of actions, 2 and 3 are used in here, 4 is for the command of a sendCmd.
from libc.stdint cimport int32_t, uint32_t

from sippx._core.calls cimport call_t
from sippx._core.message cimport msg_t
from sippx._core.runtime cimport runtime_t
from sippx._core.span cimport span_t
from sippx._core.template cimport render_ctx_t

# Fills a context for messages of this call; last: its last received message, NULL before the first.
cdef void expand_context(runtime_t* rt, call_t* call, msg_t* last, render_ctx_t* ctx) noexcept nogil

# Renders rows of pieces into scratch text `scratch` (0, 1 or 4); empty where it does not fit.
cdef span_t expand_text(runtime_t* rt, call_t* call, uint32_t first, uint32_t n, msg_t* last,
                        uint32_t scratch) noexcept nogil

# Counts and traces a warning about the call's step.
cdef void complain(runtime_t* rt, call_t* call, int32_t complaint, span_t text) noexcept nogil

# Takes a free TDM circuit for the call where there is a map; False: all are taken. And gives it back.
cdef bint take_circuit(runtime_t* rt, call_t* call) noexcept nogil
cdef void free_circuit(runtime_t* rt, call_t* call) noexcept nogil
