/**
 * Patterns: `*` stands for any run, also of `/`, `?` for one byte of UTF-8. Both sides are handled as byte strings (one
 * character per byte), in which the wildcards are characters that no byte has.
 */
const ANY_RUN = '\u0100'
const ANY_BYTE = '\u0101'

/** Whether `text` matches `pattern`. */
export function matchesWildcard(pattern: string, text: string): boolean {
  if (!pattern.includes('*') && !pattern.includes('?')) return pattern === text
  return matchesCompiled(compilePattern(pattern), text)
}

/** A pattern for `matchesCompiled`. Compiled patterns and `compileLiteral` texts may be joined. */
export function compilePattern(pattern: string): string {
  return byteString(pattern).replaceAll('*', ANY_RUN).replaceAll('?', ANY_BYTE)
}

/** A text that stands for itself in a compiled pattern. */
export function compileLiteral(text: string): string {
  return byteString(text)
}

/** Linear in the product of both lengths at worst, without recursion. */
export function matchesCompiled(pattern: string, text: string): boolean {
  const bytes = byteString(text)
  let at = 0
  let position = 0
  let star = -1
  let mark = 0
  while (position < bytes.length) {
    const c = pattern[at]
    if (c === ANY_RUN) {
      star = at++
      mark = position
    } else if (c !== undefined && (c === ANY_BYTE || c === bytes[position])) {
      at += 1
      position += 1
    } else if (star >= 0) {
      at = star + 1
      position = ++mark
    } else {
      return false
    }
  }
  while (pattern[at] === ANY_RUN) at += 1
  return at === pattern.length
}

function byteString(text: string): string {
  // oxlint-disable-next-line no-control-regex -- ASCII is its own byte form
  return /^[\x00-\x7f]*$/.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}
