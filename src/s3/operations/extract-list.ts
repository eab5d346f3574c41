/** Lists of the members of a zip archive, as ListObjectsV2 shows them (s3-api.md 4.2.8). */
import type { S3Call } from '../s3.ts'
import { archiveError, memberAddress, openArchive } from './extract.ts'
import { isoDate } from './object-headers.ts'

export interface ListedMember {
  readonly key: string
  readonly sizeBytes: number
  readonly modified: string
}

export interface MemberPage {
  readonly members: readonly ListedMember[]
  readonly commonPrefixes: readonly string[]
  readonly isTruncated: boolean
  /** Last entry returned; empty when not truncated. */
  readonly nextMarker: string
}

/** The page of members behind `startAfter`. Memory is bounded by the page: the directory is read as often as needed. */
export async function listMembers(
  call: S3Call,
  request: {
    readonly prefix: string
    readonly delimiter: string
    readonly startAfter: string
    readonly limit: number
  },
): Promise<MemberPage> {
  const { prefix, delimiter, startAfter, limit } = request
  const { archive: key = '' } = memberAddress(prefix) ?? {}
  const { archive, info } = await openArchive(call, key)
  const page = new Map<string, ListedMember | undefined>()
  try {
    for await (const { name, sizeBytes } of archive.members()) {
      const full = `${key}/${name}`
      if (!full.startsWith(prefix)) continue
      const cut = delimiter === '/' ? full.indexOf('/', prefix.length) : -1
      const shown = cut < 0 ? full : full.slice(0, cut + 1)
      if (compare(shown, startAfter) <= 0 || page.has(shown)) continue
      const modified = isoDate(info.modifiedNs)
      page.set(shown, cut < 0 ? { key: shown, sizeBytes, modified } : undefined)
      if (page.size <= 2 * limit) continue
      keepFirst(page, limit + 1)
    }
  } catch (error) {
    throw archiveError(error)
  }
  const isTruncated = page.size > limit
  keepFirst(page, limit)
  const names = [...page.keys()].toSorted(compare)
  return {
    members: names.flatMap((name) => page.get(name) ?? []),
    commonPrefixes: names.filter((name) => page.get(name) === undefined),
    isTruncated: isTruncated && limit > 0,
    nextMarker: isTruncated ? (names.at(-1) ?? '') : '',
  }
}

function compare(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function keepFirst(page: Map<string, unknown>, count: number): void {
  for (const name of [...page.keys()].toSorted(compare).slice(count)) page.delete(name)
}
