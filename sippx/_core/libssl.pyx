# sippx/_core/libssl.pyx: binds OpenSSL's libssl with dlopen.
from libc.string cimport memset
from posix.dlfcn cimport RTLD_LOCAL, RTLD_NOW, dlerror, dlopen, dlsym

# In the order of libssl_t's members. Those of libcrypto are found, too: a symbol is looked for in what a library
# itself was linked with.
FUNCTIONS = (
    "TLS_client_method", "TLS_server_method", "SSL_CTX_new", "SSL_CTX_free", "SSL_CTX_ctrl", "SSL_CTX_set_options",
    "SSL_CTX_set_security_level", "SSL_CTX_set_cipher_list", "SSL_CTX_set_ciphersuites",
    "SSL_CTX_use_certificate_chain_file", "SSL_CTX_use_PrivateKey_file", "SSL_CTX_check_private_key",
    "SSL_CTX_set_default_passwd_cb", "SSL_CTX_set_default_passwd_cb_userdata", "SSL_CTX_load_verify_locations",
    "SSL_CTX_get_cert_store", "SSL_load_client_CA_file", "SSL_CTX_set_client_CA_list", "SSL_CTX_set_verify",
    "SSL_CTX_set_session_id_context", "SSL_CTX_set_num_tickets", "SSL_CTX_set_keylog_callback",
    "SSL_CTX_sess_set_new_cb", "SSL_new", "SSL_free", "SSL_ctrl", "SSL_set_ex_data", "SSL_get_ex_data", "SSL_set_bio",
    "SSL_set_connect_state", "SSL_set_accept_state", "SSL_do_handshake", "SSL_read", "SSL_write", "SSL_shutdown",
    "SSL_set_shutdown", "SSL_get_error", "SSL_set_session", "SSL_session_reused", "SSL_SESSION_free",
    "SSL_SESSION_is_resumable", "SSL_version", "SSL_get_version", "SSL_get_current_cipher", "SSL_CIPHER_get_name",
    "SSL_get0_param", "SSL_get_ex_data_X509_STORE_CTX_idx", "X509_VERIFY_PARAM_set1_host",
    "X509_VERIFY_PARAM_set1_ip", "X509_STORE_set_flags", "X509_STORE_add_lookup", "X509_LOOKUP_file",
    "X509_load_crl_file", "X509_STORE_CTX_get_ex_data", "X509_STORE_CTX_get_error", "X509_STORE_CTX_get_error_depth",
    "X509_STORE_CTX_get_current_cert", "X509_get_subject_name", "X509_NAME_oneline", "X509_verify_cert_error_string",
    "BIO_get_new_index", "BIO_meth_new", "BIO_meth_set_read", "BIO_meth_set_write", "BIO_meth_set_ctrl", "BIO_new",
    "BIO_set_data", "BIO_get_data", "BIO_set_init", "BIO_set_flags", "BIO_clear_flags", "ERR_get_error",
    "ERR_peek_last_error", "ERR_clear_error", "ERR_reason_error_string", "OpenSSL_version",
)

cdef bint LIBSSL_IS_LOADED = False


cdef str load_from(void* handle, libssl_t* found):
    """Fills the table from an open library; None, or what it lacks."""
    cdef void** slots = <void**> found
    cdef bytes symbol
    cdef size_t i = 0
    assert sizeof(libssl_t) == len(FUNCTIONS) * sizeof(void*)
    for name in FUNCTIONS:
        symbol = name.encode()
        slots[i] = dlsym(handle, symbol)
        if slots[i] == NULL:
            return f"has no {name}"
        i += 1
    return None


cdef str load_first(list names, libssl_t* found):
    """Tries library names in turn; None, or why each was of no use."""
    cdef void* handle
    cdef bytes path
    reasons = []
    for name in names:
        path = name.encode()
        handle = dlopen(path, RTLD_NOW | RTLD_LOCAL)
        if handle == NULL:
            reasons.append(dlerror().decode(errors="replace"))
            continue
        reason = load_from(handle, found)
        if reason is None:
            return None
        reasons.append(f"{name} {reason}")
    return f"no usable libssl (OpenSSL 1.1.1 or 3): {'; '.join(reasons)}"


cdef list usual_names():
    names = ["libssl.so.3", "libssl.so.1.1"]
    try:
        # the library Python itself was linked with, wherever that is
        import _ssl
        names.append(_ssl.__file__)
    except (ImportError, AttributeError):
        pass
    return names


cdef str libssl_load():
    global LIBSSL_IS_LOADED
    cdef str error
    if LIBSSL_IS_LOADED:
        return None
    error = load_first(usual_names(), &LIBSSL)
    LIBSSL_IS_LOADED = error is None
    return error


cdef str ssl_reason_text(unsigned long error):
    cdef const char* text = LIBSSL.ERR_reason_error_string(error)
    return f"error {error:#x}" if text == NULL else text.decode(errors="replace")


cdef str ssl_take_reason():
    cdef unsigned long first = LIBSSL.ERR_get_error()
    LIBSSL.ERR_clear_error()
    return "no reason given" if first == 0 else ssl_reason_text(first)

# --------------------------------------------------------------------------- test surface


def load_error(list names=None):
    """None, or why no libssl can be used: the usual ones, or those named (which are not kept)."""
    cdef libssl_t scratch
    if names is None:
        return libssl_load()
    memset(&scratch, 0, sizeof(scratch))
    return load_first(names, &scratch)


def library_version():
    """What the loaded library says it is, such as "OpenSSL 3.0.19 27 Jan 2026"."""
    error = libssl_load()
    if error is not None:
        raise RuntimeError(error)
    return LIBSSL.OpenSSL_version(0).decode()
