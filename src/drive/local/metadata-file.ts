import { DriveError } from '../drive.ts'
import { FormatError, XlMeta } from '../xl-meta.ts'
import type { DriveContext } from './drive-context.ts'
import { pathBelow, requireVolume } from './drive-paths.ts'
import { type FileSystem, systemErrorCode } from './file-system.ts'
import { fail } from './step-scheduler.ts'

export const XL_META = 'xl.meta'
export const XL_JSON = 'xl.json'
export const BACKUP = 'xl.meta.bkp'

/** Most metadata files are smaller: one read is enough. */
const FIRST_READ_BYTES = 16 * 1024
/** Magic, version and the length of the payload. */
const FRAME_HEAD_BYTES = 13
const CHECKSUM_BYTES = 5

const firstRead = new Uint8Array(FIRST_READ_BYTES)

/** Small copies share memory: a list makes many, and a buffer of its own for each costs more than the copy. */
const SLAB_BYTES = 64 * 1024
let slab = new Uint8Array(SLAB_BYTES)
let slabUsed = 0

function copyOf(bytes: Uint8Array): Uint8Array {
  if (slabUsed + bytes.length > SLAB_BYTES) {
    slab = new Uint8Array(SLAB_BYTES)
    slabUsed = 0
  }
  const copy = slab.subarray(slabUsed, slabUsed + bytes.length)
  copy.set(bytes)
  slabUsed += bytes.length
  return copy
}

/** Where metadata files are read. */
export type MetadataPlace = Pick<DriveContext, 'fileSystem' | 'root' | 'mayHoldV1'>

/** Bytes of an object's metadata file, a copy. `inline` false leaves out the inline section where the form tells its length. Throws `DriveError`. */
export function readMetadataFile(
  place: MetadataPlace,
  volume: string,
  path: string,
  options: { readonly inline: boolean },
): Uint8Array {
  const { fileSystem, root, mayHoldV1 } = place
  const directory = pathBelow(root, volume, path)
  const bytes =
    readHead(fileSystem, `${directory}/${XL_META}`, options.inline) ??
    (mayHoldV1 ? readHead(fileSystem, `${directory}/${XL_JSON}`, true) : undefined)
  if (bytes !== undefined) return bytes
  requireVolume(fileSystem, root, volume)
  return fail('FileNotFound', `"${volume}/${path}" has no metadata`)
}

function readHead(fileSystem: FileSystem, path: string, inline: boolean): Uint8Array | undefined {
  let file: number
  try {
    file = fileSystem.open(path, 'read')
  } catch (error) {
    const code = systemErrorCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
  try {
    let count = fileSystem.readStart(file, firstRead)
    const wanted = inline ? Number.POSITIVE_INFINITY : headSize(firstRead.subarray(0, count))
    if (wanted <= count) return copyOf(firstRead.subarray(0, wanted))
    if (count < FIRST_READ_BYTES) {
      // Only an empty answer tells the end.
      count += fileSystem.read(file, firstRead.subarray(count), count)
      if (count < FIRST_READ_BYTES) return copyOf(firstRead.subarray(0, count))
    }
    const size = Math.min(fileSystem.statFile(file).sizeBytes, wanted)
    const bytes = new Uint8Array(size)
    bytes.set(firstRead.subarray(0, Math.min(count, size)))
    const rest = fileSystem.read(file, bytes.subarray(Math.min(count, size)), count)
    if (count + rest < size) fail('FileCorrupt', 'Metadata file became shorter while it was read')
    return bytes
  } finally {
    fileSystem.close(file)
  }
}

/** Size without the inline section, infinite where the form does not tell it in its first bytes. */
function headSize(bytes: Uint8Array): number {
  const isXl2 = bytes[0] === 0x58 && bytes[1] === 0x4c && bytes[2] === 0x32 && bytes[3] === 0x20
  const isBin32 = bytes[4] === 1 && bytes[5] === 0 && bytes[6] === 3 && bytes[8] === 0xc6
  if (bytes.length < FRAME_HEAD_BYTES || !isXl2 || !isBin32) return Number.POSITIVE_INFINITY
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(9)
  return FRAME_HEAD_BYTES + length + CHECKSUM_BYTES
}

/** What a change starts from. */
export interface CurrentMetadata {
  /** Undefined: there is no metadata file. */
  readonly meta: XlMeta | undefined
  /** True: the file cannot be read as metadata. */
  readonly isCorrupt: boolean
  /** Whether the key has a directory. */
  readonly hasDirectory: boolean
}

/** Reads and parses the metadata of a key that is to be changed. Throws `DriveError`, not for a missing or corrupt file. */
export function readForChange(
  context: DriveContext,
  volume: string,
  path: string,
): CurrentMetadata {
  // A system call that fails costs more than this look, and most keys that are written are new.
  if (context.fileSystem.kindOf(context.path(volume, path)) === undefined) {
    context.requireVolume(volume)
    return { meta: undefined, isCorrupt: false, hasDirectory: false }
  }
  let bytes: Uint8Array
  try {
    bytes = readMetadataFile(context, volume, path, { inline: true })
  } catch (error) {
    if (error instanceof DriveError && error.code === 'FileNotFound') {
      return { meta: undefined, isCorrupt: false, hasDirectory: true }
    }
    throw error
  }
  try {
    const meta = XlMeta.parse(bytes, context.hashes)
    return { meta, isCorrupt: false, hasDirectory: true }
  } catch (error) {
    if (error instanceof FormatError)
      return { meta: undefined, isCorrupt: true, hasDirectory: true }
    throw error
  }
}
