/** Configuration documents of a bucket: the form that most of them share. */
import { utf8 } from '#base/bytes'
import type { BucketDocument } from '#object/object'
import { S3Error, type S3ErrorCode } from '#s3-protocol/s3-error'
import { parseXml, type XmlElement } from '#s3-protocol/xml-parser'
import { documentText } from '#s3-protocol/xml-shape'
import type { Handler, S3Call } from '../s3.ts'

/** Answers a stored document as it is, or what `absent` gives: an error, or the document that stands for none. */
export function storedDocument(
  document: BucketDocument,
  absent: { readonly code: S3ErrorCode } | { readonly body: string },
): Handler {
  return async (call) => {
    const metadata = await call.services.engine.bucketMetadata(call.bucket)
    const content = metadata.document(document)
    if (content === undefined && 'code' in absent) throw new S3Error(absent.code)
    const body = content ?? ('body' in absent ? absent.body : '')
    return { status: 200, body, contentType: 'application/xml' }
  }
}

/** Stores a document after `check`, which throws for one that is not allowed. Only elements and their texts are kept. */
export function putDocument(
  document: BucketDocument,
  check: (root: XmlElement, call: S3Call) => void | Promise<void>,
): Handler {
  return async (call) => {
    const { engine } = call.services
    await engine.getBucket(call.bucket)
    const root = parseXml(call.document)
    await check(root, call)
    await engine.setBucketDocument(call.bucket, document, utf8(documentText(root)))
    return { status: 200 }
  }
}

/** Removes a document, also when there is none. */
export function deleteDocument(document: BucketDocument): Handler {
  return async (call) => {
    const { engine } = call.services
    const metadata = await engine.bucketMetadata(call.bucket)
    if (metadata.document(document) !== undefined) {
      await engine.setBucketDocument(call.bucket, document, undefined)
    }
    return { status: 204 }
  }
}
