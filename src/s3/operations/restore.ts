/** RestoreObject (s3-api.md 4.2.10): checks what is asked; only objects on a tier can be restored, which is not built yet. */
import { tierOf } from '#object/object-info'
import { S3Error } from '#s3-protocol/s3-error'
import { parseXml } from '#s3-protocol/xml-parser'
import type { S3Call, S3Reply } from '../s3.ts'
import { versionIdOf } from './request-values.ts'

/** `POST ?restore`. */
export async function restoreObject(call: S3Call): Promise<S3Reply> {
  if (call.document.length === 0) throw new S3Error('EmptyRequestBody')
  checkDocument(call.document)
  const { info } = await call.services.engine.headObject(call.bucket, call.key, {
    versionId: versionIdOf(call),
    range: { kind: 'all' },
  })
  throw new S3Error(tierOf(info) === undefined ? 'InvalidObjectState' : 'NotImplemented')
}

function checkDocument(document: Uint8Array): void {
  const root = parseXml(document)
  const isSelect = root.childText('Type') === 'SELECT'
  const days = root.childText('Days')?.trim() ?? ''
  const isGood = isSelect
    ? root.child('SelectParameters') !== undefined && root.child('OutputLocation') !== undefined
    : /^\d{1,9}$/.test(days) && Number(days) >= 1
  if (root.name !== 'RestoreRequest' || !isGood) throw new S3Error('MalformedXML')
}
