"""The SM algorithms (商用密码算法) by their standards' names, over `cryptography`.

SM3 is GB/T 32905, SM4 is GB/T 32907; the modes are those of GB/T 17964 and, for GCM, of
RFC 8998. Pure functions: keys, nonces and vectors come from outside. What is sealed with them, and
what is authenticated besides, is `envelope`'s and `sealing`'s business.
"""

from __future__ import annotations

import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import CBC, GCM
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.padding import PKCS7

KEY_BYTES = 16
BLOCK_BYTES = 16
GCM_IV_BYTES = 12
GCM_TAG_BYTES = 16
SM3_BYTES = 32


class Forged(Exception):
    """What was to be opened is not what was sealed with this key: nothing more is said of it."""


def sm3(data: bytes) -> bytes:
    """SM3 (GB/T 32905), 32 bytes."""
    digest = hashes.Hash(hashes.SM3())
    digest.update(data)
    return digest.finalize()


def hmac_sm3(key: bytes, data: bytes) -> bytes:
    """HMAC (RFC 2104) with SM3, 32 bytes."""
    mac = HMAC(key, hashes.SM3())
    mac.update(data)
    return mac.finalize()


def pbkdf2_hmac_sm3(password: bytes, salt: bytes, iterations: int) -> bytes:
    """PBKDF2 (RFC 8018) with HMAC-SM3, 32 bytes."""
    return PBKDF2HMAC(hashes.SM3(), SM3_BYTES, salt, iterations).derive(password)


def seal_gcm(key: bytes, iv: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """SM4-GCM: ciphertext, then the 16-byte tag. An `iv` (12 bytes) must never come twice."""
    _check_length("iv", iv, GCM_IV_BYTES)
    encryptor = Cipher(SM4(key), GCM(iv)).encryptor()
    encryptor.authenticate_additional_data(aad)
    return encryptor.update(plaintext) + encryptor.finalize() + encryptor.tag


def open_gcm(key: bytes, iv: bytes, sealed: bytes, aad: bytes) -> bytes:
    """The plaintext of `seal_gcm`. Raises `Forged`, with nothing of the plaintext released."""
    if len(iv) != GCM_IV_BYTES or len(sealed) < GCM_TAG_BYTES:
        raise Forged
    decryptor = Cipher(SM4(key), GCM(iv, sealed[-GCM_TAG_BYTES:])).decryptor()
    decryptor.authenticate_additional_data(aad)
    try:
        return decryptor.update(memoryview(sealed)[:-GCM_TAG_BYTES]) + decryptor.finalize()
    except InvalidTag:
        raise Forged from None


def seal_cbc_hmac(key: bytes, iv: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """SM4-CBC with PKCS#7 padding, then HMAC-SM3 over it: ciphertext ‖ 32-byte tag.

    Encrypt then MAC with two keys derived from `key`; the MAC is over
    aad ‖ iv ‖ ciphertext ‖ length of aad in bits (8 bytes, big endian), as in RFC 7518, 5.2.2.
    """
    _check_length("iv", iv, BLOCK_BYTES)
    encryption_key, mac_key = derived_keys(key)
    padder = PKCS7(8 * BLOCK_BYTES).padder()
    padded = padder.update(plaintext) + padder.finalize()
    encryptor = Cipher(SM4(encryption_key), CBC(iv)).encryptor()
    ciphertext = encryptor.update(padded) + encryptor.finalize()
    return ciphertext + _mac(mac_key, iv, ciphertext, aad)


def open_cbc_hmac(key: bytes, iv: bytes, sealed: bytes, aad: bytes) -> bytes:
    """The plaintext of `seal_cbc_hmac`. Raises `Forged`; nothing is decrypted before the tag."""
    if len(iv) != BLOCK_BYTES or len(sealed) < SM3_BYTES + BLOCK_BYTES:
        raise Forged
    encryption_key, mac_key = derived_keys(key)
    ciphertext, tag = sealed[:-SM3_BYTES], sealed[-SM3_BYTES:]
    if not hmac.compare_digest(tag, _mac(mac_key, iv, ciphertext, aad)):
        raise Forged
    decryptor = Cipher(SM4(encryption_key), CBC(iv)).decryptor()
    unpadder = PKCS7(8 * BLOCK_BYTES).unpadder()
    try:
        padded = decryptor.update(ciphertext) + decryptor.finalize()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError:  # a holder of the key made it so
        raise Forged from None


def derived_keys(key: bytes) -> tuple[bytes, bytes]:
    """The keys of encryption (16 bytes) and MAC (32 bytes) that CBC uses instead of `key`."""
    _check_length("key", key, KEY_BYTES)
    return hmac_sm3(key, b"NENGHAO1|enc")[:KEY_BYTES], hmac_sm3(key, b"NENGHAO1|mac")


def _mac(key: bytes, iv: bytes, ciphertext: bytes, aad: bytes) -> bytes:
    return hmac_sm3(key, aad + iv + ciphertext + (8 * len(aad)).to_bytes(8, "big"))


def _check_length(name: str, value: bytes, length: int) -> None:
    if len(value) != length:
        raise ValueError(f"{name} must have {length} bytes, not {len(value)}")
