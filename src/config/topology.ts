import { ConfigError } from './config.ts'

/**
 * Which drives form which pools and sets: ellipses, set size, parity.
 * Sources: disk-format.md 2.4 and 2.7, distributed.md 1.2 to 1.4. The slicing must stay stable for ever: another one
 * makes existing drives unreadable.
 */

export interface PoolTopology {
  /** The identity in `pool.bin`: the argument as typed. */
  readonly commandLine: string
  /** Absolute drive paths in order; sets are consecutive slices of `setSize`. */
  readonly endpoints: readonly string[]
  readonly setSize: number
}

const SET_SIZE_MAX = 16
/** More values in one pattern are a typing error, and would fill memory. */
const PATTERN_VALUES_MAX = 4096

/** Pools from the words of the command line. `resolve` makes a path absolute. Errors: `ConfigError`. */
export function poolsFrom(
  words: readonly string[],
  options: {
    readonly setDriveCount?: number | undefined
    readonly resolve: (path: string) => string
  },
): readonly PoolTopology[] {
  if (words.length === 0) throw new ConfigError('No drives given: name at least one folder')
  const pattern = words.find(hasEllipses)
  const folder = words.find((word) => !hasEllipses(word))
  if (pattern !== undefined && folder !== undefined) {
    throw new ConfigError(
      `Cannot mix "${folder}" with "${pattern}": write every pool with {N...M}, or none`,
    )
  }
  const groups = pattern !== undefined ? words.map((word) => [word]) : [words]
  const pools = groups.map((group) => poolFrom(group, options))
  const seen = new Set<string>()
  for (const endpoint of pools.flatMap((pool) => pool.endpoints)) {
    if (seen.has(endpoint)) throw new ConfigError(`duplicate endpoints found: "${endpoint}"`)
    seen.add(endpoint)
  }
  return pools
}

function poolFrom(
  words: readonly string[],
  options: {
    readonly setDriveCount?: number | undefined
    readonly resolve: (path: string) => string
  },
): PoolTopology {
  const expanded = words.flatMap((word) => {
    checkPath(word)
    return expandEllipses(word)
  })
  for (const path of expanded) checkPath(path)
  const patterns = words.length === 1 ? patternsOf(words[0] ?? '') : []
  const setSize = setSizeFor(expanded.length, patterns[0]?.values.length, options.setDriveCount)
  return {
    commandLine: words.join(' '),
    endpoints: expanded.map((path) => options.resolve(path)),
    setSize,
  }
}

function checkPath(path: string): void {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(path)) {
    throw new ConfigError(
      `Cannot use "${path}": several nodes are not built yet, name folders of this machine`,
    )
  }
  if (path === '' || /^\/+$/.test(path)) {
    throw new ConfigError(
      `Cannot use "${path}" as a drive: name a folder of its own, such as "/mnt/d1"`,
    )
  }
  if (/^\d{1,3}(\.\d{1,3}){3}(:\d+)?(\/|$)/.test(path)) {
    throw new ConfigError(`invalid URL endpoint format: missing scheme http or https: "${path}"`)
  }
}

/** Drives of one erasure set. `firstPatternCount`: values of the leftmost ellipsis; undefined without ellipses. Errors: `ConfigError`. */
export function setSizeFor(
  driveCount: number,
  firstPatternCount: number | undefined,
  setDriveCount?: number,
): number {
  if (driveCount === 1) return 1
  const candidates: number[] = []
  for (let size = 2; size <= SET_SIZE_MAX; size++)
    if (driveCount % size === 0) candidates.push(size)
  if (candidates.length === 0) {
    throw new ConfigError(
      `Incorrect number of endpoints provided, number of drives ${driveCount} is not divisible by any supported erasure set sizes [2 3 .. 16]`,
    )
  }
  if (setDriveCount !== undefined && setDriveCount > 0) {
    if (candidates.includes(setDriveCount)) return setDriveCount
    throw new ConfigError(
      `Invalid set drive count. Acceptable values for ${driveCount} number drives are [${candidates.join(' ')}]`,
    )
  }
  const kept =
    firstPatternCount === undefined
      ? candidates
      : candidates.filter((size) =>
          firstPatternCount > size
            ? firstPatternCount % size === 0
            : size % firstPatternCount === 0,
        )
  const largest = kept.at(-1)
  if (largest === undefined) {
    throw new ConfigError(
      `No symmetric distribution detected with input endpoints provided, drives ${driveCount} cannot be spread symmetrically by any supported erasure set sizes [${candidates.join(' ')}]`,
    )
  }
  return largest
}

/** Parity of new objects where nothing is configured. */
export function defaultParity(setSize: number): number {
  if (setSize === 1) return 0
  if (setSize <= 3) return 1
  if (setSize <= 5) return 2
  return setSize <= 7 ? 3 : 4
}

/** Standard and reduced parity in force for sets of these sizes. Errors: `ConfigError`. */
export function parityFor(
  setSizes: readonly number[],
  configured: {
    readonly standardParity?: number | undefined
    readonly reducedParity?: number | undefined
  },
): { readonly standard: number; readonly reduced: number } {
  const firstSize = setSizes[0] ?? 1
  const standard = configured.standardParity ?? defaultParity(firstSize)
  const reduced = configured.reducedParity ?? Math.min(firstSize === 1 ? 0 : 1, standard)
  for (const size of setSizes) {
    if (standard > size / 2) {
      throw new ConfigError(
        `Standard storage class parity ${standard} should be less than or equal to ${Math.floor(size / 2)}`,
      )
    }
    if (reduced > size / 2) {
      throw new ConfigError(
        `Reduced redundancy storage class parity ${reduced} should be less than or equal to ${Math.floor(size / 2)}`,
      )
    }
  }
  if (reduced > standard) {
    throw new ConfigError(
      `Reduced redundancy storage class parity drives ${reduced} should be less than or equal to standard storage class parity drives ${standard}`,
    )
  }
  return { standard, reduced }
}

function hasEllipses(word: string): boolean {
  return word.includes('...') || (word.includes('{') && word.includes('}'))
}

interface Pattern {
  readonly text: string
  readonly values: readonly string[]
}

function patternsOf(word: string): readonly Pattern[] {
  const patterns: Pattern[] = []
  for (const match of word.matchAll(/\{([0-9a-z]+)\.\.\.([0-9a-z]+)\}/g)) {
    patterns.push({ text: match[0], values: patternValues(word, match[1] ?? '', match[2] ?? '') })
  }
  return patterns
}

/** All paths of a word: the leftmost pattern varies fastest. A word without ellipses is one path. Errors: `ConfigError`. */
export function expandEllipses(word: string): readonly string[] {
  const patterns = patternsOf(word)
  let expanded = ['']
  let position = 0
  // Growing from the left with the new pattern as the outer loop leaves the leftmost one as the fastest.
  for (const pattern of patterns) {
    const start = word.indexOf(pattern.text, position)
    const literal = word.slice(position, start)
    expanded = pattern.values.flatMap((value) => expanded.map((head) => head + literal + value))
    if (expanded.length > PATTERN_VALUES_MAX) {
      throw new ConfigError(`Cannot expand "${word}": more than ${PATTERN_VALUES_MAX} drives`)
    }
    position = start + pattern.text.length
  }
  const tail = word.slice(position)
  const paths = expanded.map((head) => head + tail)
  if (paths.some((path) => path.includes('...') || /[{}]/.test(path))) {
    throw new ConfigError(
      `Invalid ellipsis format in "${word}": ellipsis must be used as {N...M} where N is less than M`,
    )
  }
  return paths
}

function patternValues(word: string, from: string, to: string): readonly string[] {
  const first = parseBound(from)
  const last = parseBound(to)
  if (first === undefined || last === undefined || first.value > last.value) {
    throw new ConfigError(
      `Invalid ellipsis format in "${word}": ellipsis must be used as {N...M} where N is less than M`,
    )
  }
  if (last.value - first.value >= PATTERN_VALUES_MAX) {
    throw new ConfigError(`Cannot expand "${word}": more than ${PATTERN_VALUES_MAX} drives`)
  }
  const isHex = first.isHex || last.isHex
  const isPadded = (from.startsWith('0') && from.length > 1) || to.startsWith('0')
  const values: string[] = []
  for (let value = first.value; value <= last.value; value++) {
    const text = value.toString(isHex ? 16 : 10)
    values.push(isPadded ? text.padStart(to.length, '0') : text)
  }
  return values
}

function parseBound(text: string): { readonly value: number; readonly isHex: boolean } | undefined {
  if (/^\d{1,12}$/.test(text)) return { value: Number(text), isHex: false }
  if (/^[0-9a-f]{1,10}$/.test(text)) return { value: Number.parseInt(text, 16), isHex: true }
  return undefined
}
