/** UploadPart and UploadPartCopy (s3-api.md 4.6.2, 4.6.3). */
import type { DigestName, Digests, RangeRequest } from '#object/object'
import { S3Error } from '#s3-protocol/s3-error'
import type { S3Call, S3Reply } from '../s3.ts'
import {
  type BodyChecksum,
  bodyChecks,
  type DeclaredChecksum,
  partChecksumFields,
  sentChecksum,
  undeclaredChecksum,
  uploadChecksum,
} from './checksums.ts'
import { copySourceOf, sourceVersionHeader } from './copy-source.ts'
import { encryptionHeaders, sourceKeyOf } from './encryption-headers.ts'
import { bucketFirst, uploadIdOf } from './multipart.ts'
import { clientSize, isoDate, quotedEtag } from './object-headers.ts'
import { refuseCopySource } from './object-write.ts'
import { checkBodySize, partNumberOf } from './request-values.ts'
import { partSeal, unsealWith } from './seals.ts'
import { xmlDocument } from './xml-document.ts'

const RANGE_FORM =
  'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy'

/** `PUT ?partNumber&uploadId`. */
export async function uploadPart(call: S3Call): Promise<S3Reply> {
  await refuseCopySource(call)
  const number = partNumberOf(call)
  checkBodySize(call)
  const uploadId = uploadIdOf(call)
  const { engine } = call.services
  const upload = await bucketFirst(call, () => engine.getUpload(call.bucket, call.key, uploadId))
  const declared = uploadChecksum(upload.userMetadata)
  refuseOtherChecksum(declared, sentChecksum(call))
  const made = declared ?? undeclaredChecksum(upload)
  const checks = bodyChecks(call, made?.algorithm)
  let checksum: BodyChecksum | undefined
  const part = await engine.putPart(call.bucket, call.key, uploadId, number, call.body, {
    digests: [...new Set([...checks.digests, ...algorithmOf(made)])],
    verify: async (digests) => {
      checksum = checks.verify(digests)
      return { ...storedPart(checksum), ...copiedChecksum(made?.algorithm, digests) }
    },
    seal: (found) => partSeal(call, found),
    signal: call.request.signal,
  })
  return {
    status: 200,
    headers: [
      ['ETag', quotedEtag(part.etag ?? '')],
      ...encryptionHeaders(call, upload.systemMetadata),
      // A declared algorithm is the client's wish for every part, also for those it sent without.
      ...(checksum === undefined
        ? []
        : [[`x-amz-checksum-${checksum.algorithm}`, checksum.digest.toBase64()] as const]),
    ],
  }
}

function algorithmOf(made: DeclaredChecksum | undefined): readonly DigestName[] {
  return made === undefined ? [] : [made.algorithm]
}

/** Every part has the checksum declared; where hashes of parts make that of the whole, clients must have sent them. */
function refuseOtherChecksum(
  declared: DeclaredChecksum | undefined,
  sent: ReturnType<typeof sentChecksum>,
): void {
  if (declared === undefined || sent?.algorithm === declared.algorithm) return
  if (sent === undefined && declared.type === 'FULL_OBJECT') return
  throw new S3Error('InvalidRequest', {
    message: `Checksum Type mismatch occurred, expected checksum Type: ${declared.algorithm.toUpperCase()}, actual checksum Type: ${sent?.algorithm.toUpperCase() ?? 'null'}`,
  })
}

function storedPart(checksum: BodyChecksum | undefined): Readonly<Record<string, string>> {
  return checksum === undefined ? {} : { [checksum.algorithm]: checksum.digest.toBase64() }
}

/** `PUT ?partNumber&uploadId` with a copy source. */
export async function uploadPartCopy(call: S3Call): Promise<S3Reply> {
  const number = partNumberOf(call)
  const uploadId = uploadIdOf(call)
  const { engine } = call.services
  const range = sourceRange(call)
  const source = await copySourceOf(call)
  const upload = await bucketFirst(call, () => engine.getUpload(call.bucket, call.key, uploadId))
  const made = uploadChecksum(upload.userMetadata) ?? undeclaredChecksum(upload)
  const { info } = await engine.headObject(source.bucket, source.key, {
    versionId: source.versionId,
    range: { kind: 'all' },
  })
  if (range.kind === 'from' && range.end !== undefined && range.end >= clientSize(info)) {
    throw new S3Error('InvalidRange', {
      message: `Range specified is not valid for source object of size: ${clientSize(info)}`,
    })
  }
  const copied = await engine.copyPart(
    call.bucket,
    call.key,
    uploadId,
    number,
    // The version just looked at, so that what was checked is what is copied.
    {
      ...source,
      versionId: info.versionId,
      range,
      unseal: unsealWith(call, () => sourceKeyOf(call)),
    },
    {
      digests: algorithmOf(made),
      verify: async (digests) => copiedChecksum(made?.algorithm, digests),
      seal: (found) => partSeal(call, found),
      signal: call.request.signal,
    },
  )
  return {
    status: 200,
    headers: [
      ...(await sourceVersionHeader(call, copied.source)),
      ...encryptionHeaders(call, upload.systemMetadata),
    ],
    body: xmlDocument('CopyPartResult', [
      ['LastModified', isoDate(copied.part.modifiedNs ?? call.services.clock.nowNs())],
      ['ETag', quotedEtag(copied.part.etag ?? '')],
      ...partChecksumFields(copied.part.checksums, uploadChecksum(upload.userMetadata)),
    ]),
  }
}

function copiedChecksum(
  declared: DigestName | undefined,
  digests: Digests,
): Readonly<Record<string, string>> {
  const digest = declared === undefined ? undefined : digests.get(declared)
  return declared === undefined || digest === undefined ? {} : { [declared]: digest.toBase64() }
}

/** `x-amz-copy-source-range`: both ends are required. */
function sourceRange(call: S3Call): RangeRequest {
  const text = call.request.header('x-amz-copy-source-range')
  if (text === undefined || text === '') return { kind: 'all' }
  const ends = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(text)
  const start = Number(ends?.[1])
  const end = Number(ends?.[2])
  if (!(start <= end)) throw new S3Error('InvalidArgument', { message: RANGE_FORM })
  return { kind: 'from', start, end }
}
