# sippx/_core/clock.pxd: monotonic and wall time in nanoseconds.
from libc.stdint cimport uint64_t

cdef extern from "<time.h>" nogil:
    """
    #include <time.h>
    #include <stdint.h>
    static inline uint64_t sippx_clock_ns(clockid_t id) {
        struct timespec t;
        clock_gettime(id, &t);
        return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
    }
    #define sippx_monotonic_ns() sippx_clock_ns(CLOCK_MONOTONIC)
    #define sippx_wall_ns() sippx_clock_ns(CLOCK_REALTIME)
    #define sippx_thread_cpu_ns() sippx_clock_ns(CLOCK_THREAD_CPUTIME_ID)
    """
    uint64_t monotonic_ns "sippx_monotonic_ns"()
    uint64_t wall_ns "sippx_wall_ns"()
    uint64_t thread_cpu_ns "sippx_thread_cpu_ns"()
