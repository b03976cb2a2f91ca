# sippx/_core/tlscontext.pxd: what many TLS sessions share: certificates, trust, versions, ciphers, key log.
#
# Python builds a context at start; sessions of any number of threads are then opened from it, and each keeps it
# alive. Its callbacks report to the tls_feedback_t that a session has as its ex_data 0.
cdef enum:
    TLS_EX_DATA_IDX = 0
    TLS_SUBJECT_BYTES = 128

cdef struct tls_context_t:
    void* ctx                    # SSL_CTX
    int keylog_fd                # borrowed; -1: none
    bint is_server
    bint is_verifying            # the peer must show a certificate that the CA vouches for

# What the callbacks of a context leave for the owner of the session that is being driven; one a thread.
cdef struct tls_feedback_t:
    const tls_context_t* context     # of the session that is being driven
    void* new_session            # SSL_SESSION to resume later: whoever takes it sets NULL and frees it
    int verify_error             # X509_V_ERR_, 0: none
    int verify_depth             # 0: the peer's own certificate
    char verify_subject[TLS_SUBJECT_BYTES]   # of the certificate that was refused; NUL-terminated

cdef class TlsContext:
    cdef tls_context_t c
