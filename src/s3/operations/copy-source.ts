/** The source of a copy: where it is, whether the caller may read it, on which conditions. */
import type { CopySource, ObjectInfo } from '#object/object'
import { copySourcePreconditions } from '#s3-protocol/conditions'
import { parseCopySource } from '#s3-protocol/copy-source'
import { S3Error } from '#s3-protocol/s3-error'
import type { S3Call } from '../s3.ts'
import { type Header, versionHeader } from './object-headers.ts'
import { isOwnerName } from './owner.ts'
import { parseVersionId, unknownVersionId } from './request-values.ts'

/** The source named by `x-amz-copy-source`, after the caller's right to read it was checked. */
export async function copySourceOf(call: S3Call): Promise<CopySource> {
  const { request } = call
  const source = parseCopySource(request.header('x-amz-copy-source') ?? '', call.services)
  const expected = request.header('x-amz-source-expected-bucket-owner')
  if (expected !== undefined && !isOwnerName(call, expected)) throw new S3Error('AccessDenied')
  let versionId: string | undefined
  if (source.versionId !== undefined && source.versionId !== '') {
    versionId = parseVersionId(source.versionId)
    if (versionId === undefined) throw unknownVersionId(source.versionId)
  }
  const about = { versionId: versionId ?? '' }
  if (!(await call.isAllowed('s3:GetObject', source.bucket, source.key, about))) {
    throw new S3Error('AccessDenied')
  }
  return {
    bucket: source.bucket,
    key: source.key,
    versionId,
    preconditions: copySourcePreconditions(request),
  }
}

/** `x-amz-copy-source-version-id`, whenever the source is versioned. */
export async function sourceVersionHeader(
  call: S3Call,
  source: ObjectInfo,
): Promise<readonly Header[]> {
  const metadata = await call.services.engine.bucketMetadata(source.bucket)
  return versionHeader(source.versionId, metadata).map(([, value]) => [
    'x-amz-copy-source-version-id',
    value,
  ])
}
