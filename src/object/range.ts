import { plainPartSize, plainSize } from './object-info.ts'
import { ObjectError, type ObjectInfo, type RangeRequest } from './object.ts'

/** Bytes of an object's content that a request wants. */
export interface ResolvedRange {
  readonly offset: number
  readonly sizeBytes: number
  readonly partCount: number | undefined
}

const MULTIPART_ETAG_PATTERN = /-\d+$/

/** Errors: `InvalidRange`, `InvalidPartNumber`. Source: s3-api.md 3.9. */
export function resolveRange(range: RangeRequest, info: ObjectInfo): ResolvedRange {
  const total = plainSize(info)
  switch (range.kind) {
    case 'all':
      return { offset: 0, sizeBytes: total, partCount: undefined }
    case 'from': {
      const end = Math.min(range.end ?? total - 1, total - 1)
      if (range.start >= total || (range.end !== undefined && range.end < range.start)) {
        throw invalidRange(info, `${range.start}-${range.end ?? ''}`)
      }
      return { offset: range.start, sizeBytes: end - range.start + 1, partCount: undefined }
    }
    case 'suffix': {
      if (range.size === 0) throw invalidRange(info, '-0')
      const sizeBytes = Math.min(range.size, total)
      return { offset: total - sizeBytes, sizeBytes, partCount: undefined }
    }
    case 'part':
      return resolvePart(range.number, info)
  }
}

function resolvePart(number: number, info: ObjectInfo): ResolvedRange {
  const isMultipart = info.parts.length > 1 || MULTIPART_ETAG_PATTERN.test(info.etag)
  const partCount = isMultipart ? info.parts.length : undefined
  let offset = 0
  for (const part of info.parts) {
    const sizeBytes = plainPartSize(info, part)
    if (part.number === number) return { offset, sizeBytes, partCount }
    offset += sizeBytes
  }
  if (info.parts.length === 0 && number === 1) return { offset: 0, sizeBytes: 0, partCount }
  throw new ObjectError('InvalidPartNumber', `Object has no part ${number}`, {
    bucket: info.bucket,
    key: info.key,
    partNumber: number,
  })
}

function invalidRange(info: ObjectInfo, range: string): ObjectError {
  return new ObjectError('InvalidRange', `Range ${range} is outside the object`, {
    bucket: info.bucket,
    key: info.key,
    sizeBytes: plainSize(info),
    range,
  })
}
