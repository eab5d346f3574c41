import { strictTextOf } from '#base/bytes'

/** Why a text cannot be decoded. */
export type PercentFailure = 'malformed-escape' | 'invalid-utf8'

export type PercentResult =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly failure: PercentFailure }

// oxlint-disable-next-line no-control-regex -- plain ASCII is what the short way is for
const PLAIN = /^[\x00-\x24\x26-\x7f]*$/

/**
 * Decodes `%XX` once. `text` holds one character per byte, as HTTP delivers it. With `plusIsBlank` also `+`, as forms
 * write blanks.
 */
export function decodePercent(
  text: string,
  options: { readonly plusIsBlank: boolean },
): PercentResult {
  const spaced = options.plusIsBlank && text.includes('+') ? text.replaceAll('+', ' ') : text
  // Most names have no escape at all.
  if (PLAIN.test(spaced)) return { ok: true, text: spaced }
  const bytes = new Uint8Array(spaced.length)
  let size = 0
  for (let i = 0; i < spaced.length; i++) {
    const code = spaced.charCodeAt(i)
    if (code === 0x25) {
      const high = hexValue(spaced.charCodeAt(i + 1))
      const low = hexValue(spaced.charCodeAt(i + 2))
      if (high < 0 || low < 0) return { ok: false, failure: 'malformed-escape' }
      bytes[size++] = high * 16 + low
      i += 2
    } else {
      bytes[size++] = code
    }
  }
  const decoded = strictTextOf(bytes.subarray(0, size))
  return decoded === undefined
    ? { ok: false, failure: 'invalid-utf8' }
    : { ok: true, text: decoded }
}

/** Value of a hexadecimal digit given by its character code, -1 for anything else. */
export function hexValue(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

/** A header value as HTTP delivers it (one character per byte) as text: UTF-8 where it is valid, else unchanged. */
export function headerValueText(value: string): string {
  // oxlint-disable-next-line no-control-regex -- ASCII needs no decoding
  if (/^[\x00-\x7f]*$/.test(value)) return value
  const bytes = new Uint8Array(value.length)
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i)
    if (code > 0xff) return value
    bytes[i] = code
  }
  return strictTextOf(bytes) ?? value
}

const HEX = '0123456789ABCDEF'
const ESCAPES: readonly string[] = Array.from(
  { length: 256 },
  (_, byte) => `%${HEX[byte >> 4] ?? ''}${HEX[byte & 15] ?? ''}`,
)
const UNRESERVED = /^[A-Za-z0-9\-_.~]*$/
const UNRESERVED_PATH = /^[A-Za-z0-9\-_.~/]*$/

/** Escapes every UTF-8 byte except unreserved characters; with `keepSlash` also `/` stays. The form that signatures use. */
export function encodePercent(text: string, options: { readonly keepSlash: boolean }): string {
  if ((options.keepSlash ? UNRESERVED_PATH : UNRESERVED).test(text)) return text
  const bytes = new TextEncoder().encode(text)
  let out = ''
  for (const byte of bytes) {
    out +=
      isUnreserved(byte) || (byte === 0x2f && options.keepSlash)
        ? String.fromCharCode(byte)
        : (ESCAPES[byte] ?? '')
  }
  return out
}

function isUnreserved(byte: number): boolean {
  const lower = byte | 0x20
  return (
    (lower >= 0x61 && lower <= 0x7a) ||
    (byte >= 0x30 && byte <= 0x39) ||
    byte === 0x2d ||
    byte === 0x5f ||
    byte === 0x2e ||
    byte === 0x7e
  )
}

/** A form value: as `encodePercent`, blanks as `+`. */
export function encodeForm(text: string): string {
  return encodePercent(text, { keepSlash: false }).replaceAll('%20', '+')
}
