/**
 * LIKE: `%` is any text, `_` any character, both literal behind the escape character.
 *
 * A pattern is cut at its `%` into segments. The first and the last are anchored, each other one is searched for behind
 * its predecessor: the leftmost match is always good enough, so nothing is ever tried twice, whatever the pattern.
 */
import { SelectError } from '../select-error.ts'
import type { WorkMeter } from './meter.ts'

/** One character of a segment; undefined: any. */
type Characters = readonly (string | undefined)[]

interface Segment {
  readonly characters: Characters
  /** The same as text, if all are literal. */
  readonly literal: string | undefined
}

export interface LikePattern {
  readonly segments: readonly Segment[]
  readonly hasAny: boolean
}

/** What searching costs for each character of a long literal. */
const LITERAL_STEP_CHARACTERS = 64

/** Errors: `LikeInvalidInputs` for an escape that is not one character, or that ends the pattern. */
export function parseLike(pattern: string, escape: string | undefined): LikePattern {
  if (escape !== undefined && Array.from(escape).length !== 1)
    throw new SelectError('LikeInvalidInputs')
  const segments: Segment[] = []
  let characters: (string | undefined)[] = []
  let isEscaped = false
  let hasAny = false
  for (const character of pattern) {
    if (isEscaped) {
      characters.push(character)
      isEscaped = false
    } else if (character === escape) isEscaped = true
    else if (character === '%') {
      segments.push(segmentOf(characters))
      characters = []
    } else if (character === '_') {
      characters.push(undefined)
      hasAny = true
    } else characters.push(character)
  }
  if (isEscaped) throw new SelectError('LikeInvalidInputs')
  segments.push(segmentOf(characters))
  return { segments, hasAny }
}

function segmentOf(characters: Characters): Segment {
  return { characters, literal: characters.includes(undefined) ? undefined : characters.join('') }
}

/** Whether all of `text` matches. */
export function matchesLike(text: string, pattern: LikePattern, meter: WorkMeter): boolean {
  const { segments } = pattern
  const literals = pattern.hasAny ? undefined : segments.map(({ literal }) => literal ?? '')
  if (literals !== undefined) return matchesLiterals(text, literals, meter)
  meter.spend(text.length)
  // Characters, not UTF-16 units, are what `_` stands for.
  return matchesCharacters(Array.from(text), segments, meter)
}

function matchesLiterals(text: string, literals: readonly string[], meter: WorkMeter): boolean {
  const first = literals[0] ?? ''
  if (literals.length === 1) return text === first
  const last = literals.at(-1) ?? ''
  if (text.length < first.length + last.length) return false
  if (!text.startsWith(first) || !text.endsWith(last)) return false
  let at = first.length
  const end = text.length - last.length
  for (let i = 1; i < literals.length - 1; i++) {
    const literal = literals[i] ?? ''
    const found = text.indexOf(literal, at)
    const searched = (found < 0 ? text.length : found) - at
    meter.spend(1 + searched * (1 + literal.length / LITERAL_STEP_CHARACTERS))
    if (found < 0 || found + literal.length > end) return false
    at = found + literal.length
  }
  return true
}

function matchesCharacters(
  text: readonly string[],
  segments: readonly Segment[],
  meter: WorkMeter,
): boolean {
  const first = segments[0]?.characters ?? []
  if (segments.length === 1) return text.length === first.length && isAt(text, 0, first, meter)
  const last = segments.at(-1)?.characters ?? []
  const end = text.length - last.length
  if (end < first.length || !isAt(text, 0, first, meter) || !isAt(text, end, last, meter)) {
    return false
  }
  let at = first.length
  for (let i = 1; i < segments.length - 1; i++) {
    const { characters } = segments[i] ?? { characters: [] }
    while (at + characters.length <= end && !isAt(text, at, characters, meter)) at += 1
    if (at + characters.length > end) return false
    at += characters.length
  }
  return true
}

function isAt(
  text: readonly string[],
  at: number,
  characters: Characters,
  meter: WorkMeter,
): boolean {
  let i = 0
  while (i < characters.length) {
    const wanted = characters[i]
    if (wanted !== undefined && text[at + i] !== wanted) break
    i += 1
  }
  meter.spend(i + 1)
  return i === characters.length
}
