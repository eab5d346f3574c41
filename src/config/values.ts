import { isIP } from 'node:net'
import { type Address, ConfigError } from './config.ts'

/** A setting that was given: what it is called in messages, and its text. */
export interface NamedValue {
  readonly name: string
  readonly value: string
}

/** The value of a setting, undefined where it was not given. */
export function optional<T>(
  named: NamedValue | undefined,
  parse: (name: string, value: string) => T,
): T | undefined {
  return named === undefined ? undefined : parse(named.name, named.value.trim())
}

/** Off where it was not given. */
export function isSwitchedOn(named: NamedValue | undefined): boolean {
  return optional(named, parseSwitch) ?? false
}

const DURATION_UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

const SIZE_UNIT_BYTES: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 1024,
  MIB: 1024 ** 2,
  GIB: 1024 ** 3,
  TIB: 1024 ** 4,
}

function refuse(name: string, text: string, allowed: string): never {
  throw new ConfigError(`Invalid ${name}="${text}": expected ${allowed}`)
}

/** `host:port`, `:port`, `[::1]:port`. */
export function parseAddress(name: string, text: string): Address {
  const match = /^(?<host>\[[0-9a-fA-F:.%]+\]|[^:[\]\s]*):(?<port>\d{1,5})$/.exec(text)
  const port = Number(match?.groups?.['port'] ?? Number.NaN)
  if (match === null || port > 65_535) {
    return refuse(name, text, 'HOST:PORT or :PORT with a port between 0 and 65535')
  }
  return { host: (match.groups?.['host'] ?? '').replaceAll(/[[\]]/g, ''), port }
}

/** Addresses and CIDR blocks, separated by commas. */
export function parseAddressBlocks(name: string, text: string): readonly string[] {
  return text.split(',').map((piece) => {
    const block = piece.trim()
    const [, address = '', bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(block) ?? []
    const family = isIP(address)
    if (family === 0 || Number(bits ?? 0) > (family === 4 ? 32 : 128)) {
      return refuse(name, text, 'addresses and CIDR blocks such as 10.0.0.0/8, separated by commas')
    }
    return block
  })
}

/** A path such as `/s3`, without the slash at its end. Its characters read the same in every encoding. */
export function parsePathPrefix(name: string, text: string): string {
  if (/^(?:\/(?!\.{1,2}(?:\/|$))[\w.~-]+)+\/?$/.test(text)) return text.replace(/\/$/, '')
  return refuse(name, text, 'a path such as /s3, of letters, digits and -._~')
}

/** Such as `us-east-1`: what can stand in a signature. */
export function parseRegion(name: string, text: string): string {
  if (/^[a-z][\w-]*$/i.test(text)) return text
  return refuse(name, text, 'a name such as us-east-1, of letters, digits, - and _')
}

/** Domain names, separated by commas, none inside another; in lower case. */
export function parseDomains(name: string, text: string): readonly string[] {
  const domains = text.split(',').map((domain) => domain.trim().toLowerCase())
  for (const domain of domains) {
    if (!/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(domain)) {
      return refuse(name, text, 'domain names separated by commas')
    }
    const clash = domains.find((other) => other !== domain && other.endsWith(`.${domain}`))
    if (clash !== undefined) {
      throw new ConfigError(`Invalid ${name}: "${clash}" lies inside "${domain}"`)
    }
  }
  return domains
}

/** Origins of browsers, separated by commas. */
export function parseOrigins(_name: string, text: string): readonly string[] {
  const origins = text.split(',').map((origin) => origin.trim())
  return origins.filter((origin) => origin !== '')
}

/** Go form: `30s`, `1m30s`, `24h`, also days. Milliseconds. */
export function parseDuration(name: string, text: string): number {
  let totalMs = 0
  let rest = text
  while (rest !== '') {
    const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)/.exec(rest)
    const unitMs = DURATION_UNIT_MS[match?.[2] ?? '']
    if (match === null || unitMs === undefined) {
      return refuse(name, text, 'a duration such as 500ms, 30s, 10m or 24h')
    }
    totalMs += Number(match[1]) * unitMs
    rest = rest.slice(match[0].length)
  }
  if (text === '') return refuse(name, text, 'a duration such as 500ms, 30s, 10m or 24h')
  return totalMs
}

/** `128KiB`, `64MB`, plain bytes; of a closed interval when bounds are given. */
export function parseSize(
  name: string,
  text: string,
  bounds?: { readonly min: string; readonly max: string },
): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim())
  const unit = SIZE_UNIT_BYTES[(match?.[2] ?? '').toUpperCase()]
  if (match === null || unit === undefined) {
    return refuse(name, text, 'a size such as 131072, 128KiB or 2GB')
  }
  const size = Math.floor(Number(match[1]) * unit)
  if (bounds === undefined) return size
  const { min, max } = bounds
  if (size >= parseSize(name, min) && size <= parseSize(name, max)) return size
  return refuse(name, text, `a size between ${min} and ${max}`)
}

/** Integer of a closed interval. */
export function parseInteger(
  name: string,
  text: string,
  bounds: { readonly min: number; readonly max: number },
): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= bounds.min && value <= bounds.max)) {
    return refuse(name, text, `an integer between ${bounds.min} and ${bounds.max}`)
  }
  return value
}

/** `on`, `true`, `1`, `enable` and their opposites. */
export function parseSwitch(name: string, text: string): boolean {
  switch (text.toLowerCase()) {
    case 'on':
    case 'true':
    case '1':
    case 'enable':
    case 'enabled':
      return true
    case 'off':
    case 'false':
    case '0':
    case 'disable':
    case 'disabled':
    case '':
      return false
    default:
      return refuse(name, text, 'on or off')
  }
}

export function parseChoice<const T extends string>(
  name: string,
  text: string,
  choices: readonly T[],
): T {
  const found = choices.find((choice) => choice === text.toLowerCase())
  return found ?? refuse(name, text, `one of ${choices.join(', ')}`)
}

/** `EC:n`; the count of parity shards. */
export function parseParity(name: string, text: string): number {
  const match = /^EC:(\d{1,2})$/i.exec(text)
  if (match === null)
    return refuse(name, text, 'EC:n with n parity shards, at most half of the set')
  return Number(match[1])
}
