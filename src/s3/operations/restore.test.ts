import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '#base/bytes'
import type { ObjectInfo } from '#object/object'
import { infoOf } from '#testing/object-info'
import { callOf } from '#testing/s3-call'
import { restoreObject } from './restore.ts'

const MOVED = {
  'x-minio-internal-transition-status': utf8('complete'),
  'x-minio-internal-transition-tier': utf8('COLD'),
}
const RESTORED = {
  'x-amz-restore': 'ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"',
}

function restore(info: ObjectInfo, days = '1'): Promise<unknown> {
  const headObject = async (): Promise<{ info: ObjectInfo; offset: number; sizeBytes: number }> => {
    return { info, offset: 0, sizeBytes: 3 }
  }
  const document = `<RestoreRequest><Days>${days}</Days></RestoreRequest>`
  return restoreObject(callOf({ method: 'POST', document, engine: { headObject } }))
}

test('only what was moved to a tier can be restored, with a copy there or not', async () => {
  await assert.rejects(restore(infoOf()), { code: 'InvalidObjectState' })
  const moved = infoOf({ systemMetadata: MOVED })
  await assert.rejects(restore(moved), { code: 'NotImplemented' })
  const restored = infoOf({ systemMetadata: MOVED, userMetadata: RESTORED })
  await assert.rejects(restore(restored), { code: 'NotImplemented' })
})

test('a restoration for no days is malformed', async () => {
  await assert.rejects(restore(infoOf(), '0'), { code: 'MalformedXML' })
})
