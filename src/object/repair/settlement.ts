import { type CommitRequest, DriveError } from '#drive/drive'
import { XlMeta } from '#drive/xl-meta'
import { isObject } from '../object-info.ts'
import { fanOutTo } from '../quorum/fan-out.ts'
import type { ErasureSet } from '../set/erasure-set.ts'
import { removeLeftovers } from './answers.ts'
import {
  legacyFor,
  versionFor,
  type Answer,
  type KeptVersion,
  type RefusedVersion,
} from './decide.ts'
import { stagedSource } from '../set/stage.ts'
import type { Rebuilt } from './rebuild.ts'
import { removeRefused, type RemovalOptions } from './refused.ts'

/** Data of one version that was rebuilt, before it is put in place. */
export interface Staged {
  readonly folder: string
  readonly complete: ReadonlySet<number>
  /** By position. */
  readonly partHashes: Rebuilt['partHashes']
}

/** Changes of one key on all drives, under its lock. A drive that refuses one step gets no more of them. */
export class Settlement {
  readonly failed = new Set<number>()
  changes = 0
  readonly #set: ErasureSet
  readonly #bucket: string
  readonly #path: string
  readonly #answers: readonly Answer[]
  /** By position: the metadata as it is, or shall be, on the drive. */
  readonly #metas: readonly XlMeta[]
  /** Positions whose metadata is to be replaced, and those where anything was changed. */
  readonly #dirty = new Set<number>()
  readonly #touched = new Set<number>()

  constructor(set: ErasureSet, bucket: string, path: string, answers: readonly Answer[]) {
    this.#set = set
    this.#bucket = bucket
    this.#path = path
    this.#answers = answers
    this.#metas = answers.map((answer) =>
      answer.kind === 'metadata' ? answer.meta : XlMeta.empty(set.context.codec),
    )
  }

  /** Notes a version for `replaceMetadata`. */
  put(kept: KeptVersion, position: number, inline: Uint8Array | undefined): void {
    this.#metas[position]?.put(versionFor(kept, position), inline)
    this.#dirty.add(position)
    this.changes++
  }

  /** Moves staged data and its version into place; answers the positions that have it. */
  async commit(
    kept: KeptVersion,
    targets: readonly number[],
    staged: Staged,
  ): Promise<readonly number[]> {
    const outcomes = await fanOutTo(
      this.#set.drives,
      (position) => targets.includes(position) && staged.complete.has(position),
      (drive, position) =>
        drive.commitVersion({
          volume: this.#bucket,
          path: this.#path,
          ...this.#newVersion(kept, position, staged),
          source: stagedSource(staged.folder),
          mode: 'heal',
          backup: false,
        }),
    )
    const done: number[] = []
    for (const position of targets) {
      if (outcomes[position] instanceof DriveError) this.failed.add(position)
      else {
        done.push(position)
        this.#metas[position]?.put(this.#newVersion(kept, position, staged).version, undefined)
        this.#touched.add(position)
        this.changes++
      }
    }
    return done
  }

  #newVersion(
    kept: KeptVersion,
    position: number,
    { partHashes }: Staged,
  ): Pick<CommitRequest, 'version' | 'v1File'> {
    const { body, isLegacy } = kept.chosen
    if (!isLegacy || !isObject(body)) return { version: versionFor(kept, position) }
    const shardIndex = body.distribution[position] ?? 0
    const shard = { shardIndex, partHashes: partHashes.get(position) ?? [] }
    return legacyFor(kept, this.#answers, shard, this.#set.context.codec)
  }

  async replaceMetadata(): Promise<void> {
    const outcomes = await fanOutTo(
      this.#set.drives,
      (position) => this.#dirty.has(position),
      (drive, position) => {
        const bytes = this.#metas[position]?.encode() ?? new Uint8Array()
        return drive.replaceMetadata(this.#bucket, this.#path, bytes)
      },
    )
    for (const position of this.#dirty) {
      if (outcomes[position] instanceof DriveError) this.failed.add(position)
      else this.#touched.add(position)
    }
  }

  async remove(version: RefusedVersion, options: RemovalOptions): Promise<void> {
    const { header, positions } = version
    const place = { bucket: this.#bucket, path: this.#path }
    const possible = positions.filter((position) => !this.failed.has(position))
    const removed = await removeRefused(
      this.#set,
      place,
      this.#answers,
      {
        header,
        positions: possible,
      },
      options,
    )
    for (const position of possible) {
      if (!removed.includes(position)) this.failed.add(position)
      else {
        this.#metas[position]?.remove(header.versionId)
        this.#touched.add(position)
        this.changes++
      }
    }
  }

  /** Removes what no version refers to. With `everywhere` false only on drives that were changed. */
  async removeLeftovers(everywhere: boolean): Promise<void> {
    await fanOutTo(
      this.#set.drives,
      (position) =>
        !this.failed.has(position) &&
        (everywhere || this.#touched.has(position)) &&
        this.#answers[position]?.kind !== 'unknown' &&
        (this.#metas[position]?.versions.length ?? 0) > 0,
      async (drive, position) => {
        const meta = this.#metas[position]
        if (meta === undefined) return undefined
        const place = { bucket: this.#bucket, path: this.#path, meta }
        this.changes += await removeLeftovers(drive, place)
        return undefined
      },
    )
  }
}
