/**
 * Policies for MinIO to read. A bucket with a policy that MinIO cannot parse is lost to it, and Cairn takes more than MinIO
 * does; so MinIO gets one that allows no more and denies no less.
 */
import { bucketActionsOf, isUnknownToMinio, minioScope, normalKey } from './actions.ts'

const VERSION = '2012-10-17'
const OPERATORS =
  /^(?:ForAllValues:|ForAnyValue:)?(?:String(?:Not)?(?:Equals|EqualsIgnoreCase|Like)|BinaryEquals|(?:Not)?IpAddress|Bool|Null|(?:Numeric|Date)(?:Equals|NotEquals|LessThan|LessThanEquals|GreaterThan|GreaterThanEquals)|NumericGreaterThanIfExists)$/

/** The text that MinIO gets in place of a policy that was parsed before: the same where it can read it, empty for none. */
export function policyForMinio(text: string): string {
  const document: unknown = JSON.parse(text)
  const members = entriesOf(document)
  let isChanged = false
  const rewritten = members.map(([name, value]): [string, unknown] => {
    switch (name.toLowerCase()) {
      case 'version':
        if (value !== VERSION) isChanged = true
        return [name, VERSION]
      case 'statement': {
        const list: readonly unknown[] = Array.isArray(value) ? value : [value]
        const kept = list.flatMap(readableStatement)
        // One statement without a list around it is more than MinIO reads.
        if (!Array.isArray(value) || kept.some((one, i) => one !== list[i])) isChanged = true
        if (kept.length !== list.length) isChanged = true
        return [name, kept]
      }
      default:
        return [name, value]
    }
  })
  if (!isChanged && members.some(([name]) => name.toLowerCase() === 'version')) return text
  const statements = rewritten.find(([name]) => name.toLowerCase() === 'statement')?.[1]
  const isEmpty = !Array.isArray(statements) || statements.length === 0
  return isEmpty ? '' : JSON.stringify({ Version: VERSION, ...Object.fromEntries(rewritten) })
}

/** What MinIO reads of a statement: it allows no more and denies no less. */
function readableStatement(statement: unknown): readonly unknown[] {
  const members = new Map(
    entriesOf(statement).map(([name, value]) => [name.toLowerCase(), value] as const),
  )
  const denies = members.get('effect') === 'Deny'
  let isChanged = false
  if (!isReadableCondition(members.get('condition'))) {
    if (!denies) return []
    members.delete('condition')
    isChanged = true
  }
  const principal = members.get('principal')
  if (entriesOf(principal).some(([name]) => name.toLowerCase() !== 'aws')) {
    const accounts = entriesOf(principal).filter(([name]) => name.toLowerCase() === 'aws')
    // Who else is named never calls MinIO.
    if (accounts.length === 0) return []
    members.set('principal', Object.fromEntries(accounts))
    isChanged = true
  }
  const actions = members.get('action')
  if (actions !== undefined) {
    const named = textsOf(actions)
    const readable = readableActions(
      named,
      textsOf(members.get('resource') ?? members.get('notresource')),
    )
    if (readable.length === 0) return []
    if (readable.some((action, i) => action !== named[i]) || readable.length !== named.length) {
      members.set('action', readable)
      isChanged = true
    }
  }
  return [isChanged ? withNames(members) : statement]
}

/** MinIO wants for every action a resource of its kind. An action without one never applies, but for the part that does. */
function readableActions(
  actions: readonly string[],
  resources: readonly string[],
): readonly string[] {
  const patterns = resources.map((arn) => arn.replace(/^arn:aws:s3:::/, ''))
  const hasObjects = patterns.some((pattern) => /[/*]/.test(pattern))
  const hasBuckets = patterns.some((pattern) => !pattern.includes('/'))
  return actions.flatMap((action) => {
    if (minioScope(action) === 'objects') return hasObjects ? [action] : bucketActionsOf(action)
    return hasBuckets ? [action] : []
  })
}

const NAMES = [
  'Sid',
  'Effect',
  'Principal',
  'Action',
  'NotAction',
  'Resource',
  'NotResource',
  'Condition',
]

function withNames(members: ReadonlyMap<string, unknown>): unknown {
  const present = NAMES.filter((name) => members.has(name.toLowerCase()))
  return Object.fromEntries(present.map((name) => [name, members.get(name.toLowerCase())]))
}

function textsOf(value: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  return list.filter((text) => typeof text === 'string')
}

function isReadableCondition(condition: unknown): boolean {
  return entriesOf(condition).every(
    ([operator, keys]) =>
      OPERATORS.test(operator) &&
      entriesOf(keys).every(([key]) => !isUnknownToMinio(key) && key === normalKey(key)),
  )
}

function entriesOf(value: unknown): readonly (readonly [string, unknown])[] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : []
}
