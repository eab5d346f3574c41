import {
  type DeletePreconditions,
  ObjectError,
  type ObjectInfo,
  type ObjectName,
  type ReadPreconditions,
  type WritePreconditions,
} from './object.ts'

/**
 * Conditional requests. Source: s3-api.md 3.5, the Cairn columns.
 */

const NS_PER_S = 1_000_000_000n

/** Errors: `PreconditionFailed`, `NotModified`. */
export function checkReadConditions(
  conditions: ReadPreconditions | undefined,
  info: ObjectInfo,
): void {
  if (conditions === undefined) return
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince } = conditions
  if (ifMatch !== undefined) {
    if (!matchesAny(ifMatch, info.etag)) throw failed('If-Match', info)
  } else if (ifUnmodifiedSince !== undefined && isModifiedSince(info, ifUnmodifiedSince)) {
    throw failed('If-Unmodified-Since', info)
  }
  if (ifNoneMatch !== undefined) {
    if (matchesAny(ifNoneMatch, info.etag)) throw failed('If-None-Match', info, 'NotModified')
  } else if (ifModifiedSince !== undefined && !isModifiedSince(info, ifModifiedSince)) {
    throw failed('If-Modified-Since', info, 'NotModified')
  }
}

/** `current`: the latest version, a delete marker included. Errors: `PreconditionFailed`, `ObjectNotFound`. */
export function checkWriteConditions(
  conditions: WritePreconditions | undefined,
  current: ObjectInfo | undefined,
  name: ObjectName,
): void {
  if (conditions === undefined) return
  const existing = current?.isDeleteMarker === true ? undefined : current
  const { ifMatch, ifNoneMatch } = conditions
  if (ifMatch !== undefined) {
    if (existing === undefined) {
      throw new ObjectError('ObjectNotFound', 'No object that the condition could match', name)
    }
    if (!matchesAny(ifMatch, existing.etag)) throw failed('If-Match', existing)
  }
  if (ifNoneMatch !== undefined && existing !== undefined) {
    if (matchesAny(ifNoneMatch, existing.etag)) throw failed('If-None-Match', existing)
  }
}

/** `current`: the version addressed; without one conditions do not count. Errors: `PreconditionFailed`. */
export function checkDeleteConditions(
  conditions: DeletePreconditions | undefined,
  current: ObjectInfo | undefined,
): void {
  if (conditions === undefined || current === undefined) return
  const { ifMatch, ifLastModified, ifSizeBytes } = conditions
  if (current.isDeleteMarker) {
    // A delete marker fits nothing but a star.
    if (ifMatch !== undefined && ifMatch !== '*') throw failed('If-Match', current)
    if (ifLastModified !== undefined) throw failed('If-Match-Last-Mod-Time', current)
    if (ifSizeBytes !== undefined) throw failed('If-Match-Size', current)
    return
  }
  if (ifMatch !== undefined && !matches(ifMatch, current.etag)) throw failed('If-Match', current)
  if (ifLastModified !== undefined && secondsOf(current) !== BigInt(ifLastModified)) {
    throw failed('If-Match-Last-Mod-Time', current)
  }
  if (ifSizeBytes !== undefined && ifSizeBytes !== current.actualSizeBytes) {
    throw failed('If-Match-Size', current)
  }
}

function matchesAny(wanted: readonly string[], etag: string): boolean {
  return wanted.some((one) => matches(one, etag))
}

function matches(wanted: string, etag: string): boolean {
  return wanted === '*' || wanted === etag
}

function secondsOf(info: ObjectInfo): bigint {
  return info.modifiedNs / NS_PER_S
}

/** Times of requests are whole seconds. */
function isModifiedSince(info: ObjectInfo, seconds: number): boolean {
  return secondsOf(info) > BigInt(Math.floor(seconds))
}

function failed(
  condition: string,
  info: ObjectInfo,
  code: 'PreconditionFailed' | 'NotModified' = 'PreconditionFailed',
): ObjectError {
  const { bucket, key, etag } = info
  const details = { bucket, key, etag, info, condition }
  return new ObjectError(code, 'Object does not meet the condition', details)
}
