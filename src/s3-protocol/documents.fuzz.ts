/** Documents of bucket settings, broken in many ways, are read or refused with an `S3Error`; what was read can be used and written. */
import assert from 'node:assert/strict'
import { utf8 } from '#base/bytes'
import type { Random } from '#base/random'
import { fuzz } from '#testing/fuzz'
import { matchCors, parseCors } from './cors.ts'
import { checkLifecycle, lifecycleText, parseLifecycle } from './lifecycle.ts'
import { notificationText, parseNotification } from './notification.ts'
import { parseReplication, targetArns } from './replication.ts'
import { S3Error } from './s3-error.ts'
import { parseWebsite, redirectedKey, ruleFor } from './website.ts'
import { parseXml, type XmlElement } from './xml-parser.ts'
import { documentText } from './xml-shape.ts'

const SAMPLES: readonly string[] = [
  '<CORSConfiguration><CORSRule><ID>a</ID><AllowedOrigin>http://*.x</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>3</MaxAgeSeconds></CORSRule></CORSConfiguration>',
  '<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument><ErrorDocument><Key>e</Key></ErrorDocument><RoutingRules><RoutingRule><Condition><KeyPrefixEquals>a</KeyPrefixEquals><HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals></Condition><Redirect><HostName>h</HostName><ReplaceKeyPrefixWith>b</ReplaceKeyPrefixWith></Redirect></RoutingRule></RoutingRules></WebsiteConfiguration>',
  '<LifecycleConfiguration><Rule><ID>r</ID><Status>Enabled</Status><Filter><And><Prefix>p</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter><Expiration><Days>1</Days></Expiration><NoncurrentVersionExpiration><NoncurrentDays>2</NoncurrentDays></NoncurrentVersionExpiration><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>',
  '<NotificationConfiguration><QueueConfiguration><Id>a</Id><Filter><S3Key><FilterRule><Name>prefix</Name><Value>p/</Value></FilterRule></S3Key></Filter><Event>s3:ObjectCreated:*</Event><Queue>arn:minio:sqs::1:webhook</Queue></QueueConfiguration></NotificationConfiguration>',
  '<ReplicationConfiguration><Role></Role><Rule><Status>Enabled</Status><Priority>1</Priority><DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication><Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter><Destination><Bucket>arn:minio:replication::id:b</Bucket></Destination></Rule></ReplicationConfiguration>',
]
const TEXTS = [
  '',
  '*',
  '-1',
  '0',
  '99999999999999999999',
  'Enabled',
  '/',
  '../',
  '\u0001',
  '&#0;',
  '&lt;',
]

function broken(random: Random): string {
  let text = SAMPLES[random.below(SAMPLES.length)] ?? ''
  for (let i = random.below(4); i > 0; i--) text = change(random, text)
  return text
}

function change(random: Random, text: string): string {
  const elements = [...text.matchAll(/<(\w+)>[^<]*<\/\1>/g)]
  const found = elements[random.below(Math.max(1, elements.length))]
  if (found === undefined) return text
  const [whole, name = ''] = found
  const value = TEXTS[random.below(TEXTS.length)] ?? ''
  switch (random.below(6)) {
    case 0:
      return text.replace(whole, '')
    case 1:
      return text.replace(whole, whole + whole)
    case 2:
      return text.replace(whole, `<${name}>${value}</${name}>`)
    case 3:
      return text.replace(whole, `<${name}>${whole}</${name}>`)
    case 4:
      return text.replaceAll(name, elements[random.below(elements.length)]?.[1] ?? name)
    default:
      return (
        text.slice(0, random.below(text.length)) + value + text.slice(random.below(text.length))
      )
  }
}

function use(root: XmlElement, random: Random): void {
  const key = TEXTS[random.below(TEXTS.length)] ?? ''
  switch (root.name) {
    case 'CORSConfiguration': {
      const question = { origin: key, method: 'GET', headers: [key] }
      matchCors(parseCors(root), question)
      break
    }
    case 'WebsiteConfiguration': {
      const site = parseWebsite(root)
      if (site.kind === 'redirect') break
      const rule = ruleFor(site.rules, `a${key}`, random.below(2) === 0 ? undefined : 404)
      if (rule !== undefined) redirectedKey(rule, `a${key}`)
      break
    }
    case 'LifecycleConfiguration': {
      const lifecycle = parseLifecycle(root)
      checkLifecycle(lifecycle, { objectLock: random.below(2) === 0, isTier: () => true })
      const text = lifecycleText(lifecycle)
      const again = parseLifecycle(parseXml(utf8(text)))
      checkLifecycle(again, { objectLock: false, isTier: () => true })
      assert.equal(lifecycleText(again), text)
      break
    }
    case 'NotificationConfiguration': {
      const text = notificationText(parseNotification(root), '')
      assert.equal(notificationText(parseNotification(parseXml(utf8(text))), ''), text)
      break
    }
    default:
      targetArns(parseReplication(root))
  }
}

fuzz('documents of bucket settings', (random) => {
  try {
    const root = parseXml(utf8(broken(random)))
    use(root, random)
    const text = documentText(root)
    assert.equal(documentText(parseXml(utf8(text))), text)
  } catch (error) {
    if (!(error instanceof S3Error)) throw error
  }
})
