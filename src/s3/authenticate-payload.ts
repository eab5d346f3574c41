import type { ChunkChain } from '#s3-protocol/chunked'
import { S3Error } from '#s3-protocol/s3-error'
import {
  STREAMING_SIGNED,
  STREAMING_SIGNED_TRAILER,
  STREAMING_UNSIGNED_TRAILER,
  UNSIGNED_PAYLOAD,
} from '#s3-protocol/sigv4'
import type { PayloadRule } from './authenticate.ts'

/** From what `x-amz-content-sha256` declares to how the body is checked (s3-api.md 2.7). */

/** The chunked bodies, by what declares them. */
export const STREAMING: ReadonlyMap<
  string,
  { readonly signed: boolean; readonly hasTrailer: boolean }
> = new Map([
  [STREAMING_SIGNED, { signed: true, hasTrailer: false }],
  [STREAMING_SIGNED_TRAILER, { signed: true, hasTrailer: true }],
  [STREAMING_UNSIGNED_TRAILER, { signed: false, hasTrailer: true }],
])

/** The rule of a signed request, whose body may come in chunks. Throws as `checkDeclared`. */
export function checkedPayloadRule(declared: string, chain: ChunkChain): PayloadRule {
  const streaming = STREAMING.get(declared)
  if (streaming === undefined) return checkedWholeBodyRule(declared)
  return {
    kind: 'chunked',
    chain: streaming.signed ? chain : undefined,
    hasTrailer: streaming.hasTrailer,
  }
}

/** The rule of a body that comes without chunks. Throws as `checkDeclared`. */
export function checkedWholeBodyRule(declared: string): PayloadRule {
  checkDeclared(declared)
  return wholeBodyRule(declared)
}

/**
 * The rule for any text: one that is no hash is kept as if it were one. Since no body has it, the request is refused
 * for a hash that differs, and not for the form of the header, as Amazon refuses requests that nobody signed.
 */
export function wholeBodyRule(declared: string): PayloadRule {
  if (declared === UNSIGNED_PAYLOAD) return { kind: 'unchecked' }
  return { kind: 'sha256', hex: declared.toLowerCase() }
}

/** Refuses what `x-amz-content-sha256` may not say: `InvalidArgument`. */
export function checkDeclared(declared: string): void {
  if (declared === UNSIGNED_PAYLOAD || STREAMING.has(declared)) return
  if (/^[0-9a-fA-F]{64}$/.test(declared)) return
  throw new S3Error('InvalidArgument', {
    message: `x-amz-content-sha256 must be ${PAYLOAD_WORDS.join(', ')} or a valid sha256 value.`,
    elements: [
      ['ArgumentName', 'x-amz-content-sha256'],
      ['ArgumentValue', declared],
    ],
  })
}

const PAYLOAD_WORDS = [
  UNSIGNED_PAYLOAD,
  STREAMING_UNSIGNED_TRAILER,
  STREAMING_SIGNED,
  STREAMING_SIGNED_TRAILER,
  'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD',
  'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER',
]
