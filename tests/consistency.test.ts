/**
 * Histories of concurrent clients against one running server, judged for each key (distributed.md 10.5, W1 to W6).
 * `CAIRN_TEST_SECONDS`: how long each workload runs (default 4). `CAIRN_TEST_SEED`: its choices.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { seededRandom } from '#base/random'
import {
  checkLinearizable,
  checkListed,
  checkRegister,
  type HistoryOperation,
  KEY_MODEL,
  type KeyInput,
  type KeyOutput,
  type RegisterOperation,
} from '#testing/history'
import type { S3Driver } from './lib/s3-driver.ts'
import { type RunningServer, serverUnderTest, startServer } from './lib/server.ts'
import { TemporaryFolder } from './lib/temporary.ts'

const SECONDS = Number(process.env['CAIRN_TEST_SECONDS'] ?? 4)
const SEED = Number(process.env['CAIRN_TEST_SEED'] ?? Date.now() % 1_000_000)
const CLIENTS = 6
const BLOCK = 4096
/** Inline, staged, several blocks. */
const SIZES = [BLOCK, 50 * BLOCK, 400 * BLOCK]
/** Operations of one key for the searching checker: more would take it too long. */
const KEY_OPERATIONS_MAX = 50

let folder: TemporaryFolder
let server: RunningServer
let client: S3Driver

before(async () => {
  console.log(`seed ${SEED}`)
  folder = new TemporaryFolder()
  server = await startServer({
    kind: serverUnderTest(),
    folder: folder.path,
    drives: ['d{1...4}'],
    credentials: { accessKey: 'consistency', secretKey: 'consistency-secret' },
  })
  client = server.client
})

after(async () => {
  await server.stop()
  folder[Symbol.dispose]()
})

async function makeBucket(name: string, isVersioned = false): Promise<string> {
  assert.equal((await client.send({ method: 'PUT', bucket: name })).status, 200)
  if (isVersioned) {
    const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
    const reply = await client.send({
      method: 'PUT',
      bucket: name,
      query: { versioning: '' },
      body,
    })
    assert.equal(reply.status, 200)
  }
  return name
}

/** A body whose every block names the write: mixtures and cuts show. */
function bodyOf(value: string, sizeBytes: number): Buffer {
  const body = Buffer.alloc(sizeBytes)
  for (let offset = 0; offset < sizeBytes; offset += BLOCK) {
    body.write(`${value}|${sizeBytes}|${offset / BLOCK}|`, offset)
  }
  return body
}

/** The value of a body; throws when it is not exactly one write. */
function valueOf(body: Buffer): string {
  const [value = '', sizeText = ''] = body.subarray(0, 200).toString('latin1').split('|')
  assert.equal(body.length, Number(sizeText), `body of ${value} is cut`)
  assert.ok(body.equals(bodyOf(value, body.length)), `body of ${value} is mixed`)
  return value
}

interface Timed<T> {
  readonly begin: number
  readonly end: number
  readonly value: T | undefined
}

/** Undefined: the outcome is unknown. */
async function timed<T>(run: () => Promise<T | undefined>): Promise<Timed<T>> {
  const begin = performance.now()
  try {
    const value = await run()
    return { begin, end: value === undefined ? Infinity : performance.now(), value }
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error
    return { begin, end: Infinity, value: undefined } // broken connection: nobody knows
  }
}

async function inParallel(
  run: (clientIndex: number, isOver: () => boolean) => Promise<void>,
): Promise<void> {
  const over = performance.now() + SECONDS * 1000
  const isOver = (): boolean => performance.now() > over
  await Promise.all(Array.from({ length: CLIENTS }, (_, index) => run(index, isOver)))
}

for (const isVersioned of [false, true]) {
  test(`W1/W4 register: puts and reads of one key are atomic${isVersioned ? ', versioned' : ''}`, async () => {
    const bucket = await makeBucket(`register-${isVersioned ? 'versioned' : 'plain'}`, isVersioned)
    const random = seededRandom(SEED)
    const histories = new Map<string, RegisterOperation[]>([
      ['hot', []],
      ['warm', []],
    ])
    const acknowledged: {
      key: string
      versionId: string
      value: string
      begin: number
      end: number
    }[] = []
    await inParallel(async (index, isOver) => {
      for (let i = 0; !isOver(); i++) {
        const key = random.below(2) === 0 ? 'hot' : 'warm'
        const history = histories.get(key) ?? []
        if (random.below(2) === 0) {
          const value = `${index}.${i}`
          const body = bodyOf(value, SIZES[random.below(SIZES.length)] ?? BLOCK)
          const put = await timed(async () => {
            const reply = await client.send({
              method: 'PUT',
              bucket,
              key,
              body,
              unsignedPayload: true,
            })
            return reply.status === 200 ? (reply.headers['x-amz-version-id'] ?? '') : undefined
          })
          history.push({ kind: 'write', value, begin: put.begin, end: put.end })
          if (put.value !== undefined) {
            acknowledged.push({ key, versionId: put.value, value, begin: put.begin, end: put.end })
          }
        } else {
          const get = await timed(async () => {
            const reply = await client.send({ method: 'GET', bucket, key })
            if (reply.status === 404) return ''
            return reply.status === 200 ? valueOf(reply.body) : undefined
          })
          if (get.value === undefined) continue
          history.push({
            kind: 'read',
            value: get.value === '' ? undefined : get.value,
            begin: get.begin,
            end: get.end,
          })
        }
      }
    })
    for (const [key, history] of histories) {
      assert.ok(history.length > 20, `only ${history.length} operations`)
      assert.deepEqual(checkRegister(history), { kind: 'linearizable' }, key)
    }
    if (!isVersioned) return
    for (const one of acknowledged.slice(-60)) {
      const reply = await client.send({
        method: 'GET',
        bucket,
        key: one.key,
        query: { versionId: one.versionId },
      })
      assert.equal(valueOf(reply.body), one.value)
    }
    await checkVersionOrder(bucket, acknowledged)
  })
}

/** Newer versions come first; writes that did not overlap keep their order. */
async function checkVersionOrder(
  bucket: string,
  acknowledged: readonly { key: string; versionId: string; begin: number; end: number }[],
): Promise<void> {
  for (const key of ['hot', 'warm']) {
    const order: string[] = []
    let keyMarker: string | undefined = ''
    let versionMarker: string | undefined
    while (keyMarker !== undefined) {
      const reply = await client.send({
        method: 'GET',
        bucket,
        query: {
          versions: '',
          prefix: key,
          'key-marker': keyMarker,
          'version-id-marker': versionMarker,
        },
      })
      assert.equal(reply.status, 200, reply.text)
      order.push(...[...reply.text.matchAll(/<VersionId>([^<]+)</g)].map((match) => match[1] ?? ''))
      keyMarker = /<NextKeyMarker>([^<]+)</.exec(reply.text)?.[1]
      versionMarker = /<NextVersionIdMarker>([^<]+)</.exec(reply.text)?.[1]
    }
    const mine = acknowledged.filter((one) => one.key === key).toSorted((a, b) => a.begin - b.begin)
    assert.equal(new Set(order).size, order.length, 'a version is listed twice')
    const position = new Map(order.map((id, index) => [id, index]))
    for (const one of mine)
      assert.ok(position.has(one.versionId), `acknowledged version ${one.versionId} is not listed`)
    for (let i = 0; i < mine.length; i++) {
      for (let j = i + 1; j < Math.min(mine.length, i + 20); j++) {
        const [older, newer] = [mine[i], mine[j]]
        if (older === undefined || newer === undefined || older.end >= newer.begin) continue
        const isOrdered =
          (position.get(older.versionId) ?? 0) > (position.get(newer.versionId) ?? 0)
        assert.ok(isOrdered, `versions of writes that did not overlap are in the wrong order`)
      }
    }
  }
}

test('W2/W3: deletes and conditional writes are atomic, one winner each', async () => {
  const bucket = await makeBucket('conditional')
  const random = seededRandom(SEED + 1)
  const histories = new Map<string, HistoryOperation<KeyInput, KeyOutput>[]>()
  let keyNumber = 0
  const currentKey = (): string => {
    if ((histories.get(`k${keyNumber}`)?.length ?? 0) >= KEY_OPERATIONS_MAX) keyNumber += 1
    return `k${keyNumber}`
  }
  /** ETags by value, for If-Match. */
  const etags = new Map<string, string>()
  await inParallel(async (index, isOver) => {
    for (let i = 0; !isOver(); i++) {
      const key = currentKey()
      const history = histories.get(key) ?? []
      histories.set(key, history)
      const input = chooseInput(
        random.below(10),
        `${index}.${i}`,
        [...etags.keys()].at(-1 - random.below(3)),
      )
      const done = await timed(() => runKeyOperation(bucket, key, input, etags))
      if (done.value === undefined && input.kind === 'get') continue
      history.push({ client: index, begin: done.begin, end: done.end, input, output: done.value })
    }
  })
  let judged = 0
  for (const [key, history] of histories) {
    const verdict = checkLinearizable(history, KEY_MODEL)
    assert.notEqual(
      verdict.kind,
      'violation',
      `${key}: ${'message' in verdict ? verdict.message : ''}`,
    )
    if (verdict.kind === 'linearizable') judged += 1
  }
  assert.ok(
    judged > 0 && judged >= histories.size / 2,
    `only ${judged} of ${histories.size} histories were judged`,
  )
})

function chooseInput(choice: number, value: string, known: string | undefined): KeyInput {
  if (choice < 3) return { kind: 'get' }
  if (choice < 5) return { kind: 'put', value }
  if (choice < 7) return { kind: 'put', value, ifNoneMatch: true }
  if (choice < 8 && known !== undefined) return { kind: 'put', value, ifMatch: known }
  return { kind: 'delete' }
}

async function runKeyOperation(
  bucket: string,
  key: string,
  input: KeyInput,
  etags: Map<string, string>,
): Promise<KeyOutput | undefined> {
  switch (input.kind) {
    case 'get': {
      const reply = await client.send({ method: 'GET', bucket, key })
      if (reply.status === 404) return { value: null }
      return reply.status === 200 ? { value: valueOf(reply.body) } : undefined
    }
    case 'delete': {
      const reply = await client.send({ method: 'DELETE', bucket, key })
      return reply.status === 204 ? { refused: false } : undefined
    }
    case 'put': {
      const headers: Record<string, string> = {}
      if (input.ifNoneMatch === true) headers['if-none-match'] = '*'
      if (input.ifMatch !== undefined) headers['if-match'] = etags.get(input.ifMatch) ?? '"none"'
      const reply = await client.send({
        method: 'PUT',
        bucket,
        key,
        headers,
        body: bodyOf(input.value, BLOCK),
      })
      if (reply.status === 412 || (reply.status === 404 && input.ifMatch !== undefined))
        return { refused: true }
      if (reply.status !== 200) return undefined
      etags.set(input.value, reply.headers['etag'] ?? '')
      return { refused: false }
    }
  }
}

test('W5: of racing completes, aborts and part uploads the object is exactly one set of named parts', async () => {
  const bucket = await makeBucket('multipart')
  const random = seededRandom(SEED + 2)
  await inParallel(async (index, isOver) => {
    for (let i = 0; !isOver(); i++) {
      const key = `m${index}-${i}`
      const created = await client.send({ method: 'POST', bucket, key, query: { uploads: '' } })
      const uploadId = /<UploadId>([^<]+)</.exec(created.text)?.[1] ?? ''
      assert.notEqual(uploadId, '')
      const upload = async (value: string): Promise<string> => {
        const body = bodyOf(value, 20 * BLOCK)
        const query = { partNumber: '1', uploadId }
        const reply = await client.send({
          method: 'PUT',
          bucket,
          key,
          query,
          body,
          unsignedPayload: true,
        })
        return reply.status === 200 ? (reply.headers['etag'] ?? '') : ''
      }
      const values = [`${key}a`, `${key}b`]
      const tags = await Promise.all(values.map(upload))
      const complete = (etag: string) =>
        client.send({
          method: 'POST',
          bucket,
          key,
          query: { uploadId },
          body: `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${etag}</ETag></Part></CompleteMultipartUpload>`,
        })
      const aborting = random.below(3) === 0
      const [first, second, aborted] = await Promise.all([
        complete(tags[0] ?? ''),
        complete(tags[1] ?? ''),
        aborting ? client.send({ method: 'DELETE', bucket, key, query: { uploadId } }) : undefined,
      ])
      const winners = [first, second].filter((reply) => reply.status === 200)
      // The part that was uploaded last is the one that counts: at most one of the two lists names it.
      assert.ok(winners.length <= 1, `two completes of different parts succeeded for ${key}`)
      const got = await client.send({ method: 'GET', bucket, key })
      if (winners.length === 1) {
        assert.equal(got.status, 200)
        assert.equal(valueOf(got.body), first.status === 200 ? values[0] : values[1])
      } else {
        assert.equal(got.status, 404)
        assert.ok(
          aborting ? aborted !== undefined : false,
          `neither complete of ${key} succeeded: ${first.text} ${second.text}`,
        )
      }
    }
  })
})

test('W6: a listing shows what was there throughout, and nothing that was not', async () => {
  const bucket = await makeBucket('listing')
  const random = seededRandom(SEED + 3)
  const changes = new Map<string, { kind: 'put' | 'delete'; begin: number; end: number }[]>()
  const listings: { begin: number; end: number; keys: Set<string> }[] = []
  await inParallel(async (index, isOver) => {
    while (!isOver()) {
      if (index < 2) {
        listings.push(await listAll(bucket))
        continue
      }
      // Each key has one writer, so that its changes are in order.
      const key = `${'abcdef'[random.below(6)] ?? ''}/${index}-${random.below(30)}`
      const kind = random.below(3) === 0 ? 'delete' : 'put'
      const done = await timed(async () => {
        const body = kind === 'put' ? bodyOf(key, BLOCK) : ''
        const reply = await client.send({
          method: kind === 'put' ? 'PUT' : 'DELETE',
          bucket,
          key,
          body,
        })
        return reply.status < 300 ? true : undefined
      })
      const list = changes.get(key) ?? []
      list.push({ kind, begin: done.begin, end: done.end })
      changes.set(key, list)
    }
  })
  assert.ok(listings.length > 3)
  for (const listing of listings) {
    for (const [key, ofKey] of changes) {
      const verdict = checkListed(key, ofKey, listing)
      assert.deepEqual(verdict, { kind: 'linearizable' })
    }
  }
})

async function listAll(bucket: string): Promise<{ begin: number; end: number; keys: Set<string> }> {
  const begin = performance.now()
  const keys: string[] = []
  let token: string | undefined
  do {
    const query = { 'list-type': '2', 'max-keys': '40', 'continuation-token': token }
    const reply = await client.send({ method: 'GET', bucket, query })
    assert.equal(reply.status, 200, reply.text)
    keys.push(...[...reply.text.matchAll(/<Key>([^<]+)</g)].map((match) => match[1] ?? ''))
    token = /<NextContinuationToken>([^<]+)</.exec(reply.text)?.[1]
  } while (token !== undefined)
  assert.deepEqual(keys, [...new Set(keys)].toSorted(), 'keys are sorted and unique')
  return { begin, end: performance.now(), keys: new Set(keys) }
}
