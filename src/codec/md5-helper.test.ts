import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '#base/clock'
import { createCodecSeed } from './arena.ts'
import { Codec } from './codec.ts'
import { Md5Helper, type Md5HelperOptions, type Md5Work } from './md5-helper.ts'
import { noise } from './testing/s2-samples.ts'

const MIB = 1_048_576

class CountingHelper extends Md5Helper {
  calls = 0
  answers = 0
  override hash(work: Md5Work): Promise<Uint32Array | undefined> | undefined {
    const answer = super.hash(work)
    if (answer !== undefined) this.calls++
    void answer?.then((state) => {
      if (state !== undefined) this.answers++
    })
    return answer
  }
}

function codecWith(
  context: TestContext,
  options: Partial<Pick<Md5HelperOptions, 'entry' | 'isIdle' | 'onFailure'>> = {},
): { readonly codec: Codec; readonly helper: CountingHelper } {
  const seed = createCodecSeed({ regionSizesBytes: [4 * MIB] })
  const helper = new CountingHelper({
    seed,
    region: 0,
    clock: systemClock(),
    isIdle: () => true,
    onFailure: (error) => assert.fail(String(error)),
    ...options,
  })
  context.after(() => helper.close())
  return { codec: new Codec(seed, 0, helper), helper }
}

/** The digest of `content`, which passes through the arena in pieces. */
async function digestOf(codec: Codec, content: Uint8Array, pieceSize: number): Promise<string> {
  using slot = codec.arena.tryAcquire(pieceSize)
  assert(slot !== undefined)
  const md5 = codec.md5()
  for (let at = 0; at < content.length; at += pieceSize) {
    const piece = content.subarray(at, at + pieceSize)
    slot.bytes.set(piece)
    await md5.update(slot.bytes.subarray(0, piece.length))
  }
  return Buffer.from(await md5.digest()).toString('hex')
}

async function untilCalled(codec: Codec, helper: CountingHelper): Promise<void> {
  const deadlineMs = performance.now() + 10_000
  while (helper.calls === 0 && performance.now() < deadlineMs) {
    await digestOf(codec, noise(MIB, 1), MIB)
    await sleep(5)
  }
  assert.ok(helper.calls > 0, 'the thread is never of use')
}

const plainDigest = (content: Uint8Array): string => createHash('md5').update(content).digest('hex')

test('a lone stream is hashed by the helper, in pieces of any size', async (context) => {
  const { codec, helper } = codecWith(context)
  await untilCalled(codec, helper)
  for (const pieceSize of [MIB, MIB + 1, 2 * MIB - 63, 300_000]) {
    const content = noise(5 * MIB + 77, pieceSize)
    const before = helper.answers
    assert.equal(await digestOf(codec, content, pieceSize), plainDigest(content))
    assert.ok(helper.answers > before)
  }
})

test('streams that come together share lanes, and one may be abandoned', async (context) => {
  const { codec, helper } = codecWith(context)
  await untilCalled(codec, helper)
  const contents = Array.from({ length: 6 }, (_, i) => noise(2 * MIB + i, i + 1))
  const gone = codec.md5()
  const update = gone.update(codec.memory.subarray(0, MIB))
  gone.abandon()
  const digests = contents.map((content) => digestOf(codec, content, 400_000))
  assert.deepEqual(await Promise.all(digests), contents.map(plainDigest))
  await update
})

test('the stream goes on where the helper does not answer, fails, or is not wanted', async (context) => {
  const content = noise(3 * MIB, 7)
  const programs: readonly [string, Partial<Md5HelperOptions>][] = [
    ['is ready and silent', { entry: programOf('parentPort.postMessage(undefined)') }],
    [
      'ends in a call',
      {
        entry: programOf(
          'parentPort.postMessage(undefined); parentPort.on("message", () => process.exit())',
        ),
      },
    ],
    [
      'fails at its start',
      { entry: programOf('throw new Error("broken")'), onFailure: () => undefined },
    ],
    ['is not wanted', { isIdle: () => false }],
  ]
  for (const [name, options] of programs) {
    const { codec } = codecWith(context, options)
    for (let round = 0; round < 3; round++) {
      assert.equal(await digestOf(codec, content, MIB), plainDigest(content), name)
      await sleep(50)
    }
  }
})

function programOf(text: string): URL {
  const source = `import { parentPort } from 'node:worker_threads'; ${text}; parentPort.ref()`
  return new URL(`data:text/javascript,${encodeURIComponent(source)}`)
}
