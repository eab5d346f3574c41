/**
 * Blocks of LZ4 (the public block format): sequences of
 *
 *     | token: 4 bits literals, 4 bits match - 4 | more length | literals | offset: u16 LE | more length |
 *
 * where a length of 15 goes on in bytes up to the first that is not 255. The last sequence ends behind its literals.
 */

const MATCH_MIN = 4
const NIBBLE_MAX = 15
const BYTE_MAX = 255

/**
 * Decodes `input` into `output` from `start` on; matches may reach back to the beginning of `output`. Answers the index
 * behind the last byte; undefined: the block is broken or does not fit.
 */
export function decodeLz4Block(
  input: Uint8Array,
  output: Uint8Array,
  start: number,
): number | undefined {
  let from = 0
  let to = start
  while (from < input.length) {
    const token = input[from] ?? 0
    from += 1
    let literals = token >> 4
    if (literals === NIBBLE_MAX) {
      let more: number
      do {
        if (from >= input.length) return undefined
        more = input[from] ?? 0
        from += 1
        literals += more
      } while (more === BYTE_MAX)
    }
    if (from + literals > input.length || to + literals > output.length) return undefined
    output.set(input.subarray(from, from + literals), to)
    from += literals
    to += literals
    if (from === input.length) return to
    const offset = (input[from] ?? 0) | ((input[from + 1] ?? 0) << 8)
    from += 2
    let length = (token & NIBBLE_MAX) + MATCH_MIN
    if (length === NIBBLE_MAX + MATCH_MIN) {
      let more: number
      do {
        if (from >= input.length) return undefined
        more = input[from] ?? 0
        from += 1
        length += more
      } while (more === BYTE_MAX)
    }
    if (offset === 0 || offset > to || to + length > output.length) return undefined
    copyMatch(output, to, offset, length)
    to += length
  }
  // A block ends with literals, so one that gets here was cut.
  return undefined
}

/** Copies what lies `offset` bytes back; what overlaps repeats itself. */
function copyMatch(output: Uint8Array, to: number, offset: number, length: number): void {
  if (offset >= length) {
    output.copyWithin(to, to - offset, to - offset + length)
    return
  }
  for (let i = 0; i < length; i++) output[to + i] = output[to + i - offset] ?? 0
}
