/** SelectObjectContent (s3-api.md 6.2). */
import type { DataChunk, ObjectInfo } from '#object/object'
import { S3Error } from '#s3-protocol/s3-error'
import type { ByteStream, SelectSource } from '#select/select'
import type { S3Call, S3Reply } from '../s3.ts'
import { encryptionHeaders } from './encryption-headers.ts'
import { type Header } from './object-headers.ts'
import { refuseEncryptionHeaders } from './object-read.ts'
import { versionIdOf } from './request-values.ts'
import { unsealFor } from './seals.ts'
import { parseSelectRequest } from './select-request.ts'

/** `POST ?select&select-type=2`: the reply is a stream of event messages. */
export async function selectObjectContent(call: S3Call): Promise<S3Reply> {
  if (call.request.header('range') !== undefined) throw new S3Error('UnsupportedRangeHeader')
  refuseEncryptionHeaders(call)
  if (call.document.length === 0) throw new S3Error('EmptyRequestBody')
  const { services } = call
  const request = parseSelectRequest(call.document)
  if (request.input.kind === 'parquet' && services.selectsParquet !== true) {
    throw new S3Error('InvalidDataSource')
  }
  const source = await openSource(call)
  // Most servers never get a query.
  const { openSelect } = await import('#select/select')
  const { SelectError } = await import('#select/select-error')
  try {
    const reply = await openSelect(request, source, {
      clock: services.clock,
      signal: call.request.signal,
      s2Decoder: () => services.s2Decoder(),
    })
    return {
      status: 200,
      headers: [['Content-Type', 'application/octet-stream'], ...source.headers],
      body: {
        sizeBytes: undefined,
        chunks: () => chunksOf(reply.messages()),
        close: () => reply.close(),
        failure: () => reply.failure,
      },
    }
  } catch (error) {
    throw error instanceof SelectError
      ? new S3Error(error.code, { message: error.message, cause: error })
      : error
  }
}

async function* chunksOf(messages: AsyncIterable<Uint8Array>): AsyncGenerator<DataChunk> {
  for await (const bytes of messages) yield { bytes, release: () => undefined }
}

interface ObjectSource extends SelectSource {
  /** How the object is encrypted. */
  readonly headers: readonly Header[]
}

/** One version, whatever is written meanwhile. */
async function openSource(call: S3Call): Promise<ObjectSource> {
  const { engine } = call.services
  const { signal } = call.request
  const versionId = versionIdOf(call)
  const { info, sizeBytes } = await engine.headObject(call.bucket, call.key, {
    versionId,
    range: { kind: 'all' },
    signal,
    unseal: unsealFor(call),
  })
  return {
    headers: encryptionHeaders(call, info.systemMetadata),
    sizeBytes,
    open: async (offset, count) => {
      const end = count === undefined ? sizeBytes : Math.min(offset + count, sizeBytes)
      if (offset >= end) return EMPTY_STREAM
      const isAll = offset === 0 && end === sizeBytes
      const reader = await engine.openObject(call.bucket, call.key, {
        versionId: versionId ?? info.versionId,
        range: isAll ? { kind: 'all' } : { kind: 'from', start: offset, end: end - 1 },
        signal,
        unseal: unsealFor(call),
      })
      if (!isSame(reader.info, info)) {
        reader.close()
        throw new S3Error('PreconditionFailed')
      }
      return streamOf(reader.chunks(), () => reader.close())
    },
  }
}

const EMPTY_STREAM: ByteStream = { next: async () => undefined, close: () => undefined }

/** The null version is overwritten in place. */
function isSame(a: ObjectInfo, b: ObjectInfo): boolean {
  return a.versionId === b.versionId && a.modifiedNs === b.modifiedNs && a.etag === b.etag
}

/** Gives each chunk back when the next is asked for. */
function streamOf(chunks: AsyncIterable<DataChunk>, close: () => void): ByteStream {
  const iterator = chunks[Symbol.asyncIterator]()
  let chunk: DataChunk | undefined
  const release = (): void => {
    chunk?.release()
    chunk = undefined
  }
  return {
    next: async () => {
      release()
      const result = await iterator.next()
      if (result.done === true) return undefined
      chunk = result.value
      return chunk.bytes
    },
    close: () => {
      release()
      close()
    },
  }
}
