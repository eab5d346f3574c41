import { existsSync, readFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { ConfigError, type Environment } from './config.ts'

/** Names whose value may also come from a file named by `<NAME>_FILE`. */
const CREDENTIAL_NAMES = ['ROOT_USER', 'ROOT_PASSWORD', 'ACCESS_KEY', 'SECRET_KEY']
export const FILE_NAMES: readonly string[] = [...CREDENTIAL_NAMES, 'KMS_SECRET_KEY']

const SECRETS_FOLDER = '/run/secrets'

/**
 * The process environment with what files say: secrets first, then the lines of `MINIO_CONFIG_ENV_FILE`, which win over
 * variables of the process. Errors: `ConfigError`. Source: admin-api.md 4.5.
 */
export function loadEnvironment(processEnvironment: Environment): Environment {
  const own = withCredentials(processEnvironment)
  const path = own['CAIRN_CONFIG_ENV_FILE'] ?? own['MINIO_CONFIG_ENV_FILE'] ?? ''
  const isThere = path !== '' && (isAbsolute(path) || existsSync(path))
  const lines = isThere ? parseEnvironmentFile(path, readText('MINIO_CONFIG_ENV_FILE', path)) : {}
  const merged: Record<string, string | undefined> = { ...own, ...withCredentials(lines) }
  readKmsSecret(merged)
  return merged
}

function withCredentials(environment: Environment): Environment {
  const filled: Record<string, string | undefined> = { ...environment }
  for (const name of CREDENTIAL_NAMES.flatMap((one) => [`CAIRN_${one}`, `MINIO_${one}`])) {
    const path = secretPath(environment[`${name}_FILE`])
    if (path !== undefined) filled[name] = readText(`${name}_FILE`, path).trim()
  }
  return filled
}

/** A relative name is that of a secret of a container. Images name them in any case, so that one may be missing. */
function secretPath(name: string | undefined): string | undefined {
  if (name === undefined || name === '') return undefined
  if (isAbsolute(name)) return name
  return [join(SECRETS_FOLDER, name), name].find((path) => existsSync(path))
}

/** The master key may be in a file; a file that is not there counts as no key, since containers name it in any case. */
function readKmsSecret(merged: Record<string, string | undefined>): void {
  for (const name of ['CAIRN_KMS_SECRET_KEY', 'MINIO_KMS_SECRET_KEY']) {
    const path = secretPath(merged[`${name}_FILE`])
    if (path === undefined || !existsSync(path)) continue
    if (merged[name] !== undefined && merged[name] !== '') {
      throw new ConfigError(`${name} and ${name}_FILE exclude each other`)
    }
    merged[name] = readText(`${name}_FILE`, path)
  }
}

/** Lines `NAME=value`, `export NAME="value"`, comments with `#`. */
function parseEnvironmentFile(path: string, text: string): Environment {
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
