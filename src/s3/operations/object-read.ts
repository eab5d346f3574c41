/** GetObject and HeadObject (s3-api.md 4.2.1, 4.2.2, 3.9). */
import { encryptionKindOf } from '#encryption/key-metadata'
import type {
  BucketMetadata,
  ObjectInfo,
  ObjectReader,
  RangeRequest,
  ReadOptions,
} from '#object/object'
import { readPreconditions } from '#s3-protocol/conditions'
import { parseRange } from '#s3-protocol/ranges'
import { S3Error } from '#s3-protocol/s3-error'
import type { S3Call, S3Reply } from '../s3.ts'
import { checksumHeaders, partChecksums, storedChecksums } from './checksums.ts'
import { encryptionHeaders } from './encryption-headers.ts'
import { expirationHeader } from './expiration.ts'
import {
  clientSize,
  type Header,
  isMultipart,
  readHeaders,
  refuseTransformed,
} from './object-headers.ts'
import { headerOrQuery, partNumberOf, versionIdOf } from './request-values.ts'
import { unsealFor } from './seals.ts'

type Opened = Omit<ObjectReader, 'chunks' | 'close'>

/** `GET` of an object. */
export async function getObject(call: S3Call): Promise<S3Reply> {
  refuseEncryptionHeaders(call)
  const { engine } = call.services
  const metadata = await engine.bucketMetadata(call.bucket)
  const reader = await engine.openObject(call.bucket, call.key, {
    ...readOptions(call),
    unseal: unsealFor(call),
  })
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
  // Only checksums, and the entity tag of SSE-S3, need the key. That of a client is always verified.
  const needsKey = (info: ObjectInfo): boolean =>
    wantsChecksums(call) || encryptionKindOf(info.systemMetadata) === 'sse-s3'
  const opened = await engine.headObject(call.bucket, call.key, {
    ...readOptions(call),
    unseal: unsealFor(call, { needsKey }),
  })
  const { status, headers } = await reply(call, opened, metadata)
  return { status, headers: [...headers, ['Content-Length', String(opened.sizeBytes)]] }
}

/** Reads cannot ask for encryption by the server. */
export function refuseEncryptionHeaders(call: S3Call): void {
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

function wantsChecksums(call: S3Call): boolean {
  return headerOrQuery(call, 'x-amz-checksum-mode')?.toUpperCase() === 'ENABLED'
}

/** The bytes a read asks for, by `Range` or `partNumber`. */
export function wantedRange(call: S3Call): RangeRequest {
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
  headers.push(...expirationHeader(metadata, info))
  const byPart = call.query.has('partNumber')
  const isPartial = byPart || wantedRange(call).kind !== 'all'
  const size = clientSize(info)
  headers.push(...encryptionHeaders(call, info.systemMetadata))
  if (isPartial && size > 0) {
    const last = opened.offset + opened.sizeBytes - 1
    headers.push(['Content-Range', `bytes ${opened.offset}-${last}/${size}`])
  }
  if (byPart && isMultipart(info) && opened.partCount !== undefined) {
    headers.push(['x-amz-mp-parts-count', String(opened.partCount)])
  }
  if (wantsChecksums(call)) {
    if (byPart) headers.push(...checksumHeaders(partChecksums(info, partNumberOf(call))))
    else if (!isPartial) headers.push(...checksumHeaders(storedChecksums(info)))
  }
  return { status: isPartial ? 206 : 200, headers }
}
