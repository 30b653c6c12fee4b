// `node check-vectors.mjs FILE`: the test vectors of docs/exchange.md, sealed and opened once more.
import { readFileSync } from 'node:fs'
import { argv, stdout } from 'node:process'
import { answerAad, derivedKeys, open, requestAad, seal } from './envelope.mjs'

const hex = (data) => Buffer.from(data).toString('hex')
const bytes = (text) => Uint8Array.from(Buffer.from(text, 'hex'))
const { vectors } = JSON.parse(readFileSync(argv[2], 'utf8'))

for (const vector of vectors) {
  const { cipher, direction, plaintext, envelope: sent } = vector
  const told = { ...sent, path: vector.path, nonce: vector.nonce, status: vector.status }
  const aad = direction === 'request' ? requestAad(told) : answerAad(told)
  equal(Buffer.from(aad).toString('utf8'), vector.aad, `${vector.name}: aad`)
  const key = bytes(vector.key)
  const iv = bytes(vector.iv)
  const data = Buffer.from(plaintext, 'utf8')
  const sealed = seal(cipher, key, iv, data, aad)
  equal(hex(sealed), vector.ciphertext + vector.tag, `${vector.name}: ciphertext ‖ tag`)
  equal(Buffer.from(sealed).toString('base64'), sent.encData, `${vector.name}: encData`)
  equal(Buffer.from(iv).toString('base64'), sent.iv, `${vector.name}: iv`)
  equal(Buffer.from(open(cipher, key, iv, sealed, aad)).toString('utf8'), plaintext, vector.name)
  if (vector.derived) {
    equal(hex(derivedKeys(key).encryption), vector.derived.encryption, `${vector.name}: encryption key`)
    equal(hex(derivedKeys(key).mac), vector.derived.mac, `${vector.name}: MAC key`)
  }
  stdout.write(`ok ${vector.name}\n`)
}

function equal(found, expected, what) {
  if (found !== expected) throw new Error(`${what}\n found    ${found}\n expected ${expected}`)
}
