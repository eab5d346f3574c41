/** Every pair of authentication kind and payload mode, each tried with forgeries: none passes. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { formatAmzDate, parseAmzDate } from '#s3-protocol/dates'
import { canonicalRequest, deriveSigningKey, EMPTY_SHA256, stringToSign } from '#s3-protocol/sigv4'
import { presignRequest, signChunks, signRequest } from '#s3-protocol/sigv4-client'
import { signTextV2, stringToSignV2 } from '#s3-protocol/sigv2'
import { Query, parseQuery } from '#s3-protocol/query'
import {
  ACCESS_KEY,
  exchange,
  frontDoorFixture,
  memoryRequest,
  REGION,
  SECRET_KEY,
  type Sent,
} from '#testing/front-door-fixture'
import { checkSingleScheme, classify } from './authenticate-scheme.ts'

type Pairs = readonly (readonly [string, string])[]
interface Draft {
  method: string
  path: string
  query: [string, string][]
  headers: [string, string][]
  content: Uint8Array
  /** Secret that signs. */
  secret: string
  accessKey: string
}

const CONTENT = Buffer.from('the content of the object '.repeat(10_000))
const OTHER = Buffer.from(CONTENT)
OTHER[1000] = 0x21
const SHA256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

function draft(): Draft {
  return {
    method: 'PUT',
    path: '/box/a key/é',
    query: [],
    headers: [
      ['host', 'localhost:9000'],
      ['content-type', 'text/plain'],
      ['x-amz-meta-color', 'green  or   blue'],
    ],
    content: CONTENT,
    secret: SECRET_KEY,
    accessKey: ACCESS_KEY,
  }
}

function chunksOf(content: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let at = 0; at < content.length; at += 65_536) chunks.push(content.subarray(at, at + 65_536))
  return chunks
}

const TRAILERS: Pairs = [['x-amz-checksum-crc32c', 'AAAAAA==']]
type Mode = 'sha256' | 'unsigned' | 'absent' | 'signed' | 'signed-trailer' | 'unsigned-trailer'

const LITERALS: Readonly<Partial<Record<Mode, string>>> = {
  unsigned: 'UNSIGNED-PAYLOAD',
  signed: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
  'signed-trailer': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
  'unsigned-trailer': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
}

function modeHeaders(d: Draft, mode: Mode): [string, string][] {
  if (mode !== 'signed' && mode !== 'signed-trailer' && mode !== 'unsigned-trailer') return []
  const headers: [string, string][] = [
    ['content-encoding', 'aws-chunked'],
    ['x-amz-decoded-content-length', String(d.content.length)],
  ]
  if (mode !== 'signed') headers.push(['x-amz-trailer', 'x-amz-checksum-crc32c'])
  return headers
}

function unsignedChunks(content: Uint8Array): Uint8Array[] {
  const out: Uint8Array[] = []
  for (const chunk of chunksOf(content)) {
    out.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n'))
  }
  out.push(Buffer.from('0\r\nx-amz-checksum-crc32c:AAAAAA==\r\n\r\n'))
  return out
}

function bodyOf(d: Draft, mode: Mode, chain: Parameters<typeof signChunks>[1]): Uint8Array[] {
  if (mode === 'signed') return [...signChunks(chunksOf(d.content), chain)]
  if (mode === 'signed-trailer') return [...signChunks(chunksOf(d.content), chain, TRAILERS)]
  if (mode === 'unsigned-trailer') return unsignedChunks(d.content)
  return [d.content]
}

function headerV4(d: Draft, mode: Mode): Sent {
  const payloadHash =
    mode === 'sha256'
      ? SHA256(d.content)
      : mode === 'absent'
        ? EMPTY_SHA256
        : (LITERALS[mode] ?? '')
  const signed = signRequest(
    {
      method: d.method,
      path: d.path,
      query: d.query,
      headers: [...d.headers, ...modeHeaders(d, mode)],
      payloadHash,
      timeMs: Date.now(),
    },
    { accessKey: d.accessKey, secretKey: d.secret, region: REGION },
  )
  return {
    method: d.method,
    target: targetOf(d),
    headers: signed.headers,
    body: bodyOf(d, mode, signed),
  }
}

function targetOf(d: Draft): string {
  const path = encodeURI(d.path)
  return d.query.length === 0 ? path : `${path}?${new URLSearchParams(d.query).toString()}`
}

function presignedV4(d: Draft, mode: Mode): Sent {
  const payloadHash = mode === 'sha256' ? SHA256(d.content) : (LITERALS[mode] ?? 'UNSIGNED-PAYLOAD')
  const extra: [string, string][] = mode === 'absent' ? [] : [['x-amz-content-sha256', payloadHash]]
  const headers = [...d.headers, ...modeHeaders(d, mode), ...extra]
  const timeMs = Date.now()
  const credential = { accessKey: d.accessKey, secretKey: d.secret, region: REGION }
  const target = presignRequest(
    {
      method: d.method,
      path: d.path,
      query: d.query,
      headers,
      payloadHash,
      timeMs,
      expiresSeconds: 60,
    },
    credential,
  )
  const query = parseQuery(target.split('?')[1] ?? '') ?? Query.EMPTY
  const chain = signRequest(
    { method: d.method, path: d.path, query: d.query, headers, payloadHash, timeMs },
    credential,
  )
  const seeded = {
    ...chain,
    signature: query.get('X-Amz-Signature') ?? '',
    date: query.get('X-Amz-Date') ?? '',
  }
  return { method: d.method, target, headers, body: bodyOf(d, mode, seeded) }
}

function v2Text(d: Draft, headers: Pairs, date: string): string {
  return stringToSignV2({
    method: d.method,
    path: encodeURI(d.path),
    query: new Query(d.query),
    contentMd5: '',
    contentType: 'text/plain',
    date,
    rawHeaders: headers,
  })
}

function v2Headers(d: Draft, mode: Mode): [string, string][] {
  return mode === 'sha256' ? [...d.headers, ['x-amz-content-sha256', SHA256(d.content)]] : d.headers
}

function headerV2(d: Draft, mode: Mode): Sent {
  const headers: [string, string][] = [
    ...v2Headers(d, mode),
    ['x-amz-date', new Date().toUTCString()],
  ]
  const signature = signTextV2(d.secret, v2Text(d, headers, ''))
  return {
    method: d.method,
    target: targetOf(d),
    headers: [...headers, ['authorization', `AWS ${d.accessKey}:${signature}`]],
    body: [d.content],
  }
}

function presignedV2(d: Draft, mode: Mode): Sent {
  const headers = v2Headers(d, mode)
  const expires = String(Math.floor(Date.now() / 1000) + 60)
  const signature = signTextV2(d.secret, v2Text(d, headers, expires))
  const query: [string, string][] = [
    ...d.query,
    ['AWSAccessKeyId', d.accessKey],
    ['Expires', expires],
    ['Signature', signature],
  ]
  return { method: d.method, target: targetOf({ ...d, query }), headers, body: [d.content] }
}

const KINDS = { headerV4, presignedV4, headerV2, presignedV2 }
type Kind = keyof typeof KINDS
const V4_MODES: readonly Mode[] = [
  'sha256',
  'unsigned',
  'absent',
  'signed',
  'signed-trailer',
  'unsigned-trailer',
]
const PAIRS: readonly (readonly [Kind, Mode])[] = [
  ...V4_MODES.filter((mode) => mode !== 'absent').map((mode) => ['headerV4', mode] as const),
  ...V4_MODES.map((mode) => ['presignedV4', mode] as const),
  ['headerV2', 'sha256'],
  ['headerV2', 'absent'],
  ['presignedV2', 'sha256'],
  ['presignedV2', 'absent'],
]

const isChunked = (mode: Mode): boolean =>
  mode === 'signed' || mode === 'signed-trailer' || mode === 'unsigned-trailer'
const checksBody = (mode: Mode): boolean =>
  mode === 'sha256' || mode === 'signed' || mode === 'signed-trailer'

function withHeader(sent: Sent, name: string, change: (value: string) => string): Sent {
  const headers = sent.headers.map(
    ([key, value]) => [key, key === name ? change(value) : value] as const,
  )
  return { ...sent, headers }
}

function flipLast(text: string): string {
  // The last character of base64 holds unused bits: the first one has none.
  return (text.startsWith('a') ? 'b' : 'a') + text.slice(1)
}

function forgeSignature(sent: Sent): Sent {
  const inQuery = /((?:X-Amz-)?Signature=)([^&]+)/.exec(sent.target)
  if (inQuery !== null) {
    const [whole, name = '', value = ''] = inQuery
    return { ...sent, target: sent.target.replace(whole, name + flipLast(value)) }
  }
  return withHeader(sent, 'authorization', (value) =>
    value.startsWith('AWS4')
      ? value.replace(/Signature=(.*)$/, (_, s: string) => `Signature=${flipLast(s)}`)
      : value.replace(/:(.*)$/, (_, s: string) => `:${flipLast(s)}`),
  )
}

function mapBody(sent: Sent, change: (text: string) => string): Sent {
  const body = sent.body === undefined || sent.body instanceof Uint8Array ? [] : sent.body
  return {
    ...sent,
    body: body.map((p) => Buffer.from(change(Buffer.from(p).toString('latin1')), 'latin1')),
  }
}

function emptied(sent: Sent): Sent {
  return { ...sent, body: [] }
}

interface Forgery {
  readonly name: string
  applies(kind: Kind, mode: Mode): boolean
  make(kind: Kind, mode: Mode): Sent
}

const always = (): boolean => true
const made = (kind: Kind, mode: Mode, change: (d: Draft) => void = () => undefined): Sent => {
  const d = draft()
  change(d)
  return KINDS[kind](d, mode)
}

const FORGERIES: readonly Forgery[] = [
  { name: 'a forged signature', applies: always, make: (k, m) => forgeSignature(made(k, m)) },
  {
    name: 'the secret of another',
    applies: always,
    make: (k, m) => made(k, m, (d) => (d.secret = 'not the secret')),
  },
  {
    name: 'an unknown key',
    applies: always,
    make: (k, m) => made(k, m, (d) => (d.accessKey = 'nobodyknows')),
  },
  {
    name: 'a changed header',
    applies: always,
    make: (k, m) => withHeader(made(k, m), 'x-amz-meta-color', () => 'red'),
  },
  {
    name: 'an added metadata header',
    applies: (k) => k !== 'headerV4',
    make: (k, m) => {
      const sent = made(k, m)
      return { ...sent, headers: [...sent.headers, ['x-amz-meta-extra', 'x']] }
    },
  },
  {
    name: 'another method',
    applies: always,
    make: (k, m) => ({ ...made(k, m), method: 'DELETE', body: [] }),
  },
  {
    name: 'another key',
    applies: always,
    make: (k, m) => {
      const sent = made(k, m)
      return { ...sent, target: sent.target.replace('/box/', '/box/x') }
    },
  },
  {
    name: 'an added query parameter',
    applies: always,
    make: (k, m) => {
      const sent = made(k, m)
      const sign = sent.target.includes('?') ? '&' : '?'
      return { ...sent, target: `${sent.target}${sign}versionId=x` }
    },
  },
  {
    name: 'a changed body',
    applies: (_, mode) => checksBody(mode),
    make: (k, m) => mapBody(made(k, m), (text) => text.replace('content of the', 'Content of the')),
  },
  {
    name: 'no body',
    applies: (_, mode) => checksBody(mode) || isChunked(mode),
    make: (k, m) => emptied(made(k, m)),
  },
  {
    name: 'a forged chunk signature',
    applies: (_, mode) => mode === 'signed' || mode === 'signed-trailer',
    make: (k, m) =>
      mapBody(made(k, m), (text) =>
        text.replace(
          /chunk-signature=([0-9a-f]{64})/,
          (_, s: string) => `chunk-signature=${flipLast(s)}`,
        ),
      ),
  },
  {
    name: 'chunks in another order',
    applies: (_, mode) => mode === 'signed' || mode === 'signed-trailer',
    make: (k, m) => {
      const sent = made(k, m)
      const body = sent.body === undefined || sent.body instanceof Uint8Array ? [] : [...sent.body]
      return { ...sent, body: [...body.slice(3, 6), ...body.slice(0, 3), ...body.slice(6)] }
    },
  },
  {
    name: 'a cut body that ends with the last chunk',
    applies: (_, mode) => isChunked(mode),
    make: (k, m) => {
      const sent = made(k, m)
      const body = sent.body === undefined || sent.body instanceof Uint8Array ? [] : [...sent.body]
      return { ...sent, body: body.slice(3) }
    },
  },
  {
    name: 'a changed trailer',
    applies: (_, mode) => mode === 'signed-trailer',
    make: (k, m) => mapBody(made(k, m), (text) => text.replace('AAAAAA==', 'BAAAAA==')),
  },
  {
    name: 'a forged trailer signature',
    applies: (_, mode) => mode === 'signed-trailer',
    make: (k, m) =>
      mapBody(made(k, m), (text) =>
        text.replace(
          /trailer-signature:([0-9a-f]{64})/,
          (_, s: string) => `trailer-signature:${flipLast(s)}`,
        ),
      ),
  },
  {
    name: 'another trailer than announced',
    applies: (_, mode) => mode === 'signed-trailer' || mode === 'unsigned-trailer',
    make: (k, m) =>
      mapBody(made(k, m), (text) =>
        text.replace('x-amz-checksum-crc32c:', 'x-amz-checksum-crc32:'),
      ),
  },
  {
    name: 'no trailer',
    applies: (_, mode) => mode === 'unsigned-trailer',
    make: (k, m) =>
      mapBody(made(k, m), (text) => text.replace('x-amz-checksum-crc32c:AAAAAA==\r\n', '')),
  },
  {
    name: 'another payload literal',
    applies: always,
    make: (k, m) => {
      const sent = made(k, m)
      const literal = m === 'unsigned' ? SHA256(OTHER) : 'UNSIGNED-PAYLOAD'
      const headers = sent.headers.filter(([name]) => name !== 'x-amz-content-sha256')
      return {
        ...sent,
        headers: [...headers, ['x-amz-content-sha256', m === 'absent' ? SHA256(OTHER) : literal]],
      }
    },
  },
  {
    name: 'the unsigned trailer literal put in',
    applies: (_, mode) => mode !== 'unsigned-trailer',
    make: (k, m) => {
      const sent = made(k, m)
      const headers = sent.headers.filter(([name]) => name !== 'x-amz-content-sha256')
      return {
        ...sent,
        headers: [
          ...headers,
          ['x-amz-content-sha256', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'] as const,
        ],
        body: unsignedChunks(CONTENT),
      }
    },
  },
]

for (const [kind, mode] of PAIRS) {
  test(`${kind} with payload ${mode} passes when it is genuine`, async () => {
    const fixture = frontDoorFixture()
    const reply = await exchange(fixture.handler, made(kind, mode))
    assert.equal(reply.status, 200, reply.text)
    const stored = fixture.store.get('PutObject /box/a key/é')
    assert.ok(stored !== undefined && Buffer.from(stored).equals(CONTENT))
  })
  for (const forgery of FORGERIES) {
    if (!forgery.applies(kind, mode)) continue
    test(`${kind} with payload ${mode} and ${forgery.name} is refused`, async () => {
      const fixture = frontDoorFixture()
      const reply = await exchange(fixture.handler, forgery.make(kind, mode))
      assert.ok(reply.status === 400 || reply.status === 403, `${reply.status} ${reply.text}`)
      assert.equal(fixture.store.size, 0)
    })
  }
}

test('header V4 without a payload hash signs the empty hash and leaves the body unchecked', async () => {
  const { handler, store } = frontDoorFixture()
  const d = draft()
  const signed = signRequest(
    { ...d, payloadHash: EMPTY_SHA256, timeMs: Date.now() },
    { accessKey: ACCESS_KEY, secretKey: SECRET_KEY, region: REGION },
  )
  // With the header present the empty hash is a claim about the body, and false.
  const sent = { method: 'PUT', target: targetOf(d), headers: signed.headers, body: CONTENT }
  assert.equal((await exchange(handler, sent)).code, 'XAmzContentSHA256Mismatch')
  assert.equal(store.size, 0)
})

for (const [form, format] of [
  ['GMT', (time: Date) => time.toUTCString()],
  ['a numeric zone', (time: Date) => time.toUTCString().replace('GMT', '-0000')],
] as const) {
  test(`header V4 may be dated by Date in ${form}`, async () => {
    const { handler, store } = frontDoorFixture()
    const date = formatAmzDate(Date.now())
    const time = new Date(parseAmzDate(date) ?? 0)
    const scope = { date: date.slice(0, 8), region: REGION, service: 's3' }
    const headers: [string, string][] = [
      ['date', format(time)],
      ['host', 'localhost:9000'],
      ['x-amz-content-sha256', 'UNSIGNED-PAYLOAD'],
    ]
    const canonical = canonicalRequest({
      method: 'PUT',
      path: '/box/key',
      query: Query.EMPTY,
      headers,
      payloadHash: 'UNSIGNED-PAYLOAD',
    })
    const sentWith = (signedDate: string): Sent => {
      const signature = deriveSigningKey(SECRET_KEY, scope).sign(
        stringToSign(canonical, signedDate, scope),
      )
      const names = headers.map(([name]) => name).join(';')
      const credential = `${ACCESS_KEY}/${scope.date}/${REGION}/s3/aws4_request`
      const authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names}, Signature=${signature}`
      return {
        method: 'PUT',
        target: '/box/key',
        headers: [...headers, ['authorization', authorization]],
        body: CONTENT,
      }
    }
    assert.equal((await exchange(handler, sentWith(`${date.slice(0, 15)}z`))).status, 403)
    assert.equal(store.size, 0)
    assert.equal((await exchange(handler, sentWith(date))).status, 200)
  })
}

test('a document with a wrong payload hash or MD5 is refused before it is acted upon', async () => {
  const d = draft()
  d.query = [['tagging', '']]
  d.content = Buffer.from('<Tagging/>')
  const genuine = headerV4(d, 'sha256')
  const fixture = frontDoorFixture()
  const changed = await exchange(fixture.handler, { ...genuine, body: Buffer.from('<Taggign/>') })
  assert.equal(changed.code, 'XAmzContentSHA256Mismatch')
  d.headers.push(['content-md5', createHash('md5').update('other').digest('base64')])
  assert.equal((await exchange(fixture.handler, headerV4(d, 'sha256'))).code, 'BadDigest')
  assert.equal(fixture.store.size, 0)
  assert.equal((await exchange(fixture.handler, genuine)).status, 200)
})

test('a streaming literal on another operation than an upload is refused', async () => {
  const d = draft()
  d.query = [['tagging', '']]
  const { handler, store } = frontDoorFixture()
  assert.equal((await exchange(handler, headerV4(d, 'unsigned-trailer'))).code, 'InvalidRequest')
  assert.equal(store.size, 0)
})

test('signed chunks of nobody are refused with a word about what to send instead', async () => {
  const signed = headerV4(draft(), 'signed')
  const { handler, store } = frontDoorFixture()
  const headers = signed.headers.filter(([name]) => name.toLowerCase() !== 'authorization')
  const reply = await exchange(handler, { ...signed, headers })
  assert.equal(reply.code, 'InvalidRequest')
  assert.match(reply.text, /Please use UNSIGNED-PAYLOAD or STREAMING-UNSIGNED-PAYLOAD-TRAILER/)
  assert.equal(store.size, 0)
})

test('a form is one in any case of its type', () => {
  const requestOf = (type: string, more: Pairs = []) =>
    memoryRequest({ method: 'POST', target: '/box', headers: [['content-type', type], ...more] })
  const signed: Pairs = [['authorization', 'AWS AccessKey:Signature']]
  for (const type of ['multipart/form-data; boundary=x', 'Multipart/Form-Data; boundary=x']) {
    assert.equal(classify(requestOf(type), Query.EMPTY), 'form')
    // Which of the two would be meant: the header, or the fields?
    assert.throws(() => checkSingleScheme(requestOf(type, signed), Query.EMPTY), {
      code: 'InvalidRequest',
    })
  }
})

test('a key that is not the root key has no rights yet', async () => {
  const { handler } = frontDoorFixture()
  const sent = made('headerV4', 'sha256', (d) => {
    d.accessKey = 'somebody'
    d.secret = 'another-secret'
  })
  assert.equal((await exchange(handler, sent)).code, 'AccessDenied')
})

for (const kind of ['headerV4', 'presignedV4', 'headerV2', 'presignedV2'] as const) {
  test(`${kind} covers the path that a trusted proxy shortened`, async () => {
    const whole = KINDS[kind]({ ...draft(), path: '/s3/box/a key/é' }, 'sha256')
    const sent = {
      ...whole,
      target: whole.target.replace('/s3/', '/'),
      remoteAddress: '10.1.2.3',
    }
    const statusOf = async (request: Sent, pathPrefix: string): Promise<number> => {
      const trustedProxies = ['10.0.0.0/8']
      return (await exchange(frontDoorFixture({ trustedProxies, pathPrefix }).handler, request))
        .status
    }
    assert.equal(await statusOf(sent, '/s3'), 200)
    assert.equal(await statusOf(sent, '/s4'), 403)
    assert.equal(await statusOf(sent, ''), 403)
    assert.equal(await statusOf({ ...sent, remoteAddress: '9.9.9.9' }, '/s3'), 403)
    assert.equal(await statusOf(made(kind, 'sha256'), '/s3'), 200)
    const shortened = { ...made(kind, 'sha256'), remoteAddress: '10.1.2.3' }
    assert.equal(await statusOf(shortened, '/s3'), 403)
  })
}
