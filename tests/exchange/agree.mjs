// `node agree.mjs ENVELOPE.mjs`: reads [{op, cipher, key, iv, aad, data}] in hexadecimal from stdin,
// prints for each what the example's envelope makes of it: {"data": hex} or {"error": text}.
import { argv, stdin, stdout } from 'node:process'
import { pathToFileURL } from 'node:url'

const { open, seal } = await import(pathToFileURL(argv[2]).href)
const bytes = (text) => Uint8Array.from(Buffer.from(text, 'hex'))

const parts = []
for await (const part of stdin) parts.push(part)

const results = JSON.parse(Buffer.concat(parts).toString('utf8')).map(({ op, cipher, key, iv, aad, data }) => {
  const act = op === 'seal' ? seal : open
  try {
    const made = act(cipher, bytes(key), bytes(iv), bytes(data), bytes(aad))
    return { data: Buffer.from(made).toString('hex') }
  } catch (error) {
    return { error: String(error.message) }
  }
})
stdout.write(JSON.stringify(results))
