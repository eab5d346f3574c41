import { ConfigError } from './config.ts'
import { parseSwitch } from './values.ts'

/** Which contents are compressed before they are stored. Source: encryption.md 8.1. */
export interface CompressionSettings {
  readonly isEnabled: boolean
  /** Also what is encrypted, whose stored size then tells something about it. */
  readonly allowsEncryption: boolean
  /** Ends of keys, in any case; `*`: all keys. */
  readonly extensions: readonly string[]
  /** Patterns for the `Content-Type` header, with `*` and `?`. */
  readonly mimeTypes: readonly string[]
}

export const COMPRESSION_NAMES = [
  'COMPRESS',
  'COMPRESSION_ALLOW_ENCRYPTION',
  'COMPRESSION_ENABLE',
  'COMPRESSION_EXTENSIONS',
  'COMPRESSION_MIME_TYPES',
  'COMPRESS_ALLOW_ENCRYPTION',
  'COMPRESS_ENABLE',
  'COMPRESS_EXTENSIONS',
  'COMPRESS_MIMETYPES',
  'COMPRESS_MIME_TYPES',
] as const
export type CompressionName = (typeof COMPRESSION_NAMES)[number]

const DEFAULT_EXTENSIONS = '.txt,.log,.csv,.json,.tar,.xml,.bin'
const DEFAULT_MIME_TYPES = 'text/*,application/json,application/xml,binary/octet-stream'

interface NamedValue {
  readonly name: string
  readonly value: string
}

/** The names that begin with `COMPRESS_` are those of old releases. Errors: `ConfigError`. */
export function compressionSettingsOf(
  read: (name: CompressionName) => NamedValue | undefined,
): CompressionSettings {
  const isOn = (named: NamedValue | undefined): boolean =>
    named !== undefined && parseSwitch(named.name, named.value.trim())
  return {
    isEnabled: isOn(read('COMPRESSION_ENABLE') ?? read('COMPRESS_ENABLE') ?? read('COMPRESS')),
    allowsEncryption: isOn(
      read('COMPRESSION_ALLOW_ENCRYPTION') ?? read('COMPRESS_ALLOW_ENCRYPTION'),
    ),
    extensions: listOr(
      read('COMPRESSION_EXTENSIONS') ?? read('COMPRESS_EXTENSIONS'),
      DEFAULT_EXTENSIONS,
    ),
    mimeTypes: listOr(
      read('COMPRESSION_MIME_TYPES') ?? read('COMPRESS_MIME_TYPES') ?? read('COMPRESS_MIMETYPES'),
      DEFAULT_MIME_TYPES,
    ),
  }
}

function listOr(named: NamedValue | undefined, fallback: string): readonly string[] {
  return named === undefined
    ? fallback.split(',')
    : parseCompressionList(named.name, named.value.trim())
}

/** Items separated by commas. */
export function parseCompressionList(name: string, text: string): readonly string[] {
  const items = text.split(',').map((item) => item.trim())
  if (items.some((item) => item === '' || item === '/')) {
    throw new ConfigError(
      `Invalid ${name}="${text}": expected items separated by commas, such as .txt,.log; * stands for all`,
    )
  }
  return items
}
