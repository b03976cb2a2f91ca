# sippx/_core/tables.pyx: numpy dtypes of the program tables, derived from the C structs.
import numpy

from sippx._core.tables cimport pause_t, piece_t, step_t

cdef step_t _step
cdef piece_t _piece
cdef pause_t _pause

STEP_DTYPE = numpy.asarray(<step_t[:1]> &_step).dtype
PIECE_DTYPE = numpy.asarray(<piece_t[:1]> &_piece).dtype
PAUSE_DTYPE = numpy.asarray(<pause_t[:1]> &_pause).dtype
