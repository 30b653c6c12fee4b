"""SM3, SM4 and GCM a second time, written after the texts of the standards and for nothing but that
the library agrees with them: plain, slow, and sharing no code with it.

GB/T 32905 (SM3), GB/T 32907 (SM4), NIST SP 800-38D (GCM). All numbers are big endian.
"""

from __future__ import annotations

from collections.abc import Iterator

_WORD = 0xFFFFFFFF
_START = "7380166f 4914b2b9 172442d7 da8a0600 a96f30bc 163138aa e38dee4d b0fb0e4e"

_S_BOX = bytes.fromhex(
    "d690e9fecce13db716b614c228fb2c052b679a762abe04c3aa441326498606999c4250f491ef987a33540b43edcfac62"
    "e4b31ca9c908e89580df94fa758f3fa64707a7fcf37317ba83593c19e6854fa8686b81b27164da8bf8eb0f4b70569d35"
    "1e240e5e6358d1a225227c3b01217887d40046579fd327524c3602e7a0c4c89eeabf8ad240c738b5a3f7f2cef96115a1"
    "e0ae5da49b341a55ad933230f58cb1e31df6e22e8266ca60c02923ab0d534e6fd5db3745defd8e2f03ff6a726d6c5b51"
    "8d1baf92bbddbc7f11d95c411f105ad80ac13188a5cd7bbd2d74d012b8e5b4b08969974a0c96777e65b9f109c56ec684"
    "18f07dec3adc4d2079ee5f3ed7cb3948"
)
_FK = (0xA3B1BAC6, 0x56AA3350, 0x677D9197, 0xB27022DC)
_CK = [int.from_bytes(bytes((4 * i + j) * 7 % 256 for j in range(4)), "big") for i in range(32)]


def _left(word: int, by: int) -> int:
    by %= 32
    return (word << by | word >> (32 - by)) & _WORD


# --- SM3 ------------------------------------------------------------------------------------------


def sm3(message: bytes) -> bytes:
    """GB/T 32905, clause 5."""
    zeros = (55 - len(message)) % 64
    padded = message + b"\x80" + bytes(zeros) + (8 * len(message)).to_bytes(8, "big")
    state = [int(word, 16) for word in _START.split()]
    for start in range(0, len(padded), 64):
        state = _compressed(state, padded[start : start + 64])
    return b"".join(word.to_bytes(4, "big") for word in state)


def _compressed(state: list[int], block: bytes) -> list[int]:
    w = [int.from_bytes(block[i : i + 4], "big") for i in range(0, 64, 4)]
    for j in range(16, 68):
        x = w[j - 16] ^ w[j - 9] ^ _left(w[j - 3], 15)
        w.append(x ^ _left(x, 15) ^ _left(x, 23) ^ _left(w[j - 13], 7) ^ w[j - 6])
    a, b, c, d, e, f, g, h = state
    for j in range(64):
        t = 0x79CC4519 if j < 16 else 0x7A879D8A
        ss1 = _left((_left(a, 12) + e + _left(t, j)) & _WORD, 7)
        ss2 = ss1 ^ _left(a, 12)
        ff = a ^ b ^ c if j < 16 else (a & b) | (a & c) | (b & c)
        gg = e ^ f ^ g if j < 16 else (e & f) | (~e & _WORD & g)
        tt1 = (ff + d + ss2 + (w[j] ^ w[j + 4])) & _WORD
        tt2 = (gg + h + ss1 + w[j]) & _WORD
        a, b, c, d = tt1, a, _left(b, 9), c
        e, f, g, h = tt2 ^ _left(tt2, 9) ^ _left(tt2, 17), e, _left(f, 19), g
    return [old ^ new for old, new in zip(state, (a, b, c, d, e, f, g, h), strict=True)]


def hmac_sm3(key: bytes, message: bytes) -> bytes:
    """RFC 2104."""
    key = (sm3(key) if len(key) > 64 else key).ljust(64, b"\0")
    inner = sm3(bytes(byte ^ 0x36 for byte in key) + message)
    return sm3(bytes(byte ^ 0x5C for byte in key) + inner)


# --- SM4 ------------------------------------------------------------------------------------------


def _substituted(word: int) -> int:
    return int.from_bytes(bytes(_S_BOX[byte] for byte in word.to_bytes(4, "big")), "big")


def _round_keys(key: bytes) -> list[int]:
    k = [word ^ fk for word, fk in zip(_words(key), _FK, strict=True)]
    for i in range(32):
        b = _substituted(k[i + 1] ^ k[i + 2] ^ k[i + 3] ^ _CK[i])
        k.append(k[i] ^ b ^ _left(b, 13) ^ _left(b, 23))
    return k[4:]


def _words(block: bytes) -> list[int]:
    return [int.from_bytes(block[i : i + 4], "big") for i in range(0, 16, 4)]


def _block(block: bytes, round_keys: list[int]) -> bytes:
    x = _words(block)
    for i in range(32):
        b = _substituted(x[i + 1] ^ x[i + 2] ^ x[i + 3] ^ round_keys[i])
        x.append(x[i] ^ b ^ _left(b, 2) ^ _left(b, 10) ^ _left(b, 18) ^ _left(b, 24))
    return b"".join(word.to_bytes(4, "big") for word in reversed(x[-4:]))


def sm4(key: bytes, block: bytes) -> bytes:
    """One block encrypted."""
    return _block(block, _round_keys(key))


def sm4_back(key: bytes, block: bytes) -> bytes:
    """One block decrypted."""
    return _block(block, _round_keys(key)[::-1])


def cbc(key: bytes, iv: bytes, plaintext: bytes) -> bytes:
    """SM4-CBC with PKCS#7 padding."""
    pad = 16 - len(plaintext) % 16
    last, out = iv, b""
    for block in _blocks(plaintext + bytes([pad]) * pad):
        last = sm4(key, _xor(block, last))
        out += last
    return out


def gcm(key: bytes, iv: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """SM4-GCM with a vector of 12 bytes: ciphertext ‖ tag."""
    out = b"".join(
        _xor(block, sm4(key, iv + number.to_bytes(4, "big")))
        for number, block in enumerate(_blocks(plaintext), start=2)
    )
    lengths = (8 * len(aad)).to_bytes(8, "big") + (8 * len(out)).to_bytes(8, "big")
    subkey = int.from_bytes(sm4(key, bytes(16)), "big")
    hashed = 0
    for block in [*_blocks(aad), *_blocks(out), lengths]:
        hashed = _product(hashed ^ int.from_bytes(block.ljust(16, b"\0"), "big"), subkey)
    return out + _xor(hashed.to_bytes(16, "big"), sm4(key, iv + b"\0\0\0\1"))


def _product(x: int, y: int) -> int:
    """In GF(2^128), the leftmost bit being the lowest power."""
    z = 0
    for bit in range(127, -1, -1):
        if x >> bit & 1:
            z ^= y
        y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
    return z


def _blocks(data: bytes) -> Iterator[bytes]:
    return (data[i : i + 16] for i in range(0, len(data), 16))


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=False))
