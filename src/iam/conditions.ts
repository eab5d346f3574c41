/** Condition operators of policies (iam-sts.md 3.8), checked and prepared once when a policy is parsed. */
import { parseIsoTime } from '#s3-protocol/dates'
import { isBucketName } from '#s3-protocol/names'
import { AddressBlocks } from './address-blocks.ts'
import { PolicyError } from './policy-error.ts'
import { matchesWildcard } from './wildcard.ts'

/** Values of the condition keys of one request, from the server's own knowledge only; undefined when a key is absent. A deny may see more spellings of the same thing than an allow, so that none steps around it. */
export type ConditionValues = (
  key: string,
  effect?: 'Allow' | 'Deny',
) => readonly string[] | undefined

/** Puts values for variables into a text: undefined when one has none. */
export type Substitute = (text: string) => string | undefined

/** One operator on one key. */
export interface Condition {
  readonly key: string
  /** True: it ties the statement to few callers that are named outright, as AWS sees it when it asks what is public. */
  readonly narrows: boolean
  isMet(values: readonly string[] | undefined, substitute: Substitute): boolean
}

type Scalar = string | number | boolean
type Test = (value: string, substitute: Substitute) => boolean
type Qualifier = 'ForAllValues' | 'ForAnyValue' | undefined

const STRING_OPERATORS: ReadonlyMap<string, (wanted: readonly string[]) => Test> = new Map([
  ['StringEquals', (wanted) => anyOf(wanted, (text, value) => text === value)],
  [
    'StringEqualsIgnoreCase',
    (wanted) => anyOf(wanted, (text, value) => text.toLowerCase() === value.toLowerCase()),
  ],
  ['StringLike', (wanted) => anyOf(wanted, matchesWildcard)],
  ['BinaryEquals', (wanted) => anyOf(wanted.map(decodeBase64), (text, value) => text === value)],
])

const COMPARISONS: ReadonlyMap<string, (a: number, b: number) => boolean> = new Map([
  ['Equals', (a, b) => a === b],
  ['NotEquals', (a, b) => a !== b],
  ['LessThan', (a, b) => a < b],
  ['LessThanEquals', (a, b) => a <= b],
  ['GreaterThan', (a, b) => a > b],
  ['GreaterThanEquals', (a, b) => a >= b],
])

/** A condition before it is known what it means for the public. */
type Predicate = Omit<Condition, 'narrows'>

/** Parses one `operator: { key: values }`. Throws `PolicyError` for unknown operators and bad values. */
export function parseCondition(operator: string, key: string, raw: unknown): Condition {
  const wanted = scalarsOf(raw)
  const match = /^(?:(ForAllValues|ForAnyValue):)?([A-Za-z]+?)(IfExists)?$/.exec(operator)
  const name = match?.[2] ?? ''
  const qualifier: Qualifier =
    match?.[1] === 'ForAllValues' || match?.[1] === 'ForAnyValue' ? match[1] : undefined
  const ifExists = match?.[3] !== undefined
  const condition =
    stringCondition(name, qualifier, key, wanted) ??
    arnCondition(name, qualifier, key, wanted) ??
    numberCondition(name, key, wanted) ??
    dateCondition(name, key, wanted) ??
    addressCondition(name, key, wanted) ??
    (ifExists && name === 'Null' ? undefined : switchCondition(name, key, wanted))
  if (condition === undefined) {
    throw new PolicyError(`Invalid Condition type : ${operator}`)
  }
  if (!ifExists) {
    const isNarrow = qualifier !== 'ForAllValues' && narrowsCallers(name, key, wanted)
    return { ...condition, narrows: isNarrow }
  }
  return {
    key,
    narrows: false,
    isMet: (values, substitute) => values === undefined || condition.isMet(values, substitute),
  }
}

/** Keys that say who or where the caller is. */
const CALLER_KEYS = new Set([
  'aws:PrincipalAccount',
  'aws:PrincipalArn',
  'aws:PrincipalOrgID',
  'aws:SourceAccount',
  'aws:SourceArn',
  'aws:SourceVpc',
  'aws:SourceVpce',
  'aws:principaltype',
  'aws:userid',
  'aws:username',
  's3:DataAccessPointArn',
])
const POSITIVE = /^(?:StringEquals(?:IgnoreCase)?|StringLike|Arn(?:Equals|Like))$/

/** Only fixed values narrow: neither wildcards nor variables, and no address block that holds half of the world. */
function narrowsCallers(name: string, key: string, wanted: readonly Scalar[]): boolean {
  if (name === 'IpAddress') return wanted.every((value) => isNarrowBlock(String(value)))
  if (!CALLER_KEYS.has(key) || !POSITIVE.test(name)) return false
  return wanted.every((value) => !/[*?]|\$\{/.test(String(value)))
}

function isNarrowBlock(text: string): boolean {
  const [address = '', bits] = text.split('/')
  return bits === undefined || Number(bits) >= (address.includes(':') ? 32 : 8)
}

function stringCondition(
  name: string,
  qualifier: Qualifier,
  key: string,
  wanted: readonly Scalar[],
): Predicate | undefined {
  const negated = name.startsWith('StringNot')
  const make = STRING_OPERATORS.get(negated ? name.replace('StringNot', 'String') : name)
  if (make === undefined) return undefined
  const texts = wanted.map((value) => {
    if (typeof value !== 'string') {
      throw new PolicyError(`Condition operator '${name}' on '${key}' takes texts only`)
    }
    return value
  })
  if (!name.endsWith('Like')) checkTexts(key, texts)
  checkCopySources(key, texts)
  return textPredicate(key, make(texts), { negated, qualifier })
}

function textPredicate(
  key: string,
  test: Test,
  { negated, qualifier }: { readonly negated: boolean; readonly qualifier: Qualifier },
): Predicate {
  return {
    key,
    isMet: (values, substitute) => {
      const found = values ?? []
      const isOne = (value: string): boolean => test(value, substitute)
      if (!negated) {
        return qualifier === 'ForAllValues' ? found.every(isOne) : found.some(isOne)
      }
      // As policy authors know it from AWS: some value differs, or no value is the same.
      return qualifier === 'ForAnyValue' ? found.some((v) => !isOne(v)) : !found.some(isOne)
    },
  }
}

const ARN_OPERATORS = new Set(['ArnEquals', 'ArnLike', 'ArnNotEquals', 'ArnNotLike'])
const ARN_PARTS = 6

/** `Equals` and `Like` are the same: each of the six parts of the name may hold wildcards. */
function arnCondition(
  name: string,
  qualifier: Qualifier,
  key: string,
  wanted: readonly Scalar[],
): Predicate | undefined {
  if (!ARN_OPERATORS.has(name)) return undefined
  const texts = wanted.map((value) => {
    if (typeof value === 'string' && value.split(':').length >= ARN_PARTS) return value
    throw new PolicyError(`Condition operator '${name}' on '${key}' takes ARNs only`)
  })
  const test = anyOf(texts, (pattern, value) => {
    const wantedParts = partsOfArn(pattern)
    const parts = partsOfArn(value)
    return (
      parts.length === ARN_PARTS && parts.every((p, i) => matchesWildcard(wantedParts[i] ?? '', p))
    )
  })
  return textPredicate(key, test, { negated: name.startsWith('ArnNot'), qualifier })
}

/** The last part keeps its colons. */
function partsOfArn(text: string): readonly string[] {
  const parts = text.split(':')
  return [...parts.slice(0, ARN_PARTS - 1), parts.slice(ARN_PARTS - 1).join(':')]
}

/** A copy source is named as `bucket/key`. */
function checkCopySources(key: string, texts: readonly string[]): void {
  if (key !== 's3:x-amz-copy-source') return
  for (const text of texts) {
    const slash = text.indexOf('/')
    // MinIO wants a real name as well; a policy that it cannot read would lose it the bucket.
    if (!isBucketName(text.slice(0, Math.max(0, slash))) || slash === text.length - 1) {
      throw new PolicyError(`Invalid value '${text}' for condition key '${key}'`)
    }
  }
}

const VALUES_OF_KEY: ReadonlyMap<string, readonly string[]> = new Map([
  ['s3:x-amz-server-side-encryption-customer-algorithm', ['AES256']],
  ['s3:x-amz-server-side-encryption', ['AES256', 'aws:kms']],
  ['s3:x-amz-metadata-directive', ['COPY', 'REPLACE']],
])

function checkTexts(key: string, texts: readonly string[]): void {
  const allowed = VALUES_OF_KEY.get(key)
  for (const text of texts) {
    const isBad =
      (allowed !== undefined && !allowed.includes(text)) ||
      (key === 's3:x-amz-content-sha256' && text === '')
    if (isBad) throw new PolicyError(`Invalid value '${text}' for condition key '${key}'`)
  }
}

function numberCondition(
  name: string,
  key: string,
  wanted: readonly Scalar[],
): Predicate | undefined {
  const compare = name.startsWith('Numeric') ? COMPARISONS.get(name.slice(7)) : undefined
  if (compare === undefined) return undefined
  const text = String(only(name, key, wanted))
  if (!/^[+-]?\d{1,15}$/.test(text)) {
    throw new PolicyError(`Condition operator '${name}' on '${key}' takes an integer`)
  }
  const number = Number(text)
  return {
    key,
    isMet: (values) => {
      const first = values?.[0]
      return first !== undefined && /^[+-]?\d{1,15}$/.test(first) && compare(Number(first), number)
    },
  }
}

const RFC_3339 =
  /^\d{4}-\d{2}-\d{2}T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/

function dateCondition(
  name: string,
  key: string,
  wanted: readonly Scalar[],
): Predicate | undefined {
  const compare = name.startsWith('Date') ? COMPARISONS.get(name.slice(4)) : undefined
  if (compare === undefined) return undefined
  const time = timeOf(String(only(name, key, wanted)))
  if (time === undefined) {
    throw new PolicyError(`Condition operator '${name}' on '${key}' takes an RFC 3339 time`)
  }
  return {
    key,
    isMet: (values) => {
      const first = values?.[0]
      const found = first === undefined ? undefined : timeOf(first)
      return found !== undefined && compare(found, time)
    },
  }
}

function timeOf(text: string): number | undefined {
  return RFC_3339.test(text) ? parseIsoTime(text) : undefined
}

function addressCondition(
  name: string,
  key: string,
  wanted: readonly Scalar[],
): Predicate | undefined {
  if (name !== 'IpAddress' && name !== 'NotIpAddress') return undefined
  if (key !== 'aws:SourceIp') {
    throw new PolicyError(`Condition operator '${name}' is for aws:SourceIp, not '${key}'`)
  }
  const blocks = new AddressBlocks()
  for (const value of wanted) {
    if (!blocks.add(String(value))) {
      throw new PolicyError('Invalid IP address in Conditions')
    }
  }
  const isInside = (value: string): boolean => blocks.has(value)
  return {
    key,
    isMet: (values) => (values ?? []).some(isInside) === (name === 'IpAddress'),
  }
}

const BOOLEANS: ReadonlySet<string> = new Set(['aws:SecureTransport', 's3:ObjectCreationOperation'])

function switchCondition(
  name: string,
  key: string,
  wanted: readonly Scalar[],
): Predicate | undefined {
  if (name !== 'Bool' && name !== 'Null') return undefined
  const value = booleanOf(String(only(name, key, wanted)))
  if (value === undefined) {
    throw new PolicyError(`Condition operator '${name}' on '${key}' takes a boolean`)
  }
  if (name === 'Null') return { key, isMet: (values) => (values === undefined) === value }
  if (!BOOLEANS.has(key)) {
    throw new PolicyError(
      `Condition operator 'Bool' is for ${[...BOOLEANS].join(' and ')}, not '${key}'`,
    )
  }
  return {
    key,
    isMet: (values) => (values ?? []).some((text) => booleanOf(text) === value),
  }
}

function booleanOf(text: string): boolean | undefined {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true
  return ['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text) ? false : undefined
}

function scalarsOf(raw: unknown): readonly Scalar[] {
  const list: readonly unknown[] = Array.isArray(raw) ? raw : [raw]
  const scalars: Scalar[] = []
  for (const value of list) {
    const isScalar =
      typeof value === 'string' ||
      typeof value === 'boolean' ||
      (typeof value === 'number' && Number.isSafeInteger(value))
    if (!isScalar) throw new PolicyError('Condition values are texts, integers or booleans')
    if (scalars.includes(value)) throw new PolicyError(`Duplicate condition value '${value}'`)
    scalars.push(value)
  }
  if (scalars.length === 0) throw new PolicyError('Condition values must not be empty')
  return scalars
}

function only(name: string, key: string, wanted: readonly Scalar[]): Scalar {
  const [value] = wanted
  if (value === undefined || wanted.length !== 1) {
    throw new PolicyError(`Condition operator '${name}' on '${key}' takes one value`)
  }
  return value
}

function anyOf(wanted: readonly string[], test: (text: string, value: string) => boolean): Test {
  return (value, substitute) =>
    wanted.some((raw) => {
      const text = substitute(raw)
      return text !== undefined && test(text, value)
    })
}

function decodeBase64(text: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.fromBase64(text))
  } catch (error) {
    throw new PolicyError(`Value '${text}' is not base64`, { cause: error })
  }
}
