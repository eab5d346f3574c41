import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { concatBytes, utf8 } from '#base/bytes'
import { assertBytes } from '#testing/bytes'
import { createCodecSeed } from './arena.ts'
import { Codec } from './codec.ts'
import { S2_BLOCK_SIZE_MAX } from './layout.ts'
import { S2_BLOCK_SIZE, S2_OVERHEAD_MAX, type S2DecoderOptions } from './s2.ts'
import { decodeS2Block, S2Error } from './s2-block.ts'
import { parseS2Index } from './s2-index.ts'
import { noise, sampleOf, type SampleKind } from './testing/s2-samples.ts'
import { Workspace } from './workspace.ts'

const MIB = 1_048_576
const seed = createCodecSeed({ regionSizesBytes: [32 * MIB, 0] })
const codec = new Codec(seed, 0)
const workspace = new Workspace(seed, 1)

interface BlockVector {
  readonly kind: SampleKind
  readonly size: number
  readonly mode: string
  readonly sha256: string
  readonly block: string
}

interface StreamVector {
  readonly kind: SampleKind
  readonly size: number
  readonly blockSize: number
  readonly snappy: boolean
  readonly sha256: string
  readonly stream: string
  readonly index: string
}

/** Made by the Go library `github.com/klauspost/compress/s2` 1.18.0. */
const vectors = JSON.parse(
  readFileSync(new URL('./testdata/s2.json', import.meta.url), 'utf8'),
) as { readonly blocks: readonly BlockVector[]; readonly streams: readonly StreamVector[] }

function encode(
  plain: Uint8Array,
  padding?: { readonly multiple: number },
): { readonly stream: Uint8Array; readonly index: Uint8Array | undefined } {
  const encoder = codec.s2Encoder()
  const pieces: Uint8Array[] = []
  const room = new Uint8Array(S2_BLOCK_SIZE + S2_OVERHEAD_MAX)
  for (let start = 0; start < plain.length; start += S2_BLOCK_SIZE) {
    const used = encoder.encode(plain.subarray(start, start + S2_BLOCK_SIZE), room)
    pieces.push(room.slice(0, used))
  }
  if (padding !== undefined) {
    const used = encoder.pad(padding.multiple, room, (bytes) => bytes.fill(0))
    pieces.push(room.slice(0, used))
  }
  return { stream: concatBytes(pieces), index: encoder.index() }
}

function decode(stream: Uint8Array, pieceSize: number, options?: S2DecoderOptions): Uint8Array {
  const decoder = codec.s2Decoder(options)
  const blocks: Uint8Array[] = []
  for (let start = 0; start < stream.length; start += pieceSize) {
    const piece = stream.subarray(start, start + pieceSize)
    for (let used = 0; used < piece.length; ) {
      used += decoder.feed(piece.subarray(used))
      if (decoder.blockSize !== undefined) blocks.push(decoder.take().slice())
    }
  }
  decoder.end()
  return concatBytes(blocks)
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

test('blocks of the Go library are read, and too large ones refused', () => {
  for (const { kind, size, mode, sha256: digest, block } of vectors.blocks) {
    const decodeBlock = (): Uint8Array =>
      decodeS2Block(workspace, Uint8Array.fromHex(block), S2_BLOCK_SIZE_MAX)
    if (size <= S2_BLOCK_SIZE_MAX) {
      assert.equal(sha256(decodeBlock()), digest, `${kind} ${size} ${mode}`)
    } else assert.throws(decodeBlock, S2Error)
    assert.equal(sha256(sampleOf(kind, size)), digest, `${kind} ${size}`)
  }
})

test('streams of the Go library are read, in pieces of any size', () => {
  for (const { kind, size, sha256: digest, stream } of vectors.streams) {
    const bytes = Uint8Array.fromHex(stream)
    for (const pieceSize of [1, 7, 1000, bytes.length]) {
      assert.equal(sha256(decode(bytes, pieceSize)), digest, `${kind} ${size} by ${pieceSize}`)
    }
  }
})

test('every entry of an index of the Go library leads to its block', () => {
  let count = 0
  for (const { kind, size, stream, index } of vectors.streams) {
    if (index === '') continue
    const bytes = Uint8Array.fromHex(stream)
    const plain = sampleOf(kind, size)
    const entries = parseS2Index(Uint8Array.fromHex(index))
    assert(entries !== undefined)
    for (const entry of entries) {
      const rest = decode(bytes.subarray(entry.encoded), bytes.length, { isEntered: true })
      assertBytes(rest, plain.subarray(entry.plain))
      count++
    }
  }
  assert(count > 10)
})

test('streams and indexes of the specification are written', () => {
  const { stream } = encode(utf8('hello, cairn'))
  const expected = 'ff06000053327354774f0110000095585128' + utf8('hello, cairn').toHex()
  assert.equal(stream.toHex(), expected)
  const spelled =
    'ff06000053327354774f001100001c993b89210c616263641104' + '15000c0021fe04000070616421'
  assertBytes(decode(Uint8Array.fromHex(spelled), 5), utf8(`${'abcd'.repeat(8)}!`))
})

test('the index of blocks that do not shrink is the one of the specification', () => {
  // Only its sizes count, and noise is stored as it is.
  const { stream, index } = encode(noise(9_437_189, 5))
  assert.equal(stream.length, 9_437_279)
  assert.equal(
    index?.toHex(),
    '8a808009be8180098080800114001490804088802084801082800882800482800282800182408220',
  )
  const entries = parseS2Index(index)
  assert.deepEqual(entries?.slice(0, 2), [
    { encoded: 10, plain: 0 },
    { encoded: 1_048_594, plain: MIB },
  ])
  assert.deepEqual(entries.at(-1), { encoded: 9_437_266, plain: 9_437_184 })
})

test('what was written is read back, whatever it is', () => {
  const samples = [
    new Uint8Array(),
    Uint8Array.of(1),
    sampleOf('words', 31),
    sampleOf('words', 32),
    sampleOf('words', 3 * MIB + 17),
    sampleOf('runs', 2 * MIB),
    sampleOf('zeros', MIB + 1),
    noise(MIB + 5, 9),
    concatBytes([noise(MIB / 2, 1), sampleOf('zeros', MIB / 2), sampleOf('words', 100_000)]),
  ]
  for (const plain of samples) {
    const { stream, index } = encode(plain)
    assertBytes(decode(stream, 65_536), plain)
    assert.equal(index, undefined)
    const blocks = Math.ceil(plain.length / S2_BLOCK_SIZE)
    assert(stream.length <= plain.length + (blocks === 0 ? 0 : 10 + 8 * blocks))
  }
})

test('text shrinks to less than half, as it does in the Go library', () => {
  const { stream } = encode(sampleOf('words', 500_000))
  assert(stream.length < 250_000, `${stream.length} bytes`)
})

test('a range begins at the block that the index names', () => {
  const plain = sampleOf('words', 9 * MIB + 100)
  const { stream, index } = encode(plain)
  assert(index !== undefined)
  const entries = parseS2Index(index) ?? []
  for (const wanted of [0, 1, MIB - 1, MIB, 5 * MIB + 7, plain.length - 1]) {
    const entry = entries.findLast(({ plain: begin }) => begin <= wanted)
    assert(entry !== undefined && wanted - entry.plain < MIB)
    const rest = decode(stream.subarray(entry.encoded), 100_000, { isEntered: true })
    assertBytes(rest, plain.subarray(entry.plain))
  }
})

test('padding fills up to a multiple, and hides the size in the index', () => {
  for (const size of [1, 100, 250, 5000, 9 * MIB]) {
    const plain = noise(size, 2)
    const { stream, index } = encode(plain, { multiple: 256 })
    assert.equal(stream.length % 256, 0)
    assertBytes(decode(stream, 4096), plain)
    if (index !== undefined) assert.equal(index.toHex().slice(8, 10), '01')
  }
  const { stream } = encode(noise(5000, 2), { multiple: 256 })
  assert.equal(stream.length, 5120)
  assert.equal(encode(new Uint8Array(), { multiple: 256 }).stream.length, 0)
})

test('damaged streams are refused', () => {
  const { stream } = encode(sampleOf('words', 5000))
  const changed = (at: number, value: number): Uint8Array => {
    const copy = stream.slice()
    copy[at] = value
    return copy
  }
  const cases: readonly (readonly [string, Uint8Array])[] = [
    ['no identifier', stream.subarray(10)],
    ['another identifier', changed(5, 0x20)],
    ['cut off in a header', stream.subarray(0, 12)],
    ['cut off in a body', stream.subarray(0, stream.length - 1)],
    ['wrong checksum', changed(14, (stream[14] ?? 0) ^ 1)],
    ['wrong content', changed(40, (stream[40] ?? 0) ^ 0x55)],
    ['reserved type', changed(10, 0x02)],
    ['chunk beyond the largest', changed(13, 0x7f)],
    [
      'chunk without checksum',
      Uint8Array.fromHex('ff06000053327354774f0003000000 0000'.replace(' ', '')),
    ],
    ['bomb', Uint8Array.fromHex('ff06000053327354774f000a00000000000000ffffffff0f00')],
    ['bomb for Snappy', Uint8Array.fromHex('ff060000734e6150705900080000000000008180040000')],
  ]
  for (const [name, bytes] of cases) assert.throws(() => decode(bytes, 3), S2Error, name)
})

test('skippable chunks and repeated identifiers are passed over', () => {
  const { stream } = encode(utf8('once'))
  const extra = Uint8Array.fromHex('990300000102038000000000')
  const twice = concatBytes([stream, extra.subarray(0, 7), stream])
  assertBytes(decode(twice, 2), utf8('onceonce'))
})

test('blocks that lie are refused before anything is made', () => {
  const refused = [
    '',
    '80',
    'ffffffffff01',
    '0500',
    '05',
    '0108',
    '04010104',
    '040c6162',
    '020061',
    '0100610061',
  ]
  for (const hex of refused) {
    assert.throws(() => decodeS2Block(workspace, Uint8Array.fromHex(hex), 100), S2Error, hex)
  }
  assert.throws(() => decodeS2Block(workspace, Uint8Array.fromHex('65'), 100), S2Error)
})

test('damaged indexes are refused', () => {
  const good = encode(noise(9 * MIB, 5)).index
  assert(good !== undefined)
  assert.equal(parseS2Index(good.subarray(0, good.length - 1)), undefined)
  assert.equal(parseS2Index(concatBytes([good, Uint8Array.of(0)])), undefined)
  assert.equal(parseS2Index(new Uint8Array()), undefined)
  assert.equal(parseS2Index(new Uint8Array(100).fill(0xff)), undefined)
  // Two entries at one place.
  assert.equal(parseS2Index(Uint8Array.fromHex('14140004000000')), undefined)
})
