/** Notification configuration of a bucket (s3-api.md 4.11): kept and shown, not yet acted upon. */
import { utf8 } from '#base/bytes'
import { checkTargets, notificationText, parseNotification } from '#s3-protocol/notification'
import { S3Error } from '#s3-protocol/s3-error'
import { parseXml } from '#s3-protocol/xml-parser'
import type { S3Call, S3Reply } from '../s3.ts'
import { storedDocument } from './bucket-config.ts'

/** `GET ?notification`: an empty document when none is set. */
export const getBucketNotification = storedDocument('NotificationConfigXML', {
  body: notificationText([], ''),
})

/** `PUT ?notification`: an empty document removes all. */
export async function putBucketNotification(call: S3Call): Promise<S3Reply> {
  const { engine, region } = call.services
  await engine.getBucket(call.bucket)
  if (call.document.length === 0) throw new S3Error('MissingContentLength')
  const rules = parseNotification(parseXml(call.document))
  // Targets of events are not built: there is no name that one could have.
  checkTargets(rules, { region, isTarget: () => false })
  const content = rules.length === 0 ? undefined : utf8(notificationText(rules, region))
  await engine.setBucketDocument(call.bucket, 'NotificationConfigXML', content)
  return { status: 200 }
}
