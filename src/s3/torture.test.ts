/** The whole way from socket to handler under input that nobody should send: right codes, bounded memory, the server goes on. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { systemClock } from '#base/clock'
import { type HttpServer, startHttpServer } from '#http/server'
import { SILENT_LOG } from '#observe/log'
import { signRequest } from '#s3-protocol/sigv4-client'
import { ACCESS_KEY, frontDoorFixture, REGION, SECRET_KEY } from '#testing/front-door-fixture'

const fixture = frontDoorFixture()
let server: HttpServer

before(async () => {
  server = await startHttpServer({
    handler: fixture.handler,
    clock: systemClock(),
    log: SILENT_LOG,
    host: '127.0.0.1',
    port: 0,
    limits: { inactivityMs: 1000, headersMs: 1000, lingerMs: 300 },
  })
})

after(async () => {
  await server.stop(100)
})

interface Wish {
  readonly method: string
  readonly path: string
  readonly query?: readonly (readonly [string, string])[]
  readonly payloadHash?: string
  readonly headers?: readonly (readonly [string, string])[]
}

/** A signed request head; `framing` are unsigned headers. */
function head(wish: Wish, framing: readonly string[]): string {
  const query = wish.query ?? []
  const { headers } = signRequest(
    {
      method: wish.method,
      path: wish.path,
      query,
      headers: [['host', '127.0.0.1'], ...(wish.headers ?? [])],
      payloadHash: wish.payloadHash ?? 'UNSIGNED-PAYLOAD',
      timeMs: Date.now(),
    },
    { accessKey: ACCESS_KEY, secretKey: SECRET_KEY, region: REGION },
  )
  const lines = headers.map(([name, value]) => `${name}: ${value}`)
  const parameters = new URLSearchParams(query.map((q) => [...q])).toString()
  const target = parameters === '' ? wish.path : `${wish.path}?${parameters}`
  return `${[`${wish.method} ${target} HTTP/1.1`, ...lines, ...framing].join('\r\n')}\r\n\r\n`
}

class Client {
  readonly socket: Socket
  text = ''
  isClosed = false
  constructor() {
    this.socket = connect(server.port, '127.0.0.1')
    this.socket.on('data', (data) => {
      this.text += data.toString('latin1')
    })
    this.socket.on('close', () => {
      this.isClosed = true
    })
    this.socket.on('error', () => undefined)
  }
  async until(condition: () => boolean): Promise<void> {
    for (let i = 0; i < 800 && !condition(); i++) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    assert.ok(condition(), `got: ${this.text.slice(0, 300)}`)
  }
  /** Writes as fast as the server takes it, until all is sent or the connection ends. */
  async pour(piece: Uint8Array, count: number): Promise<void> {
    for (let i = 0; i < count && !this.isClosed; i++) {
      if (this.socket.write(piece)) continue
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.socket.off('drain', done)
          this.socket.off('close', done)
          resolve()
        }
        this.socket.on('drain', done)
        this.socket.on('close', done)
      })
    }
  }
}

/** The server still serves somebody else. */
async function serves(): Promise<void> {
  const client = new Client()
  client.socket.write(head({ method: 'GET', path: '/box/small' }, ['Connection: close']))
  await client.until(() => client.isClosed)
  assert.match(client.text, /^HTTP\/1\.1 200/)
}

const MIB = 1024 * 1024
const TAGGING = { method: 'PUT', path: '/box/a', query: [['tagging', '']] } as const

for (const framing of [`Content-Length: ${100 * MIB}`, 'Transfer-Encoding: chunked']) {
  test(`a document of 100 MiB (${framing}) is refused in bounded memory`, async () => {
    const client = new Client()
    const before = process.memoryUsage().rss
    client.socket.write(head(TAGGING, [framing]))
    const piece = Buffer.alloc(65_536, 97)
    const isChunked = framing.startsWith('Transfer')
    const framed = isChunked
      ? Buffer.concat([Buffer.from('10000\r\n'), piece, Buffer.from('\r\n')])
      : piece
    await client.pour(framed, (100 * MIB) / piece.length)
    await client.until(() => client.text.includes('MalformedXML') || client.isClosed)
    assert.match(client.text, /^HTTP\/1\.1 400[\s\S]*MalformedXML/)
    await client.until(() => client.isClosed)
    assert.ok(process.memoryUsage().rss - before < 60 * MIB)
    assert.equal(fixture.store.size, 0)
    await serves()
  })
}

const UPLOAD = {
  method: 'PUT',
  path: '/box/a',
  payloadHash: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
  headers: [
    ['x-amz-decoded-content-length', '1000'],
    ['x-amz-trailer', 'x-amz-checksum-crc32'],
  ],
} as const

/** What, body, code. */
const BODIES: readonly (readonly [string, string, string])[] = [
  ['a chunk header of a megabyte', '0'.repeat(MIB), 'IncompleteBody'],
  ['a chunk larger than allowed', `${(17 * MIB).toString(16)}\r\n`, 'BadRequest'],
  [
    'more than declared',
    `3e9\r\n${'x'.repeat(1001)}\r\n0\r\nx-amz-checksum-crc32:a\r\n\r\n`,
    'IncompleteBody',
  ],
  [
    'less than declared',
    `3e7\r\n${'x'.repeat(999)}\r\n0\r\nx-amz-checksum-crc32:a\r\n\r\n`,
    'IncompleteBody',
  ],
  ['endless trailers', `0\r\n${'a:b\r\n'.repeat(50_000)}`, 'MalformedTrailerError'],
]

for (const [what, body, code] of BODIES) {
  test(`an upload with ${what} is 400 ${code}, and the connection goes on`, async () => {
    const client = new Client()
    client.socket.write(head(UPLOAD, [`Content-Length: ${body.length}`]))
    client.socket.write(body)
    await client.until(() => client.text.includes('</Error>'))
    assert.match(client.text, new RegExp(`^HTTP/1\\.1 400[\\s\\S]*<Code>${code}</Code>`))
    assert.equal(fixture.store.size, 0)
    if (!client.text.includes('Connection: close')) {
      client.text = ''
      client.socket.write(head({ method: 'GET', path: '/box/small' }, []))
      await client.until(() => client.text.startsWith('HTTP/1.1 200'))
    }
    client.socket.destroy()
  })
}

test('an upload of unknown size is stored whole, plain and with chunks inside of chunks', async () => {
  const inner = '5\r\nhello\r\n0\r\nx-amz-checksum-crc32:a\r\n\r\n'
  const uploads = [
    [head({ method: 'PUT', path: '/box/a' }, ['Transfer-Encoding: chunked']), 'hello'],
    [
      head({ ...UPLOAD, headers: [['x-amz-decoded-content-length', '5'], UPLOAD.headers[1]] }, [
        'Transfer-Encoding: chunked',
      ]),
      inner,
    ],
  ] as const
  for (const [start, content] of uploads) {
    const client = new Client()
    client.socket.write(start)
    for (const byte of content) client.socket.write(`1\r\n${byte}\r\n`)
    client.socket.write('0\r\n\r\n')
    await client.until(() => client.text.startsWith('HTTP/1.1 200'))
    assert.equal(Buffer.from(fixture.store.get('PutObject /box/a') ?? []).toString(), 'hello')
    fixture.store.clear()
    client.text = ''
    client.socket.write(head({ method: 'GET', path: '/box/small' }, []))
    await client.until(() => client.text.startsWith('HTTP/1.1 200'))
    client.socket.destroy()
  }
})

test('an upload whose sender stops or closes its half commits nothing', async () => {
  for (const end of [true, false]) {
    const client = new Client()
    client.socket.write(head({ method: 'PUT', path: '/box/a' }, ['Content-Length: 1000']))
    client.socket.write('x'.repeat(500))
    if (end) client.socket.end()
    await client.until(() => client.isClosed)
    if (!end) assert.match(client.text, /^HTTP\/1\.1 400[\s\S]*<Code>RequestTimeout<\/Code>/)
    assert.equal(fixture.store.size, 0)
  }
  await serves()
})

test('a refused upload of a large body gets its error before it sends, with 100-continue', async () => {
  const client = new Client()
  const raw = head({ method: 'PUT', path: '/box/a' }, [
    'Expect: 100-continue',
    'Content-Length: 5000000000',
  ]).replace(/Signature=./, 'Signature=x')
  client.socket.write(raw)
  await client.until(() => client.isClosed)
  assert.match(client.text, /^HTTP\/1\.1 403[\s\S]*SignatureDoesNotMatch/)
  assert.ok(!client.text.includes('100 Continue'))
})

/** Raw requests and what they are answered. */
const RAW: readonly (readonly [string, string, RegExp])[] = [
  [
    'malformed escape',
    'GET /box/%zz HTTP/1.1\r\nHost: x\r\n\r\n',
    /400[\s\S]*XMinioInvalidObjectName/,
  ],
  ['bad UTF-8 unescaped', 'GET /box/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n', /400/],
  ['two hosts', 'GET /box/a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n', /400[\s\S]*InvalidRequest/],
  [
    'two authorizations',
    'GET /box/a HTTP/1.1\r\nHost: x\r\nx-amz-date: 20240101T000000Z\r\nAuthorization: AWS4-HMAC-SHA256 a\r\nAuthorization: AWS x:y\r\n\r\n',
    /40[03]/,
  ],
  [
    'a header called constructor',
    'GET /box/a HTTP/1.1\r\nHost: x\r\nconstructor: y\r\n__proto__: z\r\n\r\n',
    /403/,
  ],
  [
    'signed headers that objects inherit',
    `GET /box/a HTTP/1.1\r\nHost: x\r\nx-amz-date: ${new Date().toISOString().replace(/[-:]|\.\d+/g, '')}\r\nAuthorization: AWS4-HMAC-SHA256 Credential=${ACCESS_KEY}/20240101/r/s3/aws4_request,SignedHeaders=host;constructor;__proto__;tostring,Signature=x\r\n\r\n`,
    /400[\s\S]*AccessDenied/,
  ],
  [
    '20 KiB of headers',
    `GET /box/a HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(20_000)}\r\n\r\n`,
    /400[\s\S]*RequestHeaderSectionTooLarge/,
  ],
  [
    'a long query',
    `GET /box/a?${'a=b&'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    /403[\s\S]*AccessDenied/,
  ],
  ['OPTIONS *', 'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n', /200/],
]

for (const [what, raw, answer] of RAW) {
  test(`${what} is answered ${answer.source.slice(0, 3)}`, async () => {
    const client = new Client()
    client.socket.write(Buffer.from(raw, 'latin1'))
    await client.until(() => /^HTTP\/1\.1 \d/.test(client.text))
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.match(client.text, answer)
    assert.ok(!/\bat \w+ \(|node:|\.ts:/.test(client.text))
    client.socket.destroy()
  })
}

test('an upload that does not tell its length is 411, whatever comes behind it and was signed', async () => {
  for (const payloadHash of [
    createHash('sha256').update('bar').digest('hex'),
    'UNSIGNED-PAYLOAD',
  ]) {
    for (const behind of ['bar', '']) {
      const client = new Client()
      client.socket.write(`${head({ method: 'PUT', path: '/box/a', payloadHash }, [])}${behind}`)
      await client.until(() => client.text.includes('</Error>'))
      assert.match(client.text, /^HTTP\/1\.1 411[^]*<Code>MissingContentLength<\/Code>/)
      if (behind !== '') await client.until(() => client.isClosed)
      client.socket.destroy()
    }
  }
})

test('requests in a row, good and bad, are answered in their order on one connection', async () => {
  const client = new Client()
  const good = head({ method: 'GET', path: '/box/small' }, [])
  const missing = head({ method: 'GET', path: '/box/missing' }, [])
  const upload = head({ method: 'PUT', path: '/box/%zz' }, ['Content-Length: 5'])
  client.socket.write(`${good}${missing}${upload}hello${good}`)
  await client.until(() => (client.text.match(/HTTP\/1\.1 /g) ?? []).length === 4)
  assert.deepEqual(
    [...client.text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((m) => m[1]),
    ['200', '404', '400', '200'],
  )
  client.socket.destroy()
})

test('a hundred clients that read nothing give their chunks back', async () => {
  fixture.objects.set('box/large', new Uint8Array(8 * MIB))
  const clients = Array.from({ length: 100 }, () => new Client())
  for (const client of clients) {
    client.socket.pause()
    client.socket.write(head({ method: 'GET', path: '/box/large' }, []))
  }
  await clients[0]?.until(() => fixture.chunksOpen() > 0)
  await clients[0]?.until(() => fixture.chunksOpen() === 0)
  for (const client of clients) client.socket.destroy()
  await serves()
})
