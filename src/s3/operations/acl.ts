/** Access control lists as far as they exist: the owner has everything (s3-api.md 4.16). */
import { S3Error } from '#s3-protocol/s3-error'
import { parseXml } from '#s3-protocol/xml-parser'
import type { S3Call, S3Reply } from '../s3.ts'
import { ownerField } from './listing.ts'
import { OWNER_ID, OWNER_NAME } from './owner.ts'
import { versionIdOf } from './request-values.ts'
import { xmlDocument } from './xml-document.ts'

const CANNED = new Set([
  'private',
  'public-read',
  'public-read-write',
  'authenticated-read',
  'aws-exec-read',
  'bucket-owner-read',
  'bucket-owner-full-control',
  'log-delivery-write',
])
const ACCEPTED = new Set(['private', 'bucket-owner-full-control'])

/** `GET ?acl` of a bucket. */
export async function getBucketAcl(call: S3Call): Promise<S3Reply> {
  await call.services.engine.getBucket(call.bucket)
  return { status: 200, body: ownerPolicy() }
}

/** `GET key?acl`. */
export async function getObjectAcl(call: S3Call): Promise<S3Reply> {
  await requireObject(call, 's3:GetBucketPolicy')
  return { status: 200, body: ownerPolicy() }
}

/** `PUT ?acl` of a bucket: accepted where it changes nothing. */
export async function putBucketAcl(call: S3Call): Promise<S3Reply> {
  await call.services.engine.getBucket(call.bucket)
  checkAcl(call)
  return { status: 200 }
}

/** `PUT key?acl`. */
export async function putObjectAcl(call: S3Call): Promise<S3Reply> {
  await requireObject(call, 's3:PutBucketPolicy')
  checkAcl(call)
  return { status: 200 }
}

/** The right is that of the bucket's policy: an access control list is the older form of it. */
async function requireObject(call: S3Call, action: string): Promise<void> {
  if (!(await call.isAllowed(action, call.bucket, ''))) throw new S3Error('AccessDenied')
  await call.services.engine.headObject(call.bucket, call.key, {
    versionId: versionIdOf(call),
    range: { kind: 'all' },
  })
}

function checkAcl(call: S3Call): void {
  const canned = call.request.header('x-amz-acl')
  if (canned !== undefined && !CANNED.has(canned)) {
    throw new S3Error('InvalidArgument', { message: 'Invalid argument' })
  }
  if (canned !== undefined && ACCEPTED.has(canned)) return
  const grants = call.request.rawHeaders.some(([name]) => /^x-amz-grant-/i.test(name))
  if (canned !== undefined || grants || !isOwnerOnly(call.document)) {
    throw new S3Error('AccessControlListNotSupported', {
      status: 400,
      message: 'The bucket does not allow ACLs',
    })
  }
}

/** True for a document that grants full control once, to nobody but the owner. */
function isOwnerOnly(document: Uint8Array): boolean {
  if (document.length === 0) throw new S3Error('MalformedXML')
  const root = parseXml(document)
  if (root.name !== 'AccessControlPolicy') throw new S3Error('MalformedXML')
  const grants = root.child('AccessControlList')?.children('Grant') ?? []
  const grantee = grants[0]?.child('Grantee')
  const id = grantee?.childText('ID') ?? ''
  return (
    grants.length === 1 &&
    grants[0]?.childText('Permission') === 'FULL_CONTROL' &&
    grantee?.child('URI') === undefined &&
    (id === '' || id === OWNER_ID)
  )
}

function ownerPolicy(): string {
  return xmlDocument('AccessControlPolicy', [
    ownerField(),
    [
      'AccessControlList',
      [
        [
          'Grant',
          [
            [
              'Grantee',
              [
                ['ID', OWNER_ID],
                ['DisplayName', OWNER_NAME],
                ['Type', 'CanonicalUser'],
              ],
              {
                'xmlns:xsi': 'http://www.w3.org/2001/XMLSchema-instance',
                'xsi:type': 'CanonicalUser',
              },
            ],
            ['Permission', 'FULL_CONTROL'],
          ],
        ],
      ],
    ],
  ])
}
