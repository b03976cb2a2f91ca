# sippx/_core/tables.pyx: numpy dtypes of the program tables, derived from the C structs.
import numpy

from sippx._core.tables cimport action_t, credential_rows_t, pause_t, piece_t, step_t

cdef step_t _step
cdef piece_t _piece
cdef pause_t _pause
cdef action_t _action
cdef credential_rows_t _credentials

STEP_DTYPE = numpy.asarray(<step_t[:1]> &_step).dtype
PIECE_DTYPE = numpy.asarray(<piece_t[:1]> &_piece).dtype
PAUSE_DTYPE = numpy.asarray(<pause_t[:1]> &_pause).dtype
ACTION_DTYPE = numpy.asarray(<action_t[:1]> &_action).dtype
CREDENTIALS_DTYPE = numpy.asarray(<credential_rows_t[:1]> &_credentials).dtype
