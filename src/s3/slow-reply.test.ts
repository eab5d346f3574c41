import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock, Timer } from '#base/clock'
import { sleepWith } from '#base/clock'
import type { HttpResponse } from '#http/http'
import type { S3Reply } from './s3.ts'
import { awaitSlow } from './slow-reply.ts'

/** A clock whose timers fire when the test says so. */
class StepClock implements Clock {
  readonly #timers = new Set<() => void>()
  nowMs(): number {
    return 0
  }
  nowNs(): bigint {
    return 0n
  }
  monotonicMs(): number {
    return 0
  }
  setTimer(_: number, run: () => void): Timer {
    this.#timers.add(run)
    return { cancel: () => this.#timers.delete(run) }
  }
  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepWith(this, delayMs, signal)
  }
  /** Lets the quiet time pass, and all that follows from it happen. */
  async step(): Promise<void> {
    for (const run of this.#timers) run()
    for (let turn = 0; turn < 20; turn++) await Promise.resolve()
  }
}

function fixture(): {
  clock: StepClock
  sent: () => string
  wait: (running: Promise<S3Reply>) => Promise<S3Reply | undefined>
} {
  const clock = new StepClock()
  let sent = ''
  const response: HttpResponse = {
    head: () => undefined,
    write: async (bytes) => {
      sent += Buffer.from(bytes).toString()
    },
    end: (bytes) => {
      sent += `${Buffer.from(bytes ?? []).toString()}|`
    },
    destroy: () => undefined,
    headSent: false,
  }
  const options = {
    clock,
    sendHead: () => {
      sent += '200 '
    },
    errorText: (thrown: unknown) => `<Error>${String(thrown)}</Error>`,
  }
  return { clock, sent: () => sent, wait: (running) => awaitSlow(running, response, options) }
}

const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
const REPLY: S3Reply = { status: 200, body: `${DECLARATION}<Done/>` }

test('a quick reply is left to the caller', async () => {
  const { wait, sent } = fixture()
  assert.equal(await wait(Promise.resolve(REPLY)), REPLY)
  assert.equal(sent(), '')
})

test('a quick error is left to the caller', async () => {
  const { wait } = fixture()
  await assert.rejects(wait(Promise.reject(new RangeError('early'))), RangeError)
})

test('a slow reply is preceded by white space', async () => {
  const { clock, wait, sent } = fixture()
  const work = Promise.withResolvers<S3Reply>()
  const waiting = wait(work.promise)
  for (let step = 0; step < 3; step++) await clock.step()
  assert.equal(sent(), `200 ${DECLARATION}  `)
  work.resolve(REPLY)
  assert.equal(await waiting, undefined)
  assert.equal(sent(), `200 ${DECLARATION}  <Done/>|`)
})

test('a late error is a document in the reply', async () => {
  const { clock, wait, sent } = fixture()
  const work = Promise.withResolvers<S3Reply>()
  const waiting = wait(work.promise)
  await clock.step()
  work.reject(new Error('late'))
  assert.equal(await waiting, undefined)
  assert.equal(sent(), `200 ${DECLARATION}<Error>Error: late</Error>|`)
})
