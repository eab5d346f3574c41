/** Uploads of browsers (s3-api.md 6.1): what is a form, its policy document, and whether the form keeps to it. */
import { strictTextOf } from '#base/bytes'
import { S3Error } from './s3-error.ts'

interface FieldCondition {
  readonly operator: 'eq' | 'starts-with'
  /** Lower case, with its `$`: without one it names no field, and nothing holds. */
  readonly field: string
  readonly value: string
  /** As the policy says it, for messages. */
  readonly quoted: string
}

export interface PostPolicy {
  readonly expiresMs: number
  readonly conditions: readonly FieldCondition[]
  /** Intersection of all `content-length-range` conditions. */
  readonly sizeMinBytes: number
  readonly sizeMaxBytes: number
}

/** What a form says, for the conditions. */
export interface PostedForm {
  /** By lower-case name; `key` as it will be stored, `bucket` as addressed. */
  readonly fields: ReadonlyMap<string, string>
  /** Names that came more than once. */
  readonly repeated: ReadonlySet<string>
}

const EXACT_ONLY = new Set(['bucket', 'x-amz-algorithm', 'x-amz-credential', 'x-amz-date'])

/** Fields that a policy need not name: they are parts of the signature, keys of the client, or looked at elsewhere. */
const UNNAMED = new Set([
  'file',
  'policy',
  'signature',
  'awsaccesskeyid',
  'x-amz-signature',
  'x-amz-server-side-encryption-aws-kms-key-id',
  'x-amz-server-side-encryption-context',
  'x-amz-server-side-encryption-customer-algorithm',
  'x-amz-server-side-encryption-customer-key',
  'x-amz-server-side-encryption-customer-key-md5',
  'x-minio-fanout-list',
])

/** Whether a `Content-Type` is that of a form, in any case. */
export function isFormType(contentType: string | undefined): boolean {
  return contentType?.toLowerCase().startsWith('multipart/form-data') === true
}

/** Reads a policy. Throws 400 `InvalidPolicyDocument`. */
export function parsePostPolicy(base64: string): PostPolicy {
  const document = parseDocument(decode(base64))
  const expiresMs = expirationOf(document['expiration'])
  const conditions: FieldCondition[] = []
  let [sizeMinBytes, sizeMaxBytes] = [0, Number.MAX_SAFE_INTEGER]
  for (const entry of listOf(document['conditions'])) {
    const range = rangeOf(entry)
    if (range === undefined) {
      conditions.push(conditionOf(entry))
      continue
    }
    sizeMinBytes = Math.max(sizeMinBytes, range.min)
    sizeMaxBytes = Math.min(sizeMaxBytes, range.max)
  }
  return { expiresMs, conditions, sizeMinBytes, sizeMaxBytes }
}

function listOf(conditions: unknown): readonly unknown[] {
  if (conditions === undefined) throw invalid('Policy missing conditions.')
  if (!isList(conditions)) throw invalid("Invalid 'conditions' value: must be a List.")
  return conditions
}

function invalid(cause: string): S3Error {
  return new S3Error('InvalidPolicyDocument', { message: `Invalid Policy: ${cause}` })
}

function decode(base64: string): string {
  if (base64 === '') throw invalid("Expecting '{' but found End-of-Input")
  let text: string | undefined
  try {
    text = strictTextOf(Uint8Array.fromBase64(base64))
  } catch {
    // Told below, like bytes that are no text.
  }
  if (text === undefined) throw invalid('invalid Base64 encoding.')
  return text
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value)
}

/** What is no JSON, or JSON of another kind. */
function notJson(): S3Error {
  return invalid('Invalid JSON.')
}

function parseDocument(text: string): Readonly<Record<string, unknown>> {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    throw notJson()
  }
  if (!isRecord(document)) throw notJson()
  for (const name of Object.keys(document)) {
    if (name !== 'expiration' && name !== 'conditions') throw invalid(`Unexpected: "${name}"`)
  }
  // Which of two would count is a guess that readers of the signed text may make differently.
  for (const name of ['expiration', 'conditions']) {
    if (text.split(`"${name}"`).length > 2 && countMembers(text, name) > 1) {
      throw invalid(`Duplicate '${name}'`)
    }
  }
  return document
}

/** How often a valid document has a member at its top level. */
function countMembers(text: string, name: string): number {
  let [depth, count] = [0, 0]
  for (const match of text.matchAll(/"(?:[^"\\]|\\.)*"\s*(:?)|[{}[\]]/gs)) {
    const [token] = match
    if (token === '{' || token === '[') depth += 1
    else if (token === '}' || token === ']') depth -= 1
    else if (depth === 1 && match[1] === ':' && token.startsWith(`"${name}"`)) count += 1
  }
  return count
}

function expirationOf(value: unknown): number {
  if (value === undefined) throw invalid('Policy missing expiration.')
  if (typeof value !== 'string') throw notJson()
  const isDate = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/.test(value)
  const ms = isDate ? Date.parse(value) : Number.NaN
  if (Number.isNaN(ms)) throw invalid(`Invalid 'expiration' value: '${value}'`)
  return ms
}

function rangeOf(entry: unknown): { readonly min: number; readonly max: number } | undefined {
  if (!isList(entry)) return undefined
  const [operator, ...bounds] = entry
  if (typeof operator !== 'string' || operator.toLowerCase() !== 'content-length-range') {
    return undefined
  }
  if (bounds.length !== 2) throw wrongCount(operator)
  const [min, max] = bounds.map(boundOf)
  if (min !== undefined && max !== undefined && min <= max) return { min, max }
  const areNumbers = bounds.every((bound) => typeof bound === 'number')
  throw areNumbers ? invalid('Invalid content-length-range') : notJson()
}

function boundOf(value: unknown): number | undefined {
  const isText = typeof value === 'string' && /^\d{1,15}$/.test(value)
  const bound = isText ? Number(value) : value
  return typeof bound === 'number' && Number.isSafeInteger(bound) && bound >= 0 ? bound : undefined
}

function wrongCount(operator: string): S3Error {
  return invalid(`Invalid ${operator}: wrong number of arguments.`)
}

function conditionOf(entry: unknown): FieldCondition {
  if (isRecord(entry)) return simpleCondition(entry)
  if (!isList(entry)) throw invalid('Invalid condition test: must be a List or Object.')
  const [operator, field, value] = entry
  if (operator === undefined) throw invalid('Invalid Condition: missing operation identifier.')
  if (typeof operator !== 'string') throw notJson()
  const name = operator.toLowerCase()
  if (name !== 'eq' && name !== 'starts-with') {
    throw invalid(`Invalid Condition: unknown operation '${operator}'.`)
  }
  if (entry.length !== 3) throw wrongCount(operator)
  if (typeof field !== 'string' || typeof value !== 'string') throw notJson()
  return { operator: name, field: field.toLowerCase(), value, quoted: JSON.stringify(entry) }
}

/** `{"field": "value"}` */
function simpleCondition(entry: Readonly<Record<string, unknown>>): FieldCondition {
  const [pair, ...more] = Object.entries(entry)
  if (pair === undefined || more.length > 0) {
    throw invalid(
      'Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.',
    )
  }
  const [field, value] = pair
  if (typeof value !== 'string') throw invalid('Invalid Simple-Condition: value must be a string.')
  const quoted = `["eq", ${JSON.stringify(`$${field}`)}, ${JSON.stringify(value)}]`
  return { operator: 'eq', field: `$${field.toLowerCase()}`, value, quoted }
}

/** Throws 403 `AccessDenied` when the policy is over, a condition does not hold, or a field is not named by any. */
export function checkPostPolicy(policy: PostPolicy, form: PostedForm, nowMs: number): void {
  if (policy.expiresMs <= nowMs) throw denied('Policy expired.')
  for (const condition of policy.conditions) {
    if (!holds(condition, form)) throw denied(`Policy Condition failed: ${toldOf(condition)}`)
  }
  const named = new Set(policy.conditions.map(({ field }) => field))
  for (const field of form.fields.keys()) {
    if (named.has(`$${field}`) || UNNAMED.has(field) || field.startsWith('x-ignore-')) continue
    throw denied(`Extra input fields: ${field}`)
  }
}

function denied(cause: string): S3Error {
  return new S3Error('AccessDenied', {
    message: `Invalid according to Policy: ${cause}`,
  })
}

/** As Amazon, but for checksums as MinIO: its client looks for that text (s3-api.md 7.3). */
function toldOf({ operator, field, value, quoted }: FieldCondition): string {
  return field.startsWith('$x-amz-checksum-') ? `[${operator}, ${field}, ${value}]` : quoted
}

function holds(condition: FieldCondition, form: PostedForm): boolean {
  const { operator, value } = condition
  const field = condition.field.slice(1)
  if (!condition.field.startsWith('$')) return false
  if (form.repeated.has(field)) return false
  const actual = form.fields.get(field) ?? ''
  if (operator === 'eq') return actual === value
  if (EXACT_ONLY.has(field)) return false
  if (field !== 'content-type' || value === '') return actual.startsWith(value)
  return actual.split(',').every((type) => type.trim().startsWith(value))
}

/** 400 `MalformedPOSTRequest`, with what is wrong. */
export function malformedForm(cause?: string): S3Error {
  return new S3Error('MalformedPOSTRequest', {
    message: `The body of your POST request is not well-formed multipart/form-data.${cause === undefined ? '' : ` (${cause})`}`,
  })
}
