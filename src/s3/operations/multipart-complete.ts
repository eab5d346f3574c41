/** CompleteMultipartUpload (s3-api.md 4.6.4, 3.10). */
import { combineCrc, isCrcName } from '#codec/checksum-combine'
import { concatBytes } from '#base/bytes'
import type {
  BucketMetadata,
  CompletePart,
  DigestName,
  ObjectInfo,
  PartInfo,
  UploadInfo,
} from '#object/object'
import { PARTS_MAX } from '#drive/limits'
import { versioningStateFor } from '#object/bucket-metadata'
import { writePreconditions } from '#s3-protocol/conditions'
import { S3Error } from '#s3-protocol/s3-error'
import { parseXml, type XmlElement } from '#s3-protocol/xml-parser'
import type { S3Call, S3Reply } from '../s3.ts'
import {
  ALGORITHMS,
  CHECKSUM_KEYS,
  checksumElement,
  checksumFields,
  checksumTypeOf,
  type DeclaredChecksum,
  decodeValue,
  mismatch,
  severalChecksums,
  storedChecksums,
  storedMetadata,
  undeclaredChecksum,
  uploadChecksum,
} from './checksums.ts'
import { expirationHeader } from './expiration.ts'
import { encryptionHeaders } from './encryption-headers.ts'
import { uploadIdOf } from './multipart.ts'
import { quotedEtag } from './object-headers.ts'
import { hasLockHeaders, overwriteGuard } from './object-lock.ts'
import { completeSeal } from './seals.ts'
import { objectUrl } from './object-url.ts'
import { xmlDocument } from './xml-document.ts'

/** `POST ?uploadId`. */
export async function completeMultipartUpload(call: S3Call): Promise<S3Reply> {
  if (hasLockHeaders(call)) throw new S3Error('InvalidRequest', { message: 'Invalid Request' })
  const parts = readParts(call.document)
  const { engine } = call.services
  const metadata = await engine.bucketMetadata(call.bucket)
  const uploadId = uploadIdOf(call)
  const versioning = versioningStateFor(metadata, call.key)
  const whole = wholeChecks(call)
  // A request repeated after its success gets the same answer: the engine knows it again.
  const info = await engine.completeUpload(call.bucket, call.key, uploadId, parts, {
    versioning,
    preconditions: writePreconditions(call.request),
    guard: overwriteGuard(call, metadata),
    seal: (version) => completeSeal(call, version, { hasChecksum: hasChecksum(version) }),
    verify: (upload, stored) => assembledChecksum(call, { upload, stored, asked: parts, whole }),
  })
  return reply(call, info, metadata)
}

function hasChecksum(version: UploadInfo | ObjectInfo): boolean {
  if ('uploadId' in version) return uploadChecksum(version.userMetadata) !== undefined
  return CHECKSUM_KEYS.some((key) => version.systemMetadata.has(key))
}

/** The parts of the request, ascending. `MalformedXML`, `InvalidPart`, `InvalidPartOrder`. */
export function readParts(document: Uint8Array): readonly CompletePart[] {
  if (document.length === 0) throw new S3Error('MalformedXML')
  const root = parseXml(document)
  const elements = root.children('Part')
  if (root.name !== 'CompleteMultipartUpload' || elements.length === 0) {
    throw new S3Error('MalformedXML')
  }
  if (elements.length > PARTS_MAX) throw new S3Error('MalformedXML')
  const parts = elements.map(readPart)
  for (const [i, part] of parts.entries()) {
    const before = parts[i - 1]
    if (before !== undefined && before.number >= part.number) throw new S3Error('InvalidPartOrder')
  }
  return parts
}

function readPart(element: XmlElement): CompletePart {
  const text = (element.childText('PartNumber') ?? '').trim()
  if (!/^-?\d{1,5}$/.test(text)) throw new S3Error('MalformedXML')
  const number = Number(text)
  if (number < 1) throw new S3Error('InvalidArgument', { message: 'PartNumber must be >= 1' })
  if (number > PARTS_MAX) throw new S3Error('InvalidPart')
  const tag = element.childText('ETag')
  if (tag === undefined) throw new S3Error('MalformedXML')
  const etag = tag.trim().replace(/^"(.*)"$/, '$1')
  const checksums: Record<string, string> = {}
  for (const name of ALGORITHMS) {
    const value = element.childText(checksumElement(name))?.trim()
    if (value !== undefined && value !== '') checksums[name] = value
  }
  checkPartChecksums(checksums)
  return { number, etag, checksums }
}

/** A part has one checksum, in base64. */
function checkPartChecksums(checksums: Readonly<Record<string, string>>): void {
  const sent = Object.entries(checksums)
  const isGood = sent.every(([, value]) => /^[A-Za-z0-9+/]+={0,2}$/.test(value))
  if (sent.length <= 1 && isGood) return
  const [only] = sent
  const value =
    sent.length === 1
      ? only?.[1]
      : sent.map(([name, each]) => `${name.toUpperCase()}:${each};`).join('')
  throw new S3Error('InvalidArgument', {
    message: 'Invalid Base64 or multiple checksums present in request',
    elements: [
      ['ArgumentName', 'Checksum'],
      ['ArgumentValue', value ?? ''],
    ],
  })
}

/** What the request says about the object as a whole. */
interface WholeChecks {
  readonly checksum: { readonly algorithm: DigestName; readonly value: string } | undefined
  readonly type: 'COMPOSITE' | 'FULL_OBJECT' | undefined
  readonly sizeBytes: number | undefined
}

function wholeChecks(call: S3Call): WholeChecks {
  const sizeText = call.request.header('x-amz-mp-object-size')
  if (sizeText !== undefined && /^-\d{1,15}$/.test(sizeText)) {
    throw new S3Error('InvalidRequest', {
      message: `Value for x-amz-mp-object-size header is less than zero: '${sizeText}'`,
    })
  }
  if (sizeText !== undefined && !/^\d{1,15}$/.test(sizeText)) {
    throw new S3Error('InvalidRequest', { message: 'Invalid Request' })
  }
  const checksum = wholeValue(call)
  return {
    checksum,
    type: checksumTypeOf(call),
    sizeBytes: sizeText === undefined ? undefined : Number(sizeText),
  }
}

/** The whole-object value header; a composite value carries `-<parts>`, which is no base64. */
function wholeValue(call: S3Call): WholeChecks['checksum'] {
  const found = ALGORITHMS.flatMap((algorithm) => {
    const value = call.request.header(`x-amz-checksum-${algorithm}`)
    return value === undefined ? [] : [{ algorithm, value }]
  })
  if (found.length > 1) throw severalChecksums()
  const value = found[0]
  if (value !== undefined) decodeValue(value.algorithm, value.value.replace(/-[1-9]\d*$/, ''))
  return value
}

/** Checks the parts and the whole against what the client says, and gives what is stored. */
function assembledChecksum(
  call: S3Call,
  context: {
    readonly upload: UploadInfo
    readonly stored: readonly PartInfo[]
    readonly asked: readonly CompletePart[]
    readonly whole: WholeChecks
  },
): ReadonlyMap<string, Uint8Array> {
  const { upload, stored, asked, whole } = context
  const declared = uploadChecksum(upload.userMetadata)
  const made = declared ?? madeUndeclared(upload, stored)
  const sizeBytes = stored.reduce((sum, part) => sum + partSize(part), 0)
  if (whole.sizeBytes !== undefined && whole.sizeBytes !== sizeBytes) {
    throw new S3Error('InvalidRequest', {
      message: `The provided 'x-amz-mp-object-size' header value ${whole.sizeBytes} does not match what was computed: ${sizeBytes}`,
    })
  }
  // Of an upload that declared nothing, clients need not know how its checksum is made.
  if (made === undefined) return new Map()
  if (declared !== undefined && whole.type !== undefined && whole.type !== declared.type) {
    throw new S3Error('InvalidRequest', {
      message: `The upload was created using the ${declared.type} checksum mode. The complete request must use the same checksum mode.`,
    })
  }
  const digests = stored.map((part, i) => partDigest(made, part, asked[i]))
  const digest =
    made.type === 'COMPOSITE'
      ? call.services.digest(made.algorithm, concatBytes(digests))
      : combined(made.algorithm, stored, digests)
  if (declared !== undefined) checkWhole(whole, { declared, digest, partCount: stored.length })
  return storedMetadata({
    algorithm: made.algorithm,
    digest,
    fullObject: made.type === 'FULL_OBJECT',
    // Parts show only what their clients know of.
    parts: declared === undefined ? [] : digests,
    partCount: stored.length,
  })
}

/** The default, where every part has its share: parts that MinIO took have none. */
function madeUndeclared(
  upload: UploadInfo,
  stored: readonly PartInfo[],
): DeclaredChecksum | undefined {
  const made = undeclaredChecksum(upload)
  if (made === undefined) return undefined
  return stored.every((part) => part.checksums?.[made.algorithm] !== undefined) ? made : undefined
}

function partSize(part: PartInfo): number {
  return part.actualSizeBytes >= 0 ? part.actualSizeBytes : part.sizeBytes
}

/** The stored digest of a part. What the client repeats was compared by the engine; a composite needs it repeated. */
function partDigest(
  declared: DeclaredChecksum,
  part: PartInfo,
  asked: CompletePart | undefined,
): Uint8Array {
  const stored = part.checksums?.[declared.algorithm]
  if (stored === undefined) throw new S3Error('InvalidPart')
  if (asked?.checksums[declared.algorithm] === undefined && declared.type === 'COMPOSITE') {
    throw new S3Error('InvalidRequest', {
      message: `The upload was created using a ${declared.algorithm} checksum. The complete request must include the checksum for each part. It was missing for part ${part.number} in the request.`,
    })
  }
  return Uint8Array.fromBase64(stored)
}

function combined(
  algorithm: DigestName,
  parts: readonly PartInfo[],
  digests: readonly Uint8Array[],
): Uint8Array {
  // Only CRCs are declared as full-object checksums; hashes cannot be combined.
  if (!isCrcName(algorithm)) throw new S3Error('InternalError')
  let whole = digests[0] ?? new Uint8Array()
  for (const [i, digest] of digests.entries()) {
    const part = parts[i]
    if (i > 0 && part !== undefined) whole = combineCrc(algorithm, whole, digest, partSize(part))
  }
  return whole
}

function checkWhole(
  whole: WholeChecks,
  computed: {
    readonly declared: DeclaredChecksum
    readonly digest: Uint8Array
    readonly partCount: number
  },
): void {
  const { checksum } = whole
  const { declared, digest, partCount } = computed
  if (checksum === undefined) return
  if (checksum.algorithm !== declared.algorithm) throw typeMismatch(whole, declared)
  const value = digest.toBase64()
  // Some clients send a composite value without its number of parts.
  const isSame =
    checksum.value === value ||
    (declared.type === 'COMPOSITE' && checksum.value === `${value}-${partCount}`)
  if (!isSame) throw mismatch(declared.algorithm)
}

function typeMismatch(whole: WholeChecks, declared: DeclaredChecksum | undefined): S3Error {
  const want = declared === undefined ? '' : `${declared.algorithm.toUpperCase()} ${declared.type}`
  const got = `${whole.checksum?.algorithm.toUpperCase() ?? ''} ${whole.type ?? ''}`.trim()
  return new S3Error('InvalidArgument', {
    message: `Invalid checksum provided. (checksum type mismatch. want "${want}", got "${got}")`,
  })
}

function reply(call: S3Call, info: ObjectInfo, metadata: BucketMetadata): S3Reply {
  return {
    status: 200,
    headers: [
      ...(info.versionId === 'null' ? [] : [['x-amz-version-id', info.versionId] as const]),
      ...expirationHeader(metadata, info),
      ...encryptionHeaders(call, info.systemMetadata),
    ],
    body: xmlDocument('CompleteMultipartUploadResult', [
      ['Location', objectUrl(call, call.key)],
      ['Bucket', call.bucket],
      ['Key', call.key],
      ['ETag', quotedEtag(info.etag)],
      ...checksumFields(storedChecksums(info)),
    ]),
  }
}
