/**
 * Settings of a bucket that are one small document each: public access block, ownership (s3-api.md 4.16), logging, request
 * payment, acceleration (kept and shown, not acted upon).
 */
import { ObjectError } from '#object/object'
import { S3Error } from '#s3-protocol/s3-error'
import type { XmlElement } from '#s3-protocol/xml-parser'
import {
  checkDocument,
  fields,
  many,
  oneOf,
  optional,
  required,
  text,
} from '#s3-protocol/xml-shape'
import { parsePublicAccessBlock } from '../public-access.ts'
import type { S3Call } from '../s3.ts'
import { deleteDocument, putDocument, storedDocument } from './bucket-config.ts'
import { xmlDocument } from './xml-document.ts'

export const getPublicAccessBlock = storedDocument('PublicAccessBlockXML', {
  code: 'NoSuchPublicAccessBlockConfiguration',
})
export const putPublicAccessBlock = putDocument('PublicAccessBlockXML', (_, call) => {
  parsePublicAccessBlock(call.document)
})
export const deletePublicAccessBlock = deleteDocument('PublicAccessBlockXML')

const OWNERSHIPS = ['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter']
const OWNERSHIP_SHAPE = fields({
  Rule: required(fields({ ObjectOwnership: required(oneOf(...OWNERSHIPS)) })),
})

export const getOwnershipControls = storedDocument('OwnershipControlsXML', {
  code: 'OwnershipControlsNotFoundError',
})
export const putOwnershipControls = putDocument('OwnershipControlsXML', (root) =>
  checkDocument(root, 'OwnershipControls', OWNERSHIP_SHAPE),
)
export const deleteOwnershipControls = deleteDocument('OwnershipControlsXML')

/** The document behind `x-amz-object-ownership` of a new bucket; undefined without it. */
export function ownershipOfNewBucket(call: S3Call): string | undefined {
  const ownership = call.request.header('x-amz-object-ownership')
  if (ownership === undefined) return undefined
  if (!OWNERSHIPS.includes(ownership)) {
    throw new S3Error('InvalidArgument', {
      message: `Invalid x-amz-object-ownership header: ${ownership}`,
    })
  }
  const acl = call.request.header('x-amz-acl') ?? 'private'
  if (ownership === 'BucketOwnerEnforced' && acl !== 'private') {
    throw new S3Error('InvalidBucketAclWithObjectOwnership')
  }
  return xmlDocument('OwnershipControls', [['Rule', [['ObjectOwnership', ownership]]]])
}

const LOGGING_SHAPE = fields({
  LoggingEnabled: optional(
    fields({
      TargetBucket: required(text(/^.+$/)),
      TargetPrefix: required(text()),
      TargetGrants: optional(fields({ Grant: many(fields({})) })),
      TargetObjectKeyFormat: optional(
        fields({
          SimplePrefix: optional(fields({})),
          PartitionedPrefix: optional(
            fields({ PartitionDateSource: optional(oneOf('EventTime', 'DeliveryTime')) }),
          ),
        }),
      ),
    }),
  ),
})

export const getBucketLogging = storedDocument('LoggingXML', {
  body: xmlDocument('BucketLoggingStatus', []),
})
export const putBucketLogging = putDocument('LoggingXML', async (root, call) => {
  // Grants belong to access control lists, which no bucket here has.
  const grants = root.child('LoggingEnabled')?.child('TargetGrants')?.children() ?? []
  if (grants.length > 0) throw new S3Error('AccessControlListNotSupported')
  checkDocument(root, 'BucketLoggingStatus', LOGGING_SHAPE)
  await requireLoggingTarget(root, call)
})

async function requireLoggingTarget(root: XmlElement, call: S3Call): Promise<void> {
  const target = root.child('LoggingEnabled')?.childText('TargetBucket')
  if (target === undefined) return
  try {
    await call.services.engine.getBucket(target)
  } catch (error) {
    const isAbsent =
      error instanceof ObjectError &&
      (error.code === 'BucketNotFound' || error.code === 'BucketNameInvalid')
    throw isAbsent ? new S3Error('InvalidTargetBucketForLogging', { cause: error }) : error
  }
}

export const getBucketRequestPayment = storedDocument('RequestPaymentXML', {
  body: xmlDocument('RequestPaymentConfiguration', [['Payer', 'BucketOwner']]),
})
export const putBucketRequestPayment = putDocument('RequestPaymentXML', (root) =>
  checkDocument(
    root,
    'RequestPaymentConfiguration',
    fields({ Payer: required(oneOf('Requester', 'BucketOwner')) }),
  ),
)

export const getBucketAccelerate = storedDocument('AccelerateXML', {
  body: xmlDocument('AccelerateConfiguration', []),
})
export const putBucketAccelerate = putDocument('AccelerateXML', (root, call) => {
  checkDocument(
    root,
    'AccelerateConfiguration',
    fields({ Status: required(oneOf('Enabled', 'Suspended')) }),
  )
  if (call.bucket.includes('.')) {
    throw new S3Error('InvalidRequest', {
      message:
        'S3 Transfer Acceleration is not supported for buckets with periods (.) in their names',
    })
  }
})
