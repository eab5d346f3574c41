import { ConfigError } from './config.ts'
import { isSwitchedOn, type NamedValue, optional } from './values.ts'

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
type CompressionName = (typeof COMPRESSION_NAMES)[number]

const DEFAULT_EXTENSIONS = ['.txt', '.log', '.csv', '.json', '.tar', '.xml', '.bin']
const DEFAULT_MIME_TYPES = ['text/*', 'application/json', 'application/xml', 'binary/octet-stream']

/** The names that begin with `COMPRESS_` are those of old releases. Errors: `ConfigError`. */
export function compressionSettingsOf(
  read: (name: CompressionName) => NamedValue | undefined,
): CompressionSettings {
  return {
    isEnabled: isSwitchedOn(
      read('COMPRESSION_ENABLE') ?? read('COMPRESS_ENABLE') ?? read('COMPRESS'),
    ),
    allowsEncryption: isSwitchedOn(
      read('COMPRESSION_ALLOW_ENCRYPTION') ?? read('COMPRESS_ALLOW_ENCRYPTION'),
    ),
    extensions:
      optional(
        read('COMPRESSION_EXTENSIONS') ?? read('COMPRESS_EXTENSIONS'),
        parseCompressionList,
      ) ?? DEFAULT_EXTENSIONS,
    mimeTypes:
      optional(
        read('COMPRESSION_MIME_TYPES') ?? read('COMPRESS_MIME_TYPES') ?? read('COMPRESS_MIMETYPES'),
        parseCompressionList,
      ) ?? DEFAULT_MIME_TYPES,
  }
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
