import { assert } from '#base/assert'
import { freeBytes } from '#base/memory'
import type { Random } from '#base/random'
import {
  NONCE_SIZE_BYTES,
  PACKAGE_PLAIN_BYTES,
  PACKAGE_SEALED_BYTES,
  PackageOpener,
  PackageSealer,
  sealedSize,
  tampered,
} from '#encryption/dare'
import { EncryptionError, type EncryptionKind } from '#encryption/encryption'
import { keylessEtag, sealEtag, unsealEtag } from '#encryption/etags'
import { encryptionKindOf } from '#encryption/key-metadata'
import type { ObjectEncryption } from '#encryption/object-encryption'
import { openLabelled, partKey, type SealLabel, sealLabelled } from '#encryption/object-keys'
import { StreamOpener, StreamSealer } from '#encryption/sealed-stream'
import { isSealedInParts } from './object-info.ts'
import type { BodySource, DataChunk, ObjectInfo, PartInfo, UploadInfo } from './object.ts'
import { sealedPlace } from './sealed-place.ts'
import type { LayerBody, LayerRead, Seal } from './transform.ts'

/**
 * What decrypts a version (as stored) or an upload in progress; undefined when it is not encrypted. `clientKey`: for
 * SSE-C. Errors: `EncryptionError`.
 */
export async function openSeal(
  encryption: ObjectEncryption,
  version: ObjectInfo | UploadInfo,
  clientKey: Uint8Array | undefined,
): Promise<ObjectSeal | undefined> {
  const { systemMetadata } = version
  const kind = encryptionKindOf(systemMetadata)
  const objectKey = await encryption.open(systemMetadata, sealedPlace(version), clientKey)
  if (objectKey === undefined || kind === undefined || kind === 'unknown') return undefined
  const isInParts = 'parts' in version ? isSealedInParts(version) : true
  return new ObjectSeal(objectKey, encryption.random, { kind, isInParts })
}

const MD5_BYTES = 16

/** Encrypts and decrypts the content of one version. Errors while reading: `EncryptionError` with `Tampered`. */
export class ObjectSeal implements Seal {
  readonly #objectKey: Uint8Array
  readonly #random: Random
  readonly #kind: EncryptionKind
  readonly #isInParts: boolean

  /** Owns `objectKey` and wipes it with `close`. `isInParts`: each part has a key of its own. */
  constructor(
    objectKey: Uint8Array,
    random: Random,
    options: { readonly kind: EncryptionKind; readonly isInParts: boolean },
  ) {
    this.#objectKey = objectKey
    this.#random = random
    this.#kind = options.kind
    this.#isInParts = options.isInParts
  }

  write(body: BodySource, partNumber: number): LayerBody {
    const key = this.#keyOf(partNumber)
    const sealer = new StreamSealer(
      (target) => body.read(target),
      new PackageSealer(key, this.#random.bytes(NONCE_SIZE_BYTES)),
      body.sizeBytes,
    )
    return {
      sizeBytes: body.sizeBytes === undefined ? undefined : sealedSize(body.sizeBytes),
      read: (target) => sealer.read(target),
      close: () => {
        sealer.close()
        key.fill(0)
      },
    }
  }

  read(part: PartInfo, start: number, end: number | undefined): LayerRead {
    const sequence = Math.floor(start / PACKAGE_PLAIN_BYTES)
    const lowerStart = sequence * PACKAGE_SEALED_BYTES
    const lowerEnd =
      end === undefined
        ? part.sizeBytes
        : Math.min(Math.ceil(end / PACKAGE_PLAIN_BYTES) * PACKAGE_SEALED_BYTES, part.sizeBytes)
    return {
      start: lowerStart,
      end: lowerEnd,
      open: (lower) =>
        this.#open(lower, {
          partNumber: part.number,
          sequence,
          skipBytes: start - sequence * PACKAGE_PLAIN_BYTES,
          wantedBytes: end === undefined ? undefined : end - start,
          toEnd: lowerEnd === part.sizeBytes,
        }),
    }
  }

  async *#open(lower: AsyncIterable<DataChunk>, wanted: Wanted): AsyncGenerator<DataChunk> {
    const key = this.#keyOf(wanted.partNumber)
    const opener = new StreamOpener(new PackageOpener(key, { sequence: wanted.sequence }))
    let skip = wanted.skipBytes
    let left = wanted.wantedBytes ?? Number.MAX_SAFE_INTEGER
    const take = (plain: Uint8Array): Uint8Array => {
      const bytes = plain.subarray(Math.min(skip, plain.length), skip + left)
      skip = Math.max(0, skip - plain.length)
      left -= bytes.length
      return bytes
    }
    try {
      for await (const chunk of lower) {
        const shared = new SharedChunk(chunk)
        try {
          const { carried, rest } = opener.push(chunk.bytes)
          const first = take(carried)
          if (first.length > 0) yield { bytes: first, release: () => freeBytes(carried) }
          else freeBytes(carried)
          const others = take(rest)
          if (others.length > 0) yield shared.view(others)
        } finally {
          shared.release()
        }
      }
      if (wanted.toEnd) opener.end()
      if (wanted.wantedBytes !== undefined && left > 0) throw tampered('the stream is cut')
    } finally {
      key.fill(0)
      opener.close()
    }
  }

  get showsMd5(): boolean {
    return this.#kind === 'sse-s3'
  }

  etagOf(md5: Uint8Array | undefined): string {
    return sealEtag(this.#objectKey, md5 ?? this.#random.bytes(MD5_BYTES), this.#random)
  }

  shownEtag(stored: string): string {
    return this.showsMd5 ? unsealEtag(this.#objectKey, stored) : keylessEtag(stored)
  }

  sealIndex(index: Uint8Array): Uint8Array {
    return this.#sealed('compression-index', index)
  }

  openIndex(index: Uint8Array): Uint8Array | undefined {
    return this.#opened('compression-index', index)
  }

  sealChecksums(blob: Uint8Array): Uint8Array {
    return this.#sealed('object-checksum', blob)
  }

  openChecksums(blob: Uint8Array): Uint8Array | undefined {
    return this.#opened('object-checksum', blob)
  }

  #sealed(label: SealLabel, plain: Uint8Array): Uint8Array {
    return sealLabelled(this.#objectKey, label, plain, this.#random)
  }

  #opened(label: SealLabel, sealed: Uint8Array): Uint8Array | undefined {
    try {
      return openLabelled(this.#objectKey, label, sealed)
    } catch (error) {
      if (error instanceof EncryptionError) return undefined
      throw error
    }
  }

  close(): void {
    this.#objectKey.fill(0)
  }

  /** The key of a part's stream: a copy that its user wipes. */
  #keyOf(partNumber: number): Uint8Array {
    assert(
      this.#objectKey.some((byte) => byte !== 0),
      'the seal is closed',
    )
    return this.#isInParts ? partKey(this.#objectKey, partNumber) : new Uint8Array(this.#objectKey)
  }
}

interface Wanted {
  readonly partNumber: number
  readonly sequence: number
  /** Plain bytes before the wanted ones. */
  readonly skipBytes: number
  readonly wantedBytes: number | undefined
  readonly toEnd: boolean
}

/** A chunk whose memory is handed on: free when it and its view are released. */
class SharedChunk {
  readonly #chunk: DataChunk
  #uses = 1

  constructor(chunk: DataChunk) {
    this.#chunk = chunk
  }

  view(bytes: Uint8Array): DataChunk {
    this.#uses++
    return { bytes, release: () => this.release() }
  }

  release(): void {
    assert(this.#uses > 0)
    if (--this.#uses === 0) this.#chunk.release()
  }
}
