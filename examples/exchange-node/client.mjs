// A partner's client: `node client.mjs ACCOUNT.json URL CA.pem INTERFACE QUERY`, for example
//
//   node client.mjs account.json https://127.0.0.1:9001 ca.pem getRegionData \
//     '{"periodCode":"month","beginTime":1772294400000,"endTime":1774972800000,
//       "onlinORreport":"online","regionCode":"210000"}'
//
// ACCOUNT.json is what `nenghao exchange account add --json` printed, INTERFACE one of the six,
// QUERY the queryParam of annex C. Prints the opened answer; exit code 1 when it is a refusal.
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { argv, exit, stdout, stderr } from 'node:process'
import { pathToFileURL } from 'node:url'
import { answerAad, ivBytes, open, requestAad, seal } from './envelope.mjs'

const WINDOW_MS = 300_000

/** Ask one of the six; resolves to the answer of annex C, and throws what must not be believed. */
export async function ask({ account, url, ca, name, query }) {
  const cipher = account.cipher ?? 'sm4-gcm'
  const key = Uint8Array.from(Buffer.from(account.key, 'hex'))
  const path = `/energyreport/common/${name}`

  const head = { appId: account.appId, kid: account.kid, timestamp: Date.now() }
  const nonce = randomBytes(16).toString('hex')
  const iv = randomBytes(ivBytes(cipher))
  const plaintext = JSON.stringify({
    securityParams: { userName: account.userName, password: account.password },
    queryParam: query,
  })
  const aad = requestAad({ ...head, path, nonce })
  const encData = seal(cipher, key, iv, Buffer.from(plaintext), aad)
  const body = { ver: 1, ...head, nonce, iv: base64(iv), encData: base64(encData) }

  const { status, content } = await post(new URL(path, url), ca, JSON.stringify(body))
  const answer = JSON.parse(content)
  if (answer.encData === undefined) return answer // a refusal in the open; see docs/exchange.md
  if (answer.appId !== account.appId || answer.kid !== account.kid) throw new Error('应答的 appId 或 kid 不符')
  if (Math.abs(answer.timestamp - Date.now()) > WINDOW_MS) throw new Error('应答的时间相差超过 300 秒')
  const opened = open(
    cipher, key, bytes(answer.iv), bytes(answer.encData),
    answerAad({ path, appId: answer.appId, kid: answer.kid, timestamp: answer.timestamp, nonce, status }),
  )
  return JSON.parse(Buffer.from(opened).toString('utf8'))
}

function post(url, ca, body) {
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', ca, headers: { 'content-type': 'application/json' }, timeout: 60_000 }
    const sent = request(url, options, (response) => {
      const parts = []
      response.on('data', (part) => parts.push(part))
      response.on('end', () => {
        resolve({ status: response.statusCode, content: Buffer.concat(parts).toString('utf8') })
      })
      response.on('error', reject)
    })
    sent.on('timeout', () => sent.destroy(new Error('超时')))
    sent.on('error', reject)
    sent.end(body)
  })
}

const base64 = (data) => Buffer.from(data).toString('base64')
const bytes = (text) => Uint8Array.from(Buffer.from(text, 'base64'))

async function main([accountFile, url, caFile, name, query]) {
  const account = JSON.parse(readFileSync(accountFile, 'utf8'))
  const answer = await ask({ account, url, ca: readFileSync(caFile), name, query: JSON.parse(query) })
  stdout.write(`${JSON.stringify(answer, null, 2)}\n`)
  return answer.responseCode === '0' ? 0 : 1
}

if (import.meta.url === pathToFileURL(argv[1]).href) {
  const given = argv.slice(2)
  if (given.length !== 5) {
    stderr.write('用法：node client.mjs 账户.json https://平台:端口 根证书.pem 接口名 \'{queryParam}\'\n')
    exit(2)
  }
  main(given).then((code) => { process.exitCode = code }, (error) => {
    stderr.write(`错误：${error.message}\n`)
    process.exitCode = 1
  })
}
