# sippx/_core/codes.pxd: every enumeration shared by the core and the Python layer, defined once.
#
# `cpdef enum` gives the C constants to the core and an IntEnum of the same name to Python; a test
# holds codes.pyi to it. Values are dense from 0, so that each enumeration can index a table.

cpdef enum StepKind:
    STEP_SEND
    STEP_RECV
    STEP_PAUSE
    STEP_NOP
    STEP_SEND_CMD                # sendCmd: a message to the twin
    STEP_RECV_CMD
    N_STEP_KINDS

cpdef enum StepFlag:
    # recv
    STEP_OPTIONAL = 1            # optional="true" or "global"
    STEP_GLOBAL = 2              # optional="global": also matched from any later step
    STEP_KEEP_STATE = 4          # advance_state="false": consumed without moving the call
    # send
    STEP_IS_REQUEST = 8          # send: a request; recv: waits for a request
    STEP_RAISES_CSEQ = 16        # send: a request other than ACK and CANCEL increments the call's cseq
    STEP_SENDS_ACK = 32          # send: establishes the call
    STEP_IS_INVITE = 64          # send: an INVITE request (own retransmission limit, no T2 cap)
    # any
    STEP_REPEAT_RTD = 128        # every stop of the RTD counts, not only the first of a call
    STEP_KEEPS_LAST = 256        # a call parked here may still need its last received message
    STEP_TIMEWAIT = 512          # pause: the final <timewait>
    STEP_HAS_LOST = 1024         # lost_percent of this step overrides the engine's
    STEP_CONDEXEC_INVERSE = 2048  # executed only while condexec_var is not set, else only while it is
    STEP_IGNORES_SDP = 4096
    # recv again
    STEP_REGEXP = 8192           # regexp_match: method or status code is matched by regex_idx
    STEP_RECORDS_ROUTES = 16384   # rrs
    STEP_KEEPS_CHALLENGE = 32768  # auth

cpdef enum Method:
    METHOD_NONE                  # a response, or no method expected
    METHOD_INVITE
    METHOD_ACK
    METHOD_BYE
    METHOD_CANCEL
    METHOD_OPTIONS
    METHOD_REGISTER
    METHOD_PRACK
    METHOD_SUBSCRIBE
    METHOD_NOTIFY
    METHOD_PUBLISH
    METHOD_INFO
    METHOD_REFER
    METHOD_MESSAGE
    METHOD_UPDATE
    METHOD_PING
    METHOD_OTHER                 # compare the text
    N_METHODS

cpdef enum HeaderId:
    HDR_OTHER                    # not one of those below: found by name
    HDR_VIA
    HDR_FROM
    HDR_TO
    HDR_CALL_ID
    HDR_CSEQ
    HDR_CONTACT
    HDR_CONTENT_LENGTH
    HDR_CONTENT_TYPE
    HDR_CONTENT_ENCODING
    HDR_RECORD_ROUTE
    HDR_ROUTE
    HDR_MAX_FORWARDS
    HDR_EXPIRES
    HDR_SUBJECT
    HDR_WWW_AUTHENTICATE
    HDR_PROXY_AUTHENTICATE
    HDR_AUTHORIZATION
    HDR_PROXY_AUTHORIZATION
    N_HEADER_IDS

cpdef enum PieceKind:
    # What one piece of a message template expands to. off/len address the literal pool.
    PIECE_LITERAL                # pool[off:off+len]
    PIECE_CALL_NUMBER            # [call_number], decimal
    PIECE_CALL_ID                # [call_id]
    PIECE_CSEQ                   # [cseq] + offset
    PIECE_LEN                    # [len] + offset, "%5u", filled in when the body is known
    PIECE_PEER_TAG               # [peer_tag_param]: ";tag=x" or nothing
    PIECE_LAST_HEADER            # [last_X]: arg = HeaderId, pool text = "X" as the scenario wrote it
    PIECE_LAST_REQUEST_URI       # [last_Request_URI]: URI of the last received To
    PIECE_LAST_CSEQ_NUMBER       # [last_cseq_number] + offset
    PIECE_LAST_MESSAGE           # [last_message]
    PIECE_CLOCK_TICK             # [clock_tick]: ms since the engine's start
    PIECE_TIMESTAMP              # [timestamp]: local date TAB time TAB epoch
    PIECE_DATE                   # [date]: RFC 3261 20.17
    PIECE_LOCAL_PORT             # [local_port] of a call with a socket of its own
    PIECE_AUTO_MEDIA_PORT        # [auto_media_port] + offset; arg = base media port
    PIECE_RANDOM                 # %r of -cid_str, -cid_type: random text, arg = RandomText
    PIECE_WALL_US                # -cid_type timestamp: microseconds since the epoch
    # from here on what needs more of a call than its render context: see expand.pxd
    PIECE_VARIABLE               # [$name]: offset = variable
    PIECE_FIELD                  # [fieldN]: arg = injection file, offset = N; off, len: rows of the pieces of line=""
    PIECE_FILE                   # [file name=""]: off, len: rows of the pieces of the name
    PIECE_FILL                   # [fill variable="" text=""]: offset = variable, pool text repeated
    PIECE_ROUTES                 # [routes]
    PIECE_NEXT_URL               # [next_url]
    PIECE_AUTHENTICATION         # [authentication]: arg = row of the credentials table
    PIECE_TDM_CIRCUIT            # [tdmmap]
    PIECE_DYNAMIC_ID             # [dynamic_id]
    PIECE_USER_ID                # [userid]
    PIECE_USERS                  # [users]
    N_PIECE_KINDS

cpdef enum RandomText:
    RANDOM_DECIMAL               # 31 bits as a decimal integer
    RANDOM_HEX                   # 128 bits as 32 digits
    RANDOM_UUID                  # RFC 9562 version 4, 36 characters
    RANDOM_UUID_COMPACT          # the same without dashes
    N_RANDOM_TEXTS

cpdef enum PauseKind:
    PAUSE_FIXED                  # p0 ms
    PAUSE_UNIFORM                # p0..p1 ms
    PAUSE_NORMAL                 # mean p0, standard deviation p1
    PAUSE_LOGNORMAL              # of the logarithm: mean p0, standard deviation p1
    PAUSE_EXPONENTIAL            # mean p0
    PAUSE_WEIBULL                # lambda p0, k p1
    PAUSE_PARETO                 # k p0, x_m p1
    PAUSE_GPARETO                # shape p0, scale p1, location p2
    PAUSE_GAMMA                  # k p0, theta p1
    PAUSE_NEGBIN                 # n p0, p p1
    PAUSE_VARIABLE               # variable number p0 holds the milliseconds
    N_PAUSE_KINDS

cpdef enum ActionKind:
    ACTION_EREG
    ACTION_LOG
    ACTION_WARNING
    ACTION_ERROR
    ACTION_ASSIGN
    ACTION_ASSIGN_STRING
    ACTION_TO_DOUBLE
    ACTION_ADD
    ACTION_SUBTRACT
    ACTION_MULTIPLY
    ACTION_DIVIDE
    ACTION_SAMPLE
    ACTION_TEST
    ACTION_STRCMP
    ACTION_TRIM
    ACTION_URL_DECODE
    ACTION_URL_ENCODE
    ACTION_JUMP
    ACTION_PAUSE_RESTORE
    ACTION_TIME_OF_DAY
    ACTION_INDEX
    ACTION_LOOKUP
    ACTION_INSERT
    ACTION_REPLACE
    ACTION_SET_DESTINATION
    ACTION_CLOSE_CONNECTION
    ACTION_VERIFY_AUTH
    ACTION_EXEC_COMMAND
    ACTION_STOP_CALL             # exec int_cmd
    ACTION_STOP_GRACEFULLY
    ACTION_STOP_NOW
    ACTION_MEDIA                 # parsed and checked; the run refuses to start
    N_ACTION_KINDS

cpdef enum ActionCheck:
    CHECK_NONE
    CHECK_IT
    CHECK_IT_INVERSE

cpdef enum SearchIn:
    SEARCH_MESSAGE
    SEARCH_HEADER
    SEARCH_BODY
    SEARCH_VARIABLE

cpdef enum Comparison:
    COMPARE_EQUAL
    COMPARE_NOT_EQUAL
    COMPARE_GREATER
    COMPARE_LESS
    COMPARE_GREATER_OR_EQUAL
    COMPARE_LESS_OR_EQUAL
    N_COMPARISONS

cpdef enum DefaultMessage:
    # SIPp's default messages; each is a template of the program
    DEFAULT_200
    DEFAULT_ACK
    DEFAULT_BYE
    DEFAULT_CANCEL
    DEFAULT_TWIN_ABORT           # a command, not a SIP message
    N_DEFAULT_MESSAGES

cpdef enum Behavior:
    # -default_behaviors
    BEHAVIOR_BYE = 1             # abort with ACK/BYE/CANCEL, answer an unexpected BYE or CANCEL
    BEHAVIOR_ABORT_UNEXPECTED = 2
    BEHAVIOR_PING_REPLY = 4
    BEHAVIOR_CSEQ = 8            # abort where an ACK's CSeq number is not that of the last INVITE received

cpdef enum StepCounter:
    STEPC_MESSAGES               # sent, received, or sessions of a pause
    STEPC_RETRANS
    STEPC_TIMEOUT
    STEPC_UNEXPECTED
    STEPC_LOST
    N_STEP_COUNTERS

cpdef enum Counter:
    # Process-wide totals. Failure causes are contiguous, COUNT_FAILED_FIRST..COUNT_FAILED_LAST.
    COUNT_INCOMING_CALLS
    COUNT_OUTGOING_CALLS
    COUNT_CALLS_ENDED
    COUNT_SUCCESSFUL_CALLS
    COUNT_FAILED_CALLS
    COUNT_FAILED_CANNOT_SEND_MESSAGE
    COUNT_FAILED_MAX_UDP_RETRANS
    COUNT_FAILED_TCP_CONNECT
    COUNT_FAILED_TCP_CLOSED
    COUNT_FAILED_UNEXPECTED_MESSAGE
    COUNT_FAILED_CALL_REJECTED
    COUNT_FAILED_CMD_NOT_SENT
    COUNT_FAILED_REGEXP_DOESNT_MATCH
    COUNT_FAILED_REGEXP_SHOULDNT_MATCH
    COUNT_FAILED_REGEXP_HDR_NOT_FOUND
    COUNT_FAILED_OUTBOUND_CONGESTION
    COUNT_FAILED_TIMEOUT_ON_RECV
    COUNT_FAILED_TIMEOUT_ON_SEND
    COUNT_FAILED_TEST_DOESNT_MATCH
    COUNT_FAILED_TEST_SHOULDNT_MATCH
    COUNT_FAILED_STRCMP_DOESNT_MATCH
    COUNT_FAILED_STRCMP_SHOULDNT_MATCH
    COUNT_FAILED_ABORTED         # open when the run was cut short (forced quit)
    COUNT_OUT_OF_CALL_MSGS
    COUNT_DEAD_CALL_MSGS
    COUNT_RETRANSMISSIONS
    COUNT_AUTO_ANSWERED
    COUNT_WARNINGS
    # what SIPp does not count
    COUNT_LATE_STARTS            # calls started more than late_start_ns after their due time
    COUNT_LIMITED_STARTS         # due calls not started because -l open calls were reached
    COUNT_DATAGRAMS_SENT
    COUNT_DATAGRAMS_RECEIVED
    COUNT_BYTES_SENT
    COUNT_BYTES_RECEIVED
    COUNT_SEND_SYSCALLS
    COUNT_RECEIVE_SYSCALLS
    COUNT_SEND_ERRORS            # a datagram the kernel refused for good
    COUNT_SEND_CONGESTED         # EAGAIN / ENOBUFS: the datagram was dropped, SIP's timers send it again
    COUNT_ICMP_ERRORS            # ICMP unreachable and friends reported by the kernel
    COUNT_RECEIVE_ERRORS
    COUNT_SOCKET_DROPS           # datagrams the kernel dropped because our receive buffer was full
    COUNT_MALFORMED              # datagrams that are no SIP message
    COUNT_MALFORMED_NO_CALL_ID
    COUNT_TRACE_DROPS            # trace records dropped because the ring was full
    COUNT_CALLS_REFUSED          # new incoming calls refused: call slab full
    COUNT_CONNECTIONS_OPENED     # outgoing connections that opened, handshakes included
    COUNT_CONNECTIONS_ACCEPTED   # incoming ones, likewise
    COUNT_CONNECTIONS_FAILED     # refused, not open in time, or failed in a handshake; of both directions
    COUNT_CONNECTIONS_LOST       # closed by the peer or reset while calls were on them, or broken in another way
    COUNT_RECONNECTIONS          # lost connections that were begun anew
    COUNT_CONGESTIONS            # times that a connection took no more for a while
    COUNT_FRAMING_ERRORS         # connections given up because what came on them is no SIP
    COUNT_ACCEPT_ERRORS          # times that no connection could be accepted, of lack of descriptors above all
    COUNT_TLS_HANDSHAKES         # completed
    COUNT_TLS_RESUMED            # of these: sessions that were resumed
    COUNT_TLS_FAILURES           # handshakes that failed
    N_COUNTERS

cdef enum:
    COUNT_FAILED_FIRST = COUNT_FAILED_CANNOT_SEND_MESSAGE
    COUNT_FAILED_LAST = COUNT_FAILED_ABORTED

cpdef enum Gauge:
    # Values that do not add up over time; summed over workers.
    GAUGE_CURRENT_CALLS
    GAUGE_PEAK_CALLS
    GAUGE_PEAK_AT_NS             # since the engine's start; of this worker
    GAUGE_RUNNING_CALLS          # neither paused nor waiting for a message
    GAUGE_PAUSED_CALLS
    GAUGE_DEAD_CALLS             # finished Call-IDs still remembered
    GAUGE_CALLS_TOTAL            # calls created since the start
    GAUGE_OUTBOX_BYTES
    GAUGE_MEMORY_BYTES           # call slab, message blocks and tables in use
    GAUGE_OPEN_SOCKETS           # connections and sockets of calls
    N_GAUGES

cpdef enum TraceKind:
    # Records of the trace ring; the tracer thread turns them into text.
    TRACE_SENT                   # data = message; a = step, above the last one: a default message
    TRACE_RECEIVED               # data = message; call-id empty where it is not SIP
    TRACE_UNEXPECTED             # data = message; a = step, call-id
    TRACE_ABORT_UNEXPECTED       # error: call aborted on an unexpected message
    TRACE_CONTINUE_UNEXPECTED
    TRACE_ABORT_BYE              # error: aborted on an unexpected BYE / CANCEL (b = Method)
    TRACE_RETRANS_TIMEOUT        # error: aborted on UDP retransmission timeout
    TRACE_RETRANS_TIMEOUT_JUMP   # a = step, b = label step
    TRACE_RECV_TIMEOUT           # error: a = step
    TRACE_RECV_TIMEOUT_JUMP      # a = step, b = label step
    TRACE_DEAD_CALL              # error: message for a finished call
    TRACE_OUT_OF_CALL            # error: message that maps to no call
    TRACE_NOT_SIP                # error: data = datagram (cut)
    TRACE_NO_CALL_ID             # error: data = datagram (cut)
    TRACE_SEND_ERROR             # error: a = errno, b = step
    TRACE_ICMP_ERROR             # error: a = errno
    TRACE_LOST                   # a = 0 while sending, 1 received; data = message
    TRACE_ABORTED_CALL           # error: open call ended by a forced quit
    TRACE_MESSAGE_TOO_LONG       # error: a rendered message exceeds the datagram limit; a = step
    TRACE_FALLBACK               # note: batching feature given up; a = errno, b = 0 GSO, 1 GRO, 2 sendmmsg, 3 recvmmsg
    TRACE_CALLS_REFUSED          # error: call slab full
    TRACE_LOG                    # <log>: data = text
    TRACE_WARNING                # <warning>: data = text
    TRACE_ERROR                  # <error>: data = text; the run ends
    TRACE_EXEC                   # exec command: data = command
    TRACE_PING                   # error: unexpected PING; b = 0: it was not answered
    TRACE_COMPLAINT              # warning of an action or keyword: a = step, b = Complaint, data = what was looked at
    TRACE_RTT                    # a = response-time duration; data = rtt_trace_t
    TRACE_CALL_STARTED           # for the debugging of calls
    TRACE_STEP                   # likewise: a = step that is executed, b = StepKind; data = engine ms, uint64
    TRACE_CALL_ENDED             # likewise: a = step, b = DeadReason
    TRACE_CONNECTION_LOST        # error: a = calls that failed with it, b = errno or the like; data = what happened
    TRACE_RECONNECTION           # note: a lost connection is begun anew
    TRACE_ACCEPT_ERROR           # error: a = errno
    TRACE_OPEN_ERROR             # error: a = errno; sockets for calls could not be opened
    TRACE_SEND_TIMEOUT           # error: a = step, b = label step, negative: the call is aborted
    TRACE_TWIN                   # error: data = what happened to a twin
    TRACE_COMMAND_SENT           # data = command to a twin
    TRACE_COMMAND_RECEIVED       # data = command of a twin
    N_TRACE_KINDS

cpdef enum TraceFlag:
    TRACE_OF_SIDE = 256          # in a record's kind: it is of the second scenario, whose steps it counts

cpdef enum Complaint:
    # What an action or a keyword found wrong; each has its words in tracefile.COMPLAINT_TEXTS.
    COMPLAINT_REGEXP             # check_it: no match
    COMPLAINT_REGEXP_INVERSE     # check_it_inverse: a match
    COMPLAINT_NO_HEADER          # check_it: the header to look at is not there
    COMPLAINT_TEST
    COMPLAINT_STRCMP
    COMPLAINT_DIVIDE_BY_ZERO
    COMPLAINT_NO_NUMBER          # todouble
    COMPLAINT_BAD_LINE           # line of an injection file
    COMPLAINT_NO_FIELD
    COMPLAINT_NO_FILE            # [file]
    COMPLAINT_NO_CHALLENGE       # [authentication] before a recv with auth="true" got one
    COMPLAINT_AUTHENTICATION     # the challenge cannot be answered
    COMPLAINT_NO_CONTACT         # rrs without Contact
    COMPLAINT_NO_CIRCUIT         # [tdmmap]: all taken
    COMPLAINT_DESTINATION        # setdest
    COMPLAINT_JUMP
    COMPLAINT_COMMAND            # a twin's command that fits no recvCmd
    COMPLAINT_NO_MEMORY
    COMPLAINT_ACK_CSEQ           # BEHAVIOR_CSEQ: the call is aborted
    COMPLAINT_STRANGER           # a request opened a call of the out-of-call scenario; data = method
    N_COMPLAINTS

cpdef enum QuitLevel:
    QUIT_RUN = 0
    QUIT_SOFT = 1                # no new calls; ends when the open ones have ended
    QUIT_FORCED = 11             # open calls are aborted
