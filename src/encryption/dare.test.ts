import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'
import { test } from 'node:test'
import { assertBytes } from '#testing/bytes'
import {
  openSmall,
  PACKAGE_PLAIN_BYTES,
  type PackageCipher,
  PackageOpener,
  PackageSealer,
  plainSize,
  sealedSize,
} from './dare.ts'
import { EncryptionError } from './encryption.ts'
import { type Opened, StreamOpener, StreamSealer } from './sealed-stream.ts'
import { NONCE, OBJECT_KEY, pattern, seq, sha256, utf8 } from './testing/vectors.ts'

const isTampered = (error: unknown): boolean =>
  error instanceof EncryptionError && error.code === 'Tampered'

/** Whole stream of `plain`, read in pieces of `step` bytes from a source that gives `grain` at a time. */
async function sealed(
  plain: Uint8Array,
  options: { cipher?: PackageCipher; step?: number; grain?: number; isSizeKnown?: boolean } = {},
): Promise<Uint8Array> {
  let offset = 0
  const source = (target: Uint8Array): Promise<number> => {
    const count = Math.min(target.length, options.grain ?? 1 << 30, plain.length - offset)
    target.set(plain.subarray(offset, offset + count))
    offset += count
    return Promise.resolve(count)
  }
  const sealer = new StreamSealer(
    source,
    new PackageSealer(OBJECT_KEY, NONCE, options.cipher),
    options.isSizeKnown === true ? plain.length : undefined,
  )
  const out = new Uint8Array(sealedSize(plain.length))
  let size = 0
  for (;;) {
    const count = await sealer.read(out.subarray(size, size + (options.step ?? out.length)))
    if (count === 0) break
    size += count
  }
  assert.equal(size, out.length)
  assert.equal(await sealer.read(new Uint8Array(1)), 0)
  sealer.close()
  return out
}

function opened(stream: Uint8Array, step: number, key = OBJECT_KEY): Uint8Array {
  const opener = new StreamOpener(new PackageOpener(key))
  const pieces: Uint8Array[] = []
  for (let i = 0; i < stream.length; i += step) {
    // A copy, as it is overwritten.
    const { carried, rest } = opener.push(new Uint8Array(stream.subarray(i, i + step)))
    pieces.push(carried, rest)
  }
  if (stream.length > 0) opener.end()
  return Buffer.concat(pieces)
}

const STREAMS: readonly (readonly [number, PackageCipher, number, string])[] = [
  [1, 'aes-256-gcm', 33, 'd7609a6c60f9797a8c5d8360c2fa874732895e853517f67f70f5efd92fb7656e'],
  [100, 'aes-256-gcm', 132, '58465ec4b81ea058b949b1cdec7107a1e30650ea7c2a07022846c48729c5ff20'],
  [
    100,
    'chacha20-poly1305',
    132,
    '9a207dfb8be6fd346703dbe8088fda4c4b4d78466b7acfff30ec6d40ebfdc9cc',
  ],
  [65536, 'aes-256-gcm', 65568, 'd1c62db370ba2559bfc43b8536d7919e38fde98c7611cbf63501cda9c0cda7a3'],
  [65537, 'aes-256-gcm', 65601, 'f71c5717239f0cea2f7e18aaff38ee43b6871587809ef9df3e7efeaf7e15a270'],
  [70000, 'aes-256-gcm', 70064, 'bb0d86be0f3644f75d2b5a57bf744e4706edf3d93bb584181fc76f1dff8405b3'],
  [
    70000,
    'chacha20-poly1305',
    70064,
    '50c6156a30acbd5f829ed98c81a7c27fd114f753871f8306ffbd5f0b99336c4c',
  ],
  [
    131072,
    'aes-256-gcm',
    131136,
    '7789a59face46ad857ab8f219f2db3819e2ed625e1dfef55b87e9264bb9a3a43',
  ],
  [
    131072,
    'chacha20-poly1305',
    131136,
    '7150414a4defeba4edb240e22bcf7182437735a06f92af85d5d5969b30abf9cc',
  ],
]

test('streams have the bytes of the known answers', async () => {
  for (const [size, cipher, length, digest] of STREAMS) {
    for (const step of [7, 4096, 1 << 20]) {
      if (step === 7 && size > 1000) continue
      const stream = await sealed(pattern(size), { cipher, step })
      assert.equal(stream.length, length)
      assert.equal(sha256(stream), digest, `${size} ${cipher}`)
    }
    const stream = await sealed(pattern(size), { cipher, grain: 1000, isSizeKnown: true })
    assert.equal(sha256(stream), digest)
    assert.equal(sha256(opened(stream, 1 << 20)), sha256(pattern(size)))
    assert.equal(sha256(opened(stream, 13)), sha256(pattern(size)))
  }
})

test('a short text of the drive specification is sealed to its known answer', () => {
  const sealer = new PackageSealer(seq(0, 32), NONCE)
  assert.equal(
    Buffer.from(sealer.sealWhole(utf8('hello world!'), true)).toString('hex'),
    '20000b00800102030405060708090a0b41ef91f4a8d23ab3a87f8396f13ec29c0474fe5671cee0efcdb5b2d3',
  )
})

test('an empty content is an empty stream', async () => {
  for (const isSizeKnown of [true, false]) {
    assert.equal((await sealed(new Uint8Array(0), { isSizeKnown })).length, 0)
  }
  assert.equal(openSmall(OBJECT_KEY, new Uint8Array(0)).length, 0)
})

/** A stream of the old version: no final flag, the number of the package in its header. */
function sealedOld(plain: Uint8Array): Uint8Array {
  const pieces: Uint8Array[] = []
  for (let i = 0; i * PACKAGE_PLAIN_BYTES < plain.length; i++) {
    const content = plain.subarray(i * PACKAGE_PLAIN_BYTES, (i + 1) * PACKAGE_PLAIN_BYTES)
    const header = new Uint8Array(16)
    header[0] = 0x10
    new DataView(header.buffer).setUint16(2, content.length - 1, true)
    new DataView(header.buffer).setUint32(4, i, true)
    header.set(seq(0, 8), 8)
    const cipher = createCipheriv('aes-256-gcm', OBJECT_KEY, header.subarray(4))
    cipher.setAAD(header.subarray(0, 4))
    pieces.push(header, cipher.update(content), cipher.final(), cipher.getAuthTag())
  }
  return Buffer.concat(pieces)
}

test('a stream of the old version is read, and only where it may be', () => {
  const old = sealedOld(pattern(70000))
  assert.equal(sha256(old), '817d19b779087351a8eb64136930bbe84e2cae31e6ebcfbeec4deb0f024bb9d5')
  assert.equal(sha256(opened(old, 4096)), sha256(pattern(70000)))
  assert.throws(() => openSmall(OBJECT_KEY, old, { onlyVersion2: true }), isTampered)
  assert.throws(() => opened(old.subarray(65568), 4096), isTampered)
})

test('sizes follow the table', () => {
  const table = [
    [0, 0],
    [1, 33],
    [65536, 65568],
    [65537, 65601],
    [200000, 200128],
    [5 * 2 ** 30, 5371330560],
  ] as const
  for (const [plain, stored] of table) {
    assert.equal(sealedSize(plain), stored)
    assert.equal(plainSize(stored), plain)
  }
  for (const wrong of [1, 32, 65569, 65600, -1, 0.5]) assert.equal(plainSize(wrong), undefined)
})

test('a stream that was cut, reordered, lengthened or changed is refused', async () => {
  const size = PACKAGE_PLAIN_BYTES * 2 + 100
  const stream = await sealed(pattern(size))
  const first = stream.subarray(0, 65568)
  const second = stream.subarray(65568, 131136)
  const last = stream.subarray(131136)
  const wrong: Readonly<Record<string, readonly Uint8Array[]>> = {
    'cut after the first package': [first],
    'cut after the second package': [first, second],
    'cut within a package': [first, second, last.subarray(0, 50)],
    'cut within a header': [first, second.subarray(0, 10)],
    'swapped packages': [second, first, last],
    'first package dropped': [second, last],
    'middle package dropped': [first, last],
    'package twice': [first, first, second, last],
    'data after the end': [first, second, last, last],
  }
  for (const [name, pieces] of Object.entries(wrong)) {
    assert.throws(() => opened(Buffer.concat(pieces), 4096), isTampered, name)
  }
  assert.throws(() => opened(stream, 4096, seq(1, 32)), isTampered)
})

test('every changed bit of a header and of the tag is refused', async () => {
  const stream = await sealed(pattern(100))
  for (let bit = 0; bit < 8 * 16; bit++) {
    for (const at of [bit >> 3, stream.length - 1 - (bit >> 3)]) {
      const changed = stream.slice()
      changed[at] = (changed[at] ?? 0) ^ (1 << (bit & 7))
      assert.throws(() => opened(changed, 1 << 20), isTampered, `bit ${bit}`)
    }
  }
})

test('packages of two streams under one key do not mix', async () => {
  const plain = pattern(PACKAGE_PLAIN_BYTES + 1)
  const one = await sealed(plain)
  const sealer = new PackageSealer(OBJECT_KEY, seq(9, 12))
  const other = [
    sealer.sealWhole(plain.subarray(0, PACKAGE_PLAIN_BYTES), false),
    sealer.sealWhole(plain.subarray(PACKAGE_PLAIN_BYTES), true),
  ]
  const mixed = Buffer.concat([one.subarray(0, 65568), other[1] ?? new Uint8Array(0)])
  assert.throws(() => opened(mixed, 1 << 20), isTampered)
})

test('reading begins at any package', async () => {
  const plain = pattern(PACKAGE_PLAIN_BYTES * 3 + 5)
  const stream = await sealed(plain)
  for (const sequence of [0, 1, 2, 3]) {
    const opener = new StreamOpener(new PackageOpener(OBJECT_KEY, { sequence }))
    const { carried, rest } = opener.push(new Uint8Array(stream.subarray(sequence * 65568)))
    opener.end()
    assert.equal(carried.length, 0)
    assertBytes(Buffer.from(rest), Buffer.from(plain.subarray(sequence * PACKAGE_PLAIN_BYTES)))
    const wrong = new StreamOpener(new PackageOpener(OBJECT_KEY, { sequence: sequence + 1 }))
    assert.throws(() => wrong.push(new Uint8Array(stream.subarray(sequence * 65568))), isTampered)
  }
})

test('packages are opened where they lie, but for the one that began before', async () => {
  const plain = pattern(PACKAGE_PLAIN_BYTES * 3 + 5)
  const stream = await sealed(plain)
  const opener = new StreamOpener(new PackageOpener(OBJECT_KEY))
  assert.deepEqual(lengths(opener.push(stream.subarray(0, 1000))), [0, 0])
  const second = stream.subarray(1000, 3 * 65568 - 1)
  const { carried, rest } = opener.push(second)
  assert.deepEqual([carried.length, rest.length], [PACKAGE_PLAIN_BYTES, PACKAGE_PLAIN_BYTES])
  assert.equal(rest.buffer, second.buffer)
  assert.notEqual(carried.buffer, second.buffer)
  assert.deepEqual(lengths(opener.push(stream.subarray(3 * 65568 - 1))), [PACKAGE_PLAIN_BYTES, 5])
  opener.end()
  opener.close()
})

function lengths({ carried, rest }: Opened): readonly number[] {
  return [carried.length, rest.length]
}
