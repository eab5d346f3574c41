import { shardStreamSize } from '#drive/shard-layout'
import { bodyOfBytes, collectBody } from '../body.ts'
import type { BodySource, DigestName, Digests } from '../object.ts'
import type { ErasureSet } from '../set/erasure-set.ts'
import type { StagedBody, StageRequest } from '../set/set.ts'
import { storedBodyOf, type WriteOptions } from '../transform.ts'

export interface StagedContent {
  readonly staged: StagedBody
  readonly plainSizeBytes: number
  /** Of the plain content: MD5 and what was asked for. */
  readonly digests: Digests
  readonly index: Uint8Array | undefined
}

export type ContentRequest = StageRequest & { readonly digests: readonly DigestName[] }

/** Encodes a plain body onto the drives of a set, through the layers that the version has. Rejects as `stageBody` does. */
export async function stageContent(
  set: ErasureSet,
  request: ContentRequest,
  body: BodySource,
  options: Omit<WriteOptions, 'digests'>,
): Promise<StagedContent> {
  const stored = storedBodyOf(set.context, body, { ...options, digests: request.digests })
  if (stored === undefined) {
    const staged = await set.stageBody(request, body)
    const { sizeBytes, digests } = staged
    return { staged, plainSizeBytes: sizeBytes, digests, index: undefined }
  }
  try {
    const staged = await stageStored(set, request, body.sizeBytes, stored.body)
    return {
      staged,
      plainSizeBytes: stored.plainSizeBytes(),
      digests: await stored.digests(),
      index: stored.index(),
    }
  } finally {
    stored.close()
  }
}

/** The plain size decides whether the stored bytes go into the metadata. */
function stageStored(
  set: ErasureSet,
  request: StageRequest,
  plainBytes: number | undefined,
  body: BodySource,
): Promise<StagedBody> {
  const { inlineLimitBytes, shape } = request
  const isInline =
    inlineLimitBytes !== undefined &&
    plainBytes !== undefined &&
    shardStreamSize(plainBytes, shape) <= inlineLimitBytes
  if (isInline) return stageInline(set, request, body)
  const limit = inlineLimitBytes === undefined ? undefined : 0
  return set.stageBody({ ...request, digests: undefined, inlineLimitBytes: limit }, body)
}

async function stageInline(
  set: ErasureSet,
  request: StageRequest,
  body: BodySource,
): Promise<StagedBody> {
  const bytes = await collectBody(body)
  return set.stageBody(
    { ...request, digests: undefined, inlineLimitBytes: Number.MAX_SAFE_INTEGER },
    bodyOfBytes(bytes),
  )
}
