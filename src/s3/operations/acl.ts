/** Access control lists as far as they exist: the owner has everything (s3-api.md 4.16). */
import { textOf } from '#base/bytes'
import type { BucketMetadata } from '#object/object'
import { invalidArgument, S3Error } from '#s3-protocol/s3-error'
import { parseXml } from '#s3-protocol/xml-parser'
import { publicAccessBlockOf } from '../public-access.ts'
import { refusal } from '../refusal.ts'
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
/** Canned lists that would open something to everybody or to every account. */
const PUBLIC = new Set(['public-read', 'public-read-write', 'authenticated-read'])
const PUBLIC_GROUP = /groups\/global\/(?:AllUsers|AuthenticatedUsers)/

/** `GET ?acl` of a bucket. */
export async function getBucketAcl(call: S3Call): Promise<S3Reply> {
  await call.services.engine.getBucket(call.bucket)
  return { status: 200, body: ownerPolicy() }
}

/** `GET key?acl`. */
export async function getObjectAcl(call: S3Call): Promise<S3Reply> {
  await requireObject(call, 's3:GetObjectAcl')
  return { status: 200, body: ownerPolicy() }
}

/** `PUT ?acl` of a bucket: accepted where it changes nothing. */
export async function putBucketAcl(call: S3Call): Promise<S3Reply> {
  await checkAcl(call)
  return { status: 200 }
}

/** `PUT key?acl`. */
export async function putObjectAcl(call: S3Call): Promise<S3Reply> {
  await requireObject(call, 's3:PutObjectAcl')
  await checkAcl(call)
  return { status: 200 }
}

async function requireObject(call: S3Call, action: string): Promise<void> {
  if (!(await call.isAllowed(action, call.bucket, call.key))) {
    throw refusal(call.operation.name, call.identity.accessKey)
  }
  await call.services.engine.headObject(call.bucket, call.key, {
    versionId: versionIdOf(call),
    range: { kind: 'all' },
  })
}

/** Refuses a write with a list that the bucket does not allow: public ones where they are blocked (403), all but the owner's where its owner has everything by its own settings. */
export function refuseAcl(call: S3Call, metadata: Pick<BucketMetadata, 'document'>): void {
  const canned = call.request.header('x-amz-acl')
  const asks = (canned !== undefined && canned !== 'bucket-owner-full-control') || hasGrants(call)
  if (!asks) return
  refusePublicAcl(call, metadata)
  if (isOwnerEnforced(metadata)) throw notSupported()
}

function isOwnerEnforced(metadata: Pick<BucketMetadata, 'document'>): boolean {
  const document = metadata.document('OwnershipControlsXML')
  if (document === undefined) return false
  const rule = parseXml(document).child('Rule')
  return rule?.childText('ObjectOwnership') === 'BucketOwnerEnforced'
}

function notSupported(): S3Error {
  return new S3Error('AccessControlListNotSupported', {
    status: 400,
    message: 'The bucket does not allow ACLs.',
  })
}

function hasGrants(call: S3Call): boolean {
  return call.request.rawHeaders.some(([name]) => /^x-amz-grant-/i.test(name))
}

function refusePublicAcl(call: S3Call, metadata: Pick<BucketMetadata, 'document'>): void {
  if (!asksForPublic(call)) return
  if (publicAccessBlockOf(metadata).blockPublicAcls) throw new S3Error('AccessDenied')
}

function asksForPublic(call: S3Call): boolean {
  return (
    PUBLIC.has(call.request.header('x-amz-acl') ?? '') ||
    call.request.rawHeaders.some(
      ([name, value]) => /^x-amz-grant-/i.test(name) && PUBLIC_GROUP.test(value),
    )
  )
}

async function checkAcl(call: S3Call): Promise<void> {
  const metadata = await call.services.engine.bucketMetadata(call.bucket)
  refusePublicAcl(call, metadata)
  const opensToAll = PUBLIC_GROUP.test(textOf(call.document))
  if (opensToAll && publicAccessBlockOf(metadata).blockPublicAcls) throw new S3Error('AccessDenied')
  const canned = call.request.header('x-amz-acl')
  if (canned !== undefined && !CANNED.has(canned)) {
    throw invalidArgument('x-amz-acl', canned, 'Invalid argument')
  }
  if (isOwnerEnforced(metadata)) throw notSupported()
  // As with Amazon: a bucket without a choice of its own takes no lists, however they are written.
  const hasChoice = metadata.document('OwnershipControlsXML') !== undefined
  if (!hasChoice && hasGrants(call)) throw notSupported()
  checkForm(call, canned)
  const isKept = canned === undefined ? isOwnerOnly(call.document) : ACCEPTED.has(canned)
  if (!isKept) throw notSupported()
}

/** A list comes in one of three ways: its name, headers, or a document. */
function checkForm(call: S3Call, canned: string | undefined): void {
  const inHeaders = hasGrants(call)
  const hasDocument = call.document.length > 0
  if (canned !== undefined && inHeaders) {
    throw new S3Error('InvalidRequest', {
      message: 'Specifying both Canned ACLs and Header Grants is not allowed.',
    })
  }
  if ((canned !== undefined || inHeaders) && hasDocument) throw new S3Error('UnexpectedContent')
  if (canned === undefined && !inHeaders && !hasDocument) throw new S3Error('MissingSecurityHeader')
  if (hasDocument) checkPolicy(call.document)
}

const PERMISSIONS = new Set(['FULL_CONTROL', 'READ', 'READ_ACP', 'WRITE', 'WRITE_ACP'])
const GRANTEE_TYPES = new Set(['CanonicalUser', 'Group', 'AmazonCustomerByEmail'])
/** The parser drops attributes, and this one is only told by one. */
const GRANTEE_TYPE = /<(?:\w+:)?Grantee\b[^>]*?\btype\s*=\s*["']([^"']*)["']/g

function checkPolicy(document: Uint8Array): void {
  const root = parseXml(document)
  if (root.name !== 'AccessControlPolicy') throw new S3Error('MalformedACLError')
  if ((root.child('Owner')?.childText('ID') ?? '') === '') throw new S3Error('MalformedACLError')
  for (const grant of root.child('AccessControlList')?.children('Grant') ?? []) {
    const grantee = grant.child('Grantee')
    // s3cmd sends back what it was told of the owner without the id.
    const isNamed = ['ID', 'URI', 'EmailAddress', 'Type'].some((name) => grantee?.childText(name))
    const isGood = isNamed && PERMISSIONS.has(grant.childText('Permission') ?? '')
    if (!isGood) throw new S3Error('MalformedACLError')
  }
  for (const [, type = ''] of textOf(document).matchAll(GRANTEE_TYPE)) {
    if (!GRANTEE_TYPES.has(type)) throw new S3Error('MalformedACLError')
  }
}

/** True for a document that grants full control once, to nobody but the owner. */
function isOwnerOnly(document: Uint8Array): boolean {
  if (document.length === 0) return false
  const grants = parseXml(document).child('AccessControlList')?.children('Grant') ?? []
  const grantee = grants[0]?.child('Grantee')
  return (
    grants.length === 1 &&
    grants[0]?.childText('Permission') === 'FULL_CONTROL' &&
    grantee?.child('URI') === undefined &&
    (grantee?.childText('ID') ?? OWNER_ID) === OWNER_ID &&
    grantee?.child('EmailAddress') === undefined
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
