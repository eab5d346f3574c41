import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
import { concatBytes, utf8 } from '#base/bytes'
import type { Random } from '#base/random'
import { decodeBase64 } from '../key-metadata.ts'

/**
 * The client certificate of a KES API key: self-signed, made when needed. Source: encryption.md 6.3.
 */

const PREFIX = 'kes:v1:'
const SEED_BYTES = 32
const VALID_MS = 90 * 24 * 3_600_000
/** `PrivateKeyInfo` of an Ed25519 seed, in front of it. */
const PKCS8_HEAD = Uint8Array.fromHex('302e020100300506032b657004220420')
const ED25519 = Uint8Array.fromHex('300506032b6570')
const COMMON_NAME = Uint8Array.fromHex('0603550403')
const KEY_USAGE = Uint8Array.fromHex('300e0603551d0f0101ff040403020780')
const CLIENT_AUTH = Uint8Array.fromHex('30130603551d25040c300a06082b06010505070302')
const NO_AUTHORITY = Uint8Array.fromHex('300c0603551d130101ff04023000')

export interface ClientCertificate {
  /** PEM. */
  readonly certificate: string
  readonly key: string
}

/** The private key of an API key; undefined when malformed. */
export function parseApiKey(text: string): KeyObject | undefined {
  const bytes = decodeBase64(text.startsWith(PREFIX) ? text.slice(PREFIX.length) : text)
  if (bytes?.length !== 1 + SEED_BYTES || bytes[0] !== 0) return undefined
  const der = concatBytes([PKCS8_HEAD, bytes.subarray(1)])
  const key = createPrivateKey({ key: Buffer.from(der.buffer), format: 'der', type: 'pkcs8' })
  bytes.fill(0)
  der.fill(0)
  return key
}

function publicDer(key: KeyObject): Uint8Array {
  return createPublicKey(key).export({ format: 'der', type: 'spki' })
}

/** Lower-case hex digest of the public key: policies name clients by it. */
export function identityOf(key: KeyObject): string {
  return createHash('sha256').update(publicDer(key)).digest('hex')
}

export function certificateOf(key: KeyObject, random: Random, nowMs: number): ClientCertificate {
  const identity = identityOf(key)
  const name = tagged(0x30, tagged(0x31, tagged(0x30, COMMON_NAME, tagged(0x13, utf8(identity)))))
  const serial = random.bytes(16)
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40 // positive, and no byte to spare
  const body = tagged(
    0x30,
    tagged(0xa0, Uint8Array.of(0x02, 0x01, 0x02)),
    tagged(0x02, serial),
    ED25519,
    name,
    tagged(0x30, timeOf(nowMs), timeOf(nowMs + VALID_MS)),
    name,
    publicDer(key),
    tagged(0xa3, tagged(0x30, KEY_USAGE, CLIENT_AUTH, NO_AUTHORITY)),
  )
  const signature = sign(null, body, key)
  const der = tagged(0x30, body, ED25519, tagged(0x03, Uint8Array.of(0), signature))
  const lines = der.toBase64().replaceAll(/.{64}/g, '$&\n').trimEnd()
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: key.export({ format: 'pem', type: 'pkcs8' }).toString(),
  }
}

/** One DER element. */
function tagged(tag: number, ...content: readonly Uint8Array[]): Uint8Array {
  const size = content.reduce((sum, piece) => sum + piece.length, 0)
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return concatBytes([Uint8Array.of(tag, ...length), ...content])
}

/** Years up to 2049 have two digits, later ones four. */
function timeOf(ms: number): Uint8Array {
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, '')
  return digits < '2050' ? tagged(0x17, utf8(digits.slice(2))) : tagged(0x18, utf8(digits))
}
