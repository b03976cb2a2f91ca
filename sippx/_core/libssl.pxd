# sippx/_core/libssl.pxd: the functions of the libssl found at run time; no header or library to build with.
#
# libssl_load() finds them once a process, with the GIL, before anything below is called. Members are named as
# OpenSSL's functions and have their signatures (the same in 1.1.1 and 3.x); its structures are opaque here.
from libc.stdint cimport uint8_t, uint64_t

cdef enum:
    # results of SSL_get_error
    SSL_ERROR_SSL = 1
    SSL_ERROR_WANT_READ = 2
    SSL_ERROR_WANT_WRITE = 3
    SSL_ERROR_SYSCALL = 5
    SSL_ERROR_ZERO_RETURN = 6

    SSL_REASON_ALERT = 1000      # reason of an error, from here on: an alert of the peer, its number added

ctypedef int (*bio_read_fn)(void* bio, char* out, int n) noexcept nogil
ctypedef int (*bio_write_fn)(void* bio, const char* data, int n) noexcept nogil
ctypedef long (*bio_ctrl_fn)(void* bio, int command, long number, void* pointer) noexcept nogil
ctypedef int (*verify_fn)(int is_ok, void* store_ctx) noexcept nogil
ctypedef int (*new_session_fn)(void* ssl, void* session) noexcept nogil
ctypedef void (*keylog_fn)(const void* ssl, const char* line) noexcept nogil
ctypedef int (*pass_phrase_fn)(char* out, int cap, int is_for_writing, void* context) noexcept nogil

# Nothing but function pointers, in the order of FUNCTIONS in libssl.pyx.
cdef struct libssl_t:
    void* (*TLS_client_method)() noexcept nogil
    void* (*TLS_server_method)() noexcept nogil
    void* (*SSL_CTX_new)(const void* method) noexcept nogil
    void (*SSL_CTX_free)(void* ctx) noexcept nogil
    long (*SSL_CTX_ctrl)(void* ctx, int command, long number, void* pointer) noexcept nogil
    uint64_t (*SSL_CTX_set_options)(void* ctx, uint64_t options) noexcept nogil
    void (*SSL_CTX_set_security_level)(void* ctx, int level) noexcept nogil
    int (*SSL_CTX_set_cipher_list)(void* ctx, const char* names) noexcept nogil
    int (*SSL_CTX_set_ciphersuites)(void* ctx, const char* names) noexcept nogil
    int (*SSL_CTX_use_certificate_chain_file)(void* ctx, const char* path) noexcept nogil
    int (*SSL_CTX_use_PrivateKey_file)(void* ctx, const char* path, int type) noexcept nogil
    int (*SSL_CTX_check_private_key)(const void* ctx) noexcept nogil
    void (*SSL_CTX_set_default_passwd_cb)(void* ctx, pass_phrase_fn function) noexcept nogil
    void (*SSL_CTX_set_default_passwd_cb_userdata)(void* ctx, void* context) noexcept nogil
    int (*SSL_CTX_load_verify_locations)(void* ctx, const char* file, const char* folder) noexcept nogil
    void* (*SSL_CTX_get_cert_store)(const void* ctx) noexcept nogil
    void* (*SSL_load_client_CA_file)(const char* path) noexcept nogil
    void (*SSL_CTX_set_client_CA_list)(void* ctx, void* names) noexcept nogil
    void (*SSL_CTX_set_verify)(void* ctx, int mode, verify_fn function) noexcept nogil
    int (*SSL_CTX_set_session_id_context)(void* ctx, const uint8_t* context, unsigned int n) noexcept nogil
    int (*SSL_CTX_set_num_tickets)(void* ctx, size_t n) noexcept nogil
    void (*SSL_CTX_set_keylog_callback)(void* ctx, keylog_fn function) noexcept nogil
    void (*SSL_CTX_sess_set_new_cb)(void* ctx, new_session_fn function) noexcept nogil
    void* (*SSL_new)(void* ctx) noexcept nogil
    void (*SSL_free)(void* ssl) noexcept nogil
    long (*SSL_ctrl)(void* ssl, int command, long number, void* pointer) noexcept nogil
    int (*SSL_set_ex_data)(void* ssl, int idx, void* data) noexcept nogil
    void* (*SSL_get_ex_data)(const void* ssl, int idx) noexcept nogil
    void (*SSL_set_bio)(void* ssl, void* read_bio, void* write_bio) noexcept nogil
    void (*SSL_set_connect_state)(void* ssl) noexcept nogil
    void (*SSL_set_accept_state)(void* ssl) noexcept nogil
    int (*SSL_do_handshake)(void* ssl) noexcept nogil
    int (*SSL_read)(void* ssl, void* out, int n) noexcept nogil
    int (*SSL_write)(void* ssl, const void* data, int n) noexcept nogil
    int (*SSL_shutdown)(void* ssl) noexcept nogil
    void (*SSL_set_shutdown)(void* ssl, int mode) noexcept nogil
    int (*SSL_get_error)(const void* ssl, int result) noexcept nogil
    int (*SSL_set_session)(void* ssl, void* session) noexcept nogil
    int (*SSL_session_reused)(const void* ssl) noexcept nogil
    void (*SSL_SESSION_free)(void* session) noexcept nogil
    int (*SSL_SESSION_is_resumable)(const void* session) noexcept nogil
    int (*SSL_version)(const void* ssl) noexcept nogil
    const char* (*SSL_get_version)(const void* ssl) noexcept nogil
    const void* (*SSL_get_current_cipher)(const void* ssl) noexcept nogil
    const char* (*SSL_CIPHER_get_name)(const void* cipher) noexcept nogil
    void* (*SSL_get0_param)(void* ssl) noexcept nogil
    int (*SSL_get_ex_data_X509_STORE_CTX_idx)() noexcept nogil
    int (*X509_VERIFY_PARAM_set1_host)(void* param, const char* name, size_t n) noexcept nogil
    int (*X509_VERIFY_PARAM_set1_ip)(void* param, const uint8_t* ip, size_t n) noexcept nogil
    int (*X509_STORE_set_flags)(void* store, unsigned long flags) noexcept nogil
    void* (*X509_STORE_add_lookup)(void* store, void* method) noexcept nogil
    void* (*X509_LOOKUP_file)() noexcept nogil
    int (*X509_load_crl_file)(void* lookup, const char* path, int type) noexcept nogil
    void* (*X509_STORE_CTX_get_ex_data)(const void* store_ctx, int idx) noexcept nogil
    int (*X509_STORE_CTX_get_error)(const void* store_ctx) noexcept nogil
    int (*X509_STORE_CTX_get_error_depth)(const void* store_ctx) noexcept nogil
    void* (*X509_STORE_CTX_get_current_cert)(const void* store_ctx) noexcept nogil
    void* (*X509_get_subject_name)(const void* certificate) noexcept nogil
    char* (*X509_NAME_oneline)(const void* name, char* out, int cap) noexcept nogil
    const char* (*X509_verify_cert_error_string)(long error) noexcept nogil
    int (*BIO_get_new_index)() noexcept nogil
    void* (*BIO_meth_new)(int type, const char* name) noexcept nogil
    int (*BIO_meth_set_read)(void* method, bio_read_fn function) noexcept nogil
    int (*BIO_meth_set_write)(void* method, bio_write_fn function) noexcept nogil
    int (*BIO_meth_set_ctrl)(void* method, bio_ctrl_fn function) noexcept nogil
    void* (*BIO_new)(const void* method) noexcept nogil
    void (*BIO_set_data)(void* bio, void* data) noexcept nogil
    void* (*BIO_get_data)(void* bio) noexcept nogil
    void (*BIO_set_init)(void* bio, int is_ready) noexcept nogil
    void (*BIO_set_flags)(void* bio, int flags) noexcept nogil
    void (*BIO_clear_flags)(void* bio, int flags) noexcept nogil
    unsigned long (*ERR_get_error)() noexcept nogil
    unsigned long (*ERR_peek_last_error)() noexcept nogil
    void (*ERR_clear_error)() noexcept nogil
    const char* (*ERR_reason_error_string)(unsigned long error) noexcept nogil
    const char* (*OpenSSL_version)(int what) noexcept nogil

# A fact about the machine, filled once with the GIL; the library stays loaded.
cdef libssl_t LIBSSL

# None, or why there is no usable libssl. Loading again costs nothing.
cdef str libssl_load()

# Of an error of OpenSSL; an alert of the peer is SSL_REASON_ALERT and its number.
cdef inline int ssl_reason_of(unsigned long error) noexcept nogil:
    return <int> (error & 0xFFF)

# The text of an error of OpenSSL, such as "certificate verify failed".
cdef str ssl_reason_text(unsigned long error)

# Takes the thread's errors; the text of the one that came first: what went wrong, the others say where.
cdef str ssl_take_reason()
