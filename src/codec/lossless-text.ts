/**
 * Texts from bytes that should be UTF-8 but need not be, and back without loss.
 *
 * A byte that is not part of valid UTF-8 becomes the lone surrogate U+DC00 + byte (U+DC80 to U+DCFF), which no valid
 * UTF-8 yields, so that both directions are exact.
 */

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()
/** Up to this length ASCII is looked for by hand: a call of the decoder costs more. */
const SHORT = 64
/** Up to this length a text is put together from its characters; longer ones would be chains of pieces. */
const TINY = 12
const ESCAPE = 0xdc00
/** Node's types leave it out; it takes any bytes. */
const { latin1Slice } = Buffer.prototype as {
  latin1Slice: (this: Uint8Array, start: number, end: number) => string
}

/** The text of `bytes` from `start` to `end`. */
export function decodeText(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= SHORT && isAscii(bytes, start, end)) {
    if (end - start > TINY) return latin1Slice.call(bytes, start, end)
    let text = ''
    for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i] ?? 0)
    return text
  }
  try {
    return decoder.decode(bytes.subarray(start, end))
  } catch {
    return decodeEscaped(bytes, start, end) // not UTF-8, the only error of the decoder
  }
}

function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if ((bytes[i] ?? 0) > 0x7f) return false
  return true
}

/** Bytes that `encodeTextInto` will write. */
export function encodedSizeOf(text: string): number {
  let size = text.length
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code <= 0x7f) continue
    if (code <= 0x7ff) size++
    else if (!isSurrogate(code)) size += 2
    else if (isPair(text, i)) {
      size += 2 // four bytes for two units
      i++
    } else if (!isEscape(code)) size += 2 // U+FFFD
  }
  return size
}

/** Writes the bytes of `text` at `offset`; there must be room for `encodedSizeOf(text)`. */
export function encodeTextInto(text: string, target: Uint8Array, offset: number): void {
  let at = offset
  let i = 0
  for (; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7f) break
    target[at++] = code
  }
  if (i === text.length) return
  const rest = i === 0 ? text : text.slice(i)
  if (rest.isWellFormed()) encoder.encodeInto(rest, target.subarray(at))
  else encodeEscaped(rest, target, at)
}

/** The bytes of `text`. */
export function encodeText(text: string): Uint8Array {
  const bytes = new Uint8Array(encodedSizeOf(text))
  encodeTextInto(text, bytes, 0)
  return bytes
}

function encodeEscaped(text: string, target: Uint8Array, offset: number): void {
  let at = offset
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (isEscape(code)) {
      target[at++] = code - ESCAPE
      continue
    }
    const units = isPair(text, i) ? 2 : 1
    at += encoder.encodeInto(text.slice(i, i + units), target.subarray(at)).written
    i += units - 1
  }
}

function decodeEscaped(bytes: Uint8Array, start: number, end: number): string {
  let text = ''
  let i = start
  while (i < end) {
    const size = sequenceSize(bytes, i, end)
    if (size === 0) text += String.fromCharCode(ESCAPE + (bytes[i++] ?? 0))
    else {
      text += decoder.decode(bytes.subarray(i, i + size))
      i += size
    }
  }
  return text
}

/** Length of the valid UTF-8 sequence at `at`, 0 when there is none. */
function sequenceSize(bytes: Uint8Array, at: number, end: number): number {
  const lead = bytes[at] ?? 0
  if (lead <= 0x7f) return 1
  const size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2
  if (lead < 0xc2 || lead > 0xf4 || at + size > end) return 0
  for (let i = 1; i < size; i++) if (((bytes[at + i] ?? 0) & 0xc0) !== 0x80) return 0
  const second = bytes[at + 1] ?? 0
  if (lead === 0xe0 && second < 0xa0) return 0 // overlong
  if (lead === 0xed && second > 0x9f) return 0 // surrogate
  if (lead === 0xf0 && second < 0x90) return 0 // overlong
  if (lead === 0xf4 && second > 0x8f) return 0 // above U+10FFFF
  return size
}

function isSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdfff
}

function isPair(text: string, i: number): boolean {
  const code = text.charCodeAt(i)
  if (code < 0xd800 || code > 0xdbff) return false
  const next = text.charCodeAt(i + 1)
  return next >= 0xdc00 && next <= 0xdfff
}

/** Only reached for a low surrogate without its high one. */
function isEscape(code: number): boolean {
  return code >= ESCAPE + 0x80 && code <= ESCAPE + 0xff
}
