/**
 * Object lock (s3-api.md 4.9): what protects a version, and what a write stores.
 *
 * A version's lock is part of its metadata, so protection is decided on the version itself, under the engine's lock.
 */
import { versioningStateFor } from '#object/bucket-metadata'
import type { BucketMetadata, ObjectInfo } from '#object/object'
import { parseIsoTime } from '#s3-protocol/dates'
import { invalidArgument, S3Error } from '#s3-protocol/s3-error'
import { parseXml } from '#s3-protocol/xml-parser'
import type { S3Call } from '../s3.ts'
import { headerOrQuery } from './request-values.ts'

export const LOCK_MODE = 'x-amz-object-lock-mode'
export const LOCK_UNTIL = 'x-amz-object-lock-retain-until-date'
export const LEGAL_HOLD = 'x-amz-object-lock-legal-hold'

const PROTECTED = 'Access Denied because object protected by object lock.'

/** The lock stored with a version; empty texts where nothing holds (cleared values are stored empty). */
export interface ObjectLock {
  /** Upper case: `GOVERNANCE`, `COMPLIANCE`. */
  readonly mode: string
  /** As stored. */
  readonly retainUntil: string
  /** Upper case: `ON`, `OFF`. */
  readonly legalHold: string
}

/** The lock of a version. Keys are found in any case: an unread lock would be an unkept one. */
export function objectLockOf(info: ObjectInfo): ObjectLock {
  let mode = ''
  let retainUntil = ''
  let legalHold = ''
  for (const [key, value] of info.userMetadata) {
    // Cheap test first: most metadata has no lock in it.
    if (key.length < LOCK_MODE.length) continue
    const name = key.toLowerCase()
    if (name === LOCK_MODE) mode = value.toUpperCase()
    else if (name === LOCK_UNTIL) retainUntil = value
    else if (name === LEGAL_HOLD) legalHold = value.toUpperCase()
  }
  return { mode, retainUntil, legalHold }
}

export interface RemovalOptions {
  readonly nowMs: number
  /** The caller asked for the bypass and may use it. */
  readonly bypassGovernance: boolean
}

/** Throws when removing or replacing this version is forbidden: 403 `AccessDenied`. */
export function refuseProtected(info: ObjectInfo | undefined, options: RemovalOptions): void {
  if (info === undefined || info.isDeleteMarker) return
  const lock = objectLockOf(info)
  if (lock.legalHold === 'ON') throw new S3Error('AccessDenied', { message: PROTECTED })
  if (lock.mode === '') return
  if (lock.mode === 'GOVERNANCE' && options.bypassGovernance) return
  // A date that cannot be read protects for ever: better a version too many than one lost.
  const untilMs = Date.parse(lock.retainUntil)
  if (!(untilMs < options.nowMs)) throw new S3Error('AccessDenied', { message: PROTECTED })
}

/** What a write asks of the version that it takes the place of; undefined: nothing, since it replaces none or there are no locks. */
export function overwriteGuard(
  call: S3Call,
  metadata: BucketMetadata,
): ((current: ObjectInfo | undefined) => void) | undefined {
  if (!metadata.objectLock || versioningStateFor(metadata, call.key) === 'enabled') return undefined
  const { clock } = call.services
  return (current) => refuseProtected(current, { nowMs: clock.nowMs(), bypassGovernance: false })
}

/** Throws when a retention may not take the place of the one stored (s3-api.md 4.9, rule 6). */
export function refuseRetentionChange(
  current: ObjectLock,
  wanted: { readonly mode: string; readonly retainUntil: string },
  options: RemovalOptions,
): void {
  if (current.mode === '') return
  const currentMs = Date.parse(current.retainUntil)
  if (currentMs < options.nowMs) return
  const extends_ =
    wanted.mode === current.mode &&
    !(Date.parse(wanted.retainUntil) < currentMs) &&
    wanted.mode !== ''
  if (extends_) return
  if (current.mode === 'GOVERNANCE' && options.bypassGovernance) return
  throw new S3Error('AccessDenied', { message: PROTECTED })
}

/** Whether the caller sent the bypass header and holds the permission for `key`. */
export async function mayBypassGovernance(call: S3Call, key: string): Promise<boolean> {
  const asked = call.request.header('x-amz-bypass-governance-retention')?.toLowerCase() === 'true'
  return asked && (await call.isAllowed('s3:BypassGovernanceRetention', call.bucket, key))
}

/** Whether the request carries any lock header, presigned URLs in their query. */
export function hasLockHeaders(call: S3Call): boolean {
  return [LOCK_MODE, LOCK_UNTIL, LEGAL_HOLD].some((name) => headerOrQuery(call, name) !== undefined)
}

/** The lock metadata of a new version: from the request's headers, else the bucket's default. */
export async function lockMetadata(
  call: S3Call,
  metadata: BucketMetadata,
): Promise<readonly (readonly [string, string])[]> {
  const hold = headerLegalHold(call)
  const retention = headerRetention(call)
  if (!metadata.objectLock) {
    if (hasLockHeaders(call)) {
      throw new S3Error('InvalidRequest', {
        message: 'Bucket is missing ObjectLockConfiguration',
      })
    }
    return []
  }
  const entries: (readonly [string, string])[] = []
  if (hold !== undefined) {
    await requirePermission(call, 's3:PutObjectLegalHold')
    entries.push([LEGAL_HOLD, hold])
  }
  if (retention !== undefined) await requirePermission(call, 's3:PutObjectRetention')
  const effective = retention ?? defaultRetention(metadata, call.services.clock.nowMs())
  if (effective !== undefined) {
    entries.push([LOCK_MODE, effective.mode], [LOCK_UNTIL, effective.retainUntil])
  }
  return entries
}

function headerLegalHold(call: S3Call): string | undefined {
  const hold = headerOrQuery(call, LEGAL_HOLD)?.toUpperCase()
  if (hold === undefined || hold === 'ON' || hold === 'OFF') return hold
  throw invalidArgument(LEGAL_HOLD, hold, "Legal Hold must be either of 'ON' or 'OFF'")
}

function headerRetention(call: S3Call): { mode: string; retainUntil: string } | undefined {
  const mode = headerOrQuery(call, LOCK_MODE)
  const until = headerOrQuery(call, LOCK_UNTIL)
  if (mode === undefined && until === undefined) return undefined
  if (mode === undefined || until === undefined) {
    throw new S3Error('InvalidArgument', {
      message:
        'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied.',
    })
  }
  const upper = mode.toUpperCase()
  if (upper !== 'GOVERNANCE' && upper !== 'COMPLIANCE') {
    throw invalidArgument(LOCK_MODE, mode, 'Unknown wormMode directive.')
  }
  const untilMs = retainUntilMs(until)
  if (untilMs === undefined) {
    throw invalidArgument(
      LOCK_UNTIL,
      until,
      'The retain until date must be provided in ISO 8601 format',
    )
  }
  if (untilMs <= call.services.clock.nowMs()) {
    throw invalidArgument(LOCK_UNTIL, until, 'The retain until date must be in the future!')
  }
  return { mode: upper, retainUntil: new Date(untilMs).toISOString() }
}

/** Milliseconds of an ISO 8601 time with zone, undefined when it is not one. */
export function retainUntilMs(text: string): number | undefined {
  return /(Z|[+-]\d{2}:\d{2})$/.test(text) ? parseIsoTime(text) : undefined
}

/** The bucket's default retention from now on: calendar days or years, UTC. */
export function defaultRetention(
  metadata: Pick<BucketMetadata, 'document'>,
  nowMs: number,
): { mode: string; retainUntil: string } | undefined {
  const document = metadata.document('ObjectLockConfigXML')
  if (document === undefined) return undefined
  const rule = parseXml(document).child('Rule')?.child('DefaultRetention')
  const mode = rule?.childText('Mode')?.toUpperCase()
  if (rule === undefined || mode === undefined) return undefined
  const until = new Date(nowMs)
  until.setUTCDate(until.getUTCDate() + Number(rule.childText('Days') ?? 0))
  until.setUTCFullYear(until.getUTCFullYear() + Number(rule.childText('Years') ?? 0))
  return { mode, retainUntil: until.toISOString() }
}

async function requirePermission(call: S3Call, action: string): Promise<void> {
  if (!(await call.isAllowed(action, call.bucket, call.key))) throw new S3Error('AccessDenied')
}
