# sippx/_core/streamsettings.pxd: how an engine's messages go over connections, as Python says it.
from sippx._core.address cimport address_t
from sippx._core.connection cimport channel_t

cdef class StreamSettings:
    cdef channel_t channel
    cdef readonly str kind
    cdef readonly bint per_call
    cdef readonly tuple listeners
    cdef address_t source
    cdef readonly object max_connections, max_reconnects
    cdef readonly bint closes_calls
    cdef readonly object reconnect_sleep_ms, send_timeout_ms
    cdef tuple borrowed          # the TLS contexts
    cdef _set_channel(self, options, bytes host, bytes path, open_timeout_ms)
    cdef _set_tls(self, client_tls, server_tls, bytes server_name)
