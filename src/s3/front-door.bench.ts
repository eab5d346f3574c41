/** What the front door costs a signed GET of 4 KiB beside the HTTP server and the engine: microseconds a request. */
import type { HttpResponse } from '#http/http'
import { signRequest } from '#s3-protocol/sigv4-client'
import {
  ACCESS_KEY,
  frontDoorFixture,
  memoryRequest,
  REGION,
  SECRET_KEY,
} from '#testing/front-door-fixture'

const ROUNDS = 20
const REQUESTS = 2000

const { handler } = frontDoorFixture()
const { headers } = signRequest(
  {
    method: 'GET',
    path: '/box/small',
    query: [],
    headers: [
      ['host', '127.0.0.1:9000'],
      ['user-agent', 'bench'],
      ['accept-encoding', 'identity'],
    ],
    payloadHash: 'UNSIGNED-PAYLOAD',
    timeMs: Date.now(),
  },
  { accessKey: ACCESS_KEY, secretKey: SECRET_KEY, region: REGION },
)
const request = memoryRequest({ method: 'GET', target: '/box/small', headers })

class Sink implements HttpResponse {
  headSent = false
  status = 0
  head(status: number): void {
    this.status = status
  }
  write(): Promise<void> {
    return Promise.resolve()
  }
  end(): void {}
  destroy(): void {}
}

async function round(): Promise<number> {
  const start = process.cpuUsage()
  for (let i = 0; i < REQUESTS; i++) {
    const sink = new Sink()
    await handler(request, sink)
    if (sink.status !== 200) throw new Error(`Reply ${sink.status}`)
  }
  const { user, system } = process.cpuUsage(start)
  return (user + system) / REQUESTS
}

await round()
await round()
const times: number[] = []
for (let i = 0; i < ROUNDS; i++) times.push(await round())
times.sort((a, b) => a - b)
const quartile = times[ROUNDS / 4] ?? 0
console.log(`signed GET of 4 KiB through the front door: ${quartile.toFixed(1)} us CPU`)
