/** Members of zip archives as objects: `x-minio-extract: true` (s3-api.md 4.2.8). */
import type { DataChunk, ObjectInfo, ReadPreconditions } from '#object/object'
import { readPreconditions } from '#s3-protocol/conditions'
import { contentTypeOf } from '#s3-protocol/content-types'
import type { HttpRequest } from '#http/http'
import { S3Error } from '#s3-protocol/s3-error'
import type { ReplyStream, S3Call, S3Reply } from '../s3.ts'
import {
  clientSize,
  type Header,
  rawHeaderText,
  httpDate,
  responseOverrides,
  versionHeader,
} from './object-headers.ts'
import { refuseEncryptionHeaders } from './object-read.ts'
import { versionIdOf } from './request-values.ts'
import { unsealFor } from './seals.ts'
import type { ZipArchive, ZipContent, ZipMember, ZipSource } from './zip-archive.ts'

const MARK = '.zip/'

export interface MemberAddress {
  /** Key of the archive. */
  readonly archive: string
  /** Name within it; empty for the archive's root. */
  readonly member: string
}

export function asksForExtract(request: HttpRequest): boolean {
  return request.header('x-minio-extract')?.toLowerCase() === 'true'
}

/** Whether a request addresses what may be a member. */
export function isMemberRequest(request: HttpRequest): boolean {
  return asksForExtract(request) && /\.zip(?:\/|%2f)[^?]/i.test(request.target)
}

/** Splits `archive.zip/member` at the first such place; undefined when there is none. */
export function memberAddress(key: string): MemberAddress | undefined {
  const at = key.indexOf(MARK)
  if (at < 0) return undefined
  const split = at + MARK.length
  return { archive: key.slice(0, split - 1), member: key.slice(split) }
}

/** `GET` and `HEAD` of a member. */
export async function readMember(call: S3Call): Promise<S3Reply> {
  const address = memberAddress(call.key)
  if (address === undefined || address.member === '') throw new S3Error('NoSuchKey')
  refuseEncryptionHeaders(call)
  if (call.request.header('range') !== undefined) throw new S3Error('InvalidRange')
  if (call.query.has('partNumber')) throw new S3Error('InvalidPartNumber')
  const isHead = call.request.method === 'HEAD'
  const { archive, info } = await openArchive(call, address.archive, {
    preconditions: isHead ? undefined : readPreconditions(call.request),
  })
  const member = await findMember(archive, address.member)
  const metadata = await call.services.engine.bucketMetadata(call.bucket)
  const headers: Header[] = [
    ['Last-Modified', httpDate(info.modifiedNs)],
    ...versionHeader(info.versionId, metadata),
  ]
  const overrides = responseOverrides(call)
  const type = contentTypeOf(member.name) ?? 'application/octet-stream'
  headers.push(['Content-Type', rawHeaderText(overrides.get('Content-Type') ?? type)])
  for (const [name, value] of overrides) {
    if (name !== 'Content-Type') headers.push([name, rawHeaderText(value)])
  }
  if (isHead) {
    return { status: 200, headers: [...headers, ['Content-Length', String(member.sizeBytes)]] }
  }
  return { status: 200, headers, body: await memberStream(archive, member) }
}

async function findMember(archive: ZipArchive, name: string): Promise<ZipMember> {
  try {
    for await (const member of archive.members()) if (member.name === name) return member
  } catch (error) {
    throw archiveError(error)
  }
  throw new S3Error('NoSuchKey')
}

/** Opens the archive under a key, for callers who may read it. */
export async function openArchive(
  call: S3Call,
  key: string,
  options: { readonly preconditions?: ReadPreconditions | undefined } = {},
): Promise<{ readonly archive: ZipArchive; readonly info: ObjectInfo }> {
  if (!(await call.isAllowed('s3:GetObject', call.bucket, key))) throw new S3Error('AccessDenied')
  const { engine } = call.services
  const versionId = call.operation.scope === 'object' ? versionIdOf(call) : undefined
  const { info } = await engine.headObject(call.bucket, key, {
    versionId,
    range: { kind: 'all' },
    preconditions: options.preconditions,
    unseal: unsealFor(call),
    signal: call.request.signal,
  })
  // The package that reads archives is loaded with the first of them.
  const { ZipArchive } = await import('./zip-archive.ts')
  try {
    return { archive: await ZipArchive.open(sourceOf(call, info)), info }
  } catch (error) {
    throw archiveError(error)
  }
}

/** What is wrong with an archive is a fault of the request for its members. */
export function archiveError(error: unknown): unknown {
  if (!(error instanceof Error) || error.name !== 'ZipError') return error
  return new S3Error('InvalidRequest', {
    message: `Invalid Request (${error.message})`,
    cause: error,
  })
}

function sourceOf(call: S3Call, info: ObjectInfo): ZipSource {
  const { engine } = call.services
  return {
    sizeBytes: clientSize(info),
    async *stream(start, end) {
      const reader = await engine.openObject(call.bucket, info.key, {
        versionId: info.versionId,
        range: { kind: 'from', start, end: end - 1 },
        unseal: unsealFor(call),
        signal: call.request.signal,
      })
      try {
        // The null version may have been replaced since its directory was read.
        if (reader.info.modifiedNs !== info.modifiedNs) throw new S3Error('PreconditionFailed')
        for await (const chunk of reader.chunks()) {
          try {
            yield new Uint8Array(chunk.bytes)
          } finally {
            chunk.release()
          }
        }
      } finally {
        reader.close()
      }
    },
  }
}

async function memberStream(archive: ZipArchive, member: ZipMember): Promise<ReplyStream> {
  let content: ZipContent
  try {
    content = await archive.content(member)
  } catch (error) {
    throw archiveError(error)
  }
  return {
    sizeBytes: member.sizeBytes,
    chunks: () => chunksOf(content),
    close: () => content.destroy(),
  }
}

async function* chunksOf(content: ZipContent): AsyncIterable<DataChunk> {
  try {
    for await (const bytes of content) yield { bytes, release: () => undefined }
  } catch (error) {
    throw archiveError(error)
  }
}
