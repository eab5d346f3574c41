import { META_VOLUME } from '#drive/drive'
import { bodyOfBytes } from './body.ts'
import type { EngineContext } from './context.ts'
import { ObjectError } from './object.ts'
import type { PoolLayout } from './placement.ts'
import { Pools } from './pools.ts'
import { putObject } from './put.ts'
import { openObject } from './read.ts'
import { removeObject } from './remove.ts'

/**
 * Small objects of the meta bucket: bucket metadata, configuration. Never versioned, spread with half of the drives as
 * parity, read and written whole. Source: disk-format.md 1.2 and 7.
 */
export class SystemObjects {
  readonly #context: EngineContext
  readonly #pools: Pools
  readonly #layouts: readonly PoolLayout[]

  constructor(context: EngineContext, pools: Pools, layouts: readonly PoolLayout[]) {
    this.#context = context
    this.#pools = pools
    this.#layouts = layouts
  }

  /** The content, owned by the caller; undefined when there is none, or an empty one, which counts the same. Errors: `ReadQuorum`. */
  async read(path: string): Promise<Uint8Array | undefined> {
    try {
      const target = { bucket: META_VOLUME, key: path }
      const reader = await openObject(this.#context, this.#pools, target, {
        range: { kind: 'all' },
      })
      const content = new Uint8Array(reader.sizeBytes)
      let offset = 0
      for await (const chunk of reader.chunks()) {
        content.set(chunk.bytes, offset)
        offset += chunk.bytes.length
        chunk.release()
      }
      return content.length === 0 ? undefined : content
    } catch (error) {
      if (error instanceof ObjectError && error.code === 'ObjectNotFound') return undefined
      throw error
    }
  }

  /** As `read`, for configuration and IAM, which are sealed where there is a KMS. Errors: also `EncryptionError`. */
  async readSealed(path: string): Promise<Uint8Array | undefined> {
    const stored = await this.read(path)
    return stored === undefined ? undefined : this.#context.sealedFiles.open(path, stored)
  }

  /** As `write`, for configuration and IAM. Errors: also `EncryptionError`. */
  async writeSealed(path: string, content: Uint8Array): Promise<void> {
    await this.write(path, await this.#context.sealedFiles.seal(path, content))
  }

  /** Errors: `WriteQuorum`, `StorageFull`. */
  async write(path: string, content: Uint8Array): Promise<void> {
    await this.#writeTo(this.#pools, path, content)
  }

  /** The same object in every pool, as `pool.bin` is kept. Errors: `WriteQuorum`. */
  async writeToAllPools(path: string, content: Uint8Array): Promise<void> {
    for (const pool of this.#layouts.keys()) {
      await this.#writeTo(new Pools(this.#context, this.#layouts, pool), path, content)
    }
  }

  async #writeTo(pools: Pools, path: string, content: Uint8Array): Promise<void> {
    await putObject(
      this.#context,
      pools,
      { bucket: META_VOLUME, key: path },
      bodyOfBytes(content),
      {
        userMetadata: new Map(),
        storageClass: 'STANDARD',
        digests: [],
        versioning: 'unversioned',
        isSystem: true,
      },
    )
  }

  /** Missing is fine. */
  async remove(path: string): Promise<void> {
    await removeObject(
      this.#context,
      this.#pools,
      { bucket: META_VOLUME, key: path },
      { versioning: 'unversioned' },
    )
  }
}
