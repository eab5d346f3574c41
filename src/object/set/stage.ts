import { assert } from '#base/assert'
import type { Codec } from '#codec/codec'
import type { Slot } from '#codec/arena'
import { DriveError, TMP_VOLUME, type Drive, type DriveReply, type DriveResult } from '#drive/drive'
import { framedFileSize, HASH_SIZE_BYTES, shardStreamSize } from '#drive/shard-layout'
import { checkWrite } from '../errors.ts'
import { ObjectError, type BodySource, type DigestName, type Digests } from '../object.ts'
import { writeQuorumOf } from '../placement.ts'
import type { Answers, Late } from '../quorum/patience.ts'
import { reduceOutcomes } from '../quorum/reduce.ts'
import type { ErasureSet } from './erasure-set.ts'
import type { StagedBody, StageRequest } from './set.ts'

/**
 * Encodes a body onto the drives of a set.
 *
 *   body ─► block in an arena slot ─► digests ─► parity ─► hashes ─► [hash, shard] to every drive
 *
 * Layout of a block in a slot, for N shards of S bytes:   | N hashes | d data shards | p parity shards |
 * A small last block lies in the slot of the one before it, and goes to the drives with it.
 *
 * At most two slots are held: while the drives take one block the next is filled. A drive gets the next block when all
 * drives have answered for the last one, so a slow drive slows the client and no queue grows. A drive that keeps a write
 * quorum waiting beyond a grace is dropped from this write.
 *
 * The slot of a block that such a drive was given is lent to it as long as it may read it: not at all when its call has
 * not begun, else until it answers or is given up. Such a drive gets no more blocks while much is lent to it, and nothing
 * is lent when memory is short: then the write waits as for a slow drive.
 */
export async function stageBody(
  set: ErasureSet,
  request: StageRequest,
  body: BodySource,
): Promise<StagedBody> {
  const stager = new Stager(set, request, body)
  try {
    return await stager.run()
  } catch (error) {
    await stager.abandon()
    throw request.signal?.aborted === true && !(error instanceof ObjectError)
      ? new ObjectError('Aborted', 'Gave up the write', {
          bucket: request.bucket,
          key: request.key,
        })
      : error
  }
}

/** Drops a folder below TMP_VOLUME on all drives. Failures are left to the clean-up of the staging area. */
export async function discardStaged(set: ErasureSet, folder: string): Promise<void> {
  assert(folder.length > 0 && !folder.includes('/'))
  const options = { quorum: 1, graceMs: DISCARD_GRACE_MS, isTimeless: true }
  await set.patience.ask(options, (drive) => drive.discardStaged(folder))
}

/** Nobody needs to see the folder gone. */
const DISCARD_GRACE_MS = 100
/** With so much lent, drives that hang get no more blocks. One that is stuck in a write holds one slot, one that is stuck in flushes a slot for each body. */
const LENT_BYTES_MAX = 8 * 1_048_576
/** Memory left to others, or a writer does not lend but waits. */
const FREE_BYTES_MIN = 8 * 1_048_576

/** A last block up to this size leaves together with the one before it: an object may be a little over a block by its encryption. */
const TAIL_BYTES_MAX = 65_536

type Hasher = ReturnType<Codec['checksum']>

/** An encoded block: where it begins in its slot, and the size of its shards. */
interface Block {
  readonly start: number
  readonly shardBytes: number
}

class Stager {
  readonly #set: ErasureSet
  readonly #request: StageRequest
  readonly #path: string
  readonly #body: BodySource
  readonly #codec: Codec
  readonly #coder: ReturnType<Codec['erasureCoder']>
  readonly #shardCount: number
  readonly #writeQuorum: number
  readonly #md5: ReturnType<Codec['md5']> | undefined
  readonly #digests: readonly { readonly name: DigestName; readonly hasher: Hasher }[]
  /** By position. */
  readonly #isComplete: boolean[]
  /** By position: why a drive was dropped. */
  readonly #failures: (DriveError | undefined)[]
  /** By position: framed shards, when the body goes into the metadata. */
  readonly #inline: readonly Uint8Array[] | undefined
  #inlineUsed = 0
  #sizeBytes = 0
  #isAtEnd = false
  #isStaged = false
  /** Slots whose bytes the drives may still read. */
  #filling: Slot | undefined
  #sending: Slot | undefined
  #sent: Promise<Answers<void>> | undefined
  #digested: Promise<void> | undefined
  /** Arguments of the append in flight, by position. */
  readonly #chunks: (readonly Uint8Array[])[]
  #isLast = false

  constructor(set: ErasureSet, request: StageRequest, body: BodySource) {
    const { shape } = request
    this.#set = set
    this.#request = request
    this.#path = `${request.folder}/part.${request.partNumber}`
    this.#body = body
    this.#codec = set.context.codec
    this.#coder = this.#codec.erasureCoder(shape.dataShards, shape.parityShards)
    this.#shardCount = shape.dataShards + shape.parityShards
    assert(this.#shardCount === set.size && shape.distribution.length === set.size)
    this.#writeQuorum = writeQuorumOf(shape.dataShards, shape.parityShards)
    this.#md5 = request.digests === undefined ? undefined : this.#codec.md5()
    // MD5 is always there.
    const others = request.digests?.filter((name) => name !== 'md5') ?? []
    this.#digests = others.map((name) => ({
      name,
      hasher: this.#codec.checksum(name),
    }))
    this.#isComplete = set.drives.map((drive) => drive?.isOnline() === true)
    this.#failures = set.drives.map(() => undefined)
    this.#chunks = set.drives.map(() => [])
    const { sizeBytes } = body
    if (sizeBytes !== undefined && request.inlineLimitBytes !== undefined) {
      const fileBytes = shardStreamSize(sizeBytes, shape)
      if (fileBytes <= request.inlineLimitBytes) {
        const framed = framedFileSize(sizeBytes, shape)
        this.#inline = set.drives.map(() => new Uint8Array(framed))
      }
    }
  }

  async run(): Promise<StagedBody> {
    this.#checkQuorum()
    while (!this.#isAtEnd) {
      const sizes = this.#nextSizes()
      let slotBytes = 0
      for (const sizeBytes of sizes) slotBytes += this.#roomFor(sizeBytes)
      const slot = this.#codec.arena.tryAcquire(slotBytes) ?? (await this.#waitForSlot(slotBytes))
      this.#filling = slot
      const blocks: Block[] = []
      let start = 0
      for (const sizeBytes of sizes) {
        const blockBytes = await this.#fill(slot.bytes.subarray(start), sizeBytes)
        if (blockBytes > 0) blocks.push(await this.#encode(slot, start, blockBytes))
        start += this.#roomFor(sizeBytes)
      }
      if (blocks.length > 0) await this.#emit(blocks)
      if (this.#filling !== undefined) await this.#dropFilling()
    }
    await this.#finish()
    return this.#result()
  }

  /** How much is read into the next slot, block by block. */
  #nextSizes(): readonly number[] {
    const declared = this.#body.sizeBytes
    const { blockSizeBytes } = this.#request.shape
    if (declared === undefined) return [blockSizeBytes]
    const left = declared - this.#sizeBytes
    const tail = left - blockSizeBytes
    if (tail <= 0) return [left]
    return tail <= TAIL_BYTES_MAX ? [blockSizeBytes, tail] : [blockSizeBytes]
  }

  /** What a block takes of a slot. */
  #roomFor(sizeBytes: number): number {
    return this.#shardCount * (HASH_SIZE_BYTES + this.#coder.shardSize(Math.max(sizeBytes, 1)))
  }

  async #encode(slot: Slot, start: number, blockBytes: number): Promise<Block> {
    const shardBytes = this.#coder.shardSize(blockBytes)
    const hashOffset = slot.offset + start
    const dataOffset = hashOffset + this.#shardCount * HASH_SIZE_BYTES
    // Digests run in order, and the block before this one must be through before its slot is freed.
    if (this.#digested !== undefined) await this.#digested
    this.#digest(dataOffset, blockBytes)
    this.#coder.encode(dataOffset, blockBytes)
    this.#codec.hashShards(dataOffset, shardBytes, this.#shardCount, shardBytes, hashOffset)
    return { start, shardBytes }
  }

  /** Frees the block that was sent first: who waits for memory holds none, or all would wait for each other. */
  async #waitForSlot(sizeBytes: number): Promise<Slot> {
    await this.#digested
    this.#digested = undefined
    await this.#settle()
    return this.#codec.arena.acquire(sizeBytes, this.#request.signal)
  }

  /** Waits for what is in flight and leaves nothing behind. */
  async abandon(): Promise<void> {
    await this.#taken()
    this.#md5?.abandon()
    // An update in flight still reads the slot; its failure is the one being handled.
    await Promise.resolve(this.#digested).catch(() => undefined)
    this.#filling?.release()
    this.#filling = undefined
    this.#sending?.release()
    this.#sending = undefined
    if (this.#isStaged) await discardStaged(this.#set, this.#request.folder)
  }

  /** Reads one block behind the hashes; at the body's end checks that it is the declared one. */
  async #fill(room: Uint8Array, limit: number): Promise<number> {
    const declared = this.#body.sizeBytes
    const start = this.#shardCount * HASH_SIZE_BYTES
    let used = 0
    while (used < limit) {
      const count = await this.#body.read(room.subarray(start + used, start + limit))
      assert(count >= 0 && count <= limit - used)
      if (count === 0) {
        this.#isAtEnd = true
        break
      }
      used += count
    }
    this.#sizeBytes += used
    if (this.#request.signal?.aborted === true)
      throw new ObjectError('Aborted', 'Gave up the write')
    if (declared !== undefined) {
      if (this.#isAtEnd && this.#sizeBytes < declared) throw this.#badLength(declared)
      if (!this.#isAtEnd && this.#sizeBytes === declared) {
        // The body's own checks (signatures, trailers) happen when it is read to its end. The hashes' place is free yet.
        if ((await this.#body.read(room.subarray(0, 1))) !== 0) throw this.#badLength(declared)
        this.#isAtEnd = true
      }
    }
    return used
  }

  #digest(offset: number, sizeBytes: number): void {
    const plain = this.#codec.memory.subarray(offset, offset + sizeBytes)
    this.#digested = this.#md5?.update(plain) ?? undefined
    for (const { hasher } of this.#digests) hasher.update(plain)
  }

  /** Hands the encoded blocks in `#filling` to the drives, or copies them to the inline frames. */
  async #emit(blocks: readonly Block[]): Promise<void> {
    const slot = this.#filling
    assert(slot !== undefined)
    if (this.#inline !== undefined) {
      for (const block of blocks) this.#copyInline(this.#inline, slot, block)
      return
    }
    await this.#settle()
    this.#prepareChunks(slot, blocks)
    this.#isLast = this.#isAtEnd
    this.#sending = slot
    this.#filling = undefined
    this.#send()
  }

  #copyInline(frames: readonly Uint8Array[], slot: Slot, block: Block): void {
    for (let position = 0; position < frames.length; position++) {
      const frame = frames[position]
      assert(frame !== undefined)
      const [hash, shard] = this.#frameAt(position, slot, block)
      frame.set(hash, this.#inlineUsed)
      frame.set(shard, this.#inlineUsed + HASH_SIZE_BYTES)
    }
    this.#inlineUsed += HASH_SIZE_BYTES + block.shardBytes
  }

  #prepareChunks(slot: Slot, blocks: readonly Block[]): void {
    for (let position = 0; position < this.#chunks.length; position++) {
      this.#chunks[position] = blocks.flatMap((block) => this.#frameAt(position, slot, block))
    }
  }

  /** Hash and shard of the drive at this position. */
  #frameAt(position: number, slot: Slot, { start, shardBytes }: Block): [Uint8Array, Uint8Array] {
    const shard = (this.#request.shape.distribution[position] ?? 0) - 1
    assert(shard >= 0)
    const hash = start + shard * HASH_SIZE_BYTES
    const data = start + this.#shardCount * HASH_SIZE_BYTES + shard * shardBytes
    return [
      slot.bytes.subarray(hash, hash + HASH_SIZE_BYTES),
      slot.bytes.subarray(data, data + shardBytes),
    ]
  }

  #send(): void {
    this.#isStaged = true
    const options = { quorum: this.#writeQuorum, select: this.#isTaking }
    this.#sent = this.#set.patience.ask(options, this.#append)
  }

  readonly #isTaking = (position: number): boolean => {
    const { patience } = this.#set
    if (patience.lentBytes > LENT_BYTES_MAX && patience.isLaggard(position)) return false
    return this.#isComplete[position] === true
  }

  readonly #append = (drive: Drive, position: number): DriveReply<void> =>
    drive.appendStaged(this.#path, this.#chunks[position] ?? [], { last: this.#isLast })

  /** Waits for the block in flight, drops drives that failed or hang. */
  async #settle(): Promise<void> {
    const outcomes = await this.#taken()
    if (outcomes === undefined) return
    for (let position = 0; position < outcomes.length; position++) {
      const outcome = outcomes[position]
      if (this.#isComplete[position] === true && outcome instanceof DriveError) {
        this.#isComplete[position] = false
        this.#failures[position] = outcome
      }
    }
    this.#checkQuorum()
  }

  /** Waits for the block in flight, and frees its slot or lends it to stragglers; undefined: there was none. */
  async #taken(): Promise<readonly DriveResult<void>[] | undefined> {
    if (this.#sent === undefined) return undefined
    const { outcomes, late } = await this.#sent
    this.#sent = undefined
    const slot = this.#sending
    this.#sending = undefined
    if (slot === undefined) return outcomes
    if (late?.mayRun !== true) {
      slot.release()
      return outcomes
    }
    if (this.#lend(late, slot)) return outcomes
    const all = await late.outcomes
    slot.release()
    return all
  }

  #lend(late: Late<void>, slot: Slot): boolean {
    const { patience } = this.#set
    const sizeBytes = slot.bytes.length
    if (this.#codec.arena.freeBytes < FREE_BYTES_MIN) return false
    patience.lend(late, sizeBytes, () => slot.release())
    return true
  }

  /** Frees a slot that no drive reads: an inline block, or nothing was left in the body. */
  async #dropFilling(): Promise<void> {
    await this.#digested
    this.#digested = undefined
    this.#filling?.release()
    this.#filling = undefined
  }

  async #finish(): Promise<void> {
    await this.#digested
    await this.#settle()
    const isPart = this.#request.inlineLimitBytes === undefined
    const isOpen = this.#isStaged ? !this.#isLast : isPart
    if (this.#inline === undefined && isOpen) {
      // The end came with a block boundary: the files are complete, but not yet flushed; or an empty part.
      for (let i = 0; i < this.#chunks.length; i++) this.#chunks[i] = []
      this.#isLast = true
      this.#send()
      await this.#settle()
    }
  }

  async #result(): Promise<StagedBody> {
    const digests = new Map<DigestName, Uint8Array>()
    if (this.#md5 !== undefined) digests.set('md5', await this.#md5.digest())
    for (const { name, hasher } of this.#digests) digests.set(name, hasher.digest())
    const readonlyDigests: Digests = digests
    const isEmptyObject = this.#sizeBytes === 0 && this.#request.inlineLimitBytes !== undefined
    return {
      sizeBytes: this.#sizeBytes,
      digests: readonlyDigests,
      inline:
        this.#inline ?? (isEmptyObject ? this.#isComplete.map(() => new Uint8Array()) : undefined),
      isComplete: this.#isComplete,
      isStaged: this.#isStaged,
    }
  }

  #checkQuorum(): void {
    let count = 0
    for (const isComplete of this.#isComplete) if (isComplete) count++
    if (count >= this.#writeQuorum) return
    const details = { bucket: this.#request.bucket, key: this.#request.key }
    const failures = this.#failures.filter((failure) => failure !== undefined)
    checkWrite(reduceOutcomes(failures, Math.max(1, this.#shardCount - this.#writeQuorum)), details)
  }

  #badLength(declared: number): ObjectError {
    return new ObjectError(
      'IncompleteBody',
      `Body has not the declared size of ${declared} bytes`,
      { bucket: this.#request.bucket, key: this.#request.key, sizeBytes: this.#sizeBytes },
    )
  }
}

/** A folder below TMP_VOLUME as a commit's source. */
export function stagedSource(folder: string): { readonly volume: string; readonly path: string } {
  return { volume: TMP_VOLUME, path: folder }
}
