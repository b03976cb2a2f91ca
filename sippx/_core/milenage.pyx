# sippx/_core/milenage.pyx: Milenage, AKA's answer to a challenge, and their Python test surface.
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from sippx._core.libcrypto cimport aes128_encrypt, aes128_key, crypto_close, crypto_open, crypto_t, libcrypto_load


cdef void milenage_begin(milenage_t* m, crypto_t* c, const uint8_t* k, const uint8_t* op, bint is_opc,
                         const uint8_t* rand) noexcept nogil:
    cdef int i
    m.c = c
    m.is_failed = not aes128_key(c, k)
    if is_opc:
        memcpy(m.opc, op, AKA_KEY_BYTES)
    else:
        encrypt(m, op, m.opc)
        for i in range(AKA_KEY_BYTES):
            m.opc[i] ^= op[i]
    for i in range(AKA_KEY_BYTES):
        m.rand_xor_opc_encrypted[i] = rand[i] ^ m.opc[i]
    encrypt(m, m.rand_xor_opc_encrypted, m.rand_xor_opc_encrypted)


cdef inline void encrypt(milenage_t* m, const uint8_t* block, uint8_t* out) noexcept nogil:
    if m.is_failed or not aes128_encrypt(m.c, block, out):
        m.is_failed = True
        memset(out, 0, AKA_KEY_BYTES)


cdef void milenage_f1(milenage_t* m, const uint8_t* sqn, const uint8_t* amf, uint8_t* mac_a,
                      uint8_t* mac_s) noexcept nogil:
    cdef uint8_t[AKA_KEY_BYTES] in1, block
    cdef int i
    memcpy(in1, sqn, 6)
    memcpy(in1 + 6, amf, 2)
    memcpy(in1 + 8, in1, 8)
    # r1 is 64 bits and c1 is zero
    for i in range(AKA_KEY_BYTES):
        block[i] = m.rand_xor_opc_encrypted[i] ^ in1[(i + 8) & 15] ^ m.opc[(i + 8) & 15]
    encrypt(m, block, block)
    for i in range(8):
        mac_a[i] = block[i] ^ m.opc[i]
        mac_s[i] = block[i + 8] ^ m.opc[i + 8]


cdef void block_of(milenage_t* m, uint32_t rotate_bytes, uint8_t constant, uint8_t* out) noexcept nogil:
    """OUT2 to OUT5: constant is the last byte of c2..c5, rotate_bytes is r2..r5 / 8."""
    cdef uint32_t i, j
    cdef uint8_t[AKA_KEY_BYTES] block
    for i in range(AKA_KEY_BYTES):
        j = (i + rotate_bytes) & 15
        block[i] = m.rand_xor_opc_encrypted[j] ^ m.opc[j]
    block[15] ^= constant
    encrypt(m, block, out)
    for i in range(AKA_KEY_BYTES):
        out[i] ^= m.opc[i]


cdef void milenage_f2_f5(milenage_t* m, uint8_t* res, uint8_t* ak) noexcept nogil:
    cdef uint8_t[AKA_KEY_BYTES] out
    block_of(m, 0, 1, out)
    memcpy(ak, out, 6)
    memcpy(res, out + 8, AKA_RES_BYTES)


cdef void milenage_f3(milenage_t* m, uint8_t* ck) noexcept nogil:
    block_of(m, 4, 2, ck)


cdef void milenage_f4(milenage_t* m, uint8_t* ik) noexcept nogil:
    block_of(m, 8, 4, ik)


cdef void milenage_f5_star(milenage_t* m, uint8_t* ak_star) noexcept nogil:
    cdef uint8_t[AKA_KEY_BYTES] out
    block_of(m, 12, 8, out)
    memcpy(ak_star, out, 6)


cdef void put_auts(milenage_t* m, uint64_t sqn_ms, uint8_t* auts) noexcept nogil:
    """TS 33.102 6.3.3: MAC-S is computed over an AMF of zero."""
    cdef uint8_t[6] sqn, ak_star
    cdef uint8_t[2] amf
    cdef uint8_t[8] unused
    cdef int i
    memset(amf, 0, 2)
    for i in range(6):
        sqn[i] = <uint8_t> (sqn_ms >> (8 * (5 - i)))
    milenage_f5_star(m, ak_star)
    milenage_f1(m, sqn, amf, unused, auts + 6)
    for i in range(6):
        auts[i] = sqn[i] ^ ak_star[i]


cdef AkaStatus aka_answer(milenage_t* m, const uint8_t* autn, const uint8_t* amf, uint64_t* sqn_ms,
                          aka_result_t* out) noexcept nogil:
    cdef uint8_t[6] sqn, ak
    cdef uint8_t[8] mac_a, mac_s
    cdef uint64_t number = 0
    cdef uint8_t differing = 0
    cdef int i
    milenage_f2_f5(m, out.res, ak)
    for i in range(6):
        sqn[i] = autn[i] ^ ak[i]
        number = number << 8 | sqn[i]
    milenage_f1(m, sqn, amf if amf != NULL else autn + 6, mac_a, mac_s)
    for i in range(8):
        differing |= mac_a[i] ^ autn[8 + i]
    if not m.is_failed and differing:
        return AKA_MAC_MISMATCH
    milenage_f3(m, out.ck)
    milenage_f4(m, out.ik)
    if sqn_ms != NULL and number <= sqn_ms[0]:
        put_auts(m, sqn_ms[0], out.auts)
        return AKA_FAILED if m.is_failed else AKA_OUT_OF_SYNC
    if m.is_failed:
        return AKA_FAILED
    if sqn_ms != NULL:
        sqn_ms[0] = number
    return AKA_OK

# --------------------------------------------------------------------------- test surface


def functions(bytes k not None, bytes rand not None, bytes sqn not None, bytes amf not None, *, bytes op=None,
              bytes opc=None):
    """Everything Milenage computes, by name: opc, f1, f1_star, f2, f3, f4, f5, f5_star."""
    cdef crypto_t c
    cdef milenage_t m
    cdef uint8_t[8] f1, f1_star, f2
    cdef uint8_t[16] f3, f4
    cdef uint8_t[6] f5, f5_star
    cdef bytes key = opc if opc is not None else op
    if key is None or not len(k) == len(rand) == len(key) == 16 or len(sqn) != 6 or len(amf) != 2:
        raise ValueError("k, rand and op or opc are 16 bytes, sqn is 6 and amf 2")
    error = libcrypto_load()
    if error is not None:
        raise RuntimeError(error)
    try:
        if not crypto_open(&c):
            raise MemoryError
        milenage_begin(&m, &c, k, key, opc is not None, rand)
        milenage_f1(&m, sqn, amf, f1, f1_star)
        milenage_f2_f5(&m, f2, f5)
        milenage_f3(&m, f3)
        milenage_f4(&m, f4)
        milenage_f5_star(&m, f5_star)
    finally:
        crypto_close(&c)
    if m.is_failed:
        raise RuntimeError("libcrypto refused AES")
    return {
        "opc": (<char*> m.opc)[:16], "f1": (<char*> f1)[:8], "f1_star": (<char*> f1_star)[:8],
        "f2": (<char*> f2)[:8], "f3": (<char*> f3)[:16], "f4": (<char*> f4)[:16],
        "f5": (<char*> f5)[:6], "f5_star": (<char*> f5_star)[:6],
    }
