# sippx/_core/tables.pxd: the C rows of a compiled program; their numpy dtypes are taken from here.
#
# A layout is written once: tables.pyx derives STEP_DTYPE, PIECE_DTYPE and PAUSE_DTYPE from these
# structs, the compiler fills arrays of them by field name, Program checks and adopts them.

from libc.stdint cimport int16_t, int32_t, uint8_t, uint16_t, uint32_t

cdef struct step_t:
    uint8_t kind              # StepKind
    uint8_t method            # Method sent or awaited; METHOD_NONE for a response
    uint16_t status_code      # response sent or awaited, 0 for a request
    uint32_t flags            # StepFlag bits
    uint32_t name_off         # pool text of the method or code, as the scenario wrote it
    uint32_t name_len
    int32_t next              # step to continue at (n_steps = end of scenario), -1: the following one
    uint32_t chance           # branch to next when a random u32 is <= this; 0xFFFFFFFF = always
    int32_t on_timeout        # step to continue at after a timeout, -1: abort the call
    int32_t timeout_ms        # recv: how long to wait, 0 = forever
    uint32_t retrans_ms       # send: T1 of this message, 0 = not retransmitted
    int32_t pause_idx         # row of the pause table, -1 for other kinds
    uint32_t piece_first      # send: template rows
    uint32_t n_pieces
    int16_t start_rtd         # RTD started here, -1 none
    int16_t stop_rtd          # RTD stopped here, -1 none
    int16_t counter           # generic counter raised here, -1 none
    int16_t reserved
    uint32_t methods_off      # recv response: pool text of all methods sent above, concatenated
    uint32_t methods_len
    uint32_t methods_mask     # the same as bits 1 << Method; METHOD_OTHER set: compare the text
    float lost_percent        # with STEP_HAS_LOST
    int32_t source_line       # line of the element in the scenario file

cdef struct piece_t:
    uint8_t kind              # PieceKind
    uint8_t suppress          # 1: when the output now ends in LF, drop leading white space of the next literal
    uint16_t arg
    uint32_t off              # literal pool range
    uint32_t len
    int32_t offset            # added to numeric values

cdef struct pause_t:
    uint32_t kind             # PauseKind
    uint32_t reserved
    double p0
    double p1
    double p2
