// The exchange envelope (加密信封) with sm-crypto-v2: pure functions, as docs/exchange.md tells them.
//
// Keys, nonces and vectors are Uint8Array or hex text that the caller chooses; `client.mjs` takes
// fresh random ones for every request. Copy this file: it needs nothing else of the example.
import { timingSafeEqual } from 'node:crypto'
import { sm3, sm4 } from 'sm-crypto-v2'

const utf8 = new TextEncoder()
const TAG_BYTES = { 'sm4-gcm': 16, 'sm4-cbc-hmac-sm3': 32 }
const IV_BYTES = { 'sm4-gcm': 12, 'sm4-cbc-hmac-sm3': 16 }

export const ivBytes = (cipher) => IV_BYTES[cipher]

export function requestAad({ path, appId, kid, timestamp, nonce }) {
  return utf8.encode(`NENGHAO1|req|POST|${path}|${appId}|${kid}|${timestamp}|${nonce}`)
}

export function answerAad({ path, appId, kid, timestamp, nonce, status }) {
  return utf8.encode(`NENGHAO1|resp|${path}|${appId}|${kid}|${timestamp}|${nonce}|${status}`)
}

/** Ciphertext ‖ tag. */
export function seal(cipher, key, iv, plaintext, aad) {
  return cipher === 'sm4-gcm' ? sealGcm(key, iv, plaintext, aad) : sealCbc(key, iv, plaintext, aad)
}

/** The plaintext; throws when the tag is not that of key, iv, aad and ciphertext. */
export function open(cipher, key, iv, sealed, aad) {
  if (iv.length !== IV_BYTES[cipher] || sealed.length < TAG_BYTES[cipher]) {
    throw new Error('iv 或密文的长度不对')
  }
  const ciphertext = sealed.subarray(0, sealed.length - TAG_BYTES[cipher])
  const tag = sealed.subarray(sealed.length - TAG_BYTES[cipher])
  return cipher === 'sm4-gcm'
    ? openGcm(key, iv, ciphertext, tag, aad)
    : openCbc(key, iv, ciphertext, tag, aad)
}

function sealGcm(key, iv, plaintext, aad) {
  const { output, tag } = sm4.encrypt(plaintext, key, {
    mode: 'gcm', iv, associatedData: aad, output: 'array', outputTag: true,
  })
  return concat(output, tag)
}

function openGcm(key, iv, ciphertext, tag, aad) {
  // With a tag, sm-crypto-v2 throws where it does not fit; without one it would not look.
  return sm4.decrypt(ciphertext, key, {
    mode: 'gcm', iv, associatedData: aad, tag, output: 'array',
  })
}

function sealCbc(key, iv, plaintext, aad) {
  const { encryption, mac } = derivedKeys(key)
  const ciphertext = sm4.encrypt(plaintext, encryption, {
    mode: 'cbc', iv, padding: 'pkcs#7', output: 'array',
  })
  return concat(ciphertext, cbcTag(mac, iv, ciphertext, aad))
}

function openCbc(key, iv, ciphertext, tag, aad) {
  const { encryption, mac } = derivedKeys(key)
  check(tag, cbcTag(mac, iv, ciphertext, aad)) // before anything is decrypted
  return sm4.decrypt(ciphertext, encryption, {
    mode: 'cbc', iv, padding: 'pkcs#7', output: 'array',
  })
}

/** The two keys that SM4-CBC + HMAC-SM3 uses instead of the agreed one. */
export function derivedKeys(key) {
  return {
    encryption: hmacSm3(key, utf8.encode('NENGHAO1|enc')).subarray(0, 16),
    mac: hmacSm3(key, utf8.encode('NENGHAO1|mac')),
  }
}

function cbcTag(mac, iv, ciphertext, aad) {
  const bits = new DataView(new ArrayBuffer(8))
  bits.setBigUint64(0, 8n * BigInt(aad.length)) // big endian
  return hmacSm3(mac, concat(aad, iv, ciphertext, new Uint8Array(bits.buffer)))
}

function hmacSm3(key, data) {
  return Uint8Array.from(Buffer.from(sm3(data, { key, mode: 'hmac' }), 'hex'))
}

function check(received, expected) {
  if (received.length !== expected.length || !timingSafeEqual(received, expected)) {
    throw new Error('认证标签不符')
  }
}

function concat(...parts) {
  return Uint8Array.from(Buffer.concat(parts))
}
