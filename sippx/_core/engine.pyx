# sippx/_core/engine.pyx: the Engine object: builds an engine_t, runs it, gives Python its counters.
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

import os

from sippx._core import codes

from sippx._core.address cimport VIA_UNATTACHED, address_t
from sippx._core.addressing cimport address_from_tuple
from sippx._core.bits cimport BYTES_READABLE_PAST_END
from sippx._core.calls cimport *
from sippx._core.attaching cimport open_datagrams
from sippx._core.clock cimport monotonic_ns
from sippx._core.codes cimport *
from sippx._core.datagrams cimport DatagramSettings, datagrams_free, datagrams_t
from sippx._core.digest cimport digest_ctx_close, digest_ctx_open, digest_ctx_t, digest_init
from sippx._core.figures cimport allocate_figures, figures_layout
from sippx._core.hash cimport has_aes
from sippx._core.injection cimport Injection, injection_state_free, injection_state_init, injection_state_t, injection_t
from sippx._core.dialog cimport users_set
from sippx._core.interp cimport interp_start
from sippx._core.linux cimport AF_INET
from sippx._core.intake cimport opens_by_command, take_command, take_datagrams
from sippx._core.loop cimport (
    end_test, expire, finished, give_up_calls, heed_stop, next_timer_ns, run_slice, update_gauges,
)
from sippx._core.outbox cimport OUTBOX_SEGMENTS, outbox_for_streams, outbox_free, outbox_init
from sippx._core.pacing cimport next_start_ns, pace, rebase
from sippx._core.program cimport Program, program_t
from sippx._core.ring cimport TraceRing
from sippx._core.runtime cimport (
    OOC_NUMBERS, SCRATCH_STRIDE, SCRATCH_TEXTS, TDM_CIRCUITS, dialog_t, link_t, runtime_t, tdm_map_t, txn_t,
)
from sippx._core.span cimport span_of, span_t
from sippx._core.state cimport CALL_ID_CAP, STARTS_PER_QUANTUM, engine_t, link_head_t, streams_t, twins_t
from sippx._core.streams cimport open_streams, start_streams
from sippx._core.streamsettings cimport StreamSettings
from sippx._core.targets cimport TARGETS_CAP, targets_add, targets_init, targets_t
from sippx._core.template cimport render_ctx_t, template_render
from sippx._core.transport cimport (
    close_events, flush_all, flush_memory, flush_udp, keep_command, open_events, set_now, watch_udp,
)
from sippx._core.twins cimport TwinSettings, close_twins, open_twins, start_twins
from sippx._core.udp cimport udp_free, udp_init, udp_t
from sippx._core.variables cimport VAR_TEXT, variable_set_text, variable_t
from sippx._core.wheel cimport wheel_init

cdef enum:
    CONNECTIONS_CAP = 1 << 20        # an untouched record costs no memory
    TWIN_CONNECTIONS_CAP = 256       # of an engine whose SIP goes over UDP
    MAX_INJECTED_BYTES = 1 << 30     # of inserted and replaced lines of one file

# --------------------------------------------------------------------------- the object

cdef class Engine:
    """Runs one Program, maybe with a second one at its side, over one UDP socket.

    Where fd is None it works over a memory link (simulation).

    The engine borrows the socket's descriptor and uses it from the thread that calls run(). Counters live
    in one uint64 array (see layout()); snapshot() copies it. A memory-link engine is driven by turn(),
    inject() and take_sent() on a clock of the caller.

    files: an Injection for each of the program's injection_names. n_users: -users, 0 for calls by rate.
    tdm: (first a, n, b, first c, n, first d, n) of -tdmmap.
    side: the program whose calls requests of unknown Call-IDs open, with the global variables and injection files
    (or none) of the main one; side_kind: "rx" (mixed mode) or "ooc" (out of call).
    datagrams: calls have UDP sockets beside the one of fd.
    remotes: where outgoing calls go, in turn: (address, weight, priority) in ascending priority; remote is the first.
    streams: messages go over connections instead of fd; listening sockets are borrowed as fd is.
    twins: where commands of sendCmd go to; without them they are kept for take_commands().
    """
    cdef engine_t* e
    cdef readonly Program program
    cdef readonly Program side
    cdef readonly TraceRing ring
    cdef readonly object words
    cdef object side_words
    cdef uint32_t max_receive_batches
    cdef tuple files
    cdef bytes auth_uri
    cdef StreamSettings settings
    cdef DatagramSettings datagrams
    cdef TwinSettings twin_settings
    cdef bint is_started

    def __cinit__(self, Program program not None, *, Program side=None, str side_kind="rx", fd=None,
                  remote=None, remotes=(), reply_to=None, TraceRing ring=None, uint64_t trace_mask=0,
                  bint gso=True, bint gro=True, bint batch=True, bint detect_retrans=True, uint32_t t2_ms=4000,
                  uint32_t max_invite_retrans=5, uint32_t max_non_invite_retrans=9,
                  uint32_t behaviors=BEHAVIOR_BYE | BEHAVIOR_ABORT_UNEXPECTED | BEHAVIOR_PING_REPLY,
                  double lost_percent=0.0, uint32_t base_cseq=1, uint32_t run_steps=1000,
                  uint32_t max_receive_batches=1000, uint32_t dead_wait_ms=33000, uint32_t capacity=1 << 24,
                  uint64_t max_block_bytes=1 << 34, uint64_t timer_resolution_ns=1000000,
                  uint64_t late_start_ns=10000000, start_ns=None, seed=None, files=(), bytes auth_uri=b"sip:127.0.0.1",
                  uint32_t n_users=0, uint32_t max_users=0, dynamic_id=None, tdm=None,
                  bint auto_answer=False, bint loose_check=False, bint ignore_in_pause=False, bint keep_slashes=False,
                  StreamSettings streams=None, DatagramSettings datagrams=None, TwinSettings twins=None):
        cdef runtime_t* rt
        self.e = <engine_t*> calloc(1, sizeof(engine_t))
        if self.e == NULL:
            raise MemoryError
        self.e.epoll_fd = -1
        self.e.timer_fd = -1
        self.program = program
        self.side = side
        self.ring = ring if ring is not None else TraceRing(65536)
        self.max_receive_batches = max(max_receive_batches, 1)
        rt = &self.e.rt
        rt.program = &program.p
        rt.owner = self.e
        rt.shared = &self.e.shared
        rt.shared.last_ooc_number = OOC_NUMBERS
        rt.last_number = &rt.shared.last_number
        rt.send_command = keep_command
        self.e.opens_by_command = opens_by_command(rt.program)
        rt.has_aes = has_aes()
        rt.ring = &self.ring.ring
        rt.trace_mask = trace_mask
        rt.config.detect_retrans = detect_retrans
        rt.config.t2_ms = t2_ms
        rt.config.max_invite_retrans = min(max_invite_retrans, 255)
        rt.config.max_non_invite_retrans = min(max_non_invite_retrans, 255)
        rt.config.behaviors = behaviors
        rt.config.lost_percent = lost_percent
        rt.config.base_cseq = base_cseq
        rt.config.says_goodbye = program.p.is_client or side is not None
        rt.config.run_steps = max(run_steps, 1)
        rt.config.late_start_ns = late_start_ns
        rt.random_state = (int.from_bytes(os.urandom(8), "little") if seed is None else seed) & 0xFFFFFFFFFFFFFFFF or 1
        rt.start_ns = monotonic_ns() if start_ns is None else start_ns
        rt.now_ns = rt.start_ns
        self.e.base_ns = rt.start_ns
        self.e.resolution_ns = timer_resolution_ns
        if remote is not None:
            rt.remote = address_from_tuple(remote)
            rt.config.family = rt.remote.family
        elif program.p.is_client:
            raise ValueError("a client program needs a remote address")
        if len(remotes) > 1:
            self._set_targets(remotes)
        if reply_to is not None:
            rt.config.reply_to = address_from_tuple(reply_to)
        memcpy(rt.config.protocol, b"udp", 4)
        rt.config.auto_answer = auto_answer
        rt.config.loose_check = loose_check
        rt.config.ignore_in_pause = ignore_in_pause
        rt.config.keep_slashes = keep_slashes
        rt.shared.dynamic_start, rt.shared.dynamic_max, rt.shared.dynamic_step = dynamic_id or (10000, 12000, 4)
        rt.shared.dynamic_id = rt.shared.dynamic_start
        self._open_files(files, auth_uri)
        self._open_scratch()
        self._open_tdm(tdm)
        self.datagrams = datagrams
        if streams is not None:
            self._set_streams(streams)
        if side is not None:
            self._open_side(side_kind, n_users)
        self._open_users(n_users, max_users)
        self._allocate(capacity, dead_wait_ms, max_block_bytes)
        if program.p.is_client:
            self._check_call_id()
        if twins is not None and streams is None and fd is None:
            raise ValueError("an engine without a socket has no twins")
        if streams is not None:
            self._open_streams(streams)
        else:
            self._open_transport(fd, gso, gro, batch, TWIN_CONNECTIONS_CAP if twins is not None else 0)
        if datagrams is not None:
            self._open_datagrams()
        if twins is not None:
            self._open_twins(twins)

    cdef _open_datagrams(self):
        self.e.datagrams = <datagrams_t*> calloc(1, sizeof(datagrams_t))
        if self.e.datagrams == NULL:
            raise MemoryError
        open_datagrams(self.e, self.datagrams)

    cdef _set_targets(self, remotes):
        """Several addresses that calls go to."""
        cdef targets_t* targets = <targets_t*> calloc(1, sizeof(targets_t))
        cdef address_t a
        if targets == NULL:
            raise MemoryError
        self.e.shared.targets = targets
        targets_init(targets)
        for address, weight, priority in remotes:
            a = address_from_tuple(address)
            if targets_add(targets, &a, weight, priority) != 0:
                raise ValueError(f"at most {<int> TARGETS_CAP} remotes, in ascending priority")

    cdef _open_twins(self, TwinSettings settings):
        self.twin_settings = settings
        self.e.twins = <twins_t*> calloc(1, sizeof(twins_t))
        if self.e.twins == NULL:
            raise MemoryError
        open_twins(self.e, settings)

    cdef _set_streams(self, StreamSettings settings):
        """What calls over connections know of it."""
        cdef runtime_t* rt = &self.e.rt
        cdef bytes name = settings.kind.encode()
        self.settings = settings
        rt.config.owns_sockets = settings.per_call and rt.program.is_client
        rt.config.send_timeout_ms = settings.send_timeout_ms
        memset(rt.config.protocol, 0, sizeof(rt.config.protocol))
        memcpy(rt.config.protocol, <const char*> name, len(name))
        # a call's first message finds or makes its connection
        rt.remote.via = VIA_UNATTACHED
        rt.config.reply_to.via = VIA_UNATTACHED

    cdef _open_streams(self, StreamSettings settings):
        if outbox_for_streams(&self.e.rt.outbox) != 0 \
                or self.e.side != NULL and outbox_for_streams(&self.e.side.outbox) != 0:
            raise MemoryError
        self.e.streams = <streams_t*> calloc(1, sizeof(streams_t))
        if self.e.streams == NULL:
            raise MemoryError
        open_events(self.e, CONNECTIONS_CAP)
        open_streams(self.e, settings)

    cdef _open_side(self, str kind, uint32_t n_users):
        """A second runtime like the first as it is now: configuration, files, globals and scratch are shared."""
        cdef runtime_t* rt
        if kind not in ("rx", "ooc"):
            raise ValueError(f"side_kind '{kind}' is neither rx nor ooc")
        if self.side.spec.global_variables != self.program.spec.global_variables:
            raise ValueError("the two programs differ in global_variables")
        if self.side.p.n_files and self.side.spec.injection_names != self.program.spec.injection_names:
            raise ValueError("the two programs differ in injection_names")
        rt = <runtime_t*> calloc(1, sizeof(runtime_t))
        if rt == NULL:
            raise MemoryError
        self.e.side = rt
        self.e.side_is_ooc = kind == "ooc"
        rt[0] = self.e.rt
        rt.program = &self.side.p
        rt.side_idx = 1
        rt.trace_flags = TRACE_OF_SIDE
        if self.e.side_is_ooc:
            # SIPp's have no number at all: the test's calls are numbered as if there were none
            rt.last_number = &rt.shared.last_ooc_number
        rt.random_state = rt.random_state * 0x9E3779B97F4A7C15ULL + 3 or 1
        rt.users.n = n_users

    cdef _open_scratch(self):
        # scratch is zeroed and padded at both ends: the renderer may look one byte back and copies in strides
        cdef runtime_t* rt = &self.e.rt
        rt.scratch = <char*> calloc(SCRATCH_TEXTS + 1, SCRATCH_STRIDE)
        rt.globals = <variable_t*> calloc(rt.program.n_variables + 1, sizeof(variable_t))
        if rt.scratch == NULL or rt.globals == NULL:
            raise MemoryError

    cdef _open_files(self, files, bytes auth_uri):
        """Injection files with their state, and digest authentication, where a program uses them."""
        cdef runtime_t* rt = &self.e.rt
        cdef uint32_t n = rt.program.n_files
        cdef Injection one
        if len(files) != n:
            raise ValueError(f"{len(files)} injection files for a program with {n}")
        self.files = tuple(files)
        self.auth_uri = auth_uri
        rt.auth_uri = span_of(auth_uri, <uint32_t> len(auth_uri))
        rt.files = <injection_t**> calloc(n + 1, sizeof(injection_t*))
        rt.file_states = <injection_state_t*> calloc(n + 1, sizeof(injection_state_t))
        if rt.files == NULL or rt.file_states == NULL:
            raise MemoryError
        for i, one in enumerate(self.files):
            rt.files[<int> i] = &one.f
            if injection_state_init(&rt.file_states[<int> i], &one.f, rt.random_state ^ <uint32_t> i,
                                    MAX_INJECTED_BYTES) != 0:
                raise MemoryError
        if rt.program.uses_digest or self.side is not None and self.side.p.uses_digest:
            reason = digest_init()
            if reason is not None:
                raise OSError(reason)
            rt.digest = <digest_ctx_t*> calloc(1, sizeof(digest_ctx_t))
            if rt.digest == NULL or not digest_ctx_open(rt.digest):
                raise MemoryError

    cdef _open_users(self, uint32_t n_users, uint32_t max_users):
        cdef runtime_t* rt = &self.e.rt
        cdef uint64_t n_variables
        if n_users == 0:
            return
        rt.users.cap = max(n_users, max_users)
        rt.users.ring = <uint32_t*> calloc(rt.users.cap, sizeof(uint32_t))
        rt.users.retired = <uint32_t*> calloc(rt.users.cap, sizeof(uint32_t))
        n_variables = <uint64_t> rt.users.cap * rt.program.n_user_variables
        if n_variables:
            rt.users.variables = <variable_t*> calloc(n_variables, sizeof(variable_t))
        if rt.users.ring == NULL or rt.users.retired == NULL or n_variables and rt.users.variables == NULL:
            raise MemoryError
        users_set(&rt.users, n_users)

    cdef uint32_t _lay_out_tail(self, runtime_t* rt):
        """Offsets of the parts of a call's tail behind its RTD starts; returns the tail's bytes."""
        cdef program_t* p = rt.program
        cdef uint32_t tail = 8 * (1 + (p.n_rtds if p.has_start_rtd else 0))
        cdef uint32_t own = p.n_call_variables + p.n_user_variables
        if own:
            rt.variables_off = sizeof(call_t) + tail
            tail += own * sizeof(variable_t)
        if rt.config.behaviors & BEHAVIOR_CSEQ:
            rt.invite_cseq_off = sizeof(call_t) + tail
            tail += 8
        if self.settings is not None or self.datagrams is not None and self.datagrams.mode == "per_call":
            rt.link_off = sizeof(call_t) + tail
            tail += sizeof(link_t)
        if p.uses_dialog or rt.users.cap != 0:
            rt.dialog_off = sizeof(call_t) + tail
            tail += sizeof(dialog_t)
            rt.txns_off = sizeof(call_t) + tail
            tail += p.n_transactions * sizeof(txn_t)
            rt.lines_off = sizeof(call_t) + tail
            tail += p.n_files * 4
        return (tail + 7) & ~<uint32_t> 7

    cdef _open_tdm(self, tdm):
        cdef tdm_map_t* t = &self.e.shared.tdm
        if tdm is None:
            return
        t.first_a, t.n_a, t.b, t.first_c, t.n_c, t.first_d, t.n_d = tdm
        if not 1 <= t.n_a * t.n_c * t.n_d <= TDM_CIRCUITS:
            raise ValueError(f"a TDM map has 1 to {TDM_CIRCUITS} circuits")
        t.n_circuits = t.n_a * t.n_c * t.n_d

    cdef _allocate(self, uint32_t capacity, uint32_t dead_wait_ms, uint64_t max_block_bytes):
        cdef uint64_t seed = self.e.rt.random_state * 0x9E3779B97F4A7C15ULL + 1
        if not 1 <= capacity <= 1 << 30:
            raise ValueError(f"capacity {capacity} out of 1..2**30")
        self.words = self._allocate_for(&self.e.rt, capacity, dead_wait_ms, max_block_bytes, seed)
        self.e.shared.counters = self.e.rt.counters
        if self.e.side != NULL:
            self.side_words = self._allocate_for(self.e.side, capacity, dead_wait_ms, max_block_bytes, seed)
            # texts of global variables are set by calls of either
            self.e.side.calls.blocks = &self.e.rt.calls.own_blocks

    cdef _allocate_for(self, runtime_t* rt, uint32_t capacity, uint32_t dead_wait_ms, uint64_t max_block_bytes,
                       uint64_t seed):
        """Calls, timers, outbox and counters of one scenario; returns the array of counters."""
        cdef program_t* p = rt.program
        cdef uint32_t tail = self._lay_out_tail(rt)
        cdef uint32_t i
        if calls_init(&rt.calls, capacity, tail, dead_wait_ms, seed, max_block_bytes) != 0 \
                or outbox_init(&rt.outbox, OUTBOX_SEGMENTS) != 0:
            raise MemoryError(f"no room for {capacity} calls")
        wheel_init(&rt.timers, 0)
        wheel_init(&rt.retrans, 0)
        rt.group_hint = <int32_t*> malloc((p.n_steps + p.n_init_steps + N_DEFAULT_MESSAGES) * sizeof(int32_t))
        if rt.group_hint == NULL:
            raise MemoryError
        for i in range(p.n_steps + p.n_init_steps + N_DEFAULT_MESSAGES):
            rt.group_hint[i] = -1
        return allocate_figures(rt)

    cdef _check_call_id(self):
        """A call without a Call-ID could never be found again."""
        cdef program_t* p = self.e.rt.program
        cdef render_ctx_t ctx
        memset(&ctx, 0, sizeof(ctx))
        ctx.random_state = &self.e.rt.random_state
        ctx.call_number = ~0ULL
        if template_render(p.pieces + p.call_id.piece_first, p.call_id.n_pieces, p.pool, &ctx,
                           self.e.start_texts[0] + BYTES_READABLE_PAST_END, CALL_ID_CAP) <= 0:
            raise ValueError(f"a Call-ID has 1 to {<int> CALL_ID_CAP} bytes")

    cdef _set_flush(self, void (*flush)(runtime_t*) noexcept nogil):
        self.e.rt.flush = flush
        if self.e.side != NULL:
            self.e.side.flush = flush

    cdef _open_transport(self, fd, bint gso, bint gro, bint batch, uint32_t cap_connections):
        cdef int status
        if fd is None:
            self._set_flush(flush_memory)
            return
        self._set_flush(flush_udp)
        self.e.udp = <udp_t*> calloc(1, sizeof(udp_t))
        if self.e.udp == NULL or udp_init(self.e.udp, fd, gso, gro, batch) != 0:
            raise MemoryError
        open_events(self.e, cap_connections)
        status = watch_udp(self.e, fd)
        if status != 0:
            raise OSError(-status, os.strerror(-status))

    def __dealloc__(self):
        if self.e == NULL:
            return
        close_events(self.e)
        close_twins(self.e)
        free(self.e.streams)
        free(self.e.shared.targets)
        if self.e.datagrams != NULL:
            datagrams_free(self.e.datagrams)
            free(self.e.datagrams)
        if self.e.udp != NULL:
            udp_free(self.e.udp)
            free(self.e.udp)
        self._free_language()
        free(self.e.link.bytes)
        free(self.e.commands.bytes)
        if self.e.side != NULL:
            self._free_calls(self.e.side)
            free(self.e.side)
        self._free_calls(&self.e.rt)
        free(self.e)

    cdef _free_calls(self, runtime_t* rt):
        calls_free(&rt.calls)
        outbox_free(&rt.outbox)
        free(rt.group_hint)

    cdef _free_language(self):
        cdef runtime_t* rt = &self.e.rt
        cdef uint32_t i
        if rt.file_states != NULL:
            for i in range(len(self.files or ())):
                injection_state_free(&rt.file_states[i])
        if rt.digest != NULL:
            digest_ctx_close(rt.digest)
        free(rt.digest)
        free(rt.file_states)
        free(rt.files)
        free(rt.users.ring)
        free(rt.users.retired)
        free(rt.users.variables)
        free(rt.scratch)
        free(rt.globals)

    # ------------------------------------------------------------------ running

    def run(self, uint64_t slice_ns):
        """Runs for slice_ns nanoseconds without the GIL; "running", "finished", or "interrupted" by a signal."""
        cdef int status
        if self.e.epoll_fd < 0:
            raise ValueError("an engine without a socket is driven by turn()")
        if not self.is_started:
            self.is_started = True
            if self.e.streams != NULL:
                start_streams(self.e)
            if self.e.twins != NULL:
                start_twins(self.e, self.twin_settings)
        with nogil:
            status = run_slice(self.e, monotonic_ns() + slice_ns, self.max_receive_batches)
            update_gauges(self.e)
        return "running" if status == 0 else "finished" if status == 1 else "interrupted"

    def turn(self, uint64_t now_ns):
        """One turn of a memory-link engine at the caller's time; True where the test is finished."""
        cdef engine_t* e = self.e
        cdef bint is_over
        if e.epoll_fd >= 0:
            raise ValueError("an engine with a socket is driven by run()")
        if now_ns < e.rt.now_ns:
            raise ValueError("time runs forward")
        with nogil:
            set_now(e, now_ns)
            heed_stop(e)
            if e.quit_level >= QUIT_FORCED:
                give_up_calls(&e.rt)
            while pace(e):
                pass
            expire(e)
            flush_all(e)
            is_over = finished(e)
            if is_over:
                end_test(e)
            update_gauges(e)
        if e.link.failed:
            raise MemoryError
        return is_over

    def next_event_ns(self):
        """When turn() has something to do at the latest, None where only a message can change anything."""
        cdef uint64_t a = next_start_ns(self.e), b = next_timer_ns(self.e)
        a = min(a, b)
        return None if a == ~0ULL else max(a, self.e.rt.now_ns)

    def inject(self, bytes data not None, source):
        """A datagram from source (family, packed ip, port) arrives at a memory-link engine now."""
        cdef address_t a = address_from_tuple(source)
        cdef bytes padded = data + bytes(BYTES_READABLE_PAST_END)
        cdef const char* p = padded
        cdef uint32_t n = <uint32_t> min(len(data), 1 << 20)
        with nogil:
            take_datagrams(self.e, p, n, n, &a)
            flush_all(self.e)

    def take_sent(self):
        """[(datagram, (family, packed ip, port)), ...] that a memory-link engine sent since the last call."""
        cdef uint64_t off = 0
        cdef uint32_t n
        cdef link_head_t head
        cdef address_t a
        sent = []
        while off < self.e.link.n_bytes:
            memcpy(&head, self.e.link.bytes + off, sizeof(head))
            a, n = head.dest, head.len
            off += sizeof(head)
            ip = PyBytes_FromStringAndSize(<char*> a.ip, 4 if a.family == AF_INET else 16)
            sent.append((PyBytes_FromStringAndSize(self.e.link.bytes + off, n),
                         (a.family, ip, (a.port & 0xFF) << 8 | a.port >> 8)))
            off += n
        self.e.link.n_bytes = 0
        return sent

    # ------------------------------------------------------------------ commands

    def set_rate(self, double calls_per_s):
        """Open-model rate of outgoing calls from now on; 0 opens none."""
        if not 0 <= calls_per_s < 1e12:
            raise ValueError(f"rate {calls_per_s} calls/s out of 0..1e12")
        rebase(self.e, self._now())
        self.e.calls_per_ns = calls_per_s * 1e-9
        self.e.quantum_ns = self.e.resolution_ns
        if calls_per_s > 0:
            self.e.quantum_ns = min(self.e.resolution_ns, <uint64_t> (STARTS_PER_QUANTUM * 1e9 / calls_per_s))

    def pause(self, bint paused):
        """Stops opening calls, or goes on; calls that fell due in between are left out."""
        if self.e.paused and not paused:
            self.e.base_ns = self._now()
            self.e.base_calls = <double> self.e.n_paced
        elif paused and not self.e.paused:
            rebase(self.e, self._now())
        self.e.paused = paused

    def set_limit(self, uint64_t n_calls):
        """Open calls above which no more are started, 0 for none."""
        self.e.limit = n_calls

    def set_max_calls(self, uint64_t n_calls):
        """Calls after which no more are opened, 0 for no end."""
        self.e.max_calls = n_calls

    def set_trace_mask(self, uint64_t mask):
        """The kinds of trace records (a bit per TraceKind) that are recorded from now on; callable in any thread."""
        self.e.rt.trace_mask = mask
        if self.e.side != NULL:
            self.e.side.trace_mask = mask

    def quit(self, uint32_t level):
        """Raises the quit level (QuitLevel)."""
        self.e.quit_level = max(self.e.quit_level, level)

    cdef uint64_t _now(self):
        return monotonic_ns() if self.e.epoll_fd >= 0 else self.e.rt.now_ns

    def take_commands(self):
        """[(peer named by dest, command), ...] of the sendCmds since the last call."""
        cdef uint64_t off = 0
        cdef uint32_t[2] lengths
        commands = []
        while off < self.e.commands.n_bytes:
            memcpy(lengths, self.e.commands.bytes + off, sizeof(lengths))
            off += sizeof(lengths)
            peer = PyBytes_FromStringAndSize(self.e.commands.bytes + off, lengths[0])
            off += lengths[0]
            commands.append((peer, PyBytes_FromStringAndSize(self.e.commands.bytes + off, lengths[1])))
            off += lengths[1]
        self.e.commands.n_bytes = 0
        return commands

    def give_command(self, bytes text not None, bytes call_id not None):
        """A twin's command arrives for the call with that Call-ID."""
        cdef bytes padded = text + bytes(BYTES_READABLE_PAST_END)
        cdef bytes padded_id = call_id + bytes(BYTES_READABLE_PAST_END)
        take_command(self.e, span_of(padded, <uint32_t> len(text)), span_of(padded_id, <uint32_t> len(call_id)))
        flush_all(self.e)

    def set_users(self, uint32_t n_users):
        """How many users have calls; those above it leave when their calls end. At most max_users."""
        if self.e.rt.users.cap == 0:
            raise ValueError("an engine that opens calls by rate has no users")
        users_set(&self.e.rt.users, n_users)
        if self.e.side != NULL:
            self.e.side.users.n = self.e.rt.users.n

    def set_global(self, str name not None, bytes text not None):
        """Gives a global variable a text; KeyError for an unknown name."""
        cdef tuple names = tuple(self.program.spec.global_variables)
        if name not in names:
            raise KeyError(name)
        variable_set_text(self.e.rt.calls.blocks, self.e.rt.globals + <int> names.index(name), VAR_TEXT,
                          span_of(text, <uint32_t> len(text)))

    def run_init(self):
        """Opens the hidden call that runs the <init> steps; it takes the first call number."""
        cdef runtime_t* rt = &self.e.rt
        cdef bytes call_id = b"///main-init" + bytes(BYTES_READABLE_PAST_END)
        cdef span_t key = span_of(call_id, 12)
        cdef call_t* call
        if rt.program.n_init_steps == 0:
            return
        call = calls_open(&rt.calls, key, calls_hash(&rt.calls, key), rt.now_ns)
        if call == NULL:
            raise MemoryError
        rt.shared.last_number += 1
        call.call_number = rt.shared.last_number
        call.remote = rt.remote
        call.flags = CALL_INIT
        interp_start(rt, call, 0)

    # ------------------------------------------------------------------ state

    @property
    def stop_reason(self):
        """"" while the scenario has not stopped the run, else "graceful", "now" (int_cmd) or "error"."""
        return ("", "graceful", "now", "error")[self.e.shared.stop]

    @property
    def n_users(self):
        """Users wanted, 0 for calls by rate."""
        return self.e.rt.users.n

    @property
    def quit_level(self):
        return self.e.quit_level

    @property
    def paused(self):
        return bool(self.e.paused)

    @property
    def n_open(self):
        return self.e.rt.calls.n_open

    @property
    def open_sockets(self):
        """Connections, and UDP sockets of calls, that are open besides the engine's own socket."""
        update_gauges(self.e)
        return self.e.rt.gauges[<int> GAUGE_OPEN_SOCKETS]

    @property
    def start_ns(self):
        """Monotonic nanoseconds of the engine's start."""
        return self.e.rt.start_ns

    @property
    def features(self):
        """(gso, gro, sendmmsg, recvmmsg) in use; all False on a memory link."""
        if self.e.udp == NULL:
            return False, False, False, False
        return (bool(self.e.udp.gso), bool(self.e.udp.gro), bool(self.e.udp.batch_tx), bool(self.e.udp.batch_rx))

    @property
    def calls_due(self):
        """Calls that the rate has made due until now, with the fraction of the one under way."""
        cdef uint64_t now = self._now()
        if self.e.paused:
            return <double> self.e.n_paced
        return self.e.base_calls + <double> (now - min(now, self.e.base_ns)) * self.e.calls_per_ns

    def tdm_taken(self):
        """A byte for each circuit of -tdmmap, 0 where it is free; empty without a map."""
        return PyBytes_FromStringAndSize(<char*> self.e.shared.tdm.taken, self.e.shared.tdm.n_circuits)

    def counter(self, str name not None):
        """One total by its name ("limited_starts") without copying all; KeyError for an unknown one."""
        return self.e.rt.counters[<int> codes.Counter["COUNT_" + name.upper()]]

    cdef runtime_t* _runtime(self, bint side) except NULL:
        if side and self.e.side == NULL:
            raise ValueError("this engine has no second program")
        return self.e.side if side else &self.e.rt

    def snapshot(self, bint side=False):
        """A copy of the counters, or those of the second program; call it from the thread that runs the engine."""
        self._runtime(side)
        update_gauges(self.e)
        return (self.side_words if side else self.words).copy()

    def layout(self, bint side=False):
        """Where everything is in that array of counters: plain dicts, lists and numbers."""
        return figures_layout(self._runtime(side))
