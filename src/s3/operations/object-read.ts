/** GetObject and HeadObject (s3-api.md 4.2.1, 4.2.2, 3.9). */
import { encryptionKindOf } from '#encryption/key-metadata'
import {
  type BucketMetadata,
  ObjectError,
  type ObjectInfo,
  type ObjectReader,
  type RangeRequest,
  type ReadOptions,
} from '#object/object'
import { rangePreconditions, readPreconditions } from '#s3-protocol/conditions'
import { parseRange } from '#s3-protocol/ranges'
import { S3Error } from '#s3-protocol/s3-error'
import type { S3Call, S3Reply } from '../s3.ts'
import { checksumHeaders, partChecksums, storedChecksums } from './checksums.ts'
import { encryptionHeaders } from './encryption-headers.ts'
import { expirationHeader } from './expiration.ts'
import { clientSize, type Header, isMultipart, readHeaders } from './object-headers.ts'
import { headerOrQuery, partNumberOf, versionIdOf } from './request-values.ts'
import { unsealFor } from './seals.ts'

type Opened = Omit<ObjectReader, 'chunks' | 'close'>

/** `GET` of an object. */
export async function getObject(call: S3Call): Promise<S3Reply> {
  refuseEncryptionHeaders(call)
  const { engine } = call.services
  const metadata = await engine.bucketMetadata(call.bucket)
  const { range, opened: reader } = await readWanted(call, (options) =>
    engine.openObject(call.bucket, call.key, { ...options, unseal: unsealFor(call) }),
  )
  try {
    return { ...(await reply(call, { opened: reader, range }, metadata)), body: reader }
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
  const read = await readWanted(call, (options) =>
    engine.headObject(call.bucket, call.key, {
      ...options,
      unseal: unsealFor(call, { needsKey }),
    }),
  )
  const { status, headers } = await reply(call, read, metadata)
  return { status, headers: [...headers, ['Content-Length', String(read.opened.sizeBytes)]] }
}

/** Reads cannot ask for encryption by the server. */
export function refuseEncryptionHeaders(call: S3Call): void {
  const isManaged = call.request.rawHeaders.some(([name]) =>
    /^x-amz-server-side-encryption(-aws-kms-key-id|-context)?$/i.test(name),
  )
  if (isManaged) throw new S3Error('BadRequest')
}

interface WantedRead<T> {
  readonly range: RangeRequest
  readonly opened: T
}

/** Reads what is asked for. With `If-Range` a range is for clients that have the rest of the same content; others get all. */
async function readWanted<T>(
  call: S3Call,
  read: (options: ReadOptions) => Promise<T>,
): Promise<WantedRead<T>> {
  const { request } = call
  const range = wantedRange(call)
  const options = { versionId: versionIdOf(call), signal: request.signal }
  if (range.kind === 'all' || range.kind === 'part' || request.header('if-range') === undefined) {
    const preconditions = readPreconditions(request)
    return { range, opened: await read({ ...options, range, preconditions }) }
  }
  const preconditions = rangePreconditions(request)
  if (preconditions !== undefined) {
    try {
      return { range, opened: await read({ ...options, range, preconditions }) }
    } catch (error) {
      if (!(error instanceof ObjectError && error.code === 'PreconditionFailed')) throw error
    }
  }
  const whole = { kind: 'all' } as const
  const opened = await read({ ...options, range: whole, preconditions: readPreconditions(request) })
  return { range: whole, opened }
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
  { opened, range }: WantedRead<Opened>,
  metadata: BucketMetadata,
): Promise<{ status: number; headers: readonly Header[] }> {
  const { info } = opened
  const headers = await readHeaders(call, info, metadata)
  headers.push(...expirationHeader(metadata, info))
  const byPart = call.query.has('partNumber')
  const isPartial = range.kind !== 'all'
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
