/** RenameObject: a copy under the new name, then the end of the old one. */
import { utf8 } from '#base/bytes'
import { canonicalContext } from '#encryption/kms-context'
import { parseKeyMetadata } from '#encryption/key-metadata'
import { versioningStateFor } from '#object/bucket-metadata'
import type { ObjectInfo } from '#object/object'
import { parseCopySource } from '#s3-protocol/copy-source'
import { REDIRECT_LOCATION } from '#s3-protocol/object-metadata'
import { encodePercent } from '#s3-protocol/percent'
import { S3Error } from '#s3-protocol/s3-error'
import type { S3Call, S3Reply } from '../s3.ts'
import { copyObject } from './copy.ts'
import { innerWrite } from './inner-write.ts'
import { storageClassOf } from './object-headers.ts'
import { mayBypassGovernance, refuseProtected } from './object-lock.ts'

const EMPTY_BODY = { sizeBytes: 0, read: () => Promise.resolve(0) }
const SOURCE_CONDITION = 'x-amz-rename-source-if-'
const TARGET_CONDITIONS = new Set(['if-match', 'if-none-match'])
const CUSTOMER_KEY = 'x-amz-server-side-encryption-customer-'

type Header = readonly [name: string, value: string]

/**
 * `PUT ?renameObject`. Conditions of the source are decided when it is read, those of the target when the copy is
 * committed. A source that was written again meanwhile is left: its new content was not asked about.
 */
export async function renameObject(call: S3Call): Promise<S3Reply> {
  const source = sourceOf(call)
  if (!(await call.isAllowed('s3:DeleteObject', call.bucket, source))) {
    throw new S3Error('AccessDenied')
  }
  const { engine } = call.services
  const { info } = await engine.headObject(call.bucket, source, { range: { kind: 'all' } })
  await copyObject(
    innerWrite(call, { key: call.key, headers: headersOf(call, info), body: EMPTY_BODY }),
  )
  await removeSource(call, source, info)
  return { status: 200 }
}

/** The key to rename, in the same bucket; the name of the bucket may be left out before a key without slashes. */
function sourceOf(call: S3Call): string {
  const named = call.request.header('x-amz-rename-source') ?? ''
  const isKey = named !== '' && !named.includes('/')
  const { bucket, key, versionId } = parseCopySource(
    isKey ? `${call.bucket}/${named}` : named,
    call.services,
  )
  if (versionId !== undefined || bucket !== call.bucket) {
    throw new S3Error('InvalidRequest', {
      message: 'The rename source must be in the same bucket.',
    })
  }
  if (key === call.key) {
    throw new S3Error('InvalidRequest', {
      message: 'The rename source and the destination must be different.',
    })
  }
  return key
}

/** Headers of the copy: what the object is stays, also what a copy would not take over. */
function headersOf(call: S3Call, source: ObjectInfo): readonly Header[] {
  const path = encodePercent(`${call.bucket}/${source.key}`, { keepSlash: true })
  const headers: Header[] = [
    ['x-amz-copy-source', path],
    ['x-amz-storage-class', storageClassOf(source.userMetadata)],
    ...encryptionHeadersOf(source),
  ]
  const redirect = source.userMetadata.get(REDIRECT_LOCATION)
  if (redirect !== undefined) headers.push([REDIRECT_LOCATION, redirect])
  const sourceConditions: Header[] = []
  for (const [name, value] of call.request.rawHeaders) {
    const lower = name.toLowerCase()
    if (TARGET_CONDITIONS.has(lower)) headers.push([lower, value])
    else if (lower.startsWith(CUSTOMER_KEY)) {
      headers.push([lower, value], [lower.replace('x-amz-', 'x-amz-copy-source-'), value])
    } else if (lower.startsWith(SOURCE_CONDITION)) {
      const condition = `x-amz-copy-source-if-${lower.slice(SOURCE_CONDITION.length)}`
      sourceConditions.push([condition, value])
    }
  }
  // What was written meanwhile may be encrypted in another way.
  if (sourceConditions.length === 0) {
    sourceConditions.push(['x-amz-copy-source-if-match', `"${source.etag}"`])
  }
  return [...headers, ...sourceConditions]
}

function encryptionHeadersOf({ systemMetadata }: ObjectInfo): readonly Header[] {
  const current = parseKeyMetadata(systemMetadata)
  if (current?.kind === 'sse-s3') return [['x-amz-server-side-encryption', 'AES256']]
  if (current?.kind !== 'sse-kms') return []
  const context = utf8(canonicalContext(current.context)).toBase64()
  return [
    ['x-amz-server-side-encryption', 'aws:kms'],
    ['x-amz-server-side-encryption-aws-kms-key-id', current.dataKey?.keyId ?? ''],
    ...(current.context.size === 0
      ? []
      : [['x-amz-server-side-encryption-context', context] as const]),
  ]
}

async function removeSource(call: S3Call, key: string, source: ObjectInfo): Promise<void> {
  const { engine, clock } = call.services
  const metadata = await engine.bucketMetadata(call.bucket)
  const versioning = versioningStateFor(metadata, key)
  const bypassGovernance = await mayBypassGovernance(call, key)
  await engine.deleteObject(call.bucket, key, {
    versioning,
    guard: (current) => {
      if (current?.modifiedNs !== source.modifiedNs) throw new S3Error('PreconditionFailed')
      if (versioning === 'enabled') return
      refuseProtected(current, { nowMs: clock.nowMs(), bypassGovernance })
    },
  })
}
