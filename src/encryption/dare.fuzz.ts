import assert from 'node:assert/strict'
import { fuzz } from '#testing/fuzz'
import { PackageOpener, PackageSealer, plainSize, sealedSize } from './dare.ts'
import { EncryptionError } from './encryption.ts'
import { parseKeyMetadata } from './key-metadata.ts'
import { parseContext } from './kms-context.ts'
import { StreamOpener } from './sealed-stream.ts'

const PACKAGE = 65_536

function seal(key: Uint8Array, nonce: Uint8Array, plain: Uint8Array): Uint8Array {
  const sealer = new PackageSealer(key, nonce)
  const pieces: Uint8Array[] = []
  for (let at = 0; at < plain.length; at += PACKAGE) {
    const isLast = at + PACKAGE >= plain.length
    pieces.push(sealer.sealWhole(plain.subarray(at, at + PACKAGE), isLast))
  }
  return Buffer.concat(pieces)
}

/** Content, or undefined when the stream is refused; anything thrown but `Tampered` is a mistake. */
function open(key: Uint8Array, stream: Uint8Array, step: number): Uint8Array | undefined {
  const opener = new StreamOpener(new PackageOpener(key))
  const pieces: Uint8Array[] = []
  try {
    for (let at = 0; at < stream.length; at += step) {
      const { carried, rest } = opener.push(new Uint8Array(stream.subarray(at, at + step)))
      pieces.push(carried, rest)
    }
    opener.end()
    return Buffer.concat(pieces)
  } catch (error) {
    if (error instanceof EncryptionError && error.code === 'Tampered') return undefined
    throw error
  }
}

fuzz('streams come back whole, and no changed one is taken', (random) => {
  const key = random.bytes(32)
  const plain = random.bytes(1 + random.below(3 * PACKAGE))
  const stream = seal(key, random.bytes(12), plain)
  assert.equal(stream.length, sealedSize(plain.length))
  assert.equal(plainSize(stream.length), plain.length)
  const step = 1 + random.below(200_000)
  assert.ok(Buffer.from(plain).equals(open(key, stream, step) ?? new Uint8Array(0)))
  const changed = new Uint8Array(stream)
  const at = random.below(changed.length)
  switch (random.below(4)) {
    case 0:
      changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8))
      assert.equal(open(key, changed, step), undefined)
      break
    case 1:
      assert.equal(open(key, changed.subarray(0, at), step), undefined)
      break
    case 2:
      assert.equal(
        open(key, Buffer.concat([changed, random.bytes(1 + random.below(100))]), step),
        undefined,
      )
      break
    default:
      assert.equal(
        open(key, Buffer.concat([changed.subarray(0, at), changed.subarray(at + 1)]), step),
        undefined,
      )
  }
})

fuzz('rubbish is refused and never crashes', (random) => {
  const rubbish = random.bytes(random.below(300))
  if (rubbish.length > 3) {
    rubbish[0] = 0x20
    rubbish[1] = random.below(3)
  }
  assert.equal(open(random.bytes(32), rubbish, 1 + random.below(50)), undefined)
  const text = Buffer.from(rubbish).toString('latin1')
  parseContext(text)
  const names = [
    'Iv',
    'Seal-Algorithm',
    'S3-Sealed-Key',
    'S3-Kms-Key-Id',
    'S3-Kms-Sealed-Key',
    'Context',
  ]
  const metadata = new Map(
    names.map((name) => [
      `X-Minio-Internal-Server-Side-Encryption-${name}`,
      random.bytes(random.below(90)),
    ]),
  )
  assert.throws(() => parseKeyMetadata(metadata), EncryptionError)
})
