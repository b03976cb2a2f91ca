# sippx/_core/figures.pxd: one scenario's flat array of counters: its parts, and where everything is in it.
#
# counters, gauges, steps x step counters, the own counters of the scenario, histograms (response times, call length,
# schedule lag, connect time), repartition tables, and a maximum for each histogram. All but gauges and maxima merge by
# addition.
from sippx._core.runtime cimport runtime_t

# A numpy array of zeros, which the runtime's pointers go into: it lives at least as long as the runtime.
cdef allocate_figures(runtime_t* rt)
# Plain dicts, lists and numbers.
cdef dict figures_layout(runtime_t* rt)
