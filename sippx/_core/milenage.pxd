# sippx/_core/milenage.pxd: Milenage (3GPP TS 35.206), and the part of AKA (TS 33.102) that a USIM plays.
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from sippx._core.libcrypto cimport crypto_t

cdef enum:
    AKA_KEY_BYTES = 16           # K, OP, OPc, RAND, CK, IK
    AKA_AUTN_BYTES = 16          # SQN xor AK (6), AMF (2), MAC-A (8)
    AKA_RES_BYTES = 8
    AKA_AUTS_BYTES = 14          # SQN_MS xor AK* (6), MAC-S (8)

cdef enum AkaStatus:
    AKA_OK
    AKA_OUT_OF_SYNC              # SQN not above sqn_ms: auts is the answer
    AKA_MAC_MISMATCH             # the challenge was not made with this K and OP
    AKA_FAILED                   # libcrypto refused AES

# One RAND under one K: c's AES key is K as long as this is in use.
cdef struct milenage_t:
    crypto_t* c
    uint8_t opc[AKA_KEY_BYTES]
    uint8_t rand_xor_opc_encrypted[AKA_KEY_BYTES]    # TEMP of the specification
    bint is_failed               # libcrypto failed: no result is worth anything

cdef struct aka_result_t:
    uint8_t res[AKA_RES_BYTES]
    uint8_t ck[AKA_KEY_BYTES]
    uint8_t ik[AKA_KEY_BYTES]
    uint8_t auts[AKA_AUTS_BYTES]  # set with AKA_OUT_OF_SYNC only

# op is OP, or OPc where is_opc.
cdef void milenage_begin(milenage_t* m, crypto_t* c, const uint8_t* k, const uint8_t* op, bint is_opc,
                         const uint8_t* rand) noexcept nogil
# f1 and f1* (8 bytes each)
cdef void milenage_f1(milenage_t* m, const uint8_t* sqn, const uint8_t* amf, uint8_t* mac_a,
                      uint8_t* mac_s) noexcept nogil
# f2 (8) with f5 (6), f3 (16), f4 (16), f5* (6)
cdef void milenage_f2_f5(milenage_t* m, uint8_t* res, uint8_t* ak) noexcept nogil
cdef void milenage_f3(milenage_t* m, uint8_t* ck) noexcept nogil
cdef void milenage_f4(milenage_t* m, uint8_t* ik) noexcept nogil
cdef void milenage_f5_star(milenage_t* m, uint8_t* ak_star) noexcept nogil

# Answers RAND and AUTN. amf NULL: that of AUTN, else this one takes its place in f1. sqn_ms: the highest SQN
# accepted so far, raised by an accepted one; NULL: no check of freshness. m was begun with RAND.
cdef AkaStatus aka_answer(milenage_t* m, const uint8_t* autn, const uint8_t* amf, uint64_t* sqn_ms,
                          aka_result_t* out) noexcept nogil
