/** Lifecycle documents (s3-api.md 4.10, ilm-replication-events.md 1.2 and 1.3): reading, judging, writing. */
import { parseIsoTime } from './dates.ts'
import { S3Error } from './s3-error.ts'
import type { XmlElement } from './xml-parser.ts'
import { storedText } from './xml-shape.ts'
import { S3_NAMESPACE } from './xml-writer.ts'

export interface LifecycleTag {
  readonly key: string
  readonly value: string
}

/** What a rule is about: everything that has all of it. */
export interface LifecycleFilter {
  /** How the document says it; `none`: an empty filter. */
  readonly form: 'none' | 'one' | 'and'
  readonly prefix: string | undefined
  readonly tags: readonly LifecycleTag[]
  /** 0: not set. */
  readonly sizeOver: number
  readonly sizeUnder: number
}

export interface LifecycleTransition {
  readonly days: number | undefined
  /** As written. */
  readonly date: string | undefined
  readonly storageClass: string
}

export interface LifecycleExpiration {
  readonly days: number | undefined
  /** As written. */
  readonly date: string | undefined
  readonly deleteMarker: boolean | undefined
  /** Extension: all versions go. */
  readonly allVersions: boolean | undefined
}

export interface NoncurrentRule {
  readonly days: number | undefined
  readonly newerVersions: number | undefined
}

export interface LifecycleRule {
  /** Empty: none given. */
  readonly id: string
  readonly status: string
  /** In its old place, directly in the rule. */
  readonly prefix: string | undefined
  readonly filter: LifecycleFilter | undefined
  readonly expiration: LifecycleExpiration | undefined
  readonly transitions: readonly LifecycleTransition[]
  /** Extension. */
  readonly markerExpirationDays: number | undefined
  readonly noncurrentExpiration: NoncurrentRule | undefined
  readonly noncurrentTransitions: readonly (NoncurrentRule & { readonly storageClass: string })[]
  readonly abortUploadsDays: number | undefined
}

export interface Lifecycle {
  readonly rules: readonly LifecycleRule[]
  /** MinIO's note about the last change of what expires; empty: none. */
  readonly expiryUpdatedAt: string
}

const RULES_MAX = 1000
const ID_MAX_BYTES = 255
const FILTER_TEXT = 'Filter must have exactly one of Prefix, Tag, or And specified'

function malformed(message?: string): S3Error {
  return new S3Error('MalformedXML', message === undefined ? {} : { message })
}

function invalid(message: string): S3Error {
  return new S3Error('InvalidArgument', { message })
}

/** Reads a document without judging its rules. Elements of rules that are not known are left out. `MalformedXML`. */
export function parseLifecycle(root: XmlElement): Lifecycle {
  if (root.name !== 'LifecycleConfiguration' && root.name !== 'BucketLifecycleConfiguration') {
    throw malformed()
  }
  for (const { name } of root.children()) {
    if (name !== 'Rule' && name !== 'ExpiryUpdatedAt') throw malformed()
  }
  return {
    rules: root.children('Rule').map(parseRule),
    expiryUpdatedAt: root.childText('ExpiryUpdatedAt')?.trim() ?? '',
  }
}

function parseRule(rule: XmlElement): LifecycleRule {
  const filter = rule.child('Filter')
  return {
    id: rule.childText('ID')?.trim() ?? '',
    status: rule.childText('Status')?.trim() ?? '',
    prefix: rule.childText('Prefix'),
    filter: filter === undefined ? undefined : parseFilter(filter),
    expiration: parseExpiration(rule.child('Expiration')),
    transitions: rule.children('Transition').map((element) => ({
      days: numberIn(element, 'Days'),
      date: element.childText('Date')?.trim(),
      storageClass: element.childText('StorageClass')?.trim() ?? '',
    })),
    markerExpirationDays: daysOf(rule.child('DelMarkerExpiration'), 'Days'),
    noncurrentExpiration: noncurrentOf(rule.child('NoncurrentVersionExpiration')),
    noncurrentTransitions: rule.children('NoncurrentVersionTransition').map((element) => ({
      days: numberIn(element, 'NoncurrentDays'),
      newerVersions: numberIn(element, 'NewerNoncurrentVersions'),
      storageClass: element.childText('StorageClass')?.trim() ?? '',
    })),
    abortUploadsDays: daysOf(rule.child('AbortIncompleteMultipartUpload'), 'DaysAfterInitiation'),
  }
}

function parseExpiration(element: XmlElement | undefined): LifecycleExpiration | undefined {
  if (element === undefined) return undefined
  return {
    days: numberIn(element, 'Days'),
    date: element.childText('Date')?.trim(),
    deleteMarker: switchIn(element, 'ExpiredObjectDeleteMarker'),
    allVersions: switchIn(element, 'ExpiredObjectAllVersions'),
  }
}

function noncurrentOf(element: XmlElement | undefined): NoncurrentRule | undefined {
  if (element === undefined) return undefined
  return {
    days: numberIn(element, 'NoncurrentDays'),
    newerVersions:
      numberIn(element, 'NewerNoncurrentVersions') ?? numberIn(element, 'MaxNoncurrentVersions'),
  }
}

/** The number in an element that means nothing without it; 0 when it lacks it, which no rule allows. */
function daysOf(element: XmlElement | undefined, name: string): number | undefined {
  return element === undefined ? undefined : (numberIn(element, name) ?? 0)
}

function parseFilter(filter: XmlElement): LifecycleFilter {
  const and = filter.child('And')
  const isAnd = and !== undefined
  const known = ['Prefix', 'Tag', 'ObjectSizeGreaterThan', 'ObjectSizeLessThan']
  for (const { name } of filter.children()) {
    if (name !== 'And' && !known.includes(name)) throw malformed('unknown XML Tag')
  }
  for (const { name } of and?.children() ?? []) {
    if (!known.includes(name)) throw malformed('unknown XML Tag')
  }
  // An empty prefix beside another predicate is how MinIO writes filters by size.
  const predicates = filter.children().filter((c) => c.name !== 'Prefix' || c.text !== '')
  if (predicates.length > 1 || filter.children().length > 2) throw malformed(FILTER_TEXT)
  const source = and ?? filter
  const tags = source.children('Tag').map(parseTag)
  const sizeOver = numberIn(source, 'ObjectSizeGreaterThan') ?? 0
  const sizeUnder = numberIn(source, 'ObjectSizeLessThan') ?? 0
  if (sizeOver < 0 || sizeUnder < 0) throw malformed()
  if (isAnd) checkAnd(and, tags)
  return {
    form: isAnd ? 'and' : filter.children().length === 0 ? 'none' : 'one',
    prefix: source.childText('Prefix'),
    tags,
    sizeOver,
    sizeUnder,
  }
}

function checkAnd(and: XmlElement, tags: readonly LifecycleTag[]): void {
  const names = and.children().map((child) => child.name)
  const singles = names.filter((name) => name !== 'Tag')
  if (names.length < 2 || new Set(singles).size !== singles.length) throw malformed()
  if (new Set(tags.map((tag) => tag.key)).size !== tags.length) {
    throw invalid('Duplicate Tag Keys are not allowed')
  }
}

function parseTag(element: XmlElement): LifecycleTag {
  const names = element.children().map((child) => child.name)
  if (names.some((name) => name !== 'Key' && name !== 'Value')) throw malformed('unknown XML Tag')
  if (new Set(names).size !== names.length) throw malformed('duplicated XML Tag')
  const key = element.childText('Key') ?? ''
  const value = element.childText('Value') ?? ''
  const keyLength = Array.from(key).length
  if (keyLength < 1 || keyLength > 128) throw invalid('The TagKey you have provided is invalid')
  if (Array.from(value).length > 256) throw invalid('The TagValue you have provided is invalid')
  return { key, value }
}

function numberIn(element: XmlElement, name: string): number | undefined {
  const text = element.childText(name)?.trim()
  if (text === undefined) return undefined
  if (!/^[+-]?\d{1,15}$/.test(text)) throw malformed()
  return Number(text)
}

function switchIn(element: XmlElement, name: string): boolean | undefined {
  const text = element.childText(name)?.trim().toLowerCase()
  if (text === undefined) return undefined
  if (text !== 'true' && text !== 'false') throw malformed()
  return text === 'true'
}

export interface LifecycleContext {
  /** Whether the bucket has object lock. */
  readonly objectLock: boolean
  /** Whether a remote tier has this name. */
  isTier(name: string): boolean
}

/** Refuses rules that are not allowed, with the texts of MinIO and the codes of AWS. */
export function checkLifecycle({ rules }: Lifecycle, context: LifecycleContext): void {
  if (rules.length > RULES_MAX) {
    throw invalid('Lifecycle configuration allows a maximum of 1000 rules')
  }
  if (rules.length === 0) {
    throw malformed('Lifecycle configuration should have at least one rule')
  }
  for (const rule of rules) checkRule(rule)
  const ids = rules.map((rule) => rule.id).filter((id) => id !== '')
  if (new Set(ids).size !== ids.length) {
    throw invalid('Rule ID must be unique. Found same ID for more than one rule')
  }
  if (context.objectLock && rules.some(removesAllVersions)) {
    throw invalid(
      'ExpiredObjectAllVersions element and DelMarkerExpiration action cannot be used on an object locked bucket',
    )
  }
  for (const { transitions, noncurrentTransitions } of rules) {
    for (const { storageClass } of [...transitions, ...noncurrentTransitions]) {
      if (!context.isTier(storageClass)) throw new S3Error('InvalidStorageClass')
    }
  }
}

/** The extensions that no locked bucket may have. */
export function removesAllVersions(rule: LifecycleRule): boolean {
  return rule.expiration?.allVersions === true || rule.markerExpirationDays !== undefined
}

function checkRule(rule: LifecycleRule): void {
  const { filter } = rule
  if (Buffer.byteLength(rule.id) > ID_MAX_BYTES) {
    throw invalid('ID length is limited to 255 characters')
  }
  if (rule.status === '') throw malformed('Status should not be empty')
  if (rule.status !== 'Enabled' && rule.status !== 'Disabled') {
    throw malformed('Status must be set to either Enabled or Disabled')
  }
  if (rule.prefix !== undefined && filter !== undefined && filter.form !== 'none') throw malformed()
  if (rule.expiration !== undefined) checkExpiration(rule.expiration)
  checkTransitions(rule)
  const { markerExpirationDays, noncurrentExpiration, abortUploadsDays } = rule
  if (markerExpirationDays !== undefined) {
    if (markerExpirationDays <= 0) {
      throw invalid('Days must be a positive integer with DelMarkerExpiration')
    }
    if (hasTags(filter)) {
      throw invalid('Rule with DelMarkerExpiration cannot have tags based filtering')
    }
  }
  if (noncurrentExpiration !== undefined) {
    const { days = 0, newerVersions = 0 } = noncurrentExpiration
    if (days < 0 || newerVersions < 0 || (days === 0 && newerVersions === 0)) throw malformed()
  }
  if (abortUploadsDays !== undefined) checkAbort(abortUploadsDays, filter)
  const hasAction =
    rule.expiration !== undefined ||
    rule.transitions.length > 0 ||
    rule.noncurrentTransitions.length > 0 ||
    noncurrentExpiration !== undefined ||
    markerExpirationDays !== undefined ||
    abortUploadsDays !== undefined
  if (!hasAction) throw malformed()
}

function hasTags(filter: LifecycleFilter | undefined): boolean {
  return filter !== undefined && filter.tags.length > 0
}

function checkAbort(days: number, filter: LifecycleFilter | undefined): void {
  if (days < 1) {
    throw invalid(
      "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer",
    )
  }
  if (hasTags(filter) || (filter?.sizeOver ?? 0) > 0 || (filter?.sizeUnder ?? 0) > 0) {
    throw new S3Error('InvalidRequest', {
      message: 'AbortIncompleteMultipartUpload cannot be specified with Tags or Object Size',
    })
  }
}

function checkExpiration(expiration: LifecycleExpiration): void {
  const { days, date, deleteMarker, allVersions } = expiration
  if ([days, date, deleteMarker, allVersions].every((value) => value === undefined)) {
    throw malformed()
  }
  if (date !== undefined) checkDate(date)
  if (days !== undefined && days <= 0) {
    throw invalid('Days must be positive integer when used with Expiration')
  }
  if (deleteMarker !== undefined && (days !== undefined || date !== undefined)) {
    throw malformed(
      'Delete marker cannot be specified with Days or Date in a Lifecycle Expiration Policy',
    )
  }
  if (days !== undefined && date !== undefined) {
    throw invalid(
      'Exactly one of Days (positive integer) or Date (positive ISO 8601 format) should be present inside Expiration.',
    )
  }
  if (allVersions === true && days === undefined) {
    throw invalid(
      'Days (positive integer) should be present inside Expiration with ExpiredObjectAllVersions.',
    )
  }
}

function checkDate(date: string): void {
  const ms = /(?:Z|[+-]\d{2}:\d{2})$/.test(date) ? parseIsoTime(date) : undefined
  if (ms === undefined) throw malformed('Date must be provided in ISO 8601 format')
  if (ms % 86_400_000 !== 0) throw invalid("'Date' must be at midnight GMT")
}

function checkTransitions(rule: LifecycleRule): void {
  let lastDays = -1
  for (const { days, date, storageClass } of rule.transitions) {
    if (date !== undefined) checkDate(date)
    if (days !== undefined && days < 0) {
      throw invalid('Days must be 0 or greater when used with Transition')
    }
    if (date !== undefined && days !== undefined && days > 0) {
      throw malformed(
        'Exactly one of Days (0 or greater) or Date (positive ISO 8601 format) should be present in Transition.',
      )
    }
    if (storageClass === '') throw malformed()
    if (rule.transitions.length === 1) continue
    if (days === undefined || days <= lastDays) {
      throw invalid("'Days' in the Transition actions must increase from one to the next")
    }
    lastDays = days
  }
  for (const { days = 0, storageClass } of rule.noncurrentTransitions) {
    if (days < 0 || storageClass === '') throw malformed()
  }
}

/** True when the rule lets objects expire: what MinIO dates with `ExpiryUpdatedAt`. */
export function isExpiryRule(rule: LifecycleRule): boolean {
  const { expiration } = rule
  return (
    expiration?.days !== undefined ||
    expiration?.date !== undefined ||
    rule.noncurrentExpiration !== undefined
  )
}

/** The document as it is stored, in MinIO's order of elements. */
export function lifecycleText({ rules, expiryUpdatedAt }: Lifecycle): string {
  const parts = rules.map((rule) => element('Rule', ruleText(rule)))
  if (expiryUpdatedAt !== '') parts.push(element('ExpiryUpdatedAt', expiryUpdatedAt))
  return `<LifecycleConfiguration xmlns="${S3_NAMESPACE}">${parts.join('')}</LifecycleConfiguration>`
}

function ruleText(rule: LifecycleRule): string {
  const { expiration, noncurrentExpiration } = rule
  return [
    leaf('ID', rule.id),
    leaf('Status', rule.status),
    rule.filter === undefined ? '' : element('Filter', filterText(rule.filter)),
    leaf('Prefix', rule.prefix),
    expiration === undefined
      ? ''
      : element(
          'Expiration',
          leaf('Days', expiration.days) +
            leaf('Date', expiration.date) +
            leaf('ExpiredObjectDeleteMarker', expiration.deleteMarker) +
            leaf('ExpiredObjectAllVersions', expiration.allVersions),
        ),
    ...rule.transitions.map(({ days, date, storageClass }) =>
      element(
        'Transition',
        leaf('Days', days) + leaf('Date', date) + leaf('StorageClass', storageClass),
      ),
    ),
    rule.markerExpirationDays === undefined
      ? ''
      : element('DelMarkerExpiration', leaf('Days', rule.markerExpirationDays)),
    noncurrentExpiration === undefined
      ? ''
      : element('NoncurrentVersionExpiration', noncurrentText(noncurrentExpiration)),
    ...rule.noncurrentTransitions.map((transition) =>
      element(
        'NoncurrentVersionTransition',
        noncurrentText(transition) + leaf('StorageClass', transition.storageClass),
      ),
    ),
    rule.abortUploadsDays === undefined
      ? ''
      : element(
          'AbortIncompleteMultipartUpload',
          leaf('DaysAfterInitiation', rule.abortUploadsDays),
        ),
  ].join('')
}

function noncurrentText({ days, newerVersions }: NoncurrentRule): string {
  return leaf('NoncurrentDays', days) + leaf('NewerNoncurrentVersions', newerVersions)
}

function filterText(filter: LifecycleFilter): string {
  const { prefix, sizeOver, sizeUnder } = filter
  const hasSize = sizeOver > 0 || sizeUnder > 0
  const parts =
    (hasSize && filter.form === 'one' && prefix === '' ? '' : leaf('Prefix', prefix)) +
    filter.tags
      .map((tag) => element('Tag', leaf('Key', tag.key) + leaf('Value', tag.value)))
      .join('') +
    (sizeOver > 0 ? leaf('ObjectSizeGreaterThan', sizeOver) : '') +
    (sizeUnder > 0 ? leaf('ObjectSizeLessThan', sizeUnder) : '')
  return filter.form === 'and' ? element('And', parts) : parts
}

function element(name: string, content: string): string {
  return `<${name}>${content}</${name}>`
}

function leaf(name: string, value: string | number | boolean | undefined): string {
  return value === undefined ? '' : element(name, storedText(String(value)))
}
