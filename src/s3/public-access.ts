/** Public access block (s3-api.md 4.16): what may be public in a bucket, whatever its policy says. */
import type { BucketMetadata } from '#object/object'
import { S3Error } from '#s3-protocol/s3-error'
import { parseXml, type XmlElement } from '#s3-protocol/xml-parser'

export interface PublicAccessBlock {
  readonly blockPublicAcls: boolean
  readonly ignorePublicAcls: boolean
  readonly blockPublicPolicy: boolean
  readonly restrictPublicBuckets: boolean
}

const NOTHING_BLOCKED: PublicAccessBlock = {
  blockPublicAcls: false,
  ignorePublicAcls: false,
  blockPublicPolicy: false,
  restrictPublicBuckets: false,
}
const EVERYTHING_BLOCKED: PublicAccessBlock = {
  blockPublicAcls: true,
  ignorePublicAcls: true,
  blockPublicPolicy: true,
  restrictPublicBuckets: true,
}
const MEMBERS = [
  'BlockPublicAcls',
  'IgnorePublicAcls',
  'BlockPublicPolicy',
  'RestrictPublicBuckets',
] as const

/** Reads a `PublicAccessBlockConfiguration`; members left out are false. `MalformedXML`. */
export function parsePublicAccessBlock(document: Uint8Array): PublicAccessBlock {
  const root = parseXml(document)
  const names = root.children().map((child) => child.name)
  const isSound =
    root.name === 'PublicAccessBlockConfiguration' &&
    new Set(names).size === names.length &&
    names.every((name) => MEMBERS.some((member) => member === name))
  if (!isSound) throw new S3Error('MalformedXML')
  return {
    blockPublicAcls: switchOf(root, 'BlockPublicAcls'),
    ignorePublicAcls: switchOf(root, 'IgnorePublicAcls'),
    blockPublicPolicy: switchOf(root, 'BlockPublicPolicy'),
    restrictPublicBuckets: switchOf(root, 'RestrictPublicBuckets'),
  }
}

function switchOf(root: XmlElement, name: (typeof MEMBERS)[number]): boolean {
  const text = root.childText(name)?.trim().toLowerCase() ?? 'false'
  if (text !== 'true' && text !== 'false') throw new S3Error('MalformedXML')
  return text === 'true'
}

/** What a stored document blocks. One that cannot be read blocks everything: what was private must not become public by damage. */
export function storedPublicAccessBlock(document: Uint8Array): PublicAccessBlock {
  try {
    return parsePublicAccessBlock(document)
  } catch (error) {
    if (error instanceof S3Error) return EVERYTHING_BLOCKED
    throw error
  }
}

/** What a bucket blocks. */
export function publicAccessBlockOf(metadata: Pick<BucketMetadata, 'document'>): PublicAccessBlock {
  const document = metadata.document('PublicAccessBlockXML')
  return document === undefined ? NOTHING_BLOCKED : storedPublicAccessBlock(document)
}
