# sippx/_core/tlscontext.pyx: builds TLS contexts, and says in a sentence which file is wrong and why.
import os
import re

from libc.stdint cimport uint64_t
from libc.string cimport memcpy, memset, strlen

from sippx._core.libssl cimport LIBSSL, libssl_load, ssl_take_reason

cdef extern from "<sys/uio.h>" nogil:
    struct iovec:
        void* iov_base
        size_t iov_len
    long writev(int fd, const iovec* parts, int n)

cdef enum:
    # commands of SSL_CTX_ctrl
    CTRL_MODE = 33
    CTRL_SESSION_CACHE_MODE = 44
    CTRL_MIN_VERSION = 123
    CTRL_MAX_VERSION = 124

    MODE_PARTIAL_WRITE = 1
    MODE_MOVING_WRITE_BUFFER = 2
    MODE_RELEASE_BUFFERS = 0x10

    OPTION_IGNORE_UNEXPECTED_EOF = 0x80      # a session that ends without close_notify can be resumed all the same
    OPTION_NO_TICKET = 0x4000
    OPTION_NO_COMPRESSION = 0x20000
    OPTION_NO_RENEGOTIATION = 0x40000000

    SESSIONS_OFF = 0
    SESSIONS_CLIENT_EXTERNAL = 0x301         # SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL

    VERIFY_NONE = 0
    VERIFY_PEER = 1
    VERIFY_NEEDS_CERTIFICATE = 2

    FILETYPE_PEM = 1
    STORE_CRL_CHECK = 4
    VERSION_1_2 = 0x303

VERSIONS = {"1.0": 0x301, "1.1": 0x302, "1.2": 0x303, "1.3": 0x304}

_TOO_WEAK = re.compile(r"too (small|weak)|too low")

cdef struct pass_phrase_t:
    const char* text
    size_t n                     # 0: there is none
    bint was_asked_for

# --------------------------------------------------------------------------- callbacks


cdef int give_pass_phrase(char* out, int cap, int is_for_writing, void* context) noexcept nogil:
    # without a callback OpenSSL would ask at the terminal
    cdef pass_phrase_t* phrase = <pass_phrase_t*> context
    if phrase == NULL:
        return -1
    phrase.was_asked_for = True
    if phrase.n == 0 or phrase.n > <size_t> cap:
        return -1
    memcpy(out, phrase.text, phrase.n)
    return <int> phrase.n


cdef tls_feedback_t* feedback_of(const void* ssl) noexcept nogil:
    return <tls_feedback_t*> LIBSSL.SSL_get_ex_data(ssl, TLS_EX_DATA_IDX)


cdef int note_verification(int is_ok, void* store_ctx) noexcept nogil:
    cdef void* ssl
    cdef void* certificate
    cdef tls_feedback_t* feedback
    if is_ok:
        return 1
    ssl = LIBSSL.X509_STORE_CTX_get_ex_data(store_ctx, LIBSSL.SSL_get_ex_data_X509_STORE_CTX_idx())
    feedback = feedback_of(ssl)
    if feedback == NULL:
        return 0
    feedback.verify_error = LIBSSL.X509_STORE_CTX_get_error(store_ctx)
    feedback.verify_depth = LIBSSL.X509_STORE_CTX_get_error_depth(store_ctx)
    feedback.verify_subject[0] = 0
    certificate = LIBSSL.X509_STORE_CTX_get_current_cert(store_ctx)
    if certificate != NULL:
        LIBSSL.X509_NAME_oneline(LIBSSL.X509_get_subject_name(certificate), feedback.verify_subject, TLS_SUBJECT_BYTES)
    return 0


cdef int keep_session(void* ssl, void* session) noexcept nogil:
    cdef tls_feedback_t* feedback = feedback_of(ssl)
    if feedback == NULL:
        return 0
    if feedback.new_session != NULL:
        LIBSSL.SSL_SESSION_free(feedback.new_session)
    feedback.new_session = session
    return 1


cdef void log_secret(const void* ssl, const char* line) noexcept nogil:
    cdef tls_feedback_t* feedback = feedback_of(ssl)
    cdef const char* line_end = b"\n"
    cdef iovec[2] parts
    if feedback == NULL or feedback.context.keylog_fd < 0:
        return
    parts[0].iov_base = <void*> line
    parts[0].iov_len = strlen(line)
    parts[1].iov_base = <void*> line_end
    parts[1].iov_len = 1
    # one call, so that lines of several threads do not mix; a log that cannot be written is no reason to fail
    writev(feedback.context.keylog_fd, parts, 2)

# --------------------------------------------------------------------------- building


cdef bytes readable(object path, str what):
    """The path as OpenSSL takes it; OSError where the file cannot be read."""
    if os.path.isdir(path):
        raise ValueError(f"{what} {path} is a directory")
    with open(path, "rb"):
        return os.fsencode(path)


cdef str with_hint(str reason):
    if _TOO_WEAK.search(reason):
        return f"{reason} (a cipher list that ends in :@SECLEVEL=0 lets it pass)"
    return reason


cdef int set_versions(void* ctx, version) except -1:
    if version is None:
        return 0
    if version not in VERSIONS:
        raise ValueError(f"TLS version {version!r} is not one of {', '.join(VERSIONS)}")
    number = VERSIONS[version]
    if number < VERSION_1_2:
        # their handshakes are signed with SHA-1, which no higher level allows
        LIBSSL.SSL_CTX_set_security_level(ctx, 0)
    if (LIBSSL.SSL_CTX_ctrl(ctx, CTRL_MIN_VERSION, number, NULL) != 1
            or LIBSSL.SSL_CTX_ctrl(ctx, CTRL_MAX_VERSION, number, NULL) != 1):
        raise ValueError(f"this OpenSSL does not offer TLS {version}: {ssl_take_reason()}")
    return 0


cdef int set_ciphers(void* ctx, ciphers) except -1:
    """Names of TLS 1.3's cipher suites are told from the list for the earlier versions by how they begin."""
    cdef bytes text
    if ciphers is None:
        return 0
    names = [name for name in re.split(r"[:, ]+", ciphers) if name]
    suites = [name for name in names if name.startswith(("TLS_AES_", "TLS_CHACHA20_"))]
    earlier = [name for name in names if name not in suites]
    if not names:
        raise ValueError("the list of ciphers is empty")
    if suites:
        text = ":".join(suites).encode()
        if LIBSSL.SSL_CTX_set_ciphersuites(ctx, text) != 1:
            raise ValueError(f"ciphers {':'.join(suites)!r}: {ssl_take_reason()}")
    if earlier:
        text = ":".join(earlier).encode()
        if LIBSSL.SSL_CTX_set_cipher_list(ctx, text) != 1:
            raise ValueError(f"ciphers {':'.join(earlier)!r}: {ssl_take_reason()}")
    return 0


cdef int use_certificate(void* ctx, certificate, key, phrase) except -1:
    cdef pass_phrase_t given
    cdef bytes path = readable(certificate, "certificate")
    cdef bytes secret = b"" if phrase is None else bytes(phrase)
    given.text = secret
    given.n = len(secret)
    given.was_asked_for = False
    if LIBSSL.SSL_CTX_use_certificate_chain_file(ctx, path) != 1:
        raise ValueError(f"certificate {certificate} cannot be used (PEM is expected): {with_hint(ssl_take_reason())}")
    path = readable(key, "key")
    LIBSSL.SSL_CTX_set_default_passwd_cb_userdata(ctx, &given)
    try:
        if LIBSSL.SSL_CTX_use_PrivateKey_file(ctx, path, FILETYPE_PEM) == 1:
            return 0
    finally:
        LIBSSL.SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL)
    reason = ssl_take_reason()
    if given.was_asked_for:
        raise ValueError(f"key {key} is encrypted, and "
                         + ("there is no pass phrase for it" if not secret else "the pass phrase does not fit"))
    if reason == "key values mismatch":
        raise ValueError(f"key {key} does not belong to certificate {certificate}")
    raise ValueError(f"key {key} cannot be used (PEM is expected): {with_hint(reason)}")


cdef int trust(void* ctx, ca, crl, bint is_server) except -1:
    """The certificates that vouch for the peer's, and the list of those taken back."""
    cdef bytes path
    cdef void* names
    cdef void* store
    cdef void* lookup
    if os.path.isdir(ca):
        if not any(re.fullmatch(r"[0-9a-f]{8}\.\d+", name) for name in os.listdir(ca)):
            raise ValueError(f"CA directory {ca} has no certificates named by their hash ('openssl rehash' does that)")
        path = os.fsencode(ca)
        if LIBSSL.SSL_CTX_load_verify_locations(ctx, NULL, path) != 1:
            raise ValueError(f"CA directory {ca} cannot be used: {ssl_take_reason()}")
    else:
        path = readable(ca, "CA file")
        if LIBSSL.SSL_CTX_load_verify_locations(ctx, path, NULL) != 1:
            raise ValueError(f"CA file {ca} cannot be used (PEM is expected): {ssl_take_reason()}")
        if is_server:
            names = LIBSSL.SSL_load_client_CA_file(path)
            if names != NULL:
                LIBSSL.SSL_CTX_set_client_CA_list(ctx, names)
    if crl is not None:
        path = readable(crl, "CRL file")
        store = LIBSSL.SSL_CTX_get_cert_store(ctx)
        lookup = LIBSSL.X509_STORE_add_lookup(store, LIBSSL.X509_LOOKUP_file())
        if lookup == NULL:
            raise MemoryError
        if LIBSSL.X509_load_crl_file(lookup, path, FILETYPE_PEM) < 1:
            raise ValueError(f"CRL file {crl} cannot be used (PEM is expected): {ssl_take_reason()}")
        LIBSSL.X509_STORE_set_flags(store, STORE_CRL_CHECK)
    return 0


cdef void set_defaults(void* ctx, bint is_server, bint is_verifying, bint is_resuming, bint is_logging) noexcept:
    cdef uint64_t options = OPTION_IGNORE_UNEXPECTED_EOF | OPTION_NO_COMPRESSION | OPTION_NO_RENEGOTIATION
    cdef int mode = VERIFY_NONE
    LIBSSL.SSL_CTX_ctrl(ctx, CTRL_MODE, MODE_PARTIAL_WRITE | MODE_MOVING_WRITE_BUFFER | MODE_RELEASE_BUFFERS, NULL)
    if not is_resuming:
        options |= OPTION_NO_TICKET
    LIBSSL.SSL_CTX_set_options(ctx, options)
    # a server keeps no state: all of a session is in its ticket
    LIBSSL.SSL_CTX_set_num_tickets(ctx, 1 if is_resuming else 0)
    if is_resuming and not is_server:
        LIBSSL.SSL_CTX_ctrl(ctx, CTRL_SESSION_CACHE_MODE, SESSIONS_CLIENT_EXTERNAL, NULL)
        LIBSSL.SSL_CTX_sess_set_new_cb(ctx, keep_session)
    else:
        LIBSSL.SSL_CTX_ctrl(ctx, CTRL_SESSION_CACHE_MODE, SESSIONS_OFF, NULL)
    # a server that asks for certificates refuses to resume without it
    LIBSSL.SSL_CTX_set_session_id_context(ctx, b"sippx", 5)
    if is_verifying:
        mode = VERIFY_PEER | (VERIFY_NEEDS_CERTIFICATE if is_server else 0)
    LIBSSL.SSL_CTX_set_verify(ctx, mode, note_verification)
    LIBSSL.SSL_CTX_set_default_passwd_cb(ctx, give_pass_phrase)
    if is_logging:
        LIBSSL.SSL_CTX_set_keylog_callback(ctx, log_secret)


cdef class TlsContext:
    """What TLS sessions have in common. A file that cannot be read raises OSError; one that is of no use, and
    anything else that cannot be, ValueError.

    certificate: file with the certificate and the chain below the CA; key: of the certificate, by default in the
    same file. ca: file or directory; with it the peer must show a certificate that one of these vouches for, of
    a server as well as of a client. crl: file of certificates taken back. version: the only one to speak.
    ciphers: names apart by colons, of TLS 1.3 (TLS_AES_..., TLS_CHACHA20_...) and of earlier versions.
    keylog_fd: open for as long as sessions of the context are, gets the secrets in the format of SSLKEYLOGFILE."""

    def __cinit__(self, *, bint is_server, certificate=None, key=None, ca=None, crl=None, version=None, ciphers=None,
                  pass_phrase=None, int keylog_fd=-1, bint is_resuming=True):
        error = libssl_load()
        if error is not None:
            raise OSError(error)
        if is_server and certificate is None:
            raise ValueError("a TLS server needs a certificate")
        if key is not None and certificate is None:
            raise ValueError(f"key {key} needs its certificate")
        if crl is not None and ca is None:
            raise ValueError(f"CRL file {crl} needs the CA that it is of")
        LIBSSL.ERR_clear_error()
        memset(&self.c, 0, sizeof(tls_context_t))
        self.c.keylog_fd = keylog_fd
        self.c.is_server = is_server
        self.c.is_verifying = ca is not None
        self.c.ctx = LIBSSL.SSL_CTX_new(LIBSSL.TLS_server_method() if is_server else LIBSSL.TLS_client_method())
        if self.c.ctx == NULL:
            raise OSError(f"no TLS context: {ssl_take_reason()}")
        set_defaults(self.c.ctx, is_server, ca is not None, is_resuming, keylog_fd >= 0)
        set_versions(self.c.ctx, version)
        set_ciphers(self.c.ctx, ciphers)
        if certificate is not None:
            use_certificate(self.c.ctx, certificate, certificate if key is None else key, pass_phrase)
        if ca is not None:
            trust(self.c.ctx, ca, crl, is_server)

    def __dealloc__(self):
        if self.c.ctx != NULL:
            LIBSSL.SSL_CTX_free(self.c.ctx)

    @property
    def is_server(self):
        return self.c.is_server

    @property
    def is_verifying(self):
        return self.c.is_verifying
