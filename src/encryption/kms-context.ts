import { compareUtf8, utf8 } from '#base/bytes'
import type { KmsContext } from './encryption.ts'

/**
 * The canonical text of a context: it is associated data of the data key, so every byte counts.
 * Source: encryption.md 1.8.
 */

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
])

/** `{"a":"b"}` with names in the order of their UTF-8 bytes; `{}` for an empty context. */
export function canonicalContext(context: KmsContext): string {
  const entries = [...context].toSorted(([a], [b]) => compareUtf8(a, b))
  return `{${entries.map(([name, value]) => `${quoted(name)}:${quoted(value)}`).join(',')}}`
}

export function contextBytes(context: KmsContext): Uint8Array {
  return utf8(canonicalContext(context))
}

function quoted(text: string): string {
  const escaped = text
    .toWellFormed()
    // oxlint-disable-next-line no-control-regex -- these are the ones to be escaped
    .replace(/["\\<>&\u2028\u2029\x00-\x1f]/g, (character) => {
      const short = ESCAPES.get(character)
      if (short !== undefined) return short
      return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
    })
  return `"${escaped}"`
}

/** The context in a JSON text; undefined unless it is an object whose values are all texts. */
export function parseContext(text: string): KmsContext | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return undefined // the only failure is the malformed text asked about
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return undefined
  const context = new Map<string, string>()
  for (const [name, value] of Object.entries(parsed)) {
    if (typeof value !== 'string') return undefined
    context.set(name, value)
  }
  return context
}
