/** Bodies that are documents, read and verified whole before the handler gets them. */
import { createHash } from 'node:crypto'
import { equalBytes } from '#base/bytes'
import type { HttpRequest } from '#http/http'
import { parseContentMd5, wrongContentMd5 } from '#s3-protocol/content-md5'
import { S3_ERRORS } from '#s3-protocol/error-table'
import { S3Error, type S3ErrorCode } from '#s3-protocol/s3-error'
import type { Authentication } from './authenticate.ts'
import { ALGORITHMS } from './operations/checksums.ts'
import type { RequestBody } from './request-body.ts'
import type { Operation, S3Services } from './s3.ts'

/** A body where none belongs is read up to this size when its hash was signed. */
const IGNORED_BODY_MAX_BYTES = 1024 * 1024

export const NO_DOCUMENT = new Uint8Array(0)

/** A body and what is known of it. */
export interface ReceivedBody {
  readonly services: S3Services
  readonly request: HttpRequest
  readonly body: RequestBody
  readonly authentication: Authentication
}

/** The document of a request. Streams must tell their length, and are left to the handler; empty ones are verified here. */
export async function readDocument(
  rule: Operation['body'],
  received: ReceivedBody,
): Promise<Uint8Array> {
  const { body, authentication } = received
  switch (rule.kind) {
    case 'stream':
      checkLengthTold(received.request)
      if (body.sizeBytes === 0) await body.finish()
      return NO_DOCUMENT
    case 'none':
      // Nobody acts on it, but what was signed must hold.
      if (authentication.payload.kind === 'sha256') {
        await body.readAll(IGNORED_BODY_MAX_BYTES, () => new S3Error('EntityTooLarge'))
      }
      return NO_DOCUMENT
    case 'document': {
      const code = errorCode(rule.errorCode)
      const document = await body.readAll(rule.limitBytes, () => new S3Error(code))
      checkMd5(received.request, document)
      if (rule.checksums !== 'object') checkChecksums(received, document)
      return document
    }
  }
}

function checkLengthTold(request: HttpRequest): void {
  const isTold =
    request.header('content-length') !== undefined ||
    request.header('transfer-encoding') !== undefined
  if (!isTold) throw new S3Error('MissingContentLength')
}

function checkMd5(request: HttpRequest, document: Uint8Array): void {
  const md5 = request.header('content-md5')
  if (md5 === undefined) return
  const expected = parseContentMd5(md5)
  const found = createHash('md5').update(document).digest()
  if (!equalBytes(found, expected)) throw wrongContentMd5(expected, new Uint8Array(found))
}

/** `x-amz-checksum-*`, where they are about the document. */
function checkChecksums({ services, request }: ReceivedBody, document: Uint8Array): void {
  for (const name of ALGORITHMS) {
    const value = request.header(`x-amz-checksum-${name}`)
    if (value === undefined) continue
    const expected = decodeBase64(value.trim())
    if (expected === undefined) {
      throw new S3Error('InvalidRequest', {
        message: `Value for x-amz-checksum-${name} header is invalid.`,
      })
    }
    if (!equalBytes(services.digest(name, document), expected)) {
      throw new S3Error('BadDigest', {
        message: `The ${name.toUpperCase()} you specified did not match the calculated checksum.`,
      })
    }
  }
}

function errorCode(text: string | undefined): S3ErrorCode {
  return text !== undefined && isErrorCode(text) ? text : 'MalformedXML'
}

function isErrorCode(text: string): text is S3ErrorCode {
  return Object.hasOwn(S3_ERRORS, text)
}

function decodeBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.fromBase64(text, { lastChunkHandling: 'strict' })
  } catch {
    return undefined // malformed is what was asked
  }
}
