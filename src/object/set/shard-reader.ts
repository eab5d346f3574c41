import { assert } from '#base/assert'
import type { Slot } from '#codec/arena'
import { DriveError, type Drive, type DriveReply } from '#drive/drive'
import { decodeKey } from '#drive/key-path'
import type { ObjectVersion } from '#drive/xl-meta'
import { shardSize } from '#drive/shard-layout'
import { noReadQuorum } from '../errors.ts'
import type { DataChunk } from '../object.ts'
import { NOT_ASKED } from '../quorum/fan-out.ts'
import { Gather } from '../quorum/gather.ts'
import type { ErasureSet } from './erasure-set.ts'
import { copyFrames, PartFiles } from './part-files.ts'
import type { ChosenVersion, Copy } from './set.ts'

/**
 * Reads a range of one version: fetches groups of blocks from as many drives as are needed, verifies every shard
 * before its bytes leave, rebuilds what is missing.
 *
 * Layout of a group's slot: one region for each shard, holding this drive's frames of the group's blocks as they lie in
 * the file:
 *
 *   | shard 0: hash block hash block .. | shard 1: hash block hash block .. | .. |
 *
 * Shard i of a block lies i regions behind shard 0 of it, which is what the reconstruction wants; a healthy group needs
 * regions for the data shards only. Data leaves as views of the regions, without a copy.
 *
 * A drive that fails or lies is left out of the group, which is then fetched again with others, and is tried last in
 * the groups after it. One group is emitted while the next is fetched, if the arena has room at once: a reader never
 * waits for memory while it keeps some that only its own progress would free.
 */

/** A group holds at most this much data; larger blocks (10 MiB in old versions) come one at a time. */
const GROUP_BYTES_MAX = 2 * 1_048_576

/** Groups after the first are fetched ahead, and larger, which asks the drives less often; while memory is short they take only this share of what is free. */
const AHEAD_BYTES_MAX = 4 * 1_048_576
const AHEAD_FREE_SHARE = 1 / 16

/** After this long a drive is slow: if another can stand in for it, that one is read. */
const SLOW_MS = 250
const SLOW = new DriveError('DriveTimeout', 'Drive is slower than others')
const NO_FRAMES = new Uint8Array(0)

interface Piece {
  readonly partIndex: number
  /** First byte and end within the part. */
  readonly start: number
  readonly end: number
}

/** A run of blocks of one part. */
interface Span {
  readonly piece: Piece
  readonly partBytes: number
  readonly firstBlock: number
  readonly blockCount: number
  /** Bytes of hash in front of each shard block: none where the whole file has one. */
  readonly hashBytes: number
  /** Bytes of the group in one drive's file, and where they begin. */
  readonly regionBytes: number
  readonly fileOffset: number
}

/** Loaded, verified, complete. */
interface Group {
  readonly slot: Slot
  readonly span: Span
  /** Chunks handed out and not released, plus one while the group is emitted. */
  uses: number
}

export interface ShardReaderOptions {
  readonly bucket: string
  readonly path: string
  readonly version: ChosenVersion
  readonly body: ObjectVersion
  /** Within the stored object. */
  readonly offset: number
  readonly sizeBytes: number
  readonly signal?: AbortSignal | undefined
  /** Looks for copies of the version on all drives, when those of `version` do not suffice. */
  readonly findCopies?: (() => Promise<ChosenVersion | undefined>) | undefined
}

export class ShardReader {
  readonly #set: ErasureSet
  readonly #options: ShardReaderOptions
  readonly #body: ObjectVersion
  /** By position. */
  readonly #copies: (Copy | undefined)[]
  readonly #pieces: readonly Piece[]
  readonly #files: PartFiles
  readonly #isInline: boolean
  readonly #shardSize: number
  readonly #groupBlocks: number
  /** By position: failures so far. */
  readonly #penalties: number[]
  /** Positions with a copy, best first. */
  readonly #order: number[]
  readonly #reported = new Set<string>()
  #findCopies: ShardReaderOptions['findCopies']
  #pieceIndex = 0
  /** First block of the next group; -1: the first block that the piece touches. */
  #nextBlock = -1
  #loaded: Group | undefined
  #emitted: Group | undefined
  #ahead: Promise<Group | undefined> | undefined
  /** The latest load. */
  #loading: Promise<Group | undefined> | undefined
  #isClosed = false

  // The fetch in progress, in fields so that the calls need no closures.
  /** By position: the shard fetched from there, counted from 0; -1: none. */
  readonly #shardAt: number[]
  /** By position: left out of the group in progress. */
  readonly #isOut: boolean[]
  #span: Span | undefined
  #slot: Slot | undefined
  /** Reads that were given up and go on. */
  #late: Gather<void> | undefined

  constructor(set: ErasureSet, options: ShardReaderOptions) {
    const { body, version } = options
    this.#set = set
    this.#options = options
    this.#body = body
    this.#copies = [...version.copies]
    this.#findCopies = options.findCopies
    this.#pieces = piecesOf(body, options.offset, options.sizeBytes)
    this.#isInline = version.isInline
    this.#shardSize = shardSize(body)
    this.#groupBlocks = Math.max(1, Math.floor(GROUP_BYTES_MAX / body.blockSizeBytes))
    this.#penalties = version.copies.map(() => 0)
    this.#shardAt = version.copies.map(() => -1)
    this.#isOut = version.copies.map(() => false)
    this.#order = []
    for (let i = 0; i < version.copies.length; i++) {
      if (version.copies[i] !== undefined) this.#order.push(i)
    }
    this.#sortOrder()
    this.#files = new PartFiles(set, {
      bucket: options.bucket,
      path: options.path,
      body,
      copies: this.#copies,
      keepsOpen: this.#spansGroups(),
    })
  }

  /** Loads the first group, so that a version that cannot be read fails before anything was promised. Resolves to true when the rest can be read whatever happens to the key, so that its lock may go. */
  async start(): Promise<boolean> {
    try {
      this.#loaded = await this.#load(false)
    } catch (error) {
      this.close()
      throw error
    }
    if (this.#pieces.length > 1) return this.#pieceIndex >= this.#pieces.length
    if (this.#pieceIndex < this.#pieces.length) await this.#files.openSpares(this.#shardAt)
    return true
  }

  /** Makes what is left to be read readable whatever happens to the key, so that its lock may go; false: the lock is needed to the end. */
  async hold(): Promise<boolean> {
    const piece = this.#pieces[this.#pieceIndex]
    const isHeld = piece === undefined || (await this.#files.hold(piece.partIndex))
    // It may have begun under the names that go with the lock.
    await this.#loading?.catch(() => undefined)
    return isHeld
  }

  async *chunks(): AsyncGenerator<DataChunk, void, void> {
    const { dataShards, blockSizeBytes } = this.#body
    try {
      for (;;) {
        const group = await this.#take()
        if (group === undefined) break
        this.#emitted = group
        if (this.#isClosed) break
        this.#startAhead()
        const { piece, firstBlock, blockCount, partBytes } = group.span
        for (let block = 0; block < blockCount; block++) {
          const blockStart = (firstBlock + block) * blockSizeBytes
          const blockBytes = Math.min(blockSizeBytes, partBytes - blockStart)
          const shardBytes = Math.ceil(blockBytes / dataShards)
          const from = Math.max(0, piece.start - blockStart)
          const to = Math.min(blockBytes, piece.end - blockStart)
          for (let shard = Math.floor(from / shardBytes); shard * shardBytes < to; shard++) {
            const shardStart = shard * shardBytes
            const begin = this.#shardStart(group.span, block, shard)
            const first = begin + Math.max(0, from - shardStart)
            const end = begin + Math.min(shardBytes, to - shardStart)
            group.uses++
            yield new GroupChunk(group, group.slot.bytes.subarray(first, end))
          }
        }
        this.#releaseEmitted()
      }
    } finally {
      this.close()
    }
  }

  /** Frees what is held and not handed out. Idempotent. */
  close(): void {
    this.#releaseEmitted()
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.#loaded !== undefined) releaseGroup(this.#loaded)
    this.#loaded = undefined
    void this.#discardAhead()
  }

  async #discardAhead(): Promise<void> {
    const group = await this.#ahead?.catch(() => undefined) // the failure of a group nobody asked for
    this.#ahead = undefined
    if (group !== undefined) releaseGroup(group)
    this.#files.close()
  }

  #releaseEmitted(): void {
    const group = this.#emitted
    this.#emitted = undefined
    if (group !== undefined) releaseGroup(group)
  }

  #spansGroups(): boolean {
    const { blockSizeBytes } = this.#body
    return this.#pieces.some(
      ({ start, end }) =>
        Math.ceil(end / blockSizeBytes) - Math.floor(start / blockSizeBytes) > this.#groupBlocks,
    )
  }

  /** Where shard `shard` of a group's block begins in the slot, behind its hash. */
  #shardStart(span: Span, block: number, shard: number): number {
    return shard * span.regionBytes + block * (span.hashBytes + this.#shardSize) + span.hashBytes
  }

  #startAhead(): void {
    if (this.#isClosed || this.#pieceIndex >= this.#pieces.length) return
    this.#ahead = this.#load(true)
    this.#ahead.catch(() => undefined) // seen when the group is taken
  }

  async #take(): Promise<Group | undefined> {
    const loaded = this.#loaded
    this.#loaded = undefined
    if (loaded !== undefined || this.#isClosed) return loaded
    const ahead = await this.#ahead
    this.#ahead = undefined
    return ahead ?? (await this.#load(false))
  }

  /** The next group, undefined at the end; with `isAhead` also when the arena is short of memory. */
  #load(isAhead: boolean): Promise<Group | undefined> {
    this.#loading = this.#loadNext(isAhead)
    return this.#loading
  }

  async #loadNext(isAhead: boolean): Promise<Group | undefined> {
    let blockLimit = isAhead ? this.#aheadBlocks() : this.#groupBlocks
    this.#isOut.fill(false)
    for (;;) {
      const span = this.#spanOf(blockLimit)
      if (span === undefined) return undefined
      const isWhole = this.#select(span)
      if (isWhole === undefined) {
        if (await this.#widen()) continue
        if (span.blockCount === 1) throw this.#noQuorum()
        // Different blocks may be damaged on different drives.
        blockLimit = 1
        this.#isOut.fill(false)
        continue
      }
      const slot = await this.#acquire(span, isWhole, isAhead)
      if (slot === undefined) return undefined
      let isGood = false
      try {
        this.#span = span
        this.#slot = slot
        isGood = await this.#fetch(span)
        if (isGood && !isWhole) this.#rebuild(span, slot)
      } finally {
        if (!isGood) void this.#releaseUnused(slot)
      }
      if (isGood) {
        this.#advance(span)
        return { slot, span, uses: 1 }
      }
    }
  }

  #aheadBlocks(): number {
    const { freeBytes } = this.#set.context.codec.arena
    const bytes = Math.min(AHEAD_BYTES_MAX, freeBytes * AHEAD_FREE_SHARE)
    return Math.max(this.#groupBlocks, Math.floor(bytes / this.#body.blockSizeBytes))
  }

  /** Takes up copies that were not known before, once; false: there are none. */
  async #widen(): Promise<boolean> {
    const find = this.#findCopies
    this.#findCopies = undefined
    const version = await find?.()
    let isWider = false
    for (const [position, copy] of (version?.copies ?? []).entries()) {
      if (copy === undefined || this.#copies[position] !== undefined) continue
      this.#copies[position] = copy
      this.#order.push(position)
      isWider = true
    }
    this.#sortOrder()
    return isWider
  }

  /** A drive that was given up may still write into the slot: until it answers nobody else gets it. */
  async #releaseUnused(slot: Slot): Promise<void> {
    const late = this.#late
    this.#late = undefined
    await late?.wait()
    slot.release()
  }

  /** The next run of blocks, at most `blockLimit`. */
  #spanOf(blockLimit: number): Span | undefined {
    const piece = this.#pieces[this.#pieceIndex]
    if (piece === undefined) return undefined
    const { blockSizeBytes, dataShards } = this.#body
    const partBytes = this.#body.parts[piece.partIndex]?.sizeBytes ?? 0
    const firstBlock =
      this.#nextBlock >= 0 ? this.#nextBlock : Math.floor(piece.start / blockSizeBytes)
    const endBlock = Math.ceil(piece.end / blockSizeBytes)
    const blockCount = Math.min(blockLimit, endBlock - firstBlock)
    assert(blockCount > 0)
    const lastStart = (firstBlock + blockCount - 1) * blockSizeBytes
    const lastShardBytes = Math.ceil(Math.min(blockSizeBytes, partBytes - lastStart) / dataShards)
    const hashBytes = this.#files.hashBytesOf(piece.partIndex)
    const frameBytes = hashBytes + this.#shardSize
    return {
      piece,
      partBytes,
      firstBlock,
      blockCount,
      hashBytes,
      regionBytes: blockCount * frameBytes - this.#shardSize + lastShardBytes,
      fileOffset: firstBlock * frameBytes,
    }
  }

  #advance(span: Span): void {
    const next = span.firstBlock + span.blockCount
    if (next * this.#body.blockSizeBytes < span.piece.end) {
      this.#nextBlock = next
      return
    }
    this.#pieceIndex++
    this.#nextBlock = -1
  }

  /** Chooses a drive for each of d shards; true when these are the data shards; undefined when there are too few. */
  #select(span: Span): boolean | undefined {
    const { dataShards } = this.#body
    this.#shardAt.fill(-1)
    let taken = 0
    let count = 0
    let isWhole = true
    for (const position of this.#order) {
      const copy = this.#copies[position]
      if (copy === undefined || this.#isOut[position] === true) continue
      const bit = 1 << copy.shardIndex
      if ((taken & bit) !== 0 || !this.#files.isUsable(position, span.piece.partIndex)) continue
      taken |= bit
      this.#shardAt[position] = copy.shardIndex - 1
      if (copy.shardIndex > dataShards) isWhole = false
      if (++count === dataShards) return isWhole
    }
    return undefined
  }

  async #acquire(span: Span, isWhole: boolean, isAhead: boolean): Promise<Slot | undefined> {
    const { dataShards, parityShards } = this.#body
    const regions = isWhole ? dataShards : dataShards + parityShards
    const sizeBytes = regions * span.regionBytes
    const { arena } = this.#set.context.codec
    return isAhead ? arena.tryAcquire(sizeBytes) : arena.acquire(sizeBytes, this.#options.signal)
  }

  /** Fills the regions chosen with good frames; false when a drive failed or lied, which is then left out. */
  async #fetch(span: Span): Promise<boolean> {
    if (this.#isInline) return this.#copyInline()
    await this.#files.prepare(span.piece.partIndex, this.#shardAt)
    const gather = new Gather(this.#set.context.clock, this.#set.drives, this.#readRegion)
    gather.ask(this.#isChosen)
    while (!(await gather.wait(SLOW_MS))) {
      if (!this.#leaveOutSlow(span, gather)) continue
      this.#late = gather
      return false
    }
    const outcomes = gather.outcomes(NOT_ASKED)
    let isGood = true
    for (let position = 0; position < outcomes.length; position++) {
      const outcome = outcomes[position]
      if (this.#shardAt[position] === -1 || !(outcome instanceof DriveError)) continue
      isGood = false
      this.#leaveOut(position, outcome)
    }
    return isGood
  }

  /** Leaves out drives that have not answered, if others can stand in for them. */
  #leaveOutSlow(span: Span, gather: Gather<void>): boolean {
    const slow = this.#shardAt.flatMap((_, position) =>
      gather.isPending(position) ? position : [],
    )
    for (const position of slow) this.#isOut[position] = true
    const hasOthers = this.#select(span) !== undefined
    for (const position of slow) {
      if (hasOthers) this.#leaveOut(position, SLOW)
      else this.#isOut[position] = false
    }
    if (!hasOthers) this.#select(span)
    return hasOthers
  }

  readonly #isChosen = (position: number): boolean => this.#shardAt[position] !== -1

  readonly #readRegion = (drive: Drive, position: number): DriveReply<void> => {
    const span = this.#span
    const slot = this.#slot
    const shard = this.#shardAt[position] ?? -1
    assert(span !== undefined && slot !== undefined && shard >= 0)
    const start = shard * span.regionBytes
    return this.#files.readFrames(
      drive,
      position,
      span.fileOffset,
      slot.bytes.subarray(start, start + span.regionBytes),
    )
  }

  #copyInline(): boolean {
    const span = this.#span
    const slot = this.#slot
    assert(span !== undefined && slot !== undefined)
    let isGood = true
    for (let position = 0; position < this.#shardAt.length; position++) {
      const shard = this.#shardAt[position] ?? -1
      if (shard < 0) continue
      const start = shard * span.regionBytes
      const outcome = copyFrames(
        this.#set.context.codec,
        this.#copies[position]?.inline ?? NO_FRAMES,
        span.fileOffset,
        slot.bytes.subarray(start, start + span.regionBytes),
        span.hashBytes + this.#shardSize,
      )
      if (outcome === undefined) continue
      this.#leaveOut(position, outcome)
      isGood = false
    }
    return isGood
  }

  #rebuild(span: Span, slot: Slot): void {
    const { dataShards, parityShards } = this.#body
    const coder = this.#set.context.codec.erasureCoder(dataShards, parityShards)
    const present: boolean[] = Array.from({ length: dataShards + parityShards }, () => false)
    for (const shard of this.#shardAt) if (shard >= 0) present[shard] = true
    const wanted: number[] = []
    for (let shard = 0; shard < dataShards; shard++) if (present[shard] !== true) wanted.push(shard)
    for (let block = 0; block < span.blockCount; block++) {
      coder.reconstruct(
        slot.offset + this.#shardStart(span, block, 0),
        span.regionBytes,
        this.#shardBytesOf(span, block),
        present,
        wanted,
      )
    }
  }

  #shardBytesOf(span: Span, block: number): number {
    const { blockSizeBytes, dataShards } = this.#body
    const start = (span.firstBlock + block) * blockSizeBytes
    return Math.ceil(Math.min(blockSizeBytes, span.partBytes - start) / dataShards)
  }

  #leaveOut(position: number, failure: DriveError): void {
    this.#isOut[position] = true
    this.#penalties[position] = (this.#penalties[position] ?? 0) + 1
    this.#sortOrder()
    const { code } = failure
    if (code === 'FileCorrupt') this.#report('corrupt')
    else if (code === 'FileNotFound' || code === 'FileVersionNotFound') this.#report('missing')
    const { bucket, path } = this.#options
    this.#set.context.log.debug('Left a drive out of a read', {
      bucket,
      path,
      drive: this.#set.drives[position]?.endpoint,
      error: failure,
    })
  }

  #report(reason: 'corrupt' | 'missing'): void {
    if (this.#reported.has(reason)) return
    this.#reported.add(reason)
    const { bucket, path } = this.#options
    const { pool, index } = this.#set
    const { versionId } = this.#body
    void this.#set.context.repairs.report({ pool, set: index, bucket, path, versionId, reason })
  }

  /** Drives without failures first, and among them data shards first. */
  #sortOrder(): void {
    this.#order.sort(
      (a, b) =>
        (this.#penalties[a] ?? 0) - (this.#penalties[b] ?? 0) ||
        (this.#copies[a]?.shardIndex ?? 0) - (this.#copies[b]?.shardIndex ?? 0),
    )
  }

  #noQuorum(): Error {
    return noReadQuorum({ bucket: this.#options.bucket, key: decodeKey(this.#options.path) })
  }
}

class GroupChunk implements DataChunk {
  readonly bytes: Uint8Array
  readonly #group: Group

  constructor(group: Group, bytes: Uint8Array) {
    this.#group = group
    this.bytes = bytes
  }

  release(): void {
    releaseGroup(this.#group)
  }
}

function releaseGroup(group: Group): void {
  assert(group.uses > 0)
  if (--group.uses === 0) group.slot.release()
}

/** The parts that a range touches. Parts of no bytes are skipped. */
function piecesOf(body: ObjectVersion, offset: number, sizeBytes: number): readonly Piece[] {
  const pieces: Piece[] = []
  const end = offset + sizeBytes
  let partStart = 0
  for (let partIndex = 0; partIndex < body.parts.length; partIndex++) {
    const partBytes = body.parts[partIndex]?.sizeBytes ?? 0
    const from = Math.max(offset, partStart)
    const to = Math.min(end, partStart + partBytes)
    if (from < to) pieces.push({ partIndex, start: from - partStart, end: to - partStart })
    partStart += partBytes
  }
  return pieces
}
