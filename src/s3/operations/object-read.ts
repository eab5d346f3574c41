/** GetObject and HeadObject (s3-api.md 4.2.1, 4.2.2, 3.9). */
import type { BucketMetadata, ObjectReader, RangeRequest, ReadOptions } from '#object/object'
import { readPreconditions } from '#s3-protocol/conditions'
import { parseRange } from '#s3-protocol/ranges'
import { S3Error } from '#s3-protocol/s3-error'
import type { S3Call, S3Reply } from '../s3.ts'
import { checksumHeaders, partChecksums, storedChecksums } from './checksums.ts'
import { type Header, isMultipart, readHeaders, refuseTransformed } from './object-headers.ts'
import { partNumberOf, versionIdOf } from './request-values.ts'

type Opened = Omit<ObjectReader, 'chunks' | 'close'>

/** `GET` of an object. */
export async function getObject(call: S3Call): Promise<S3Reply> {
  refuseEncryptionHeaders(call)
  const { engine } = call.services
  const metadata = await engine.bucketMetadata(call.bucket)
  const reader = await engine.openObject(call.bucket, call.key, readOptions(call))
  try {
    return { ...(await reply(call, reader, metadata)), body: reader }
  } catch (error) {
    reader.close()
    throw error
  }
}

/** `HEAD` of an object. */
export async function headObject(call: S3Call): Promise<S3Reply> {
  refuseEncryptionHeaders(call)
  const { engine } = call.services
  const metadata = await engine.bucketMetadata(call.bucket)
  const opened = await engine.headObject(call.bucket, call.key, readOptions(call))
  const { status, headers } = await reply(call, opened, metadata)
  return { status, headers: [...headers, ['Content-Length', String(opened.sizeBytes)]] }
}

function refuseEncryptionHeaders(call: S3Call): void {
  const isManaged = call.request.rawHeaders.some(([name]) =>
    /^x-amz-server-side-encryption(-aws-kms-key-id|-context)?$/i.test(name),
  )
  if (isManaged) throw new S3Error('BadRequest')
}

function readOptions(call: S3Call): ReadOptions {
  return {
    versionId: versionIdOf(call),
    range: wantedRange(call),
    preconditions: readPreconditions(call.request),
    signal: call.request.signal,
  }
}

function wantedRange(call: S3Call): RangeRequest {
  const range = call.request.header('range')
  if (!call.query.has('partNumber')) {
    return range === undefined ? { kind: 'all' } : parseRange(range)
  }
  if (range !== undefined) {
    throw new S3Error('InvalidRequest', {
      message: 'Cannot specify both Range header and partNumber query parameter',
    })
  }
  return { kind: 'part', number: partNumberOf(call) }
}

async function reply(
  call: S3Call,
  opened: Opened,
  metadata: BucketMetadata,
): Promise<{ status: number; headers: readonly Header[] }> {
  const { info } = opened
  refuseTransformed(info)
  const headers = await readHeaders(call, info, metadata)
  const byPart = call.query.has('partNumber')
  const isPartial = byPart || wantedRange(call).kind !== 'all'
  if (isPartial && info.sizeBytes > 0) {
    const last = opened.offset + opened.sizeBytes - 1
    headers.push(['Content-Range', `bytes ${opened.offset}-${last}/${info.sizeBytes}`])
  }
  if (byPart && isMultipart(info) && opened.partCount !== undefined) {
    headers.push(['x-amz-mp-parts-count', String(opened.partCount)])
  }
  if (call.request.header('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED') {
    if (byPart) headers.push(...checksumHeaders(partChecksums(info, partNumberOf(call))))
    else if (!isPartial) headers.push(...checksumHeaders(storedChecksums(info)))
  }
  return { status: isPartial ? 206 : 200, headers }
}
