import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { concatBytes, utf8 } from '#base/bytes'
import { seededRandom } from '#base/random'
import { assertBytes } from '#testing/bytes'
import { contentOf, drivesOf, EngineFixture, oneSet, testCodec } from '#testing/engine-fixture'
import { bodyOfBytes } from '../body.ts'
import { createGenerationMemory } from '../bucket-metadata.ts'
import { Engine } from '../engine.ts'
import {
  ObjectError,
  type BodySource,
  type CompletePart,
  type DataChunk,
  type PartInfo,
  type RangeRequest,
} from '../object.ts'
import type { Seal } from '../transform.ts'
import { plainSize } from '../object-info.ts'
import { updateMetadata } from '../update.ts'
import { COMPRESSION_KEY, COMPRESSION_SCHEME } from '../metadata-keys.ts'

const MIB = 1_048_576
const codec = testCodec()
const COMPRESSED = new Map([[COMPRESSION_KEY, utf8(COMPRESSION_SCHEME)]])

/** Content that shrinks, and differs everywhere. */
function textOfSize(size: number): Uint8Array {
  const out = new Uint8Array(size)
  let used = 0
  for (let i = 0; used < size; i++) {
    const line = utf8(`line ${i} says ${Math.imul(i, 2_654_435_761) >>> 0} to ${i % 97}\n`)
    out.set(line.subarray(0, size - used), used)
    used += line.length
  }
  return out
}

function newServer(): { readonly fixture: EngineFixture; readonly engine: Engine } {
  const layouts = oneSet(drivesOf(codec, 4))
  const fixture = new EngineFixture({ codec, layouts })
  const bucketGeneration = createGenerationMemory()
  return { fixture, engine: new Engine({ context: fixture.context, layouts, bucketGeneration }) }
}

const PACKAGE_SIZE = 1000
const SEALED_SIZE = PACKAGE_SIZE + 16

/** Packages of 1000 bytes, each with 16 bytes in front that tell part and number; every byte is flipped by these. */
function toySeal(): Seal {
  const flip = (bytes: Uint8Array, by: number): Uint8Array => bytes.map((byte) => byte ^ by)
  const seal = {
    showsMd5: true,
    etagOf: (digest = new Uint8Array(16)) => digest.toHex(),
    shownEtag: (etag: string) => etag,
    sealChecksums: (blob: Uint8Array) => blob,
    openChecksums: (blob: Uint8Array) => blob,
    sealIndex: (index: Uint8Array) => flip(index, 0x44),
    openIndex: (index: Uint8Array) => flip(index, 0x44),
    close: () => undefined,
    write: (body: BodySource, partNumber: number) => {
      let ready: Uint8Array = new Uint8Array()
      let count = 0
      return {
        sizeBytes: undefined,
        read: async (target: Uint8Array) => {
          if (ready.length === 0) {
            const plain = new Uint8Array(PACKAGE_SIZE)
            let filled = 0
            for (let got = -1; got !== 0 && filled < PACKAGE_SIZE; filled += got) {
              got = await body.read(plain.subarray(filled))
            }
            if (filled === 0) return 0
            const head = utf8(`${partNumber}/${count}`.padEnd(16))
            ready = concatBytes([
              head,
              flip(plain.subarray(0, filled), (partNumber + count++) & 0xff),
            ])
          }
          const size = Math.min(target.length, ready.length)
          target.set(ready.subarray(0, size))
          ready = ready.slice(size)
          return size
        },
      }
    },
    read: (part: PartInfo, start: number, end: number | undefined) => {
      const first = Math.floor(start / PACKAGE_SIZE)
      const last = end === undefined ? undefined : Math.ceil(end / PACKAGE_SIZE)
      const packageEnd = Math.min((last ?? Infinity) * SEALED_SIZE, part.sizeBytes)
      const size = (end ?? Infinity) - start
      return {
        start: first * SEALED_SIZE,
        end: end === undefined ? undefined : packageEnd,
        open: (lower: AsyncIterable<DataChunk>) =>
          openToy(lower, { part: part.number, first, skip: start % PACKAGE_SIZE, size }),
      }
    },
  }
  return seal
}

async function* openToy(
  lower: AsyncIterable<DataChunk>,
  options: { part: number; first: number; skip: number; size: number },
): AsyncGenerator<DataChunk, void, void> {
  let gathered: Uint8Array = new Uint8Array()
  for await (const chunk of lower) {
    gathered = concatBytes([gathered, chunk.bytes])
    chunk.release()
  }
  let { skip, size } = options
  for (let i = 0; i * SEALED_SIZE < gathered.length && size > 0; i++) {
    const sealed = gathered.subarray(i * SEALED_SIZE, (i + 1) * SEALED_SIZE)
    const count = options.first + i
    const head = new TextDecoder().decode(sealed.subarray(0, 16)).trim()
    assert.equal(head, `${options.part}/${count}`)
    const plain = sealed.subarray(16).map((byte) => byte ^ ((options.part + count) & 0xff))
    const bytes = plain.subarray(skip, skip + size)
    skip = 0
    size -= bytes.length
    yield { bytes, release: () => undefined }
  }
}

interface Kind {
  readonly name: string
  readonly systemMetadata: ReadonlyMap<string, Uint8Array>
  readonly seal: Seal | undefined
}

const KINDS: readonly Kind[] = [
  { name: 'compressed', systemMetadata: COMPRESSED, seal: undefined },
  { name: 'sealed', systemMetadata: new Map(), seal: toySeal() },
  { name: 'compressed and sealed', systemMetadata: COMPRESSED, seal: toySeal() },
]

function rangesOf(size: number): readonly RangeRequest[] {
  const random = seededRandom(7)
  const ranges: RangeRequest[] = [
    { kind: 'all' },
    { kind: 'from', start: 0, end: 0 },
    { kind: 'from', start: size - 1 },
    { kind: 'suffix', size: 10 },
  ]
  for (let i = 0; i < 12; i++) {
    const start = random.below(size)
    ranges.push({ kind: 'from', start, end: start + random.below([10, 5000, 3 * MIB][i % 3] ?? 1) })
  }
  return ranges
}

function cut(content: Uint8Array, range: RangeRequest): Uint8Array {
  if (range.kind === 'from') {
    return content.subarray(range.start, range.end === undefined ? undefined : range.end + 1)
  }
  return range.kind === 'suffix' ? content.subarray(content.length - range.size) : content
}

function md5(content: Uint8Array): Uint8Array {
  return createHash('md5').update(content).digest()
}

for (const { name, systemMetadata, seal } of KINDS) {
  // The toy's stored sizes are not those of real encryption, by which the engine would find the plain ones.
  const hasSizes = systemMetadata.size > 0
  const unseal = async (): Promise<Seal | undefined> => seal

  describe(`${name} objects`, () => {
    test('every range of every size is read', async () => {
      const { fixture } = newServer()
      for (const size of [0, 1, 999, 1000, 5000, 300_000, MIB, 9 * MIB + 12_345]) {
        const content = textOfSize(size)
        const info = await fixture.put('key', content, { systemMetadata, seal })
        assert.equal(info.actualSizeBytes, size)
        assert.equal(info.etag, md5(content).toHex())
        if (!hasSizes) continue
        if (size === 0) {
          assert.equal((await fixture.get('key', { unseal })).length, 0)
          continue
        }
        assert(info.sizeBytes < Math.max(size, 600) / 1.5 || size < 5000, `${info.sizeBytes}`)
        for (const range of rangesOf(size)) {
          assertBytes(await fixture.get('key', { range, unseal }), cut(content, range))
        }
      }
      assert.equal(fixture.lentBytes, 0)
    })

    test('parts are streams of their own', { skip: !hasSizes }, async () => {
      const { fixture, engine } = newServer()
      const contents = [textOfSize(9 * MIB + 1), contentOf(5 * MIB), textOfSize(777)]
      const upload = await engine.createUpload('bucket', 'key', {
        userMetadata: new Map(),
        systemMetadata,
        storageClass: 'STANDARD',
        versioning: 'unversioned',
      })
      const parts: CompletePart[] = []
      for (const [i, content] of contents.entries()) {
        const number = 3 * i + 2
        const body = bodyOfBytes(content)
        const part = await engine.putPart('bucket', 'key', upload.uploadId, number, body, {
          digests: ['crc32c'],
          seal: unseal,
          verify: async (digests, sizeBytes) => {
            assert.equal(sizeBytes, content.length)
            assertBytes(digests.get('md5'), new Uint8Array(md5(content)))
            return {}
          },
        })
        assert.equal(part.actualSizeBytes, content.length)
        parts.push({ number, etag: part.etag ?? '', checksums: {} })
      }
      const options = { versioning: 'unversioned' } as const
      const made = await engine.completeUpload('bucket', 'key', upload.uploadId, parts, options)
      const whole = concatBytes(contents)
      assert.equal(made.actualSizeBytes, whole.length)
      for (const range of rangesOf(whole.length)) {
        assertBytes(await fixture.get('key', { range, unseal }), cut(whole, range))
      }
      for (const [i, content] of contents.entries()) {
        const range = { kind: 'part', number: 3 * i + 2 } as const
        assertBytes(await fixture.get('key', { range, unseal }), content)
      }
      const stored = (await fixture.head('key')).parts
      assert.notEqual(stored[0]?.index?.length ?? 0, 0)
      assert.equal(stored[1]?.index?.length ?? 0, 0)
      assert.equal(fixture.lentBytes, 0)
    })

    test('a reader that is closed early gives back memory and lock', {
      skip: !hasSizes,
    }, async () => {
      const { fixture } = newServer()
      await fixture.put('key', textOfSize(9 * MIB), { systemMetadata, seal })
      const reader = await fixture.open('key', { unseal })
      for await (const chunk of reader.chunks()) {
        chunk.release()
        break
      }
      reader.close()
      const unread = await fixture.open('key', { unseal })
      unread.close()
      await fixture.remove('key')
      assert.equal(fixture.lentBytes, 0)
    })

    test('a body that breaks or has another size leaves nothing', async () => {
      const { fixture } = newServer()
      const broken = new Error('broken')
      const refused = (sizeBytes: number | undefined, pieces: readonly (number | Error)[]) => {
        const left = [...pieces]
        return fixture.putBody(
          'key',
          {
            sizeBytes,
            read: async (target) => {
              const next = left.shift() ?? 0
              if (next instanceof Error) throw next
              return Math.min(next, target.length)
            },
          },
          { systemMetadata, seal },
        )
      }
      await assert.rejects(refused(5000, [1000, broken]), broken)
      await assert.rejects(refused(undefined, [MIB, MIB, broken]), broken)
      const isIncomplete = { code: 'IncompleteBody' }
      await assert.rejects(refused(5000, [1000]), isIncomplete)
      await assert.rejects(refused(500, [400, 200]), isIncomplete)
      await assert.rejects(fixture.head('key'), { code: 'ObjectNotFound' })
      assert.equal(fixture.lentBytes, 0)
    })
  })
}

test('what does not shrink is stored with little more', async () => {
  const { fixture } = newServer()
  const content = contentOf(3 * MIB + 5)
  const info = await fixture.put('key', content, { systemMetadata: COMPRESSED })
  assert(info.sizeBytes <= content.length + 10 + 4 * 8)
  assertBytes(await fixture.get('key'), content)
})

test('small compressed objects stay in the metadata, by the size that clients see', async () => {
  const { fixture } = newServer()
  for (const [size, isInline] of [
    [5000, true],
    [256 * 1024, true],
    [256 * 1024 + 1, false],
  ] as const) {
    for (const content of [textOfSize(size), contentOf(size)]) {
      const info = await fixture.put('key', content, { systemMetadata: COMPRESSED })
      assert.equal(info.systemMetadata.has('x-minio-internal-inline-data'), isInline, `${size}`)
      assertBytes(await fixture.get('key'), content)
    }
  }
})

test('unknown compression is refused when it is written, and when it is read', async () => {
  const { fixture } = newServer()
  const odd = new Map([[COMPRESSION_KEY, utf8('zip')]])
  const isUnknown = { code: 'Internal' }
  await assert.rejects(fixture.put('key', textOfSize(10), { systemMetadata: odd }), isUnknown)
  await fixture.put('key', textOfSize(5000))
  await relabel(fixture, odd)
  await assert.rejects(fixture.get('key'), isUnknown)
  await assert.rejects(fixture.open('key'), isUnknown)
  assert.equal(fixture.lentBytes, 0)
})

test('damaged compressed data is an error, and no wrong bytes', async () => {
  const { fixture } = newServer()
  const good = codec.s2Encoder()
  const stream = new Uint8Array(6000)
  const size = good.encode(textOfSize(5000), stream)
  const flipped = stream.slice(0, size)
  flipped[100] = (flipped[100] ?? 0) ^ 0x10
  const cases = [utf8('no stream at all'), stream.slice(0, size - 1), flipped, new Uint8Array(20)]
  for (const stored of cases) {
    await fixture.put('key', stored)
    await relabel(fixture, new Map([...COMPRESSED, ['X-Minio-Internal-actual-size', utf8('5000')]]))
    await assert.rejects(
      fixture.get('key'),
      (error) => error instanceof ObjectError && error.code === 'Internal',
    )
  }
  assert.equal(fixture.lentBytes, 0)
})

test('what MinIO marked wrongly, or marks no more, is read and measured as it is stored', async () => {
  const { fixture } = newServer()
  for (const content of [textOfSize(5000), textOfSize(3 * MIB)]) {
    const sizeBytes = content.length
    const actualSize = ['X-Minio-Internal-actual-size', utf8(String(sizeBytes))] as const
    const wrongly = new Map([...COMPRESSED, actualSize])
    for (const [stored, label] of [
      [new Map(), wrongly],
      [COMPRESSED, new Map()],
    ] as const) {
      await fixture.put('key', content, { systemMetadata: stored })
      await relabel(fixture, label)
      for (const range of rangesOf(sizeBytes)) {
        assertBytes(await fixture.get('key', { range }), cut(content, range))
      }
      const reader = await fixture.open('key')
      assert.equal(plainSize(reader.info), sizeBytes)
      reader.close()
    }
  }
  assert.equal(fixture.lentBytes, 0)
})

test('ranges are right where a compressed object has as many bytes as its content', async () => {
  const { fixture } = newServer()
  // A run of zeros near the end saves what the framing takes.
  const content = contentOf(10 * MIB + 1000)
  content.fill(0, content.length - 900, content.length - 789)
  const info = await fixture.put('key', content, { systemMetadata: COMPRESSED })
  assert.equal(info.sizeBytes, content.length)
  for (const range of rangesOf(content.length)) {
    assertBytes(await fixture.get('key', { range }), cut(content, range))
  }
})

/** Gives stored bytes other system metadata, as damage or another release might. */
async function relabel(
  fixture: EngineFixture,
  systemMetadata: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  const { context, pools } = fixture
  await updateMetadata(context, pools, { bucket: 'bucket', key: 'key' }, undefined, () => ({
    systemMetadata,
  }))
}

test('copies are compressed or not as they are asked to be', async () => {
  const { fixture, engine } = newServer()
  const content = textOfSize(2 * MIB)
  await fixture.put('plain', content)
  await fixture.put('small', content, { systemMetadata: COMPRESSED })
  const copy = async (from: string, to: string, compress: boolean): Promise<void> => {
    const { info } = await engine.copyObject(
      'bucket',
      to,
      { bucket: 'bucket', key: from },
      {
        versioning: 'unversioned',
        storageClass: 'STANDARD',
        digests: [],
        metadata: () => ({
          userMetadata: new Map(),
          systemMetadata: compress ? COMPRESSED : new Map(),
          digests: [],
          allowMetadataOnly: false,
        }),
      },
    )
    assert.equal(info.sizeBytes < content.length, compress)
    assert.equal(info.actualSizeBytes, content.length)
    assert.equal(info.etag, md5(content).toHex())
    assertBytes(await fixture.get(to), content)
  }
  await copy('plain', 'a', true)
  await copy('small', 'b', false)
  await copy('small', 'c', true)
  assert.equal(fixture.lentBytes, 0)
})
