import { FormatError, MsgpackReader } from '#codec/msgpack'
import { FieldKeeper } from './format/fields.ts'

/** `.heal/mrf/list.bin`: repairs that MinIO still owed when it stopped; hints to be taken over and removed. Source: disk-format.md 7.6. */

export interface OwedRepair {
  readonly bucket: string
  /** Encoded key. */
  readonly path: string
  /** As stored: UUID text, `null`, or empty for all versions. */
  readonly versionId: string
  readonly setIndex: number
  readonly poolIndex: number
  readonly bitrotScan: boolean
}

const HEADER = new Uint8Array([1, 0, 1, 0])

/** The repairs up to the first damaged one: the file is written without care and only holds hints. Errors: FormatError for another format or version. */
export function parseRepairList(bytes: Uint8Array): OwedRepair[] {
  if (bytes.length < HEADER.length || !HEADER.every((byte, i) => bytes[i] === byte)) {
    throw new FormatError('Repair list has an unknown format or version')
  }
  const reader = new MsgpackReader(bytes, HEADER.length)
  const repairs: OwedRepair[] = []
  try {
    while (!reader.isAtEnd) repairs.push(readRepair(reader))
  } catch (error) {
    if (!(error instanceof FormatError)) throw error // the rest is lost; the scanner finds what it named
  }
  return repairs
}

function readRepair(reader: MsgpackReader): OwedRepair {
  let bucket = ''
  let path = ''
  let versionId = ''
  let setIndex = 0
  let poolIndex = 0
  let bitrotScan = false
  new FieldKeeper(reader).read((key) => {
    if (key === 'Bucket') bucket = reader.readText()
    else if (key === 'Object') path = reader.readText()
    else if (key === 'VersionID') versionId = reader.readText()
    else if (key === 'SetIndex') setIndex = reader.readInteger()
    else if (key === 'PoolIndex') poolIndex = reader.readInteger()
    else if (key === 'BitrotScan') bitrotScan = reader.readBoolean()
    else return false
    return true
  })
  return { bucket, path, versionId, setIndex, poolIndex, bitrotScan }
}
