# sippx/_core/tables.pxd: the C rows of a compiled program; their numpy dtypes are taken from here.
#
# A layout is written once: tables.pyx derives STEP_DTYPE, PIECE_DTYPE, PAUSE_DTYPE, ACTION_DTYPE and
# CREDENTIALS_DTYPE from these structs, the compiler fills arrays of them by field name, Program checks
# and adopts them.
#
# A variable is one number: call variables from 0, then user variables, then global ones; -1 is none.

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
    int32_t timeout_ms        # recv, recvCmd: how long to wait, send: how long to try; 0 = forever
    uint32_t retrans_ms       # send: T1 of this message, 0 = not retransmitted
    int32_t pause_idx         # row of the pause table, -1 for other kinds
    uint32_t piece_first      # send, sendCmd: template rows
    uint32_t n_pieces
    uint32_t action_first     # rows of the action table
    uint32_t n_actions
    int32_t condexec_var      # the step is skipped while this variable is not set (inverse: is set), -1 none
    int32_t test_var          # next is taken only while this variable is set, -1 none
    int32_t regex_idx         # recv with STEP_REGEXP, -1 none
    int16_t start_txn         # send: transaction begun here, -1 none
    int16_t ack_txn           # send: transaction this ACK belongs to, -1 none
    int16_t response_txn      # recv: transaction of the response, -1 none
    int16_t reserved2
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

cdef struct action_t:
    uint8_t kind              # ActionKind
    uint8_t check             # ActionCheck
    uint8_t search_in         # SearchIn
    uint8_t compare           # Comparison
    uint8_t case_indep        # ereg in hdr
    uint8_t start_line        # ereg in hdr: only at the start of a line
    uint16_t occurrence       # ereg in hdr: which one, from 1
    int32_t target            # variable assigned to, -1 none
    int32_t source            # variable read, -1: value
    int32_t source2           # variable2 of test and strcmp, -1: value or text
    int32_t row               # ereg: regex; sample: pause row; lookup, insert, replace: injection file
    double value
    uint32_t piece_first      # message, value, command, key, line, host, username
    uint32_t n_pieces
    uint32_t piece2_first     # value of replace, port of setdest, password of verifyauth
    uint32_t n_pieces2
    uint32_t targets_first    # ereg: variables of the whole match and the groups; gettimeofday: two
    uint32_t n_targets
    uint32_t text_off         # pool text: header of ereg, value of strcmp, protocol of setdest
    uint32_t text_len
    int32_t source_line
    uint32_t reserved

cdef struct credential_rows_t:
    # rows (first, number) of the pieces of an [authentication]'s parameters; no rows: not given
    uint32_t username_first
    uint32_t n_username
    uint32_t password_first
    uint32_t n_password
    uint32_t aka_k_first
    uint32_t n_aka_k
    uint32_t aka_op_first
    uint32_t n_aka_op
    uint32_t aka_amf_first
    uint32_t n_aka_amf
