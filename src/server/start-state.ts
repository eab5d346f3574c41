import type { Clock } from '#base/clock'
import type { Environment, Settings } from '#config/config'
import { ConfigError } from '#config/config'
import {
  parseStoredSettings,
  STORED_SETTINGS_PATH,
  withStoredSettings,
} from '#config/stored-settings'
import { parityFor } from '#config/topology'
import {
  encodePoolFile,
  parsePoolFile,
  type PoolFile,
  unfinishedPoolsMissing,
  withCommandLines,
} from '#drive/pool-file'
import { FormatError } from '#drive/xl-meta'
import type { StorageClasses } from '#object/context'
import type { Engine } from '#object/engine'
import { ObjectError } from '#object/object'
import type { Log } from '#observe/log'
import type { StartState } from './thread-seed.ts'

/** What the drives say about the deployment, read when enough of them are up and before clients are served. */

const POOL_FILE_PATH = 'pool.bin'
const IAM_FORMAT_PATH = 'config/iam/format.json'

/** The start must be refused. */
export class PoolMissingError extends Error {
  override readonly name = 'PoolMissingError'
  readonly temporary = false
}

export interface StartStateOptions {
  readonly engine: Engine
  readonly clock: Clock
  readonly log: Log
  readonly settings: Settings
  readonly environment: Environment
  readonly pools: readonly { readonly commandLine: string; readonly setSize: number }[]
}

/** Errors: `PoolMissingError`; `EncryptionError` for drives that were sealed with a KMS or root credentials that are not here. */
export async function readStartState(options: StartStateOptions): Promise<StartState> {
  const [stored, closed] = await Promise.all([
    storedSettings(options),
    closedPools(options),
    // Users, keys and policies that cannot be read would look as if there were none.
    readObject(options, IAM_FORMAT_PATH),
  ])
  return { ...stored, closedPools: closed }
}

/** Classes of storage under settings. Errors: `ConfigError`. */
export function storageClasses(
  { storageClass }: Settings,
  setSizes: readonly number[],
): StorageClasses {
  const parity = parityFor(setSizes, storageClass)
  return {
    standardParity: parity.standard,
    reducedParity: parity.reduced,
    optimize: storageClass.optimize,
    inlineBlockBytes: storageClass.inlineBlockBytes,
  }
}

async function storedSettings(
  options: StartStateOptions,
): Promise<Pick<StartState, 'settings' | 'storage'>> {
  const { settings, environment, log, pools } = options
  const setSizes = pools.map(({ setSize }) => setSize)
  const own = { settings, storage: storageClasses(settings, setSizes) }
  const bytes = await readObject(options, STORED_SETTINGS_PATH)
  if (bytes === undefined) return own
  const stored = parseStoredSettings(bytes)
  if (stored === undefined) {
    log.warn('The stored configuration is damaged: only the environment counts')
    return own
  }
  const changed = withStoredSettings(settings, environment, stored)
  for (const warning of changed.warnings) log.warn(warning)
  try {
    const storage = storageClasses(changed.settings, setSizes)
    return { settings: changed.settings, storage }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    log.warn('The stored storage classes are not used', { error })
    const { storageClass } = settings
    return { settings: { ...changed.settings, storageClass }, storage: own.storage }
  }
}

/** Positions of the pools that take no new objects. Writes the file where it is missing, or when the command line changed. */
async function closedPools(options: StartStateOptions): Promise<readonly number[]> {
  const { engine, clock, log, pools } = options
  const commandLines = pools.map(({ commandLine }) => commandLine)
  const file = await readPoolFile(options)
  if (file === undefined) return []
  const [missing] = unfinishedPoolsMissing(file, commandLines)
  if (missing !== undefined) {
    throw new PoolMissingError(
      `Pool "${missing.commandLine}" is being emptied and must be on the command line`,
    )
  }
  const current = withCommandLines(file, commandLines, clock.nowNs())
  if (current !== file) {
    try {
      await engine.systemObjects.writeToAllPools(POOL_FILE_PATH, encodePoolFile(current))
    } catch (error) {
      if (!(error instanceof ObjectError)) throw error
      log.warn('Cannot write the list of pools', { error })
    }
  }
  const closed = current.pools.flatMap((pool, index) =>
    pool.decommission === undefined ? [] : [{ ...pool, index }],
  )
  for (const { commandLine, decommission } of closed) {
    const isDone = decommission?.complete === true
    log.warn(isDone ? 'Pool is empty and can be removed' : 'Pool takes no new objects', {
      pool: commandLine,
    })
  }
  return closed.map(({ index }) => index)
}

/** Undefined: nothing can be said about it, so that it must not be written anew. */
async function readPoolFile(options: StartStateOptions): Promise<PoolFile | undefined> {
  const { log } = options
  try {
    const bytes = await options.engine.systemObjects.read(POOL_FILE_PATH)
    return bytes === undefined ? { pools: [] } : parsePoolFile(bytes)
  } catch (error) {
    if (!(error instanceof FormatError) && !(error instanceof ObjectError)) throw error
    log.warn('Cannot read the list of pools: all of them take new objects', { error })
    return undefined
  }
}

async function readObject(
  { engine, log }: StartStateOptions,
  path: string,
): Promise<Uint8Array | undefined> {
  try {
    return await engine.systemObjects.readSealed(path)
  } catch (error) {
    if (!(error instanceof ObjectError)) throw error
    log.warn('Cannot read the stored configuration: only the environment counts', { error })
    return undefined
  }
}
