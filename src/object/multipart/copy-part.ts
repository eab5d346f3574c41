import { bodyOfReader } from '../body.ts'
import { checkSourceConditions } from '../copy.ts'
import type { CopySource, ObjectInfo, PartInfo, PutPartOptions, RangeRequest } from '../object.ts'
import { openObject } from '../read.ts'
import type { UploadStore } from './upload-store.ts'
import { putPart } from './uploads.ts'

export interface CopyPartTarget {
  readonly bucket: string
  readonly key: string
  readonly uploadId: string
  readonly partNumber: number
}

/** Stores a range of an object as a part. The source is read to its end before the part takes locks. Errors: as for a read of the source (`PreconditionFailed` for any condition) and for `putPart`. */
export async function copyPart(
  store: UploadStore,
  target: CopyPartTarget,
  source: CopySource & { readonly range: RangeRequest },
  options: PutPartOptions,
): Promise<{ readonly part: PartInfo; readonly source: ObjectInfo }> {
  // An unknown upload is told before the source is read.
  await store.find(target.bucket, target.key, target.uploadId)
  const reader = await openObject(
    store.context,
    store.pools,
    { bucket: source.bucket, key: source.key },
    { versionId: source.versionId, range: source.range, signal: options.signal },
  )
  const body = bodyOfReader(reader)
  try {
    checkSourceConditions(source.preconditions, reader.info)
    const { bucket, key, uploadId, partNumber } = target
    const part = await putPart(store, bucket, key, uploadId, partNumber, body, options)
    return { part, source: reader.info }
  } finally {
    body.close()
  }
}
