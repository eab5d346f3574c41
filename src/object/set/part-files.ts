import { assert } from '#base/assert'
import { equalBytes } from '#base/bytes'
import type { Checksum } from '#codec/checksum'
import type { Codec } from '#codec/codec'
import { DriveError, TMP_VOLUME, type Drive, type DriveResult } from '#drive/drive'
import { dataDirName, LEGACY_DATA_DIR, type ObjectVersion } from '#drive/xl-meta'
import { areGoodFrames, HASH_SIZE_BYTES, shardSize, shardStreamSize } from '#drive/shard-layout'
import { Gather } from '../quorum/gather.ts'
import type { ErasureSet } from './erasure-set.ts'
import type { Copy, WholeFileHash } from './set.ts'

/**
 * Where the shard files of one version lie on each drive, opened for one reader.
 *
 *   <key>/<dataDir>/part.N    everything written since 2020
 *   <key>/legacy/part.N       V1 object, converted; else beside the metadata
 *   <key>/part.N              V1 object, as it was
 *
 * A reader that takes long gives its files second names in the staging area (`hold`), and reads them there from then on.
 *
 * Files of V1 objects may have one hash over the whole file instead of one for each block: such a file is read once
 * through its hash before any of it is used. Source: disk-format.md 1.6, 4.2, 5.7.
 */

/** One read of a whole-file check. */
const CHECK_BYTES = 1_048_576
/** A drive that does not open its file in this time is no spare. */
const SPARES_LIMIT_MS = 100
/** Making names takes 20 µs for each part, of which there are up to 10,000. */
const HOLD_LIMIT_MS = 2000
const NOT_HELD = new DriveError('DriveTimeout', 'Second names are not made yet')

export interface PartFilesOptions {
  readonly bucket: string
  readonly path: string
  readonly body: ObjectVersion
  /** By position: what the drive has of it; undefined: nothing is read from there. */
  readonly copies: readonly (Copy | undefined)[]
  /** Whether the reader comes back to a file: then it stays open, readable also after it was replaced. */
  readonly keepsOpen: boolean
}

export class PartFiles {
  readonly #set: ErasureSet
  readonly #options: PartFilesOptions
  readonly #copies: readonly (Copy | undefined)[]
  /** By position: open stream, 0 for none. */
  readonly #streams: number[]
  /** Where files have second names, below TMP_VOLUME; undefined: `hold` was not called. */
  #folder: string | undefined
  /** By position: its files have them. */
  readonly #isHeld: boolean[]
  #isClosed = false
  /** Results of whole-file checks, by `<position>/<part number>`. */
  readonly #checks = new Map<string, boolean>()
  #partNumber = 0
  /** Undefined: the part has no hashes between its blocks. */
  #frameBytes: number | undefined

  constructor(set: ErasureSet, options: PartFilesOptions) {
    this.#set = set
    this.#options = options
    this.#copies = options.copies
    this.#streams = options.copies.map(() => 0)
    this.#isHeld = options.copies.map(() => false)
  }

  /** Bytes in front of each shard block of a part's files. */
  hashBytesOf(partIndex: number): number {
    return this.wholeFileAlgorithmOf(partIndex) === undefined ? HASH_SIZE_BYTES : 0
  }

  /** Undefined: a part with a hash for each block. */
  wholeFileAlgorithmOf(partIndex: number): WholeFileHash['algorithm'] | undefined {
    return this.#wholeFileHashOf(partIndex)?.algorithm
  }

  /** False after a whole-file check of this file failed. */
  isUsable(position: number, partIndex: number): boolean {
    const number = this.#options.body.parts[partIndex]?.number ?? 0
    return this.#checks.get(checkName(position, number)) !== false
  }

  /** Turns to a part, and makes sure that the files of the positions in `shardAt` may be used. */
  async prepare(partIndex: number, shardAt: readonly number[]): Promise<void> {
    const number = this.#options.body.parts[partIndex]?.number ?? 0
    if (number !== this.#partNumber) this.#closeStreams()
    this.#partNumber = number
    this.#frameBytes = undefined
    if (this.#wholeFileHashOf(partIndex) === undefined) {
      this.#frameBytes = HASH_SIZE_BYTES + shardSize(this.#options.body)
      return
    }
    for (let position = 0; position < shardAt.length; position++) {
      const name = checkName(position, number)
      if ((shardAt[position] ?? -1) < 0 || this.#checks.has(name)) continue
      this.#checks.set(name, await this.#checkWholeFile(position, partIndex))
    }
  }

  /** Reads frames of the part prepared, whose hashes are right unless the whole file has one. */
  readFrames(
    drive: Drive,
    position: number,
    offset: number,
    target: Uint8Array,
  ): Promise<DriveResult<void>> {
    return this.#read(drive, position, offset, target, this.#frameBytes)
  }

  async #read(
    drive: Drive,
    position: number,
    offset: number,
    target: Uint8Array,
    frameBytes?: number,
  ): Promise<DriveResult<void>> {
    const copy = this.#copies[position]
    assert(copy !== undefined && this.#partNumber > 0)
    const { bucket } = this.#options
    if (!this.isUsableNumber(position)) {
      return new DriveError('FileCorrupt', 'Hash of the whole file differs')
    }
    const stream = this.#streamOf(position)
    const [volume, path] =
      this.#isHeld[position] === true
        ? [TMP_VOLUME, `${this.#folder}/part.${this.#partNumber}`]
        : [bucket, this.#pathOf(copy)]
    let result = await drive.readFile(volume, path, offset, target, stream, frameBytes)
    if (isMissing(result) && copy.dataDir === LEGACY_DATA_DIR) {
      result = await drive.readFile(bucket, this.#besidePath(), offset, target, stream, frameBytes)
    }
    if (result instanceof DriveError && result.settled !== undefined) {
      this.#set.context.codec.arena.keep(target, result.settled)
    }
    if (!isMissing(result)) return result
    // Releases of 2021 kept small data in the metadata without saying so there.
    if (copy.inline === undefined) return result
    return copyFrames(this.#set.context.codec, copy.inline, offset, target, frameBytes)
  }

  /** Opens the files that are not in use, so that they can stand in even after the version was replaced. */
  async openSpares(shardAt: readonly number[]): Promise<void> {
    if (!this.#options.keepsOpen) return
    const probe = new Uint8Array(1)
    const gather = new Gather(this.#set.context.clock, this.#set.drives, (drive, position) =>
      this.#read(drive, position, 0, probe),
    )
    gather.ask((position) => (shardAt[position] ?? -1) < 0 && this.#copies[position] !== undefined)
    await gather.wait(SPARES_LIMIT_MS)
  }

  /** Makes the parts from this one on readable whatever happens to the key, which must be locked until then; false: too few drives can. */
  async hold(partIndex: number): Promise<boolean> {
    const { bucket, body, path } = this.#options
    const names = body.parts.slice(partIndex).map(({ number }) => `part.${number}`)
    const { clock, random } = this.#set.context
    const folder = random.uuid()
    this.#folder = folder
    const gather = new Gather(clock, this.#set.drives, (drive, position) => {
      const directory = `${path}/${dataDirName(this.#copies[position]?.dataDir ?? '')}`
      return drive.linkStaged(bucket, directory, names, folder)
    })
    gather.ask((position) => hasDirectory(this.#copies[position]))
    await gather.wait(HOLD_LIMIT_MS)
    let count = 0
    for (const [position, outcome] of gather.outcomes(NOT_HELD).entries()) {
      if (outcome instanceof DriveError) continue
      this.#isHeld[position] = true
      count++
    }
    if (this.#isClosed) this.#dropHeld()
    return count >= body.dataShards
  }

  close(): void {
    this.#isClosed = true
    this.#closeStreams()
    this.#dropHeld()
  }

  #dropHeld(): void {
    // Also where a drive has not answered yet: it makes the names first.
    if (this.#folder !== undefined) void this.#set.discardStaged(this.#folder)
  }

  #closeStreams(): void {
    for (let position = 0; position < this.#streams.length; position++) {
      const stream = this.#streams[position] ?? 0
      if (stream !== 0) this.#set.drives[position]?.closeStream(stream)
      this.#streams[position] = 0
    }
  }

  isUsableNumber(position: number): boolean {
    return this.#checks.get(checkName(position, this.#partNumber)) !== false
  }

  #streamOf(position: number): number | undefined {
    if (!this.#options.keepsOpen) return undefined
    if (this.#streams[position] === 0) this.#streams[position] = this.#set.nextStream()
    return this.#streams[position]
  }

  #pathOf(copy: Copy): string {
    const { path } = this.#options
    return copy.dataDir === ''
      ? this.#besidePath()
      : `${path}/${dataDirName(copy.dataDir)}/part.${this.#partNumber}`
  }

  #besidePath(): string {
    return `${this.#options.path}/part.${this.#partNumber}`
  }

  #wholeFileHashOf(partIndex: number, position?: number): WholeFileHash | undefined {
    const number = this.#options.body.parts[partIndex]?.number ?? 0
    if (position !== undefined) return this.#copies[position]?.wholeFileHashes?.get(number)
    for (const copy of this.#copies) {
      const hash = copy?.wholeFileHashes?.get(number)
      if (hash !== undefined) return hash
    }
    return undefined
  }

  async #checkWholeFile(position: number, partIndex: number): Promise<boolean> {
    const drive = this.#set.drives[position]
    const expected = this.#wholeFileHashOf(partIndex, position)
    if (drive === undefined || expected === undefined) return false
    const { body } = this.#options
    const fileBytes = shardStreamSize(body.parts[partIndex]?.sizeBytes ?? 0, body)
    const hasher = wholeFileHasher(this.#set.context.codec, expected.algorithm)
    const buffer = new Uint8Array(Math.min(CHECK_BYTES, fileBytes))
    for (let offset = 0; offset < fileBytes; offset += buffer.length) {
      const target = buffer.subarray(0, Math.min(buffer.length, fileBytes - offset))
      const result = await this.#read(drive, position, offset, target)
      if (result instanceof DriveError) return false
      hasher.update(target)
    }
    return equalBytes(hasher.digest(), expected.hash)
  }
}

/** Frames that lie in the metadata: `FileCorrupt` if they are too short or a hash differs. */
export function copyFrames(
  codec: Codec,
  frames: Uint8Array,
  offset: number,
  target: Uint8Array,
  frameBytes: number | undefined,
): DriveResult<void> {
  if (frames.length < offset + target.length) {
    return new DriveError('FileCorrupt', 'Inline data is too short')
  }
  target.set(frames.subarray(offset, offset + target.length))
  if (frameBytes === undefined || areGoodFrames(codec, target, frameBytes)) return undefined
  return new DriveError('FileCorrupt', 'Hash of an inline block differs')
}

/** Source: disk-format.md 4.1. */
export function wholeFileHasher(
  codec: Codec,
  algorithm: WholeFileHash['algorithm'],
): Pick<Checksum, 'update' | 'digest'> {
  switch (algorithm) {
    case 'sha256':
      return codec.checksum('sha256')
    case 'highwayhash256':
      return codec.highwayHasher()
    case 'blake2b':
      return codec.blake2b()
  }
}

function checkName(position: number, partNumber: number): string {
  return `${position}/${partNumber}`
}

/** Whether all its files lie in one directory that is only theirs. */
function hasDirectory(copy: Copy | undefined): boolean {
  return copy !== undefined && copy.dataDir !== '' && copy.dataDir !== LEGACY_DATA_DIR
}

function isMissing(result: DriveResult<void>): boolean {
  return result instanceof DriveError && result.code === 'FileNotFound'
}
