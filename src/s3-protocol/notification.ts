/** Notification documents (s3-api.md 4.11, ilm-replication-events.md 5.1 and 5.3). */
import { hasDotSegment } from './names.ts'
import { S3Error } from './s3-error.ts'
import type { XmlElement } from './xml-parser.ts'
import { storedText } from './xml-shape.ts'
import { S3_NAMESPACE, XML_DECLARATION } from './xml-writer.ts'

export interface QueueRule {
  readonly id: string
  readonly prefix: string | undefined
  readonly suffix: string | undefined
  readonly events: readonly string[]
  readonly queue: QueueArn
}

/** `arn:minio:sqs:<region>:<target>:<type>` */
export interface QueueArn {
  readonly region: string
  readonly target: string
  readonly type: string
}

const EVENTS = new Set([
  ...group('s3:ObjectAccessed:', 'Get GetRetention GetLegalHold Head Attributes *'),
  ...group('s3:ObjectCreated:', 'CompleteMultipartUpload Copy Post Put PutRetention PutLegalHold'),
  ...group('s3:ObjectCreated:', 'PutTagging DeleteTagging *'),
  ...group('s3:ObjectRemoved:', 'Delete DeleteMarkerCreated DeleteAllVersions NoOP *'),
  ...group('s3:', 'BucketCreated:* BucketRemoved:*'),
  ...group('s3:Replication:', 'OperationFailedReplication OperationCompletedReplication'),
  ...group('s3:Replication:', 'OperationMissedThreshold OperationReplicatedAfterThreshold'),
  ...group('s3:Replication:', 'OperationNotTracked *'),
  ...group('s3:ObjectRestore:', 'Post Completed Delete *'),
  ...group('s3:ObjectTransition:', 'Failed Complete *'),
  ...group('s3:Scanner:', 'ManyVersions LargeVersions BigPrefix *'),
  ...group('s3:', 'LifecycleDelMarkerExpiration:Delete LifecycleTransition IntelligentTiering'),
  ...group('s3:', 'ReducedRedundancyLostObject TestEvent ObjectAcl:Put'),
  ...group('s3:ObjectTagging:', 'Put Delete *'),
  ...group('s3:LifecycleExpiration:', 'Delete DeleteMarkerCreated *'),
])

function group(prefix: string, names: string): readonly string[] {
  return names.split(' ').map((name) => prefix + name)
}

const VALUE_MAX_BYTES = 1024
const ARN = /^arn:minio:sqs:([^:]*):([^:]+):([a-z]+)$/
const ARN_MESSAGE =
  'A specified destination ARN does not exist or is not well-formed. Verify the destination ARN.'
const OVERLAP_MESSAGE =
  'An object key name filtering rule defined with overlapping prefixes, overlapping suffixes, or overlapping combinations of prefixes and suffixes for the same event types.'

function invalid(message: string): S3Error {
  return new S3Error('InvalidArgument', { message })
}

function isEventName(name: string): boolean {
  return EVENTS.has(name)
}

/** The rules of a document, judged but for their targets. `MalformedXML`, `InvalidArgument`, `UnsupportedNotification`. */
export function parseNotification(root: XmlElement): readonly QueueRule[] {
  if (root.name !== 'NotificationConfiguration') throw new S3Error('MalformedXML')
  const queues: XmlElement[] = []
  for (const child of root.children()) {
    switch (child.name) {
      case 'QueueConfiguration':
        queues.push(child)
        break
      case 'TopicConfiguration':
      case 'CloudFunctionConfiguration':
        throw new S3Error('UnsupportedNotification')
      case 'EventBridgeConfiguration':
        break
      default:
        throw new S3Error('MalformedXML')
    }
  }
  const rules = queues.map(parseQueue)
  const seen = new Set<string>()
  for (const rule of rules) {
    const text = JSON.stringify({ ...rule, id: '', events: rule.events.toSorted() })
    if (seen.has(text)) throw invalid(OVERLAP_MESSAGE)
    seen.add(text)
  }
  return rules
}

function parseQueue(element: XmlElement): QueueRule {
  const events = element.children('Event').map((event) => event.text.trim())
  const queue = element.childText('Queue')?.trim()
  if (events.length === 0 || queue === undefined) throw new S3Error('MalformedXML')
  for (const event of events) {
    if (!isEventName(event)) {
      throw invalid('A specified event is not supported for notifications.')
    }
  }
  if (new Set(events).size !== events.length) {
    throw invalid(
      'Configurations overlap. Configurations on the same bucket cannot share a common event type.',
    )
  }
  const filters = filtersOf(element.child('Filter'))
  return {
    id: element.childText('Id') ?? '',
    prefix: filters.get('prefix'),
    suffix: filters.get('suffix'),
    events,
    queue: parseQueueArn(queue),
  }
}

function filtersOf(filter: XmlElement | undefined): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const rule of filter?.child('S3Key')?.children('FilterRule') ?? []) {
    const name = rule.childText('Name')?.trim().toLowerCase() ?? ''
    const value = rule.childText('Value') ?? ''
    if (name !== 'prefix' && name !== 'suffix') {
      throw invalid('filter rule name must be either prefix or suffix')
    }
    if (found.has(name)) throw invalid(`Cannot specify more than one ${name} rule in a filter.`)
    checkFilterValue(value)
    found.set(name, value)
  }
  return found
}

/** Also of filters that listeners send. */
function checkFilterValue(value: string): void {
  const isSound =
    Buffer.byteLength(value) <= VALUE_MAX_BYTES && !value.includes('\\') && !hasDotSegment(value)
  if (isSound) return
  throw invalid('Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation')
}

function parseQueueArn(text: string): QueueArn {
  const match = ARN.exec(text)
  if (match === null) throw invalid(ARN_MESSAGE)
  return { region: match[1] ?? '', target: match[2] ?? '', type: match[3] ?? '' }
}

/** Refuses targets that are not there, and those of another region. */
export function checkTargets(
  rules: readonly QueueRule[],
  context: { readonly region: string; isTarget(arn: QueueArn): boolean },
): void {
  for (const { queue } of rules) {
    if (queue.region !== '' && context.region !== '' && queue.region !== context.region) {
      throw invalid(
        'A specified destination is in a different region than the bucket. You must use a destination that resides in the same region as the bucket.',
      )
    }
    if (!context.isTarget(queue)) throw invalid(ARN_MESSAGE)
  }
}

/** The document as it is stored and shown, with the server's region in its targets. */
export function notificationText(rules: readonly QueueRule[], region: string): string {
  const content = rules.map((rule) => element('QueueConfiguration', ruleText(rule, region)))
  return `${XML_DECLARATION}<NotificationConfiguration xmlns="${S3_NAMESPACE}">${content.join('')}</NotificationConfiguration>`
}

function ruleText({ id, prefix, suffix, events, queue }: QueueRule, region: string): string {
  const filters = [
    ['prefix', prefix],
    ['suffix', suffix],
  ].flatMap(([name, value]) =>
    name === undefined || value === undefined
      ? []
      : [element('FilterRule', element('Name', name) + element('Value', storedText(value)))],
  )
  return [
    element('Id', storedText(id)),
    filters.length === 0 ? '' : element('Filter', element('S3Key', filters.join(''))),
    ...events.map((event) => element('Event', event)),
    element('Queue', storedText(`arn:minio:sqs:${region}:${queue.target}:${queue.type}`)),
  ].join('')
}

function element(name: string, content: string): string {
  return `<${name}>${content}</${name}>`
}
