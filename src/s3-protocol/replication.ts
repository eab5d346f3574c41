/** Replication documents (s3-api.md 4.13, ilm-replication-events.md 3.2). */
import { S3Error } from './s3-error.ts'
import type { XmlElement } from './xml-parser.ts'

export interface ReplicationRule {
  readonly status: 'Enabled' | 'Disabled'
  readonly priority: number
  /** ARN of a target, or of a bucket when the document names the target for all. */
  readonly destination: string
}

export interface Replication {
  readonly role: string
  readonly rules: readonly ReplicationRule[]
}

const RULES_MAX = 1000
const ID_MAX_BYTES = 255
const LEGACY = 'arn:aws:s3:::'
const TARGET = 'arn:minio:replication:'

function malformed(message?: string): S3Error {
  return new S3Error('MalformedXML', message === undefined ? {} : { message })
}

/** Reads and judges a document, but for the state of its targets. `MalformedXML` with MinIO's texts. */
export function parseReplication(root: XmlElement): Replication {
  if (root.name !== 'ReplicationConfiguration') throw malformed()
  const rules = root.children('Rule').map(parseRule)
  if (rules.length > RULES_MAX) {
    throw malformed('Replication configuration allows a maximum of 1000 rules')
  }
  if (rules.length === 0) {
    throw malformed('Replication configuration should have at least one rule')
  }
  if (new Set(rules.map((rule) => rule.priority)).size !== rules.length) {
    throw malformed('Replication configuration has duplicate priority')
  }
  const role = root.childText('Role')?.trim() ?? ''
  const destinations = new Set(rules.map((rule) => rule.destination))
  if (role !== '' && destinations.size > 1) {
    throw malformed('`Role` should be empty in ReplicationConfiguration for multiple targets')
  }
  if (role === '' && rules.some((rule) => rule.destination.startsWith(LEGACY))) {
    throw malformed('Missing required parameter `Role` in ReplicationConfiguration')
  }
  return { role, rules }
}

function parseRule(rule: XmlElement): ReplicationRule {
  if (Buffer.byteLength(rule.childText('ID') ?? '') > ID_MAX_BYTES) {
    throw malformed('ID must be less than 255 characters')
  }
  const status = rule.childText('Status')?.trim() ?? ''
  if (status === '') throw malformed('Status should not be empty')
  if (status !== 'Enabled' && status !== 'Disabled') {
    throw malformed('Status must be set to either Enabled or Disabled')
  }
  const priority = rule.childText('Priority')?.trim()
  if (priority === undefined) throw malformed('Priority must be specified')
  if (!/^\d{1,9}$/.test(priority)) throw malformed()
  checkStatuses(rule)
  checkFilter(rule)
  return { status, priority: Number(priority), destination: destinationOf(rule) }
}

function checkStatuses(rule: XmlElement): void {
  const markers = rule.child('DeleteMarkerReplication')
  if (markers === undefined) throw malformed('DeleteMarkerReplication must be specified')
  const checks: readonly (readonly [XmlElement | undefined, string])[] = [
    [markers, 'Delete marker replication status is invalid'],
    [rule.child('DeleteReplication'), 'Delete replication is either enable|disable'],
    [rule.child('ExistingObjectReplication'), 'Existing object replication status is invalid'],
    [
      rule.child('SourceSelectionCriteria')?.child('ReplicaModifications'),
      'Invalid ReplicaModification status',
    ],
  ]
  for (const [element, message] of checks) {
    const status = element?.childText('Status')?.trim()
    if (element !== undefined && status !== 'Enabled' && status !== 'Disabled') {
      throw malformed(message)
    }
  }
}

function checkFilter(rule: XmlElement): void {
  const filter = rule.child('Filter')
  if (filter === undefined) return
  const and = filter.child('And')
  const isKnown = (child: XmlElement): boolean => child.name === 'Prefix' || child.name === 'Tag'
  const others = filter.children().filter((child) => child !== and)
  const isSound =
    others.every(isKnown) &&
    (and?.children() ?? []).every(isKnown) &&
    others.filter((child) => child.name !== 'Prefix' || child.text !== '').length +
      (and === undefined ? 0 : 1) <=
      1
  if (!isSound) {
    throw malformed('Filter must have exactly one of Prefix, Tag, or And specified')
  }
  const tags = (and ?? filter).children('Tag')
  const keys = tags.map((tag) => tag.childText('Key') ?? '')
  for (const tag of tags) checkTag(tag)
  if (new Set(keys).size !== keys.length) throw malformed('Duplicate Tag Keys are not allowed')
  const marks = rule.child('DeleteMarkerReplication')?.childText('Status')?.trim() === 'Enabled'
  if (marks && tags.length > 0) {
    throw malformed('Delete marker replication is not supported if any Tag filter is specified')
  }
}

function checkTag(tag: XmlElement): void {
  const length = Array.from(tag.childText('Key') ?? '').length
  if (length < 1 || length > 128) throw malformed('The TagKey you have provided is invalid')
  if (Array.from(tag.childText('Value') ?? '').length > 256) {
    throw malformed('The TagValue you have provided is invalid')
  }
}

function destinationOf(rule: XmlElement): string {
  const destination = rule.child('Destination')
  const arn = destination?.childText('Bucket')?.trim()
  if (destination === undefined || arn === undefined || arn === '') {
    throw malformed('Missing required parameter `Destination` in Replication rule')
  }
  if (!arn.startsWith(TARGET) && !(arn.startsWith(LEGACY) && arn.length > LEGACY.length)) {
    throw malformed(`invalid destination '${arn}'`)
  }
  const storageClass = destination.childText('StorageClass')?.trim() ?? ''
  if (!['', 'STANDARD', 'REDUCED_REDUNDANCY'].includes(storageClass)) throw malformed()
  return arn
}

/** ARNs of the remote targets that a document replicates to, each once. `XMinioAdminRemoteArnInvalid`, `XMinioAdminRemoteARNTypeInvalid`. */
export function targetArns({ role, rules }: Replication): readonly string[] {
  const arns = new Set(rules.map(({ destination }) => (role === '' ? destination : role)))
  for (const arn of arns) {
    const [head, , type, , id, bucket] = arn.split(':')
    if (head !== 'arn' || id === undefined || id === '' || bucket === undefined || bucket === '') {
      throw new S3Error('XMinioAdminRemoteArnInvalid')
    }
    if (type !== 'replication') throw new S3Error('XMinioAdminRemoteARNTypeInvalid')
  }
  return [...arns]
}
