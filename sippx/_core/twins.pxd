# sippx/_core/twins.pxd: an engine's twins (3PCC): connections that carry commands between calls of equal Call-IDs.
#
# rt.send_command gathers the commands of a turn for each twin, flush_twins sends them; commands that come are delivered
# with the SIP messages of the same batch, behind these. When a twin goes no more calls are opened, those that wait for
# a command are aborted, and but for controller A the others have GRACE_NS to end. Bounded throughout: a command has at
# most 64 KiB, calls fail with what is to be sent while a twin does not read, and one that sends what are no commands is
# taken to be gone.
from libc.stdint cimport uint32_t, uint64_t

from sippx._core.connections cimport connection_t
from sippx._core.runtime cimport runtime_t
from sippx._core.state cimport engine_t

cdef class TwinSettings:
    cdef readonly str role
    cdef readonly object listener        # None: nobody connects to this side
    cdef readonly dict peers
    cdef readonly object source

# Fills e.twins, allocated and zeroed, and its channel of e.connections; the runtimes get their hook.
cdef open_twins(engine_t* e, TwinSettings settings)
cdef void close_twins(engine_t* e) noexcept nogil
# Adopts the connections made before the run: the engine is complete. Raises OSError.
cdef start_twins(engine_t* e, TwinSettings settings)

# What the connection table tells of those of channel CHANNEL_TWIN (connection_owner_t).
cdef void twin_message(engine_t* e, connection_t* n, const char* bytes, uint32_t n_bytes) noexcept nogil
cdef void twin_accepted(engine_t* e, connection_t* n) noexcept nogil
cdef void twin_opened(connection_t* n) noexcept nogil
cdef void twin_writable(engine_t* e, connection_t* n) noexcept nogil
cdef void twin_lost(engine_t* e, connection_t* n) noexcept nogil

# Runs the calls that the commands of a batch are for.
cdef void deliver_commands(engine_t* e) noexcept nogil
cdef void flush_twins(engine_t* e) noexcept nogil
# Once a turn, when no call is being run: what follows from a twin's end.
cdef void settle_twins(engine_t* e) noexcept nogil
# How long this side stays when its calls have ended: SIPp, as a twin with calls that have not, would never end.
cdef uint64_t twins_linger_ns(const engine_t* e) noexcept nogil
