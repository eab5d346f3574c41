/** Times as the formats write them in texts, in nanoseconds since 1970. */

const RFC_3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/
const NS_PER_MS = 1_000_000n
const NS_PER_SECOND = 1_000_000_000n

/** A time of RFC 3339 with up to nine fractional digits, undefined when it is none. */
export function parseRfc3339Ns(text: string): bigint | undefined {
  const match = RFC_3339.exec(text)
  if (match === null) return undefined
  const [, year, month, day, time, fraction = '', zone = 'Z'] = match
  const ms = Date.parse(`${year}-${month}-${day}T${time}${zone.toUpperCase()}`)
  if (Number.isNaN(ms)) return undefined
  return BigInt(ms) * NS_PER_MS + BigInt(fraction.padEnd(9, '0'))
}

/** The text of RFC 3339 in UTC, without fraction when that is zero and without trailing zeros otherwise. Years 0 to 9999. */
export function formatRfc3339Ns(ns: bigint): string {
  let fraction = ns % NS_PER_SECOND
  if (fraction < 0n) fraction += NS_PER_SECOND
  const seconds = new Date(Number((ns - fraction) / NS_PER_MS)).toISOString().slice(0, 19)
  if (fraction === 0n) return `${seconds}Z`
  return `${seconds}.${fraction.toString().padStart(9, '0').replace(/0+$/, '')}Z`
}
