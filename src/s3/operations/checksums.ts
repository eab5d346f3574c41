/**
 * Additional checksums (s3-api.md 3.10): what a body must match, what is stored, what replies show.
 *
 * One object holds one checksum in practice; the stored form allows several, and all are shown.
 */
import {
  CHECKSUM_KEY,
  type ChecksumRecord,
  checksumKeyOf,
  decodeChecksums,
  encodeChecksums,
  OWN_CHECKSUM_KEY,
} from '#drive/checksum-blob'
import { encryptionKindOf } from '#encryption/key-metadata'
import { DECLARED_CHECKSUM_KEY, DECLARED_CHECKSUM_TYPE_KEY } from '#object/metadata-keys'
import type { DigestName, Digests, ObjectInfo, UploadInfo } from '#object/object'
import { parseContentMd5, wrongContentMd5 } from '#s3-protocol/content-md5'
import { S3Error } from '#s3-protocol/s3-error'
import type { S3Call } from '../s3.ts'
import { type Header } from './object-headers.ts'
import { headerOrQuery } from './request-values.ts'
import type { XmlField, XmlFields } from './xml-document.ts'

export type ChecksumType = 'COMPOSITE' | 'FULL_OBJECT'

/** Keys of the stored checksums in a version's system metadata. */
export const CHECKSUM_KEYS: readonly string[] = [CHECKSUM_KEY, OWN_CHECKSUM_KEY]

const DEFAULT_ALGORITHM = 'crc64nvme'

const DIGEST_SIZE_BYTES: Readonly<Record<DigestName, number>> = {
  crc32: 4,
  crc32c: 4,
  crc64nvme: 8,
  md5: 16,
  sha1: 20,
  sha256: 32,
  sha512: 64,
  xxhash128: 16,
  xxhash3: 8,
  xxhash64: 8,
}
/** Checksums of nothing. */
const EMPTY_VALUES: Readonly<Partial<Record<DigestName, string>>> = {
  crc32: 'AAAAAA==',
  crc32c: 'AAAAAA==',
  crc64nvme: 'AAAAAAAAAAA=',
  sha1: '2jmj7l5rSw0yVb/vlWAYkK/YBwk=',
  sha256: '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
}
/** All algorithms, in the order of the texts of errors. */
export const ALGORITHMS: readonly DigestName[] = [
  'crc32',
  'crc32c',
  'crc64nvme',
  'md5',
  'sha1',
  'sha256',
  'sha512',
  'xxhash128',
  'xxhash3',
  'xxhash64',
]

/** A checksum as clients see it. */
export interface ShownChecksum {
  readonly algorithm: DigestName
  readonly type: ChecksumType
  /** Base64; composite ones of whole objects end in `-<parts>`. */
  readonly value: string
}

/** What an upload in progress was begun with. */
export interface DeclaredChecksum {
  readonly algorithm: DigestName
  readonly type: ChecksumType
}

/** A checksum over a whole body. */
export interface BodyChecksum {
  readonly algorithm: DigestName
  readonly digest: Uint8Array
}

/** What a body must match. */
export interface BodyChecks {
  readonly digests: readonly DigestName[]
  /** Called after the last byte. `BadDigest` on a mismatch; answers the checksum to store, if any. */
  verify(digests: Digests): BodyChecksum | undefined
}

/** The algorithm with this name in any case; 400 `InvalidRequest` when there is none. */
export function algorithmNamed(text: string): DigestName {
  const name = text.toLowerCase()
  const algorithm = ALGORITHMS.find((known) => known === name)
  if (algorithm !== undefined) return algorithm
  const known = ALGORITHMS.join(', ').toUpperCase()
  throw new S3Error('InvalidRequest', {
    message: `Checksum algorithm provided is unsupported. Please try again with any of the valid types: [${known}]`,
  })
}

/** `crc32c` → `ChecksumCRC32C`. */
export function checksumElement(algorithm: DigestName): string {
  return `Checksum${algorithm.toUpperCase()}`
}

/**
 * Reads `Content-MD5` and the checksum of a PUT body from headers and announced trailers. Malformed values are refused
 * before the body is read. Without a checksum `fallback` is computed, if given.
 */
export function bodyChecks(call: S3Call, fallback: DigestName | undefined): BodyChecks {
  const md5 = contentMd5(call)
  const sent = sentChecksum(call)
  const algorithm = sent?.algorithm ?? fallback
  return {
    digests: [
      ...(algorithm === undefined ? [] : [algorithm]),
      ...(md5 === undefined ? [] : ['md5' as const]),
    ],
    verify: (digests) => {
      const found = digests.get('md5')
      if (md5 !== undefined && !isEqual(md5, found)) {
        throw wrongContentMd5(md5, found ?? new Uint8Array())
      }
      if (algorithm === undefined) return undefined
      const digest = digests.get(algorithm)
      if (digest === undefined) throw new S3Error('InternalError')
      if (sent !== undefined) {
        const text = sent.value ?? call.trailers().get(`x-amz-checksum-${algorithm}`)
        if (text === undefined) throw invalidChecksum()
        const where = sent.value === undefined ? 'trailing header' : 'header'
        if (!isEqual(decodeValue(algorithm, text, where), digest)) throw mismatch(algorithm)
      }
      return { algorithm, digest }
    },
  }
}

function contentMd5(call: S3Call): Uint8Array | undefined {
  const text = call.request.header('content-md5')
  return text === undefined ? undefined : parseContentMd5(text)
}

/** The checksum that came with a request; its value is undefined while it is still to come as a trailer. */
export function sentChecksum(
  call: S3Call,
): { readonly algorithm: DigestName; readonly value: string | undefined } | undefined {
  const { request } = call
  const named = headerOrQuery(call, 'x-amz-checksum-algorithm')
  const only = named === undefined ? undefined : algorithmNamed(named)
  const found: { algorithm: DigestName; value: string | undefined }[] = []
  for (const algorithm of ALGORITHMS) {
    if (only !== undefined && only !== algorithm) continue
    const value = valueOf(call, algorithm)
    if (value === undefined) continue
    found.push({ algorithm, value })
  }
  refuseUnknown(call)
  for (const name of call.announcedTrailers) {
    if (!name.startsWith('x-amz-checksum-')) continue
    found.push({
      algorithm: algorithmNamed(name.slice('x-amz-checksum-'.length)),
      value: undefined,
    })
  }
  if (found.length > 1) throw severalChecksums()
  const [first] = found
  if (first?.value !== undefined) decodeValue(first.algorithm, first.value)
  // Only a header promises a value: presigners name the algorithm in URLs without one.
  const announced = request.header('x-amz-sdk-checksum-algorithm')
  if (announced !== undefined && announced !== '' && first !== undefined) {
    if (announced.toLowerCase() !== first.algorithm)
      throw invalidHeader('x-amz-sdk-checksum-algorithm')
  }
  // SDKs send this one where it was before there were others.
  const isContentMd5 =
    announced?.toLowerCase() === 'md5' && request.header('content-md5') !== undefined
  if (found.length === 0 && announced !== undefined && announced !== '' && !isContentMd5) {
    throw new S3Error('InvalidRequest', {
      message:
        'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
    })
  }
  return first
}

/** A checksum of a kind that nobody verifies is a promise that would be broken in silence. */
function refuseUnknown(call: S3Call): void {
  for (const [name] of call.request.rawHeaders) {
    const kind = /^x-amz-checksum-(.+)$/i.exec(name)?.[1]?.toLowerCase()
    if (kind === undefined || /^(?:algorithm|mode|type)$/.test(kind)) continue
    if (ALGORITHMS.some((known) => known === kind)) continue
    throw new S3Error('InvalidRequest', {
      message: 'The algorithm type you specified in x-amz-checksum- header is invalid.',
    })
  }
}

/** A value by header, or by query in presigned URLs. */
function valueOf(call: S3Call, algorithm: DigestName): string | undefined {
  const name = `x-amz-checksum-${algorithm}`
  const header = call.request.header(name)
  if (header !== undefined) return header
  const value = headerOrQuery(call, name)
  // The presigner of the JavaScript SDK writes the checksum of no body into URLs for any body.
  return value === EMPTY_VALUES[algorithm] ? undefined : value
}

/** Digest of a header value. `InvalidRequest` for what is no base64, or not of the algorithm's length. */
export function decodeValue(
  algorithm: DigestName,
  text: string,
  where: 'header' | 'trailing header' = 'header',
): Uint8Array {
  const digest = decodeBase64(text)
  if (digest?.length !== DIGEST_SIZE_BYTES[algorithm]) {
    throw invalidHeader(`x-amz-checksum-${algorithm}`, where)
  }
  return digest
}

/** The error of a checksum that differs. */
export function mismatch(algorithm: DigestName): S3Error {
  return new S3Error('BadDigest', {
    message: `The ${algorithm.toUpperCase()} you specified did not match the calculated checksum.`,
  })
}

function invalidHeader(name: string, where: 'header' | 'trailing header' = 'header'): S3Error {
  return new S3Error('InvalidRequest', { message: `Value for ${name} ${where} is invalid.` })
}

/** The error of a request with checksums of several algorithms. */
export function severalChecksums(): S3Error {
  return new S3Error('InvalidRequest', {
    message: 'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
  })
}

function invalidChecksum(): S3Error {
  return new S3Error('InvalidArgument', { message: 'Invalid checksum provided.' })
}

function decodeBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.fromBase64(text, { lastChunkHandling: 'strict' })
  } catch {
    return undefined // the only failure is the malformed text asked about
  }
}

function isEqual(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && a.length === b.length && a.every((byte, i) => byte === b[i])
}

// Uploads in parts ---------------------------------------------------------------------------------

/** What CreateMultipartUpload declares, undefined when nothing. */
export function declaredChecksum(call: S3Call): DeclaredChecksum | undefined {
  const named = headerOrQuery(call, 'x-amz-checksum-algorithm')
  const type = checksumTypeOf(call)
  if (named === undefined) {
    if (type === undefined) return undefined
    throw new S3Error('InvalidRequest', {
      message:
        'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
    })
  }
  const algorithm = algorithmNamed(named)
  const types = typesOf(algorithm)
  if (type !== undefined && !types.includes(type)) {
    throw new S3Error('InvalidRequest', {
      message: `The ${type} checksum type cannot be used with the ${algorithm} checksum algorithm.`,
    })
  }
  return { algorithm, type: type ?? types[0] }
}

/** How the checksum of an upload in parts can be made; the default first. Only CRCs of parts can be combined. */
function typesOf(algorithm: DigestName): readonly [ChecksumType, ...ChecksumType[]] {
  if (algorithm === 'crc64nvme') return ['FULL_OBJECT']
  return algorithm.startsWith('crc') ? ['COMPOSITE', 'FULL_OBJECT'] : ['COMPOSITE']
}

/** `x-amz-checksum-type`, in any case. */
export function checksumTypeOf(call: S3Call): ChecksumType | undefined {
  const type = headerOrQuery(call, 'x-amz-checksum-type')?.toUpperCase()
  if (type === undefined || type === 'COMPOSITE' || type === 'FULL_OBJECT') return type
  throw invalidHeader('x-amz-checksum-type')
}

/**
 * What makes the checksum of an upload that declared none: a default, as for objects in one piece. None where it is
 * to be encrypted: the end of an upload need not have the key to seal it with.
 */
export function undeclaredChecksum(upload: UploadInfo): DeclaredChecksum | undefined {
  if (encryptionKindOf(upload.systemMetadata) !== undefined) return undefined
  return { algorithm: DEFAULT_ALGORITHM, type: 'FULL_OBJECT' }
}

/** Keeps the declaration with the upload, in the form that MinIO reads. */
export function writeDeclaration(
  userMetadata: Map<string, string>,
  declared: DeclaredChecksum,
): void {
  userMetadata.set(DECLARED_CHECKSUM_KEY, declared.algorithm.toUpperCase())
  userMetadata.set(DECLARED_CHECKSUM_TYPE_KEY, declared.type)
}

/** The declaration of an upload. */
export function uploadChecksum(
  userMetadata: ReadonlyMap<string, string>,
): DeclaredChecksum | undefined {
  const named = userMetadata.get(DECLARED_CHECKSUM_KEY)?.toLowerCase()
  const algorithm = ALGORITHMS.find((known) => known === named)
  if (algorithm === undefined) return undefined
  const isFull =
    algorithm === 'crc64nvme' || userMetadata.get(DECLARED_CHECKSUM_TYPE_KEY) === 'FULL_OBJECT'
  return { algorithm, type: isFull ? 'FULL_OBJECT' : 'COMPOSITE' }
}

/** `Checksum…` children of a listed part; what the server keeps for itself is not shown. */
export function partChecksumFields(
  checksums: Readonly<Record<string, string>> | undefined,
  declared: DeclaredChecksum | undefined,
): XmlFields {
  if (checksums === undefined) return []
  const fields: XmlField[] = []
  for (const algorithm of ALGORITHMS) {
    const value = checksums[algorithm]
    if (declared === undefined && algorithm === DEFAULT_ALGORITHM) continue
    if (value !== undefined && value !== '') fields.push([checksumElement(algorithm), value])
  }
  return fields
}

// Stored checksums ---------------------------------------------------------------------------------

/** System metadata that keeps a checksum of a body sent in one piece. */
export function storedSingle(checksum: BodyChecksum | undefined): ReadonlyMap<string, Uint8Array> {
  if (checksum === undefined) return new Map()
  return storedMetadata({ algorithm: checksum.algorithm, digest: checksum.digest })
}

/** System metadata that keeps one checksum. */
export function storedMetadata(record: ChecksumRecord): ReadonlyMap<string, Uint8Array> {
  return new Map([[checksumKeyOf(record.algorithm), encodeChecksums([record])]])
}

/** None for a version whose checksums are still sealed: the first byte of those is no type of a checksum. */
function records(info: ObjectInfo): readonly ChecksumRecord[] {
  return CHECKSUM_KEYS.flatMap((key) => {
    const blob = info.systemMetadata.get(key)
    return blob === undefined ? [] : decodeChecksums(blob)
  })
}

/** The checksums of a whole version. */
export function storedChecksums(info: ObjectInfo): readonly ShownChecksum[] {
  return records(info).map(shown)
}

function shown(record: ChecksumRecord): ShownChecksum {
  const value = record.digest.toBase64()
  const isComposite =
    record.parts !== undefined && !record.fullObject && record.algorithm !== 'crc64nvme'
  return {
    algorithm: record.algorithm,
    type: isComposite ? 'COMPOSITE' : 'FULL_OBJECT',
    value: isComposite ? `${value}-${record.partCount}` : value,
  }
}

/** The checksums of one part; those of the whole for an object in one piece. */
export function partChecksums(info: ObjectInfo, partNumber: number): readonly ShownChecksum[] {
  const index = info.parts.findIndex((part) => part.number === partNumber)
  const found: ShownChecksum[] = []
  for (const record of records(info)) {
    const whole = shown(record)
    if (record.parts === undefined) {
      if (info.parts.length <= 1) found.push(whole)
      continue
    }
    const digest = record.parts[index]
    if (digest !== undefined) found.push({ ...whole, value: digest.toBase64() })
  }
  return found
}

/** Reply headers of checksums. */
export function checksumHeaders(checksums: readonly ShownChecksum[]): readonly Header[] {
  const first = checksums[0]
  if (first === undefined) return []
  return [
    ...checksums.map(
      (checksum): Header => [`x-amz-checksum-${checksum.algorithm}`, checksum.value],
    ),
    ['x-amz-checksum-type', first.type],
  ]
}

/** Children of an XML reply that tell checksums. */
export function checksumFields(
  checksums: readonly ShownChecksum[],
  options: { readonly withType: boolean } = { withType: true },
): XmlFields {
  const first = checksums[0]
  if (first === undefined) return []
  return [
    ...checksums.map((checksum): XmlField => [checksumElement(checksum.algorithm), checksum.value]),
    options.withType && ['ChecksumType', first.type],
  ]
}

/** Reply headers for the checksum of a body just stored, also for one that the server chose by itself. */
export function bodyChecksumHeaders(checksum: BodyChecksum | undefined): readonly Header[] {
  if (checksum === undefined) return []
  const value = checksum.digest.toBase64()
  return checksumHeaders([{ algorithm: checksum.algorithm, type: 'FULL_OBJECT', value }])
}
