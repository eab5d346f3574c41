import type { EngineContext } from './context.ts'
import { compressionOf, plainPartSize } from './object-info.ts'
import type { BodySource, DataChunk, DigestName, Digests, ObjectInfo, PartInfo } from './object.ts'
import type { ResolvedRange } from './range.ts'
import { ChunkCursor } from './transform/chunk-cursor.ts'
import { checkScheme, Compression } from './transform/compression.ts'
import { DigestedBody } from './transform/digested-body.ts'

/**
 * What stands between the bytes that clients see (*plain*) and those that the erasure code gets (*stored*).
 *
 *   put:  body ─► digests ─► compression ─► seal ─► erasure code
 *   get:  client ◄─ decompression ◄─ seal ◄─ erasure code
 *
 * Invariants
 * - Each part is a stream of its own; a simple object is one part.
 * - Digests, ETags and actual sizes are those of the plain bytes.
 * - Content is compressed exactly when the metadata of its version says so. Whoever creates the version decides by setting
 *   the key; the engine compresses, the parts of an upload as well.
 * - Content is encrypted when the metadata says so too, but its key is not there: callers hand over a `Seal`.
 * Source: disk-format.md section 7, encryption.md 2.5 and 8.
 */

/** One step, for the parts of one version. *Upper* is the side of the client, *lower* that of the drives. */
export interface Layer {
  /** The lower bytes of one part's upper bytes. */
  write(body: BodySource, partNumber: number): LayerBody
  /** How to get upper bytes [start, end) of a part; without `end` up to the upper end. Never asked for no bytes. */
  read(part: PartInfo, start: number, end: number | undefined): LayerRead
}

/** Its size is undefined while it cannot be known. */
export interface LayerBody extends BodySource {
  /** Index of the part, once the body was read to its end. */
  index?(): Uint8Array | undefined
  /** Frees what is held. Called once, in any case, also before the end. */
  close?(): void
}

export interface LayerRead {
  /** The lower bytes that are needed, within the part; `end` undefined: up to its end. */
  readonly start: number
  readonly end: number | undefined
  /** Makes the upper bytes asked for out of those: all of them, or it throws; may stop before `lower` ends. Releases every
   *  chunk that it takes. */
  open(lower: AsyncIterable<DataChunk>): AsyncIterable<DataChunk>
}

/** Encryption of one version: it holds the version's key. */
export interface Seal extends Layer {
  /** Whether clients get the MD5 as ETag. Otherwise it is not computed if nobody asks for it, as MinIO: encryption.md 3.1. */
  readonly showsMd5: boolean
  /** ETag to store for an object or a part with this MD5; undefined: a random one. */
  etagOf(md5: Uint8Array | undefined): string
  /** What clients see of a stored ETag. Errors: `EncryptionError`. */
  shownEtag(stored: string): string
  /** Sealed in place of the blob among system metadata. */
  sealChecksums(blob: Uint8Array): Uint8Array
  /** Undefined: damaged. */
  openChecksums(blob: Uint8Array): Uint8Array | undefined
  sealIndex(index: Uint8Array): Uint8Array
  /** Undefined: damaged; the part is then read from its beginning. */
  openIndex(index: Uint8Array): Uint8Array | undefined
  /** Wipes the key: by who made the seal, or got it from a callback. Idempotent. */
  close(): void
}

/** A plain body on its way to the drives. */
export interface StoredBody {
  /** What to store. Read to its end, it has read the plain one to its end and found it complete. */
  readonly body: BodySource
  /** The rest is known after that. */
  plainSizeBytes(): number
  digests(): Promise<Digests>
  /** Goes into the metadata of the part. */
  index(): Uint8Array | undefined
  /** Frees what is held. Once, in any case. */
  close(): void
}

export interface WriteOptions {
  /** Metadata of the version to be: says whether it is to be compressed. */
  readonly systemMetadata: ReadonlyMap<string, Uint8Array> | undefined
  readonly seal: Seal | undefined
  readonly digests: readonly DigestName[]
  readonly partNumber: number
}

/** Undefined: the body is stored as it comes. Errors while reading: those of the body, and `IncompleteBody`. */
export function storedBodyOf(
  context: EngineContext,
  plain: BodySource,
  options: WriteOptions,
): StoredBody | undefined {
  const { seal, partNumber } = options
  const compression = compressionFor(context, options.systemMetadata ?? new Map(), seal)
  if (compression === undefined && seal === undefined) return undefined
  const hasMd5 = compression !== undefined || seal?.showsMd5 === true
  const digests = new Set(hasMd5 ? [...options.digests, 'md5' as const] : options.digests)
  const digested = new DigestedBody(context.codec, plain, digests)
  const compressed = compression?.write(digested)
  const sealed = seal?.write(compressed ?? digested, partNumber)
  return {
    body: sealed ?? compressed ?? digested,
    plainSizeBytes: () => digested.readBytes,
    digests: () => digested.digests(),
    index: () => {
      const index = compressed?.index?.()
      return index === undefined || seal === undefined ? index : seal.sealIndex(index)
    },
    close: () => {
      sealed?.close?.()
      compressed?.close?.()
      digested.close()
    },
  }
}

/** Undefined: these data are not compressed. Errors: `Internal` for a scheme that is not known. */
function compressionFor(
  context: EngineContext,
  systemMetadata: ReadonlyMap<string, Uint8Array>,
  seal: Seal | undefined,
  mayBePlain = false,
): Compression | undefined {
  const scheme = compressionOf(systemMetadata)
  if (scheme === undefined) return undefined
  checkScheme(scheme)
  return new Compression({
    codec: context.codec,
    random: context.random,
    isSealed: seal !== undefined,
    openIndex: (index) => seal?.openIndex(index),
    mayBePlain,
  })
}

/** Stored bytes to fetch for a range of plain ones, and what to do with them. */
export interface ReadPlan {
  readonly offset: number
  readonly sizeBytes: number
  open(stored: AsyncIterable<DataChunk>): AsyncIterable<DataChunk>
}

/** Undefined: what is stored is what is wanted. The range has at least one byte. Errors: `Internal` for a scheme of
 *  compression that is not known. */
export function planRead(
  context: EngineContext,
  info: ObjectInfo,
  range: ResolvedRange,
  seal: Seal | undefined,
): ReadPlan | undefined {
  const mayBePlain = seal === undefined && info.sizeBytes === info.actualSizeBytes
  const compression = compressionFor(context, info.systemMetadata, seal, mayBePlain)
  const layers = [compression, seal].filter((layer) => layer !== undefined)
  return layers.length === 0 ? undefined : planParts(info, range, layers)
}

/** What one part contributes: stored bytes [start, end) of the object, and the way up from them. */
interface Piece {
  readonly start: number
  readonly end: number
  readonly steps: readonly LayerRead[]
}

/** `layers`: from the plain side to the stored one. */
function planParts(info: ObjectInfo, range: ResolvedRange, layers: readonly Layer[]): ReadPlan {
  const pieces: Piece[] = []
  let plainStart = 0
  let storedStart = 0
  for (const part of info.parts) {
    const plainBytes = plainPartSize(info, part)
    const from = Math.max(range.offset - plainStart, 0)
    const to = Math.min(range.offset + range.sizeBytes - plainStart, plainBytes)
    if (from < to) pieces.push(pieceOf(part, storedStart, { from, to }, layers))
    plainStart += plainBytes
    storedStart += part.sizeBytes
  }
  const offset = pieces[0]?.start ?? 0
  const end = pieces.at(-1)?.end ?? 0
  return { offset, sizeBytes: end - offset, open: (stored) => openPieces(pieces, offset, stored) }
}

function pieceOf(
  part: PartInfo,
  storedStart: number,
  wanted: { readonly from: number; readonly to: number },
  layers: readonly Layer[],
): Piece {
  const steps: LayerRead[] = []
  let start = wanted.from
  let end: number | undefined = wanted.to
  for (const layer of layers) {
    const step = layer.read(part, start, end)
    steps.push(step)
    start = step.start
    end = step.end
  }
  return { start: storedStart + start, end: storedStart + (end ?? part.sizeBytes), steps }
}

async function* openPieces(
  pieces: readonly Piece[],
  offset: number,
  stored: AsyncIterable<DataChunk>,
): AsyncGenerator<DataChunk, void, void> {
  const cursor = new ChunkCursor(stored, offset)
  try {
    for (const { start, end, steps } of pieces) {
      await cursor.skipTo(start)
      let chunks: AsyncIterable<DataChunk> = cursor.until(end)
      for (const step of steps.toReversed()) chunks = step.open(chunks)
      yield* chunks
    }
  } finally {
    await cursor.close()
  }
}
