const TEXT_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** True for 36 characters in 8-4-4-4-12 form, either case. */
export function isUuid(text: string): boolean {
  return text.length === 36 && TEXT_PATTERN.test(text)
}

/** Text of 16 bytes, lower case, bytes in text order. */
export function formatUuid(raw: Uint8Array): string {
  const hex = raw.toHex()
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** The 16 bytes of a UUID text; the caller has checked it with `isUuid`. */
export function parseUuid(text: string): Uint8Array {
  return Uint8Array.fromHex(text.replaceAll('-', ''))
}
