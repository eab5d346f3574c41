/**
 * Policies: parsing, checking, deciding (iam-sts.md 3). For now the policies of buckets.
 *
 * Invariants
 * - A document that cannot be parsed allows nothing.
 * - A deny that applies wins over every allow.
 * - Condition values come from the server's own knowledge, through `ConditionValues`, never from a map of headers.
 */
import { allowsKey, isS3Action, normalAction, normalKey, plainKey, scopesOf } from './actions.ts'
import { type Condition, type ConditionValues, parseCondition } from './conditions.ts'
import { PolicyError } from './policy-error.ts'
import { compileLiteral, compilePattern, matchesCompiled, matchesWildcard } from './wildcard.ts'

export type { ConditionValues } from './conditions.ts'
export { PolicyError } from './policy-error.ts'

export interface Statement {
  readonly effect: 'Allow' | 'Deny'
  /** Patterns for access keys; empty in policies of identities, and where only strangers are named. */
  readonly principals: readonly string[]
  readonly actions: readonly string[]
  /** True: `actions` are those it is not about. */
  readonly notActions: boolean
  /** Patterns behind `arn:aws:s3:::`. */
  readonly resources: readonly string[]
  readonly notResources: boolean
  readonly conditions: readonly Condition[]
}

export interface Policy {
  readonly statements: readonly Statement[]
}

/** What is asked of a policy. */
export interface Question {
  /** Access key of the caller; empty for anonymous. */
  readonly account: string
  readonly action: string
  readonly bucket: string
  /** Empty for actions on buckets. */
  readonly key: string
  readonly values: ConditionValues
}

export type Decision = 'allow' | 'deny' | 'none'

const DOCUMENT_SIZE_MAX = 20 * 1024
const ARN = 'arn:aws:s3:::'
const INVALID_ACTION = 'Policy has invalid action'
const INVALID_PRINCIPAL = 'Invalid principal in policy'
const MISPLACED_KEY = 'Conditions do not apply to combination of actions and resources in statement'
const INVALID_RESOURCE = 'Policy has invalid resource'

/** Decides by one bucket policy: `none` means that nothing was said. */
export function decide(policy: Policy, question: Question): Decision {
  let decision: Decision = 'none'
  for (const statement of policy.statements) {
    if (statement.effect === 'Allow' && decision === 'allow') continue
    if (!applies(statement, question)) continue
    if (statement.effect === 'Deny') return 'deny'
    decision = 'allow'
  }
  return decision
}

/** Whether the policy allows what is asked under some conditions: false when nothing that is learned later can change a refusal. */
export function mightAllow(policy: Policy, question: Question): boolean {
  return policy.statements.some(
    (statement) =>
      statement.effect === 'Allow' && applies({ ...statement, conditions: [] }, question),
  )
}

/**
 * Whether a denial may hold for some key that begins with that of the question, which has one answer for all of them. What
 * is stored with a key counts as met.
 */
export function mayDenyBelow(policy: Policy, question: Question): boolean {
  const { action, bucket, key, account, values } = question
  const prefix = `${bucket}/${key}`
  return policy.statements.some((statement) => {
    if (statement.effect === 'Allow' || !isAbout(statement, account, action)) return false
    const isReached = statement.notResources
      ? !statement.resources.some((p) => p.endsWith('*') && matchesWildcard(p, `${prefix}*`))
      : statement.resources.some((p) => canStartWith(p.replace(/\$\{.*/s, '*'), prefix))
    const known = statement.conditions.filter((c) => !c.key.startsWith('s3:ExistingObjectTag/'))
    return isReached && areMet(known, { values, effect: 'Deny' })
  })
}

function applies(statement: Statement, question: Question): boolean {
  const { action, bucket, key, account, values } = question
  if (!isAbout(statement, account, action)) return false
  const resource = key === '' ? bucket : `${bucket}/${key}`
  const matches = statement.resources.some((pattern) =>
    matchesResource(pattern, resource, { values, effect: statement.effect }),
  )
  if (matches === statement.notResources) return false
  return areMet(statement.conditions, { values, effect: statement.effect })
}

function isAbout(statement: Statement, account: string, action: string): boolean {
  if (!statement.principals.some((pattern) => matchesWildcard(pattern, account))) return false
  return statement.actions.some((p) => matchesWildcard(p, action)) !== statement.notActions
}

function areMet(
  conditions: readonly Condition[],
  { values, effect }: { readonly values: ConditionValues; readonly effect: 'Allow' | 'Deny' },
): boolean {
  const substitute = (text: string): string | undefined => substituteText(text, values)
  return conditions.every((c) => c.isMet(values(c.key, effect), substitute))
}

function matchesResource(
  pattern: string,
  resource: string,
  context: { readonly values: ConditionValues; readonly effect: 'Allow' | 'Deny' },
): boolean {
  if (!pattern.includes('${')) return matchesWildcard(pattern, resource)
  const pieces = piecesOf(pattern, context.values)
  // A variable without value: an allow must not widen, a deny takes it as written.
  if (pieces === undefined) {
    return context.effect === 'Deny' && matchesWildcard(pattern, resource)
  }
  return matchesPieces(pieces, resource)
}

interface Piece {
  readonly text: string
  /** The text of a variable: its wildcards are plain characters. */
  readonly isLiteral: boolean
}

const VARIABLE = /\$\{([a-z0-9]+:[A-Za-z0-9_-]+)\}/g

function piecesOf(pattern: string, values: ConditionValues): readonly Piece[] | undefined {
  const pieces: Piece[] = []
  let end = 0
  for (const match of pattern.matchAll(VARIABLE)) {
    const value = values(match[1] ?? '')?.[0]
    if (value === undefined || value === '') return undefined
    pieces.push({ text: pattern.slice(end, match.index), isLiteral: false })
    pieces.push({ text: value, isLiteral: true })
    end = match.index + match[0].length
  }
  pieces.push({ text: pattern.slice(end), isLiteral: false })
  return pieces
}

/** Wildcards inside of values are plain characters: a user called `*` must not widen a pattern. */
function matchesPieces(pieces: readonly Piece[], resource: string): boolean {
  let pattern = ''
  for (const { text, isLiteral } of pieces) {
    pattern += isLiteral ? compileLiteral(text) : compilePattern(text)
  }
  return matchesCompiled(pattern, resource)
}

function substituteText(text: string, values: ConditionValues): string | undefined {
  if (!text.includes('${')) return text
  return piecesOf(text, values)
    ?.map((piece) => piece.text)
    .join('')
}

/** Parses and checks the policy of `bucket`, in any version that AWS knows, or none. Throws `PolicyError`. */
export function parseBucketPolicy(text: string, bucket: string): Policy {
  if (Buffer.byteLength(text) > DOCUMENT_SIZE_MAX) throw new PolicyError('Policy is too large')
  if (!/^\s*\{/.test(text)) {
    throw new PolicyError("Policies must be valid JSON and the first byte must be '{'")
  }
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch (error) {
    throw new PolicyError('This policy contains invalid Json', { cause: error })
  }
  const members = membersOf(document, 'Policy', ['id', 'version', 'statement'])
  const version = members.get('version')
  if (version !== undefined && version !== '2012-10-17' && version !== '2008-10-17') {
    throw new PolicyError('The policy must contain a valid version string')
  }
  const raw = members.get('statement')
  if (raw === undefined) throw new PolicyError('Missing required field Statement')
  const list: readonly unknown[] = Array.isArray(raw) ? raw : [raw]
  if (list.length === 0) throw new PolicyError('Could not parse the policy: Statement is empty!')
  return { statements: list.map((entry) => parseStatement(entry, bucket)) }
}

const STATEMENT_MEMBERS =
  'sid effect principal action notaction resource notresource condition'.split(' ')

function parseStatement(raw: unknown, bucket: string): Statement {
  const members = membersOf(raw, 'Statement', STATEMENT_MEMBERS)
  const effect = members.get('effect')
  if (effect !== 'Allow' && effect !== 'Deny') {
    throw new PolicyError(`Invalid effect: ${String(effect)}`)
  }
  const sid = members.get('sid')
  if (sid !== undefined && typeof sid !== 'string') throw new PolicyError('Sid must be a text')
  const [named, notActions] = oneOf(members, 'action', 'notaction')
  const actions = named.map(normalAction)
  const [arns, notResources] = oneOf(members, 'resource', 'notresource')
  for (const action of actions) {
    if (!isS3Action(action)) throw new PolicyError(INVALID_ACTION)
  }
  const resources = arns.map((arn) => parseResource(arn, bucket))
  const conditions = parseConditions(members.get('condition'), notActions ? ['*'] : actions)
  if (!notActions) checkScopes(actions, resources)
  return {
    effect,
    principals: parsePrincipal(members.get('principal')),
    // Who may read versions may read: as MinIO, whose policies are written that way.
    actions:
      !notActions && actions.includes('s3:GetObjectVersion')
        ? [...actions, 's3:GetObject']
        : actions,
    notActions,
    resources,
    notResources,
    conditions,
  }
}

/** Object members by name in lower case; unknown ones are refused. A map, so that no name is special. */
function membersOf(
  raw: unknown,
  what: string,
  allowed: readonly string[],
): ReadonlyMap<string, unknown> {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    throw new PolicyError(`${what} must be an object`)
  }
  const members = new Map<string, unknown>()
  for (const [name, value] of Object.entries(raw) as [string, unknown][]) {
    const lower = name.toLowerCase()
    if (!allowed.includes(lower)) throw new PolicyError(`${what} has an unknown member '${name}'`)
    members.set(lower, value)
  }
  return members
}

function oneOf(
  members: ReadonlyMap<string, unknown>,
  name: 'action' | 'resource',
  notName: string,
): readonly [readonly string[], boolean] {
  const isNegated = members.has(notName)
  if (members.has(name) === isNegated) {
    throw new PolicyError(`Statement must have either ${name} or ${notName}`)
  }
  const message = name === 'action' ? INVALID_ACTION : INVALID_RESOURCE
  return [textsOf(members.get(isNegated ? notName : name), message), isNegated]
}

function textsOf(raw: unknown, message: string): readonly string[] {
  const list: readonly unknown[] = Array.isArray(raw) ? raw : [raw]
  const texts = new Set<string>()
  for (const value of list) {
    if (typeof value !== 'string' || value === '') throw new PolicyError(message)
    texts.add(value)
  }
  if (texts.size === 0) throw new PolicyError(message)
  return [...texts]
}

const STRANGERS = ['service', 'federated', 'canonicaluser']

function parsePrincipal(raw: unknown): readonly string[] {
  if (raw === undefined) throw new PolicyError(INVALID_PRINCIPAL)
  if (raw === '*') return ['*']
  if (typeof raw === 'string' || Array.isArray(raw)) throw new PolicyError(INVALID_PRINCIPAL)
  const members = membersOf(raw, 'Principal', ['aws', ...STRANGERS])
  if (members.size === 0) throw new PolicyError(INVALID_PRINCIPAL)
  // Services and users of other providers never call here: what is said of them is kept and never applies.
  for (const names of members.values()) textsOf(names, INVALID_PRINCIPAL)
  return members.has('aws') ? textsOf(members.get('aws'), INVALID_PRINCIPAL) : []
}

function parseResource(arn: string, bucket: string): string {
  if (arn === '*') return '*'
  const pattern = arn.startsWith(ARN) ? arn.slice(ARN.length) : ''
  if (pattern === '' || pattern.startsWith('/')) throw new PolicyError(INVALID_RESOURCE)
  if (pattern !== bucket && !canStartWith(pattern, `${bucket}/`)) {
    throw new PolicyError(INVALID_RESOURCE)
  }
  return pattern
}

/** Whether `prefix` is a possible beginning of something `pattern` matches. */
function canStartWith(pattern: string, prefix: string): boolean {
  for (let i = 0; i < prefix.length; i++) {
    const c = pattern[i]
    if (c === '*') return true
    if (c !== '?' && c !== prefix[i]) return false
  }
  return true
}

/** As with Amazon: an action needs a resource of its kind, one with wildcards for any that it stands for. */
function checkScopes(actions: readonly string[], resources: readonly string[]): void {
  const hasObjects = resources.some((r) => r.includes('/') || r.includes('*'))
  const hasBucket = resources.some((r) => !r.includes('/'))
  for (const action of actions) {
    const { objects, buckets } = scopesOf(action)
    if ((objects && hasObjects) || (buckets && hasBucket)) continue
    throw new PolicyError('Action does not apply to any resource(s) in statement')
  }
}

function parseConditions(raw: unknown, actions: readonly string[]): readonly Condition[] {
  if (raw === undefined) return []
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    throw new PolicyError('Condition must be an object')
  }
  const conditions: Condition[] = []
  for (const [operator, keys] of Object.entries(raw) as [string, unknown][]) {
    if (typeof keys !== 'object' || keys === null || Array.isArray(keys)) {
      throw new PolicyError(`Condition operator '${operator}' must be an object`)
    }
    for (const [name, values] of Object.entries(keys) as [string, unknown][]) {
      const key = normalKey(name)
      const [base = ''] = key.split('/', 1)
      for (const action of actions) {
        if (!allowsKey(action, base)) {
          const isKnown = allowsKey('*', base)
          throw new PolicyError(isKnown ? MISPLACED_KEY : 'Policy has an invalid condition key')
        }
      }
      conditions.push(parseCondition(operator, plainKey(key), values))
    }
  }
  if (conditions.length === 0) throw new PolicyError('Condition must not be empty')
  return conditions
}

/** True when anybody is allowed something, without a condition that narrows who: the AWS meaning of public. */
export function isPublicPolicy(policy: Policy): boolean {
  return policy.statements.some(
    (statement) =>
      statement.effect === 'Allow' &&
      statement.principals.some((pattern) => matchesWildcard(pattern, '')) &&
      !statement.conditions.some((condition) => condition.narrows),
  )
}
