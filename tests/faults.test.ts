/** Damages drives of a running server: no wrong byte is served, nothing acknowledged is missing, and it mends itself. */
import assert from 'node:assert/strict'
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { observeGet } from './lib/observation.ts'
import { type Digest, digestOf, makePart } from './lib/recipe.ts'
import type { S3Driver } from './lib/s3-driver.ts'
import { type RunningServer, serverUnderTest, startServer } from './lib/server.ts'
import { TemporaryFolder } from './lib/temporary.ts'

const kind = serverUnderTest()
const BUCKET = 'faults'
const SIZES = [0, 100, 20_000, 131_072, 600_000, 1_048_576, 3_000_001, 6_000_000]
const MENDED_WITHIN_MS = 60_000

class Stage implements AsyncDisposable {
  readonly folder = new TemporaryFolder()
  readonly contents = new Map<string, Digest>()
  #server: RunningServer | undefined

  get client(): S3Driver {
    assert.ok(this.#server !== undefined)
    return this.#server.client
  }

  async start(): Promise<void> {
    this.#server = await startServer({
      kind,
      folder: this.folder.path,
      drives: ['d{1...4}'],
      credentials: { accessKey: 'faulttest', secretKey: 'faulttest-secret' },
    })
  }

  async stop(): Promise<void> {
    await this.#server?.stop()
  }

  path(drive: number, ...names: readonly string[]): string {
    return join(this.folder.path, `d${drive}`, ...names)
  }

  async write(prefix: string): Promise<void> {
    for (const size of SIZES) {
      const key = `${prefix}/${size}`
      const body = makePart({ kind: 'random', label: key, size: Math.min(size, 700_000) })
      const content = Buffer.alloc(size)
      for (let offset = 0; offset < size; offset += body.length) body.copy(content, offset)
      await this.client.must({ method: 'PUT', bucket: BUCKET, key, body: content })
      this.contents.set(key, digestOf(content))
    }
  }

  async assertAllRead(): Promise<void> {
    for (const [key, digest] of this.contents) {
      const { get, content } = await observeGet(this.client, BUCKET, key)
      assert.deepEqual(content, digest, `"${key}" answered ${get.status} ${get.code}`)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.kill()
    this.folder[Symbol.dispose]()
  }
}

async function prepared(): Promise<Stage> {
  const stage = new Stage()
  await stage.start()
  await stage.client.must({ method: 'PUT', bucket: BUCKET })
  await stage.write('before')
  return stage
}

/** Shard files and xl.meta of the bucket on one drive. */
function filesOf(stage: Stage, drive: number): readonly string[] {
  return readdirSync(stage.path(drive, BUCKET), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

function flipByte(path: string, offset: number): void {
  const file = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  readSync(file, byte, 0, 1, offset)
  byte[0] = (byte[0] ?? 0) ^ 1
  writeSync(file, byte, 0, 1, offset)
  closeSync(file)
}

/** Flips a byte in one shard of each object, on another drive each; path and original hash of these files. */
function flippedShards(stage: Stage): ReadonlyMap<string, string> {
  const shards = filesOf(stage, 1)
    .filter((path) => path.endsWith('part.1'))
    .map((path, index) => path.replace('/d1/', `/d${1 + (index % 4)}/`))
  assert.ok(shards.length > 3)
  const hashes = new Map(shards.map((path) => [path, digestOf(readFileSync(path)).sha256]))
  for (const path of shards) flipByte(path, Math.floor(statSync(path).size / 2))
  return hashes
}

async function until(what: string, isTrue: () => boolean): Promise<void> {
  for (const began = performance.now(); performance.now() - began < MENDED_WITHIN_MS; ) {
    if (isTrue()) return
    await sleep(200)
  }
  assert.fail(`${what} did not happen in ${MENDED_WITHIN_MS} ms`)
}

suite(`faults on a live ${kind} server`, () => {
  // MinIO forgets on the way to its repair that a shard was corrupt (distributed.md H-12).
  const todo = kind === 'minio' && 'the reference does not mend what it noticed'
  test('flipped bits in shards are mended after a read', { timeout: 180_000, todo }, async () => {
    await using stage = await prepared()
    const shards = flippedShards(stage)
    await stage.assertAllRead()
    // Reads touch the data shards only: damage in a parity shard waits for a deep scan.
    await until('the repair of a shard', () =>
      [...shards].some(([path, hash]) => digestOf(readFileSync(path)).sha256 === hash),
    )
    await stage.stop()
  })

  test('flipped bits in shards are never served', { timeout: 180_000 }, async () => {
    await using stage = await prepared()
    flippedShards(stage)
    await stage.assertAllRead()
    await stage.assertAllRead()
    await stage.stop()
  })

  test('a flipped bit in inline data is never served', { timeout: 180_000 }, async () => {
    await using stage = await prepared()
    for (const key of ['before/100', 'before/20000']) {
      const path = stage.path(2, BUCKET, key, 'xl.meta')
      flipByte(path, statSync(path).size - 3)
    }
    await stage.assertAllRead()
    await stage.stop()
  })

  test('truncated and missing xl.meta of one drive do not matter', {
    timeout: 180_000,
  }, async () => {
    await using stage = await prepared()
    const metas = filesOf(stage, 3).filter((path) => path.endsWith('xl.meta'))
    for (const [index, path] of metas.entries()) {
      if (index % 3 === 0) truncateSync(path, 0)
      else if (index % 3 === 1) truncateSync(path, Math.floor(statSync(path).size / 2))
      else rmSync(path)
    }
    await stage.assertAllRead()
    await stage.write('after')
    await stage.write('before')
    await stage.assertAllRead()
    await stage.stop()
  })

  test('two drives of four may lose all objects', { timeout: 180_000 }, async () => {
    await using stage = await prepared()
    for (const drive of [1, 4]) {
      for (const name of readdirSync(stage.path(drive, BUCKET))) {
        rmSync(stage.path(drive, BUCKET, name), { recursive: true })
      }
    }
    await stage.assertAllRead()
    await stage.stop()
  })

  test('an emptied drive is filled again after a restart', { timeout: 240_000 }, async () => {
    await using stage = await prepared()
    const before = filesOf(stage, 2).length
    for (const name of readdirSync(stage.path(2))) rmSync(stage.path(2, name), { recursive: true })
    await stage.assertAllRead()
    await stage.write('before')
    await stage.assertAllRead()
    await stage.stop()
    await stage.start()
    await stage.assertAllRead()
    await until('the refill of the drive', () => {
      try {
        return filesOf(stage, 2).length === before
      } catch {
        // The bucket's folder is not there yet.
        return false
      }
    })
    await stage.assertAllRead()
    await stage.stop()
  })

  test('with too few shards a read fails and gives no wrong byte', {
    timeout: 180_000,
  }, async () => {
    await using stage = await prepared()
    for (const drive of [1, 2, 3]) {
      for (const path of filesOf(stage, drive)) {
        if (path.endsWith('part.1')) flipByte(path, Math.floor(statSync(path).size / 2))
      }
    }
    for (const [key, digest] of stage.contents) {
      const seen = await observeGet(stage.client, BUCKET, key).catch(() => undefined)
      if (digest.size > 600_000) assert.equal(seen?.content, undefined, `"${key}" was served`)
      else if (seen?.content !== undefined) assert.deepEqual(seen.content, digest)
    }
    await stage.stop()
  })
})
