import { compareUtf8 } from '#base/bytes'
import { DriveError, META_VOLUME, type Drive, type WalkEntry } from '#drive/drive'
import { encodeKey } from '#drive/key-path'
import { fanOut } from '../quorum/fan-out.ts'
import type { ErasureSet } from '../set/erasure-set.ts'

/** All keys of a set, as the drives that are not being refilled name them together. */

const PAGE_NAMES = 1000

/** A part of the set's names that is walked at a time: a bucket, or a folder of the server's own volume. */
export interface WalkRoot {
  /** As in the progress of MinIO's refills: a bucket, `.minio.sys/config` or `.minio.sys/buckets`. */
  readonly name: string
  readonly volume: string
  readonly prefix: string
  /** Keys that come first, whether they exist or not. */
  readonly extra: readonly string[]
}

/** Of the server's own volume: what is in no folder goes with the first one, since MinIO knows no more names. */
const SYSTEM_ROOTS: readonly WalkRoot[] = [
  systemRoot('config', ['backend-encrypted', 'pool.bin', 'rebalance.bin']),
  systemRoot('buckets', []),
]

function systemRoot(folder: string, extra: readonly string[]): WalkRoot {
  return {
    name: `${META_VOLUME}/${folder}`,
    volume: META_VOLUME,
    prefix: `${folder}/`,
    extra,
  }
}

/** The server's own state first, then buckets from the newest on. Undefined: fewer than half of the drives answer. Source: distributed.md 5.5. */
export async function rootsOf(set: ErasureSet): Promise<readonly WalkRoot[] | undefined> {
  const outcomes = await fanOut(set.drives, (drive) => drive.listVolumes())
  const counts = new Map<string, { count: number; createdNs: bigint }>()
  let answers = 0
  for (const [position, volumes] of outcomes.entries()) {
    if (volumes instanceof DriveError || set.isHealing(position)) continue
    answers++
    for (const { name, createdNs } of volumes) {
      const known = counts.get(name)
      counts.set(name, {
        count: (known?.count ?? 0) + 1,
        createdNs: known !== undefined && known.createdNs > createdNs ? known.createdNs : createdNs,
      })
    }
  }
  if (answers === 0 || answers * 2 < set.size) return undefined
  const buckets = [...counts]
    .filter(([, { count }]) => count * 2 >= answers)
    .sort(([a, x], [b, y]) =>
      x.createdNs === y.createdNs ? compareUtf8(a, b) : x.createdNs > y.createdNs ? -1 : 1,
    )
  return [
    ...SYSTEM_ROOTS,
    ...buckets.map(([name]) => ({ name, volume: name, prefix: '', extra: [] })),
  ]
}

/** A key and its path on the drives. */
export interface WalkedKey {
  /** Empty: one of those that come first; a walk that ended there begins again. */
  readonly name: string
  readonly path: string
}

/** Names after `startAfter`, by UTF-8 bytes, each once. Throws `DriveError` when fewer than half of the drives can be walked to the end. */
export async function* walkKeys(
  set: ErasureSet,
  root: WalkRoot,
  startAfter: string,
): AsyncGenerator<WalkedKey> {
  if (startAfter === '') for (const path of root.extra) yield { name: '', path }
  const cursors: DriveCursor[] = []
  for (const [position, drive] of set.drives.entries()) {
    if (drive?.isOnline() === true && !set.isHealing(position)) {
      cursors.push(new DriveCursor(drive, root, startAfter))
    }
  }
  for (;;) {
    let first: string | undefined
    let alive = 0
    for (const cursor of cursors) {
      const head = await cursor.head()
      if (cursor.error === undefined) alive++
      if (head !== undefined && (first === undefined || compareUtf8(head, first) < 0)) first = head
    }
    if (alive === 0 || alive * 2 < set.size) {
      throw cursors.find(({ error }) => error !== undefined)?.error ?? tooFew()
    }
    if (first === undefined) return
    for (const cursor of cursors) cursor.pass(first)
    yield { name: first, path: encodeKey(first) }
  }
}

function tooFew(): DriveError {
  return new DriveError('DriveNotFound', 'Too few drives of the set can be walked')
}

class DriveCursor {
  error: DriveError | undefined
  readonly #drive: Drive
  readonly #root: WalkRoot
  #page: readonly WalkEntry[] = []
  #index = 0
  #last: string
  #isDone = false

  constructor(drive: Drive, root: WalkRoot, startAfter: string) {
    this.#drive = drive
    this.#root = root
    this.#last = startAfter
  }

  async head(): Promise<string | undefined> {
    while (this.#index >= this.#page.length && !this.#isDone) await this.#read()
    return this.#page[this.#index]?.name
  }

  pass(name: string): void {
    if (this.#page[this.#index]?.name === name) this.#index++
  }

  async #read(): Promise<void> {
    const reply = await this.#drive.walk({
      volume: this.#root.volume,
      prefix: this.#root.prefix,
      startAfter: this.#last,
      recursive: true,
      limit: PAGE_NAMES,
      metadata: false,
    })
    this.#index = 0
    if (reply instanceof DriveError) {
      this.#page = []
      this.#isDone = true
      // A drive without the bucket has nothing to name.
      if (reply.code !== 'VolumeNotFound') this.error = reply
      return
    }
    this.#page = reply.entries
    this.#isDone = reply.done
    this.#last = reply.entries.at(-1)?.name ?? this.#last
  }
}
