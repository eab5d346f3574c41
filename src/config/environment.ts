import { existsSync, readFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { ConfigError, type Environment } from './config.ts'

/** Names whose value may also come from a file named by `<NAME>_FILE` (absolute, or below `/run/secrets`). */
const SECRET_NAMES = ['ROOT_USER', 'ROOT_PASSWORD', 'ACCESS_KEY', 'SECRET_KEY']

/** The process environment with the lines of `MINIO_CONFIG_ENV_FILE` under it: a variable of the process wins. Errors: `ConfigError`. */
export function loadEnvironment(processEnvironment: Environment): Environment {
  const path =
    processEnvironment['CAIRN_CONFIG_ENV_FILE'] ?? processEnvironment['MINIO_CONFIG_ENV_FILE']
  const fromFile =
    path === undefined || path === ''
      ? {}
      : parseEnvironmentFile(path, readText('MINIO_CONFIG_ENV_FILE', path))
  const merged: Record<string, string | undefined> = { ...fromFile, ...processEnvironment }
  for (const name of SECRET_NAMES.flatMap((secret) => [`CAIRN_${secret}`, `MINIO_${secret}`])) {
    const file = merged[`${name}_FILE`]
    if (file === undefined || file === '') continue
    const secretPath = isAbsolute(file) ? file : join('/run/secrets', file)
    merged[name] = readText(`${name}_FILE`, secretPath).trim()
  }
  readKmsSecret(merged)
  return merged
}

/** The master key may be in a file; a file that is not there counts as no key, since containers name it in any case. */
function readKmsSecret(merged: Record<string, string | undefined>): void {
  for (const name of ['CAIRN_KMS_SECRET_KEY', 'MINIO_KMS_SECRET_KEY']) {
    const file = merged[`${name}_FILE`]
    if (file === undefined || file === '' || !existsSync(file)) continue
    if (merged[name] !== undefined && merged[name] !== '') {
      throw new ConfigError(`${name} and ${name}_FILE exclude each other`)
    }
    merged[name] = readText(`${name}_FILE`, file)
  }
}

/** Lines `NAME=value`, `export NAME="value"`, comments with `#`. */
export function parseEnvironmentFile(path: string, text: string): Environment {
  const values: Record<string, string> = {}
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    const match = /^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line)
    const name = match?.[1]
    if (match === null || name === undefined) {
      throw new ConfigError(`Invalid line ${index + 1} of "${path}": expected NAME=value`)
    }
    values[name] = unquote(match[2] ?? '')
  }
  return values
}

function unquote(text: string): string {
  const trimmed = text.trim()
  const quote = trimmed[0]
  const isQuoted =
    trimmed.length >= 2 && (quote === '"' || quote === "'") && trimmed.endsWith(quote)
  return isQuoted ? trimmed.slice(1, -1) : trimmed
}

function readText(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new ConfigError(`Cannot read the file "${path}" of ${name}`, { cause: error })
  }
}
