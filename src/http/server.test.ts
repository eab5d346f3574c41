/** The server against clients that misbehave, over real sockets. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { systemClock } from '#base/clock'
import { type Log, SILENT_LOG } from '#observe/log'
import { BodyStalledError } from './body-reader.ts'
import type { HttpHandler } from './http.ts'
import type { HttpLimits } from './limits.ts'
import { type HttpServer, startHttpServer } from './server.ts'
import type { MemoryQueue } from './slow-clients.ts'

function start(
  handler: HttpHandler,
  options: {
    readonly limits?: Partial<HttpLimits>
    readonly log?: Log
    readonly memory?: MemoryQueue
  } = {},
): Promise<HttpServer> {
  return startHttpServer({
    handler,
    clock: systemClock(),
    log: options.log ?? SILENT_LOG,
    host: '127.0.0.1',
    port: 0,
    limits: options.limits ?? {},
    memory: options.memory,
  })
}

/** A connection that collects what it gets. */
class Client {
  readonly socket: Socket
  text = ''
  isClosed = false

  constructor(server: HttpServer) {
    this.socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true })
    this.socket.on('data', (data) => {
      this.text += data.toString('latin1')
    })
    this.socket.on('end', () => this.socket.end())
    this.socket.on('close', () => {
      this.isClosed = true
    })
    this.socket.on('error', () => {
      this.isClosed = true
    })
  }

  /** Waits for `condition`, at most 5 s. */
  async until(condition: () => boolean): Promise<void> {
    for (let i = 0; i < 500 && !condition(); i++) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    assert.ok(condition(), `got: ${this.text.slice(0, 300)}`)
  }

  async closed(): Promise<void> {
    await this.until(() => this.isClosed)
  }
}

const ECHO: HttpHandler = async (request, response) => {
  let size = 0
  for (;;) {
    const piece = await request.body.next()
    if (piece === undefined) break
    size += piece.length
  }
  const text = `${request.method} ${request.target} ${size}`
  response.head(200, [['Content-Length', String(text.length)]])
  response.end(new TextEncoder().encode(text))
}

const REFUSE: HttpHandler = async (_, response) => {
  response.head(403, [['Content-Length', '2']])
  response.end(new TextEncoder().encode('no'))
}

function statuses(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((match) => Number(match[1]))
}

test('pipelined requests are answered in order, one after the other', async () => {
  let running = 0
  let runningMax = 0
  const server = await start(async (request, response) => {
    running += 1
    runningMax = Math.max(running, runningMax)
    await new Promise((resolve) => setTimeout(resolve, request.target === '/0' ? 50 : 1))
    await ECHO(request, response)
    running -= 1
  })
  const client = new Client(server)
  for (let i = 0; i < 20; i++) {
    client.socket.write(`PUT /${i} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc`)
  }
  await client.until(() => client.text.includes('PUT /19 3'))
  assert.deepEqual(
    [...client.text.matchAll(/PUT \/(\d+) 3/g)].map((match) => Number(match[1])),
    Array.from({ length: 20 }, (_, i) => i),
  )
  assert.equal(runningMax, 1)
  client.socket.destroy()
  await server.stop(100)
})

test('more pipelined requests than anybody needs cost the connection', async () => {
  const server = await start(async (request, response) => {
    await new Promise((resolve) => setTimeout(resolve, 200))
    await ECHO(request, response)
  })
  const client = new Client(server)
  client.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(5000))
  await client.closed()
  await server.stop(1000)
})

test('after an error the unread rest of a body is drained and the connection goes on', async () => {
  const server = await start(REFUSE)
  const client = new Client(server)
  const body = 'x'.repeat(500_000)
  client.socket.write(`PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`)
  await client.until(() => client.text.includes('403'))
  client.socket.write(body)
  client.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await client.until(() => statuses(client.text).length === 2)
  assert.ok(!client.text.includes('Connection: close'))
  client.socket.destroy()
  await server.stop(100)
})

test('a body too large to drain closes the connection after the reply was seen', async () => {
  const server = await start(REFUSE, { limits: { lingerMs: 300 } })
  const client = new Client(server)
  client.socket.write('PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000000\r\n\r\n')
  const piece = Buffer.alloc(65_536)
  for (let i = 0; i < 20; i++) client.socket.write(piece)
  await client.until(() => client.text.includes('no'))
  assert.match(client.text, /Connection: close/)
  await client.closed()
  await server.stop(100)
})

test('100 Continue is sent only when the body is read', async () => {
  const reading = await start(ECHO)
  const head = 'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n'
  const client = new Client(reading)
  client.socket.write(head)
  await client.until(() => client.text.includes('100 Continue'))
  client.socket.write('abc')
  await client.until(() => client.text.includes('PUT / 3'))
  client.socket.destroy()
  await reading.stop(100)
  const refusing = await start(REFUSE)
  const other = new Client(refusing)
  other.socket.write(head)
  await other.closed()
  assert.deepEqual(statuses(other.text), [403])
  await refusing.stop(100)
})

/** Name, raw bytes, expected status. */
const MALFORMED: readonly (readonly [string, string, number])[] = [
  ['no HTTP at all', 'hello\r\n\r\n', 400],
  ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
  ['no host', 'GET / HTTP/1.1\r\n\r\n', 400],
  ['a header without a colon', 'GET / HTTP/1.1\r\nHost: x\r\nbroken\r\n\r\n', 400],
  ['a NUL in a header', 'GET / HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n', 400],
  [
    'a length and chunks',
    'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n',
    400,
  ],
  [
    'two lengths',
    'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde',
    400,
  ],
  ['a signed length', 'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: +4\r\n\r\nabcd', 400],
  [
    'a length beyond numbers',
    'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\nabcd',
    400,
  ],
  [
    'another coding behind chunked',
    'PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n',
    400,
  ],
  [
    'a chunk size that is none',
    'PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n',
    400,
  ],
  [
    'a header block over 1 MiB',
    `GET / HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(1_100_000)}\r\n\r\n`,
    431,
  ],
  ['1100 headers', `GET / HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(1100)}\r\n`, 431],
]

for (const [name, raw, status] of MALFORMED) {
  test(`${name} is answered ${status} without a stack, and nothing behind it is run`, async () => {
    const targets: string[] = []
    const server = await start(async (request, response) => {
      targets.push(request.target)
      await ECHO(request, response)
    })
    const client = new Client(server)
    client.socket.write(Buffer.from(raw, 'latin1'))
    await client.until(() => statuses(client.text).length > 0 || client.isClosed)
    assert.equal(statuses(client.text)[0], status, client.text.slice(0, 200))
    assert.ok(!/\bat \w|node:|\.ts/.test(client.text))
    assert.ok(!targets.includes('/smuggled'))
    client.socket.destroy()
    await server.stop(100)
  })
}

test('a header block that trickles in is cut at its deadline', async () => {
  const server = await start(ECHO, { limits: { headersMs: 400 } })
  const client = new Client(server)
  client.socket.write('GET / HTTP/1.1\r\nHost: x\r\n')
  const timer = setInterval(() => client.socket.write('A: b\r\n'), 50)
  await client.closed()
  clearInterval(timer)
  assert.deepEqual(statuses(client.text), [408])
  await server.stop(100)
})

test('a body that stops ends after the time of inactivity, a slow handler is not cut', async () => {
  const failures: unknown[] = []
  const server = await start(
    async (request, response) => {
      if (request.method === 'GET') await new Promise((resolve) => setTimeout(resolve, 600))
      try {
        await ECHO(request, response)
      } catch (error) {
        failures.push(error)
        throw error
      }
    },
    { limits: { inactivityMs: 200 } },
  )
  const stopping = new Client(server)
  stopping.socket.write('PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc')
  await stopping.closed()
  assert.ok(failures[0] instanceof BodyStalledError)
  assert.deepEqual(statuses(stopping.text), [500])
  assert.match(stopping.text, /connection: close/i)
  const patient = new Client(server)
  patient.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await patient.until(() => patient.text.includes('GET / 0'))
  patient.socket.destroy()
  await server.stop(100)
})

test('a client that takes nothing loses its connection, and the write rejects', async () => {
  let failure: unknown
  const server = await start(
    async (_, response) => {
      response.head(200, [['Content-Length', '1000000000']])
      const piece = new Uint8Array(1 << 20)
      try {
        for (;;) await response.write(piece)
      } catch (error) {
        failure = error
        response.destroy()
      }
    },
    { limits: { inactivityMs: 200 } },
  )
  const client = new Client(server)
  client.socket.pause()
  client.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await client.until(() => failure !== undefined)
  client.socket.destroy()
  await server.stop(100)
})

test('clients that hardly send or take anything are cut once others wait for memory', async () => {
  const memory: { longestWaiting: object | undefined; extend: () => boolean } = {
    longestWaiting: undefined,
    extend: () => extensions-- > 0,
  }
  let extensions = 0
  const limits = { slowCheckMs: 20, slowMinBytes: 1000 }
  const server = await start(
    async (request, response) => {
      if (request.target !== '/take') return ECHO(request, response)
      response.head(200, [])
      for (;;) await response.write(new Uint8Array(1_000_000))
    },
    { limits, memory },
  )
  const sender = (bytes: number): Client => {
    const client = new Client(server)
    client.socket.write('PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n')
    const timer = setInterval(() => client.socket.write('x'.repeat(bytes)), 5)
    client.socket.on('close', () => clearInterval(timer))
    return client
  }
  const slow = sender(1)
  const quick = sender(1000)
  const taker = new Client(server)
  taker.socket.write('GET /take HTTP/1.1\r\nHost: x\r\n\r\n')
  taker.socket.pause()
  const idle = new Client(server)
  idle.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await new Promise((resolve) => setTimeout(resolve, 600))
  assert.equal(slow.isClosed, false)
  extensions = 20
  memory.longestWaiting = {}
  await slow.until(() => extensions === 0)
  assert.equal(slow.isClosed, false, 'memory was extended until then')
  await slow.closed()
  taker.socket.resume()
  await taker.closed()
  assert.equal(quick.isClosed, false)
  assert.equal(idle.isClosed, false)
  for (const client of [quick, idle]) client.socket.destroy()
  await server.stop(100)
})

test('a client that leaves aborts the signal and the body', async () => {
  let aborted = false
  let bodyError: unknown
  const server = await start(async (request) => {
    request.signal.addEventListener('abort', () => {
      aborted = true
    })
    try {
      while ((await request.body.next()) !== undefined) continue
    } catch (error) {
      bodyError = error
    }
  })
  const client = new Client(server)
  client.socket.write('PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc')
  await new Promise((resolve) => setTimeout(resolve, 50))
  client.socket.destroy()
  await client.until(() => aborted && bodyError !== undefined)
  await server.stop(100)
})

test('a client that closes its half in the middle of a body is cut', async () => {
  const server = await start(ECHO)
  const client = new Client(server)
  client.socket.end('PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc')
  await client.closed()
  assert.ok(!client.text.includes('200'))
  await server.stop(100)
})

test('a handler that throws is answered 500 without its text, and logged', async () => {
  const lines: string[] = []
  const log: Log = { ...SILENT_LOG, error: (message) => lines.push(message) }
  const server = await start(
    async () => {
      throw new Error('the inner secret')
    },
    { log },
  )
  const client = new Client(server)
  client.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await client.until(() => client.text.includes('500'))
  assert.ok(!client.text.includes('secret'))
  assert.equal(lines.length, 1)
  client.socket.destroy()
  await server.stop(100)
})

test('stopping lets a running request finish, closes idle connections at once and refuses new ones', async () => {
  const server = await start(async (request, response) => {
    await new Promise((resolve) => setTimeout(resolve, 300))
    await ECHO(request, response)
  })
  const { port } = server
  const idle = new Client(server)
  await once(idle.socket, 'connect')
  const busy = new Client(server)
  busy.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await new Promise((resolve) => setTimeout(resolve, 50))
  const stopped = server.stop(5000)
  await stopped
  await busy.closed()
  assert.match(busy.text, /200[\s\S]*Connection: close[\s\S]*GET \/ 0/)
  await idle.closed()
  const late = connect({ port, host: '127.0.0.1' })
  await assert.rejects(once(late, 'connect'))
})

test('stopping cuts what does not finish in time', async () => {
  const server = await start(() => new Promise(() => undefined))
  const client = new Client(server)
  client.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await new Promise((resolve) => setTimeout(resolve, 50))
  await server.stop(100)
  await client.closed()
})

test('views of shared memory are sent, and two servers share a port', async () => {
  const bytes = new Uint8Array(new SharedArrayBuffer(100_000)).fill(65)
  const handler: HttpHandler = async (_, response) => {
    response.head(200, [['Content-Length', String(bytes.length)]])
    await response.write(bytes)
    bytes.fill(66)
    response.end()
    bytes.fill(65)
  }
  const options = { handler, clock: systemClock(), log: SILENT_LOG, host: '127.0.0.1' }
  const first = await startHttpServer({ ...options, port: 0, reusePort: true })
  const second = await startHttpServer({ ...options, port: first.port, reusePort: true })
  for (let i = 0; i < 8; i++) {
    const client = new Client(first)
    client.socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    await client.closed()
    const body = client.text.slice(client.text.indexOf('\r\n\r\n') + 4)
    assert.equal(body.length, bytes.length)
    assert.ok(!body.includes('B'))
  }
  await first.stop(100)
  await second.stop(100)
})

test('garbage behind requests ends the connection after their replies', async () => {
  const server = await start(async (request, response) => {
    await new Promise((resolve) => setTimeout(resolve, 50))
    if (request.target === '/long') {
      response.head(200, [['Content-Length', '10']])
      await response.write(new TextEncoder().encode('12345'))
      await new Promise((resolve) => setTimeout(resolve, 100))
      response.end(new TextEncoder().encode('67890'))
    } else await ECHO(request, response)
  })
  const client = new Client(server)
  client.socket.write('GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\nbar')
  await client.closed()
  assert.match(client.text, /GET \/a 0[^]*connection: close[^]*GET \/b 0$/i)
  assert.deepEqual(statuses(client.text), [200, 200])
  const late = new Client(server)
  late.socket.write('GET /long HTTP/1.1\r\nHost: x\r\n\r\n')
  await late.until(() => late.text.endsWith('12345'))
  late.socket.write('bar\r\n\r\n')
  await late.closed()
  assert.match(late.text, /1234567890$/)
  assert.deepEqual(statuses(late.text), [200])
  const broken = new Client(server)
  const chunked = 'PUT /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'
  broken.socket.write(`GET /a HTTP/1.1\r\nHost: x\r\n\r\n${chunked}`)
  await broken.closed()
  assert.match(broken.text, /GET \/a 0/)
  assert.deepEqual(statuses(broken.text), [200, 500])
  await server.stop(100)
})
