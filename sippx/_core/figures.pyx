# sippx/_core/figures.pyx: the layout of one scenario's counters.
from libc.stdint cimport uint32_t, uint64_t

import numpy

from sippx._core import codes

from sippx._core.codes cimport *
from sippx._core.program cimport program_t
from sippx._core.runtime cimport runtime_t
from sippx._core.stats cimport HIST_HEADER, HIST_SUB_BITS, HIST_WORDS

cdef enum:
    FURTHER_HISTS = 3            # behind those of response times: call length, schedule lag, connect time


cdef allocate_figures(runtime_t* rt):
    cdef program_t* p = rt.program
    cdef uint32_t n_hists = p.n_rtds + FURTHER_HISTS
    cdef uint64_t n_repartition = p.bounds_first[p.n_rtds + 1] + p.n_rtds + 1
    cdef uint64_t[::1] words
    rt.n_words = N_COUNTERS + N_GAUGES + p.n_steps * N_STEP_COUNTERS + p.n_counters + n_hists * HIST_WORDS \
        + n_repartition + n_hists
    array = numpy.zeros(rt.n_words, dtype=numpy.uint64)
    words = array
    rt.words = &words[0]
    rt.counters = rt.words
    rt.gauges = rt.counters + <int> N_COUNTERS
    rt.steps = rt.gauges + <int> N_GAUGES
    rt.generic = rt.steps + p.n_steps * N_STEP_COUNTERS
    rt.hists = rt.generic + p.n_counters
    rt.repartitions = rt.hists + n_hists * HIST_WORDS
    rt.maxima = rt.repartitions + n_repartition
    return array


cdef dict figures_layout(runtime_t* rt):
    cdef program_t* p = rt.program
    tables = []
    at = rt.repartitions - rt.words
    for i in range(p.n_rtds + 1):
        n = p.bounds_first[i + 1] - p.bounds_first[i]
        # every table before this one has one word more than bounds
        tables.append((at + p.bounds_first[i] + i, n + 1 if n else 0))
    return {
        "n_words": rt.n_words,
        "counters": {c.name[6:].lower(): int(c) for c in codes.Counter if c != N_COUNTERS},
        "gauges": {g.name[6:].lower(): N_COUNTERS + int(g) for g in codes.Gauge if g != N_GAUGES},
        "step_offset": rt.steps - rt.words,
        "n_steps": p.n_steps,
        "step_stride": N_STEP_COUNTERS,
        "generic_offset": rt.generic - rt.words,
        "n_generic": p.n_counters,
        "hist_offset": rt.hists - rt.words,
        "hist_stride": HIST_WORDS,
        "n_hists": p.n_rtds + FURTHER_HISTS,
        "hist_header": HIST_HEADER,
        "hist_sub_bits": HIST_SUB_BITS,
        "repartitions": tables,
        "max_offset": rt.maxima - rt.words,
    }
