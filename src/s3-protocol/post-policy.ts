/** The policy document of browser uploads (s3-api.md 6.1.3): parsing, and whether a form keeps to it. */
import { strictTextOf } from '#base/bytes'
import { S3Error } from './s3-error.ts'

interface FieldCondition {
  readonly operator: 'eq' | 'starts-with'
  /** Lower case, without `$`. */
  readonly field: string
  readonly value: string
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

/** Reads a policy. 400 `MalformedPOSTRequest` for bad base64, 400 `InvalidPolicyDocument` for everything else. */
export function parsePostPolicy(base64: string): PostPolicy {
  const document = parseDocument(decode(base64))
  const expiresMs = expirationOf(document['expiration'])
  const list = document['conditions']
  if (!isList(list)) throw invalid('Policy has no conditions')
  const conditions: FieldCondition[] = []
  let [sizeMinBytes, sizeMaxBytes] = [0, Number.MAX_SAFE_INTEGER]
  for (const entry of list) {
    const range = rangeOf(entry)
    if (range === undefined) {
      conditions.push(...conditionsOf(entry))
      continue
    }
    sizeMinBytes = Math.max(sizeMinBytes, range.min)
    sizeMaxBytes = Math.min(sizeMaxBytes, range.max)
  }
  return { expiresMs, conditions, sizeMinBytes, sizeMaxBytes }
}

function invalid(cause: string): S3Error {
  return new S3Error('InvalidPolicyDocument', { message: `Invalid Policy: ${cause}` })
}

function decode(base64: string): string {
  let text: string | undefined
  try {
    text = strictTextOf(Uint8Array.fromBase64(base64))
  } catch {
    // Told below, like bytes that are no text.
  }
  if (text === undefined) throw new S3Error('MalformedPOSTRequest')
  return text
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value)
}

function parseDocument(text: string): Readonly<Record<string, unknown>> {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    throw invalid('Policy is not JSON')
  }
  if (!isRecord(document)) throw invalid('Policy is not an object')
  for (const name of Object.keys(document)) {
    if (name !== 'expiration' && name !== 'conditions') throw invalid(`Unexpected: '${name}'`)
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
  const isDate =
    typeof value === 'string' &&
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/.test(value)
  const ms = isDate ? Date.parse(value) : Number.NaN
  if (Number.isNaN(ms)) throw invalid('Policy has no valid expiration')
  return ms
}

function rangeOf(entry: unknown): { readonly min: number; readonly max: number } | undefined {
  if (!isList(entry)) return undefined
  const [operator, ...bounds] = entry
  if (typeof operator !== 'string' || operator.toLowerCase() !== 'content-length-range') {
    return undefined
  }
  const [min, max] = bounds.map(boundOf)
  if (bounds.length !== 2 || min === undefined || max === undefined || min > max) {
    throw invalid('Policy has a wrong content-length-range')
  }
  return { min, max }
}

function boundOf(value: unknown): number | undefined {
  const isText = typeof value === 'string' && /^\d{1,15}$/.test(value)
  const bound = isText ? Number(value) : value
  return typeof bound === 'number' && Number.isSafeInteger(bound) && bound >= 0 ? bound : undefined
}

function conditionsOf(entry: unknown): readonly FieldCondition[] {
  if (isRecord(entry)) {
    const pairs = Object.entries(entry)
    if (pairs.length === 0) throw invalid('Policy has an empty condition')
    return pairs.map(([field, value]) => conditionOf('eq', field, value))
  }
  if (!isList(entry) || entry.length !== 3) throw invalid('Policy has a wrong condition')
  const [operator, field, value] = entry
  const name = typeof operator === 'string' ? operator.toLowerCase() : ''
  if (name !== 'eq' && name !== 'starts-with') throw invalid('Policy has an unknown operator')
  if (typeof field !== 'string' || !field.startsWith('$')) {
    throw invalid('Policy has a condition without a field')
  }
  return [conditionOf(name, field.slice(1), value)]
}

function conditionOf(
  operator: 'eq' | 'starts-with',
  field: string,
  value: unknown,
): FieldCondition {
  if (typeof value !== 'string') throw invalid('Policy has a value that is no text')
  return { operator, field: field.toLowerCase(), value }
}

/** Throws 403 `AccessDenied` when the policy is over, a condition does not hold, or a field is not named by any. */
export function checkPostPolicy(policy: PostPolicy, form: PostedForm, nowMs: number): void {
  if (policy.expiresMs <= nowMs) throw denied('Policy expired.')
  for (const condition of policy.conditions) {
    if (!holds(condition, form)) {
      const { operator, field, value } = condition
      throw denied(`Policy Condition failed: [${operator}, $${field}, ${value}]`)
    }
  }
  const named = new Set(policy.conditions.map(({ field }) => field))
  for (const field of form.fields.keys()) {
    if (named.has(field) || UNNAMED.has(field) || field.startsWith('x-ignore-')) continue
    throw denied(`Extra input fields: ${field}`)
  }
}

function denied(cause: string): S3Error {
  return new S3Error('AccessDenied', {
    message: `Invalid according to Policy: ${cause}`,
  })
}

function holds({ operator, field, value }: FieldCondition, form: PostedForm): boolean {
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
