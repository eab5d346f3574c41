import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HttpResponse } from '#http/http'
import type { DataChunk } from '#object/object'
import { callOf } from '#testing/s3-call'
import { ReplyWriter } from './reply.ts'

const WRITER = new ReplyWriter({
  region: '',
  strictTransport: false,
})

/** What leaves, and how many pieces of the content are still held. */
async function sent(
  sizes: readonly (number | Error)[],
  sizeBytes: number,
): Promise<{ readonly log: readonly string[]; readonly held: number; readonly failure: unknown }> {
  const log: string[] = []
  let held = 0
  async function* chunks(): AsyncGenerator<DataChunk, void, void> {
    for (const size of sizes) {
      if (size instanceof Error) throw size
      held += 1
      yield { bytes: new Uint8Array(size).fill(7), release: () => void (held -= 1) }
    }
  }
  const response: HttpResponse = {
    headSent: false,
    head: () => log.push('head'),
    write: async (bytes) => {
      assert.ok(bytes.every((byte) => byte === 7))
      log.push(`write ${bytes.length}`)
    },
    end: () => log.push('end'),
    destroy: () => log.push('destroy'),
  }
  let failure: unknown
  try {
    const body = { sizeBytes, chunks, close: () => log.push('closed') }
    await WRITER.send(callOf().request, response, { status: 200, body })
  } catch (error) {
    failure = error
  }
  return { log, held, failure }
}

test('a small content leaves in one piece', async () => {
  const { log, held } = await sent([60, 40], 100)
  assert.deepEqual(log, ['head', 'write 100', 'end', 'closed'])
  assert.equal(held, 0)
})

test('a large content leaves as it comes', async () => {
  const { log } = await sent([60_000, 40_000], 100_000)
  assert.deepEqual(log, ['head', 'write 60000', 'write 40000', 'end', 'closed'])
})

test('a small content that breaks off or is too long becomes an error before the head', async () => {
  for (const sizes of [
    [60, new Error('lost')],
    [60, 60],
  ] as const) {
    const { log, held, failure } = await sent(sizes, 100)
    assert.ok(failure instanceof Error)
    assert.deepEqual(log, ['closed'])
    assert.equal(held, 0)
  }
})

test('an empty content is a head', async () => {
  assert.deepEqual((await sent([], 0)).log, ['head', 'end', 'closed'])
})

/** Sends pieces of 512 KiB to a client that takes nothing before it is told to, or leaves. */
async function slow(isSecure: boolean): Promise<{
  readonly made: () => number
  readonly held: () => number
  readonly isOver: () => boolean
  readonly take: () => Promise<void>
  readonly leave: () => Promise<void>
  readonly sending: Promise<void>
}> {
  let made = 0
  let held = 0
  let isOver = false
  async function* chunks(): AsyncGenerator<DataChunk, void, void> {
    try {
      for (; made < 8; ) {
        made += 1
        held += 1
        yield { bytes: new Uint8Array(524_288), release: () => void (held -= 1) }
      }
    } finally {
      isOver = true
    }
  }
  const writes: PromiseWithResolvers<void>[] = []
  const response: HttpResponse = {
    headSent: true,
    head: () => undefined,
    write: (bytes) => {
      assert.equal(bytes.length, 524_288)
      const write = Promise.withResolvers<void>()
      writes.push(write)
      return write.promise
    },
    end: () => undefined,
    destroy: () => undefined,
  }
  const body = { sizeBytes: 8 * 524_288, chunks, close: () => undefined }
  const request = { ...callOf().request, isSecure }
  const sending = WRITER.send(request, response, { status: 200, body })
  const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
  await turn()
  return {
    made: () => made,
    held: () => held,
    isOver: () => isOver,
    take: async () => {
      writes.shift()?.resolve()
      await turn()
    },
    leave: async () => {
      for (const write of writes) write.reject(new Error('gone'))
      await turn()
    },
    sending,
  }
}

test('while a client takes 1 MiB the next piece is got ready, but no more', async () => {
  const { made, held, take, sending } = await slow(false)
  assert.equal(made(), 3)
  for (let i = 1; i <= 5; i++) {
    await take()
    assert.equal(made(), 3 + i)
    assert.equal(held(), 3)
  }
  for (let i = 0; i < 3; i++) await take()
  await sending
  assert.equal(held(), 0)
})

test('over TLS one piece follows the other', async () => {
  const { made, take, sending } = await slow(true)
  for (let i = 1; i <= 8; i++) {
    assert.equal(made(), i)
    await take()
  }
  await sending
})

test('a client that leaves in the middle holds nothing', async () => {
  const { held, isOver, take, leave, sending } = await slow(false)
  await take()
  const failed = assert.rejects(sending, /gone/)
  await leave()
  await failed
  assert.equal(held(), 0)
  assert.ok(isOver())
})
