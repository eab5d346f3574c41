/** Retention and legal hold of a version (s3-api.md 4.9). */
import type { ObjectInfo } from '#object/object'
import { S3Error } from '#s3-protocol/s3-error'
import { parseXml } from '#s3-protocol/xml-parser'
import type { S3Call, S3Reply } from '../s3.ts'
import {
  LEGAL_HOLD,
  LOCK_MODE,
  LOCK_UNTIL,
  mayBypassGovernance,
  objectLockOf,
  refuseRetentionChange,
  retainUntilMs,
} from './object-lock.ts'
import { requireIntegrity, versionIdOf } from './request-values.ts'
import { xmlDocument } from './xml-document.ts'

/** `GET key?retention`. */
export async function getObjectRetention(call: S3Call): Promise<S3Reply> {
  const { mode, retainUntil } = objectLockOf(await lockedObject(call))
  if (mode === '') throw new S3Error('NoSuchObjectLockConfiguration', { status: 404 })
  const untilMs = Date.parse(retainUntil)
  return {
    status: 200,
    body: xmlDocument('Retention', [
      ['Mode', mode],
      ['RetainUntilDate', Number.isNaN(untilMs) ? retainUntil : new Date(untilMs).toISOString()],
    ]),
  }
}

/** `GET key?legal-hold`. */
export async function getObjectLegalHold(call: S3Call): Promise<S3Reply> {
  const { legalHold } = objectLockOf(await lockedObject(call))
  if (legalHold === '') throw new S3Error('NoSuchObjectLockConfiguration', { status: 404 })
  return { status: 200, body: xmlDocument('LegalHold', [['Status', legalHold]]) }
}

/** `PUT key?retention`: decided against the stored one under the engine's lock. */
export async function putObjectRetention(call: S3Call): Promise<S3Reply> {
  requireIntegrity(call)
  await requireLockBucket(call)
  const wanted = readRetention(call)
  const bypassGovernance = await mayBypassGovernance(call, call.key)
  const { clock } = call.services
  await call.services.engine.updateMetadata(call.bucket, call.key, versionIdOf(call), (current) => {
    refuseRetentionChange(objectLockOf(current), wanted, {
      nowMs: clock.nowMs(),
      bypassGovernance,
    })
    return {
      userMetadata: new Map([
        [LOCK_MODE, wanted.mode],
        [LOCK_UNTIL, wanted.retainUntil],
      ]),
    }
  })
  return { status: 200 }
}

function readRetention(call: S3Call): { mode: string; retainUntil: string } {
  const root = parseXml(call.document)
  if (root.name !== 'Retention') throw new S3Error('MalformedXML')
  const mode = root.childText('Mode') ?? ''
  const until = root.childText('RetainUntilDate') ?? ''
  if (mode === '' && until === '') return { mode: '', retainUntil: '' }
  if (mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE') {
    throw new S3Error('MalformedXML')
  }
  const untilMs = retainUntilMs(until)
  if (untilMs === undefined) throw new S3Error('MalformedXML')
  if (untilMs <= call.services.clock.nowMs()) {
    throw new S3Error('InvalidArgument', {
      message: 'The retain until date must be in the future!',
    })
  }
  return { mode, retainUntil: new Date(untilMs).toISOString() }
}

/** `PUT key?legal-hold`. */
export async function putObjectLegalHold(call: S3Call): Promise<S3Reply> {
  requireIntegrity(call)
  await call.services.engine.getBucket(call.bucket)
  const root = parseXml(call.document)
  const status = root.childText('Status') ?? ''
  const isKnown = root.name === 'LegalHold' || root.name === 'ObjectLockLegalHold'
  if (!isKnown || (status !== 'ON' && status !== 'OFF')) throw new S3Error('MalformedXML')
  await requireLockBucket(call)
  const userMetadata = new Map([[LEGAL_HOLD, status]])
  await call.services.engine.updateMetadata(call.bucket, call.key, versionIdOf(call), () => ({
    userMetadata,
  }))
  return { status: 200 }
}

async function requireLockBucket(call: S3Call): Promise<void> {
  const metadata = await call.services.engine.bucketMetadata(call.bucket)
  if (metadata.objectLock) return
  throw new S3Error('InvalidRequest', { message: 'Bucket is missing Object Lock Configuration' })
}

async function lockedObject(call: S3Call): Promise<ObjectInfo> {
  const { info } = await call.services.engine.headObject(call.bucket, call.key, {
    versionId: versionIdOf(call),
    range: { kind: 'all' },
  })
  await requireLockBucket(call)
  return info
}
