import { bodyOfReader } from './body.ts'
import type { EngineContext } from './context.ts'
import { openSource } from './copy.ts'
import type {
  BodySource,
  ObjectInfo,
  ObjectName,
  PutOptions,
  Unseal,
  VersioningState,
  WritePreconditions,
} from './object.ts'
import type { Pools } from './pools.ts'
import { putObject } from './put.ts'

/**
 * Appending. The drive format has no objects that grow: the content is read, decrypted and decompressed, into a put that
 * has the new bytes behind it. Locks are those of a copy of an object onto itself: the read lock is gone when the content
 * has been read, so the guard of the write must see to it that the version is still the same one.
 */

export interface AppendOptions {
  readonly unseal?: Unseal | undefined
  /** Decided at the beginning as well as under the lock: a write for nothing costs as much as the object is large. */
  readonly preconditions?: WritePreconditions | undefined
  readonly signal?: AbortSignal | undefined
  /** What to write, from the version as its clients see it. Throws to refuse. Called at most once. */
  write(existing: ObjectInfo): Promise<AppendWrite>
}

export interface AppendWrite {
  /** The bytes to add. */
  readonly body: BodySource
  /** Of the whole object. */
  readonly options: PutOptions & { readonly versioning: VersioningState }
}

export async function appendObject(
  context: EngineContext,
  pools: Pools,
  target: ObjectName,
  options: AppendOptions,
): Promise<ObjectInfo> {
  const { unseal, preconditions, signal } = options
  using turn = new DisposableStack()
  turn.use(await pools.copyTurns.take(signal))
  const source = { ...target, unseal, preconditions }
  const reader = await openSource(context, pools, source, { range: { kind: 'all' }, signal })
  const existing = bodyOfReader(reader)
  try {
    const write = await options.write(reader.info)
    // A client that sends slowly shall not keep others from copying.
    const body = chained(existing, write.body, () => turn.dispose())
    return await putObject(context, pools, target, body, write.options)
  } finally {
    existing.close()
  }
}

/** One body behind another. */
function chained(first: BodySource, second: BodySource, afterFirst: () => void): BodySource {
  let isSecond = false
  const { sizeBytes: sizeA } = first
  const { sizeBytes: sizeB } = second
  return {
    sizeBytes: sizeA === undefined || sizeB === undefined ? undefined : sizeA + sizeB,
    read: async (target) => {
      let filled = 0
      while (!isSecond && filled < target.length) {
        const count = await first.read(target.subarray(filled))
        filled += count
        if (count > 0) continue
        isSecond = true
        afterFirst()
      }
      return filled < target.length ? filled + (await second.read(target.subarray(filled))) : filled
    },
  }
}
