import { strictTextOf, utf8 } from '#base/bytes'
import type { Random } from '#base/random'
import { isUuid } from '#base/uuid'
import { FormatError } from '#codec/msgpack'

/**
 * `format.json`: which deployment a drive belongs to, and its place in it.
 *
 *   {"version":"1","format":"xl","id":"<deployment>","xl":{"version":"3","this":"<drive>",
 *    "sets":[["<drive>", ...], ...],"distributionAlgo":"SIPMOD+PARITY"}}
 *
 * All drives of a pool hold the same but for `this`. The order of `sets` is fixed when the pool is first formatted.
 * Source: docs/formats/format-json.md; disk-format.md 2.1 to 2.3, distributed.md 2.3.
 */

export type DistributionAlgorithm = 'CRCMOD' | 'SIPMOD' | 'SIPMOD+PARITY'

/** Only drives of deployments with this algorithm may hold `xl.json` files. */
const LEGACY_ALGORITHM: DistributionAlgorithm = 'CRCMOD'

export interface DriveFormat {
  /** UUID text, one for all pools; empty when a file of an old layout has none. */
  readonly deploymentId: string
  /** UUID text of this drive; empty in files that old migrations left, see `repairDriveId`. */
  readonly driveId: string
  /** Drive ids by set and position. All sets have the same size. */
  readonly sets: readonly (readonly string[])[]
  readonly distributionAlgorithm: DistributionAlgorithm
  /** 1 and 2 are migrated before use. */
  readonly layoutVersion: 1 | 2 | 3
}

/** Where a drive stands, counted from 0. */
export interface DrivePlace {
  readonly set: number
  readonly position: number
}

/** A pool as the command line gives it. */
export interface PoolShape {
  readonly setCount: number
  readonly setSize: number
}

/** Marks drives as absent in MinIO's memory; never a drive's id. */
const OFFLINE_DRIVE_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff'
const DRIVES_MAX = 65_536

/** Errors: FormatError, whose message says what is wrong. */
export function parseFormat(bytes: Uint8Array): DriveFormat {
  const root = membersOf(parseJson(bytes), 'format.json')
  const format = textOf(root, 'format')
  if (format === 'fs') {
    throw new FormatError('Drive belongs to the removed file system mode and cannot be used')
  }
  if (textOf(root, 'version') !== '1' || (format !== 'xl' && format !== 'xl-single')) {
    throw new FormatError(`Drive has an unknown format "${format}"`)
  }
  const deploymentId = root.has('id') ? textOf(root, 'id') : ''
  if (deploymentId !== '' && !isUuid(deploymentId)) {
    throw new FormatError('Deployment id of the drive is not a UUID')
  }
  const layout = membersOf(root.get('xl'), 'xl')
  const version = textOf(layout, 'version')
  switch (version) {
    case '1': {
      const driveId = textOf(layout, layout.has('drive') ? 'drive' : 'disk')
      const sets = checkedSets([layout.get('jbod')])
      const distributionAlgorithm = LEGACY_ALGORITHM
      return { deploymentId, driveId, sets, distributionAlgorithm, layoutVersion: 1 }
    }
    case '2':
    case '3': {
      const sets = checkedSets(layout.get('sets'))
      const distributionAlgorithm = algorithmOf(textOf(layout, 'distributionAlgo'))
      const driveId = textOf(layout, 'this')
      const layoutVersion = version === '2' ? 2 : 3
      return { deploymentId, driveId, sets, distributionAlgorithm, layoutVersion }
    }
    default:
      throw new FormatError(`Drive has an unknown layout version "${version}"`)
  }
}

/** The bytes of `format.json`, layout version 3. */
export function encodeFormat(format: DriveFormat): Uint8Array {
  const document = {
    version: '1',
    format: driveCountOf(format) === 1 ? 'xl-single' : 'xl',
    id: format.deploymentId,
    xl: {
      version: '3',
      this: format.driveId,
      sets: format.sets,
      distributionAlgo: format.distributionAlgorithm,
    },
  }
  return utf8(JSON.stringify(document))
}

/** The formats of a new pool's drives, in the order of its endpoints. `deploymentId`: that of an earlier pool, if there is one. */
export function newFormats(
  shape: PoolShape,
  random: Random,
  deploymentId = random.uuid(),
): readonly DriveFormat[] {
  const sets = Array.from({ length: shape.setCount }, () =>
    Array.from({ length: shape.setSize }, () => random.uuid()),
  )
  const distributionAlgorithm = 'SIPMOD+PARITY'
  return sets
    .flat()
    .map((driveId) => ({ deploymentId, driveId, sets, distributionAlgorithm, layoutVersion: 3 }))
}

/** The reference with the id of one slot: what a replaced drive is formatted with. */
export function formatForSlot(reference: DriveFormat, place: DrivePlace): DriveFormat {
  const driveId = reference.sets[place.set]?.[place.position]
  if (driveId === undefined) throw new FormatError('There is no such slot in the format')
  return { ...reference, driveId }
}

/**
 * The format that most drives agree on, `driveId` empty; undefined when fewer than half of the endpoints do.
 * `formats` by endpoint; undefined: unformatted or unreadable. Formats are of layout version 3.
 */
export function chooseReference(
  formats: readonly (DriveFormat | undefined)[],
): DriveFormat | undefined {
  const groups = new Map<string, { count: number; readonly format: DriveFormat }>()
  for (const format of formats) {
    if (format === undefined || format.deploymentId === '') continue
    const key = identityOf(format)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { count: 1, format })
    else group.count++
  }
  let best: { count: number; readonly format: DriveFormat } | undefined
  for (const group of groups.values()) {
    if (best === undefined || group.count > best.count) best = group
  }
  if (best === undefined || best.count < formats.length / 2) return undefined
  return { ...best.format, driveId: '' }
}

/** Why a drive's format does not fit the pool on the command line; undefined when it does. `endpointIndex` counts from 0. */
export function checkShape(
  format: DriveFormat,
  shape: PoolShape,
  endpointIndex: number,
): string | undefined {
  const wanted = shape.setCount * shape.setSize
  const found = driveCountOf(format)
  if (found !== wanted) {
    return `drive is already being used in another erasure deployment. (Number of drives specified: ${wanted} but the number of drives found in the ${ordinal(endpointIndex + 1)} drive's format.json: ${found})`
  }
  const setSize = format.sets[0]?.length ?? 0
  if (setSize !== shape.setSize) {
    return `drive is already formatted with ${setSize} drives per erasure set. This cannot be changed to ${shape.setSize}`
  }
  return undefined
}

/** Why a drive cannot stand where it does; undefined when it may. Everything counts from 0; `endpoint` is for the message. */
export function checkPlace(
  format: DriveFormat,
  reference: DriveFormat,
  expected: DrivePlace & { readonly pool: number; readonly endpoint: string },
): string | undefined {
  if (identityOf(format) !== identityOf(reference)) {
    return `drive belongs to another deployment: ${expected.endpoint}(${format.driveId})`
  }
  const found = placeOf(reference, format.driveId)
  if (found === undefined) {
    return `drive is not part of this deployment: ${expected.endpoint}(${format.driveId})`
  }
  if (found.set === expected.set && found.position === expected.position) return undefined
  return `unexpected drive ordering on pool: ${ordinal(expected.pool + 1)}: found drive at ${placeText(found)}, expected at ${placeText(expected)}: ${expected.endpoint}(${format.driveId})`
}

/** Where a drive id stands in the format. */
export function placeOf(format: DriveFormat, driveId: string): DrivePlace | undefined {
  for (const [set, drives] of format.sets.entries()) {
    const position = drives.indexOf(driveId)
    if (position >= 0) return { set, position }
  }
  return undefined
}

/** A format of a single set without a drive id gets the one of its endpoint. */
export function repairDriveId(format: DriveFormat, endpointIndex: number): DriveFormat {
  if (format.driveId !== '' || format.sets.length !== 1) return format
  return formatForSlot(format, { set: 0, position: endpointIndex })
}

/**
 * Formats of layout 1 and 2 as layout 3, with one deployment id for all: the one that some drive has, else a new one.
 * The same objects when there is nothing to migrate. Afterwards each drive's multipart folder is to be trashed and its
 * format written.
 */
export function migrateFormats(
  formats: readonly (DriveFormat | undefined)[],
  random: Random,
): readonly (DriveFormat | undefined)[] {
  if (!formats.some((format) => format !== undefined && format.layoutVersion < 3)) return formats
  const known = formats.find((format) => format !== undefined && format.deploymentId !== '')
  const deploymentId = known?.deploymentId ?? random.uuid()
  return formats.map((format) => {
    if (format === undefined || (format.layoutVersion === 3 && format.deploymentId !== '')) {
      return format
    }
    const own = format.deploymentId === '' ? deploymentId : format.deploymentId
    return { ...format, deploymentId: own, layoutVersion: 3 }
  })
}

function driveCountOf(format: Pick<DriveFormat, 'sets'>): number {
  return format.sets.length * (format.sets[0]?.length ?? 0)
}

/** Everything that must be the same on all drives of a pool. */
function identityOf(format: DriveFormat): string {
  return JSON.stringify([format.deploymentId, format.distributionAlgorithm, format.sets])
}

function placeText(place: DrivePlace): string {
  return `(set=${ordinal(place.set + 1)}, drive=${ordinal(place.position + 1)})`
}

/** 1st, 2nd, 3rd, 4th, 11th, 21st ... */
function ordinal(n: number): string {
  const teens = n % 100 >= 11 && n % 100 <= 13
  const suffix = teens ? undefined : ['st', 'nd', 'rd'][(n % 10) - 1]
  return `${n}${suffix ?? 'th'}`
}

function checkedSets(value: unknown): readonly (readonly string[])[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > DRIVES_MAX) {
    throw new FormatError('Format lists no sets of drives')
  }
  const seen = new Set<string>()
  const sets: string[][] = []
  for (const item of value as readonly unknown[]) {
    if (!Array.isArray(item) || item.length === 0 || item.length > DRIVES_MAX) {
      throw new FormatError('Format lists a set without drives')
    }
    const drives: string[] = []
    for (const drive of item as readonly unknown[]) {
      if (typeof drive !== 'string' || !isUuid(drive) || drive === OFFLINE_DRIVE_ID) {
        throw new FormatError('Format lists a drive without a valid id')
      }
      if (seen.has(drive)) throw new FormatError(`Format lists drive "${drive}" twice`)
      seen.add(drive)
      drives.push(drive)
    }
    sets.push(drives)
    if (drives.length !== sets[0]?.length) throw new FormatError('Sets have different sizes')
  }
  return sets
}

function algorithmOf(name: string): DistributionAlgorithm {
  if (name === 'CRCMOD' || name === 'SIPMOD' || name === 'SIPMOD+PARITY') return name
  throw new FormatError(`Unknown distribution algorithm "${name}"`)
}

function parseJson(bytes: Uint8Array): unknown {
  const text = strictTextOf(bytes)
  if (text === undefined) throw new FormatError('Format of the drive is not valid UTF-8')
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new FormatError('Format of the drive is not valid JSON', { cause: error })
  }
}

function membersOf(value: unknown, name: string): ReadonlyMap<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new FormatError(`Expected a JSON object in "${name}"`)
  }
  return new Map(Object.entries(value))
}

function textOf(members: ReadonlyMap<string, unknown>, name: string): string {
  const value = members.get(name)
  if (typeof value !== 'string') throw new FormatError(`Expected a text in "${name}" of the format`)
  return value
}
