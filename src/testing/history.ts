/**
 * Histories of operations against a store and the checkers that judge them (distributed.md 10.5).
 *
 * Times are of one monotonic clock. A write with unknown outcome has `end` = Infinity: it may take effect at any time
 * after its beginning, or never. Failed operations and reads without information are not part of a history.
 */

export interface HistoryOperation<Input, Output> {
  readonly client: number
  readonly begin: number
  /** `Infinity`: outcome unknown. */
  readonly end: number
  readonly input: Input
  /** Undefined when the outcome is unknown. */
  readonly output: Output | undefined
}

/** Sequential behaviour of one key. States are compared by `describe`. */
export interface Model<State, Input, Output> {
  readonly initial: State
  /** States after `input` when it answered `output`; none: the answer is impossible. `output` undefined: any answer. */
  apply(state: State, input: Input, output: Output | undefined): readonly State[]
  describe(state: State): string
}

export type Verdict =
  | { readonly kind: 'linearizable' }
  | { readonly kind: 'violation'; readonly message: string }
  | { readonly kind: 'undecided'; readonly message: string }

/**
 * Searches an order of the operations that the model allows and that respects real time: depth-first over the minimal
 * operations, remembering (set of linearized operations, state) pairs (Wing, Gong, Lowe).
 * `stepsMax` bounds the search; beyond it the verdict is `undecided`.
 */
export function checkLinearizable<State, Input, Output>(
  history: readonly HistoryOperation<Input, Output>[],
  model: Model<State, Input, Output>,
  stepsMax = 2_000_000,
): Verdict {
  const operations = history.toSorted((a, b) => a.begin - b.begin)
  const seen = new Set<string>()
  const done = new Uint8Array(operations.length)
  let steps = 0
  let deepest = 0

  const search = (state: State, count: number): boolean | undefined => {
    const openEnds = operations.filter((one, index) => done[index] === 0 && one.end !== Infinity)
    if (openEnds.length === 0) return true
    deepest = Math.max(deepest, count)
    const key = `${Buffer.from(done).toString('latin1')}|${model.describe(state)}`
    if (seen.has(key)) return false
    seen.add(key)
    // An operation may come next when no other one that is left had ended before it began.
    const firstEnd = Math.min(...openEnds.map((one) => one.end))
    for (const [index, operation] of operations.entries()) {
      if (done[index] === 1) continue
      if (operation.begin > firstEnd) break
      for (const next of model.apply(state, operation.input, operation.output)) {
        if (++steps > stepsMax) return undefined
        done[index] = 1
        const found = search(next, count + 1)
        done[index] = 0
        if (found !== false) return found
      }
    }
    return false
  }

  const found = search(model.initial, 0)
  if (found === true) return { kind: 'linearizable' }
  if (found === undefined)
    return { kind: 'undecided', message: `No verdict after ${stepsMax} steps` }
  return {
    kind: 'violation',
    message: `No order explains the history; at most ${deepest} of ${operations.length} operations fit:\n${operations
      .map((one) => JSON.stringify({ ...one, end: one.end === Infinity ? 'unknown' : one.end }))
      .join('\n')}`,
  }
}

/** One write of a register by its unique value, or a read that answered a value. Undefined: absent. */
export type RegisterOperation =
  | { readonly kind: 'write'; readonly value: string; readonly begin: number; readonly end: number }
  | {
      readonly kind: 'read'
      readonly value: string | undefined
      readonly begin: number
      readonly end: number
    }

interface Zone {
  readonly value: string
  /** Earliest end of the write and reads of the value. */
  readonly first: number
  /** Latest beginning. */
  readonly last: number
}

/**
 * Judges a register whose reads name the write they saw, in O(n log n) (Gibbons and Korach). Linearizable iff no read
 * ends before its write begins, forward zones do not overlap, and no backward zone lies inside a forward zone.
 * The register begins absent; nothing makes it absent again.
 */
export function checkRegister(operations: readonly RegisterOperation[]): Verdict {
  const ABSENT = '\u0000absent'
  const writes = new Map<string, { begin: number; end: number }>([
    [ABSENT, { begin: -Infinity, end: -Infinity }],
  ])
  for (const one of operations) {
    if (one.kind !== 'write') continue
    if (writes.has(one.value))
      return { kind: 'undecided', message: `Value ${one.value} was written twice` }
    writes.set(one.value, one)
  }
  const zones = new Map<string, Zone>()
  for (const [value, { begin, end }] of writes) zones.set(value, { value, first: end, last: begin })
  const wasRead = new Set<string>()
  for (const one of operations) {
    if (one.kind !== 'read') continue
    const value = one.value ?? ABSENT
    const write = writes.get(value)
    if (write === undefined) return violation(`A read saw ${value}, which nobody wrote`)
    if (one.end < write.begin) return violation(`A read saw ${value} before its write began`)
    const zone = zones.get(value)
    if (zone === undefined) continue
    wasRead.add(value)
    zones.set(value, {
      value,
      first: Math.min(zone.first, one.end),
      last: Math.max(zone.last, one.begin),
    })
  }
  // A write of unknown outcome that nobody saw may never have happened.
  const relevant = [...zones.values()].filter(
    (zone) => zone.first !== Infinity || wasRead.has(zone.value),
  )
  const forward = relevant
    .filter((zone) => zone.first < zone.last)
    .toSorted((a, b) => a.first - b.first)
  for (const [index, zone] of forward.entries()) {
    const next = forward[index + 1]
    if (next !== undefined && next.first < zone.last) {
      return violation(`Values ${zone.value} and ${next.value} were both current in turns`)
    }
  }
  for (const zone of relevant) {
    if (zone.first < zone.last) continue
    const around = lastBefore(forward, zone.last)
    if (around !== undefined && around.first < zone.last && zone.first < around.last) {
      return violation(`Value ${zone.value} lies wholly inside the time of ${around.value}`)
    }
  }
  return { kind: 'linearizable' }
}

function violation(message: string): Verdict {
  return { kind: 'violation', message }
}

/** The last zone that begins before `time`; zones are sorted and do not overlap. */
function lastBefore(zones: readonly Zone[], time: number): Zone | undefined {
  let low = 0
  let high = zones.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((zones[middle]?.first ?? Infinity) < time) low = middle + 1
    else high = middle
  }
  return zones[low - 1]
}

/** Operations of a key that may be absent and written under conditions. */
export type KeyInput =
  | {
      readonly kind: 'put'
      readonly value: string
      readonly ifNoneMatch?: boolean
      readonly ifMatch?: string
    }
  | { readonly kind: 'get' }
  | { readonly kind: 'delete' }

/** `value`: what a get saw, or null; `refused`: the condition failed. */
export type KeyOutput = { readonly value: string | null } | { readonly refused: boolean }

/** Register with delete and compare-and-set (workloads W2 and W3); the state is the value, null when absent. */
export const KEY_MODEL: Model<string | null, KeyInput, KeyOutput> = {
  initial: null,
  apply(state, input, output) {
    switch (input.kind) {
      case 'get':
        if (output === undefined) return [state]
        return 'value' in output && output.value === state ? [state] : []
      case 'delete':
        // Unknown: it may have happened or not.
        return output === undefined ? [null, state] : [null]
      case 'put': {
        const holds =
          (input.ifNoneMatch !== true || state === null) &&
          (input.ifMatch === undefined || state === input.ifMatch)
        if (output === undefined) return holds ? [input.value, state] : [state]
        const refused = 'refused' in output && output.refused
        if (refused) return holds ? [] : [state]
        return holds ? [input.value] : []
      }
    }
  },
  describe: (state) => state ?? '\u0000',
}

/** One listing page walk and the writes around it, for one key: it must be listed if present throughout, not if absent throughout. */
export function checkListed(
  key: string,
  changes: readonly {
    readonly kind: 'put' | 'delete'
    readonly begin: number
    readonly end: number
  }[],
  listing: { readonly begin: number; readonly end: number; readonly keys: ReadonlySet<string> },
): Verdict {
  // Changes of one key by one client, in order; unknown ones count as possible from their beginning on.
  const before = changes.filter((one) => one.end < listing.begin)
  const around = changes.filter((one) => one.end >= listing.begin && one.begin <= listing.end)
  const unknownBefore = changes.some((one) => one.end === Infinity && one.begin < listing.end)
  if (around.length > 0 || unknownBefore) return { kind: 'linearizable' }
  const isPresent = before.at(-1)?.kind === 'put'
  const isListed = listing.keys.has(key)
  if (isPresent === isListed) return { kind: 'linearizable' }
  return violation(
    isPresent
      ? `Key ${key} was present throughout, but not listed`
      : `Key ${key} was absent throughout, but listed`,
  )
}
