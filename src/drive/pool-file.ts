import { FormatError, MsgpackReader, MsgpackWriter } from '#codec/msgpack'
import { FieldKeeper, readList } from './format/fields.ts'

/**
 * `pool.bin`: the pools of the deployment by their command-line identity, and which of them are being emptied.
 *
 *   format LE16 1   version LE16 1   { "v": 1, "pls": [ { "id", "cl", "lu", "dec" } ] }
 *
 * Source: disk-format.md 7.6.
 */

/** Progress of emptying a pool, under the names that its fields have on the drive. */
export interface Decommission {
  readonly complete: boolean
  readonly failed: boolean
  readonly canceled: boolean
  /** The whole record as encoded: kept and written back while Cairn does not change it. */
  readonly raw: Uint8Array
}

export interface PoolStatus {
  readonly index: number
  /** The pool's arguments as typed. Compared as text. */
  readonly commandLine: string
  readonly updatedNs: bigint
  /** Not undefined: the pool takes no new objects, whatever the flags say. */
  readonly decommission?: Decommission | undefined
}

export interface PoolFile {
  readonly pools: readonly PoolStatus[]
}

const HEADER = new Uint8Array([1, 0, 1, 0])
const VERSION = 1

/** Byte values are views. Errors: FormatError. */
export function parsePoolFile(bytes: Uint8Array): PoolFile {
  if (bytes.length <= HEADER.length || !HEADER.every((byte, i) => bytes[i] === byte)) {
    throw new FormatError('Pool file has an unknown format or version')
  }
  const reader = new MsgpackReader(bytes, HEADER.length)
  let version = 0
  let pools: readonly PoolStatus[] = []
  new FieldKeeper(reader).read((key) => {
    if (key === 'v') version = reader.readInteger()
    else if (key === 'pls') pools = readList(reader, readPool) ?? []
    else return false
    return true
  })
  if (version !== VERSION) throw new FormatError(`Unknown version ${version} of the pool file`)
  return { pools }
}

export function encodePoolFile(file: PoolFile): Uint8Array {
  const writer = new MsgpackWriter(256)
  writer.raw(HEADER)
  writer.mapHeader(2)
  writer.text('v')
  writer.signed(VERSION)
  writer.text('pls')
  writer.arrayHeader(file.pools.length)
  for (const pool of file.pools) {
    writer.mapHeader(4)
    writer.text('id')
    writer.signed(pool.index)
    writer.text('cl')
    writer.text(pool.commandLine)
    writer.text('lu')
    writer.timeNs(pool.updatedNs)
    writer.text('dec')
    if (pool.decommission === undefined) writer.nil()
    else writer.raw(pool.decommission.raw)
  }
  return writer.view()
}

/** The file for these command lines: pools that are in it keep their state, others are new, pools not given any more are dropped. The same file object when nothing changes. */
export function withCommandLines(
  file: PoolFile,
  commandLines: readonly string[],
  nowNs: bigint,
): PoolFile {
  const isSame =
    file.pools.length === commandLines.length &&
    file.pools.every(({ commandLine }, i) => commandLine === commandLines[i])
  if (isSame) return file
  const pools = commandLines.map((commandLine, index): PoolStatus => {
    const known = file.pools.find((pool) => pool.commandLine === commandLine)
    return known === undefined ? { index, commandLine, updatedNs: nowNs } : { ...known, index }
  })
  return { pools }
}

/** Pools whose emptying has neither ended nor been given up, but that are not among these command lines: the start must be refused. */
export function unfinishedPoolsMissing(
  file: PoolFile,
  commandLines: readonly string[],
): readonly PoolStatus[] {
  return file.pools.filter(
    ({ commandLine, decommission }) =>
      decommission !== undefined &&
      !decommission.complete &&
      !decommission.canceled &&
      !commandLines.includes(commandLine),
  )
}

function readPool(reader: MsgpackReader): PoolStatus {
  let index = 0
  let commandLine = ''
  let updatedNs = 0n
  let decommission: Decommission | undefined
  new FieldKeeper(reader).read((key) => {
    if (key === 'id') index = reader.readInteger()
    else if (key === 'cl') commandLine = reader.readText()
    else if (key === 'lu') updatedNs = reader.readTimeNs()
    else if (key === 'dec') decommission = reader.tryNil() ? undefined : readDecommission(reader)
    else return false
    return true
  })
  return { index, commandLine, updatedNs, decommission }
}

function readDecommission(reader: MsgpackReader): Decommission {
  const start = reader.offset
  let complete = false
  let failed = false
  let canceled = false
  new FieldKeeper(reader).read((key) => {
    if (key === 'cmp') complete = reader.readBoolean()
    else if (key === 'fl') failed = reader.readBoolean()
    else if (key === 'cnl') canceled = reader.readBoolean()
    else return false
    return true
  })
  return { complete, failed, canceled, raw: reader.bytes.subarray(start, reader.offset) }
}
