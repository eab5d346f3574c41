import { strictTextOf } from '#base/bytes'
import type { Clock } from '#base/clock'
import {
  type BucketMetadata,
  type ListVersionsRequest,
  type ListVersionsResult,
  ObjectError,
} from './object.ts'

/**
 * Hard quotas of buckets. Source: ilm-replication-events.md 7.
 *
 * What a bucket holds is counted by listing all of its versions now and then, in the background, and only for buckets that
 * have a quota; between two counts each thread adds what it writes itself. So a quota may be overrun by what other threads
 * write between two counts, and deletes make room with the next count. Until the first count is done nothing is refused but
 * what is larger than the quota by itself.
 */

/** A write waits this long for the first count. */
const FIRST_COUNT_MS = 2_000
/** The next count begins this long after one, or four times as long as that took. */
const COUNT_INTERVAL_MS = 60_000
const REST_FACTOR = 4
const PAGE_SIZE = 1000
const BUCKETS_MAX = 1000

export interface QuotaOptions {
  readonly clock: Clock
  metadata(bucket: string): Promise<BucketMetadata>
  listVersions(bucket: string, request: ListVersionsRequest): Promise<ListVersionsResult>
}

interface Usage {
  /** Undefined before the first count. */
  counted: number | undefined
  /** Written here since the last count began. */
  added: number
  nextMs: number
  counting: Promise<void> | undefined
}

/** The quota of one bucket, as it stands. */
export interface BucketQuota {
  /** Errors: `QuotaExceeded` for a write of that size. */
  check(sizeBytes: number): void
  /** Tells of a write that succeeded. */
  add(sizeBytes: number): void
}

export class BucketQuotas {
  readonly #options: QuotaOptions
  readonly #usages = new Map<string, Usage>()

  constructor(options: QuotaOptions) {
    this.#options = options
  }

  /** Undefined for a bucket without a quota. Errors: those of its metadata. */
  async of(bucket: string): Promise<BucketQuota | undefined> {
    const metadata = await this.#options.metadata(bucket)
    const document = metadata.document('QuotaConfigJSON')
    const limit = document === undefined ? 0 : quotaLimit(document)
    if (limit === 0) return undefined
    const usage = this.#usageOf(bucket)
    this.#count(bucket, usage)
    if (usage.counted === undefined) {
      await Promise.race([usage.counting, this.#options.clock.sleep(FIRST_COUNT_MS)])
    }
    return {
      check: (sizeBytes) => {
        const used = usage.counted === undefined ? 0 : usage.counted + usage.added
        const isOver = sizeBytes >= limit || (used > 0 && used + sizeBytes >= limit)
        if (isOver)
          throw new ObjectError('QuotaExceeded', `Quota of "${bucket}" is exceeded`, { bucket })
      },
      add: (sizeBytes) => {
        usage.added += sizeBytes
      },
    }
  }

  #usageOf(bucket: string): Usage {
    let usage = this.#usages.get(bucket)
    if (usage === undefined) {
      if (this.#usages.size >= BUCKETS_MAX) this.#usages.clear()
      usage = { counted: undefined, added: 0, nextMs: 0, counting: undefined }
      this.#usages.set(bucket, usage)
    }
    return usage
  }

  #count(bucket: string, usage: Usage): void {
    const { clock } = this.#options
    const beganMs = clock.monotonicMs()
    if (usage.counting !== undefined || beganMs < usage.nextMs) return
    const addedBefore = usage.added
    const finish = (): void => {
      const tookMs = clock.monotonicMs() - beganMs
      usage.nextMs = clock.monotonicMs() + Math.max(COUNT_INTERVAL_MS, REST_FACTOR * tookMs)
      usage.counting = undefined
    }
    usage.counting = this.#sizeOf(bucket).then(
      (size) => {
        usage.counted = size
        // What was written meanwhile may have been counted too: too much until the next count, never too little.
        usage.added -= addedBefore
        finish()
      },
      // The last count stays; a bucket that is gone is asked about no more.
      finish,
    )
  }

  async #sizeOf(bucket: string): Promise<number> {
    const { clock } = this.#options
    let size = 0
    let startAfter = ''
    let versionIdMarker: string | undefined
    for (;;) {
      const beganMs = clock.monotonicMs()
      const page = await this.#options.listVersions(bucket, {
        prefix: '',
        delimiter: '',
        startAfter,
        limit: PAGE_SIZE,
        ...(versionIdMarker === undefined ? {} : { versionIdMarker }),
      })
      for (const version of page.versions) {
        if (!version.isDeleteMarker) size += Math.max(version.actualSizeBytes, 0)
      }
      if (!page.isTruncated) return size
      startAfter = page.nextKeyMarker
      versionIdMarker = page.nextVersionIdMarker === '' ? undefined : page.nextVersionIdMarker
      // Requests come first: four fifths of the time are theirs.
      await clock.sleep(REST_FACTOR * (clock.monotonicMs() - beganMs))
    }
  }
}

/** Bytes of a hard quota, 0 for none. `size` counts, `quota` is its older name. */
export function quotaLimit(document: Uint8Array): number {
  const members = membersOf(strictTextOf(document) ?? '')
  if (members.get('quotatype') !== 'hard') return 0
  for (const name of ['size', 'quota']) {
    const value = members.get(name)
    if (typeof value === 'number' && value > 0) return value
  }
  return 0
}

/** None for what cannot be read: MinIO would not have stored it. */
function membersOf(text: string): ReadonlyMap<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(text)
    const isObject = typeof parsed === 'object' && parsed !== null
    return new Map<string, unknown>(isObject ? Object.entries(parsed) : [])
  } catch {
    return new Map() // no quota is better than a bucket that takes nothing
  }
}
