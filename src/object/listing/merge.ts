import { equalBytes } from '#base/bytes'
import {
  compareHeaders,
  NULL_VERSION_ID,
  type StoredVersion,
  type VersionHeader,
} from '#drive/xl-meta'

export function mergeVersions(
  lists: readonly (readonly StoredVersion[])[],
  options: { readonly quorum: number; readonly strict: boolean; readonly count: number },
): readonly StoredVersion[] {
  const quorum = Math.max(1, options.quorum)
  const strict = options.strict || quorum === 1
  if (lists.length < quorum || lists.length === 0) return []
  if (lists.length === 1) return lists[0] ?? []
  const at = lists.map(() => 0)
  const merged: StoredVersion[] = []
  const seen = new Set<string>()
  for (;;) {
    const heads: StoredVersion[] = []
    for (const [i, list] of lists.entries()) {
      const head = list[at[i] ?? 0]
      if (head !== undefined) heads.push(head)
    }
    const first = heads[0]
    if (first === undefined || heads.length < quorum) return merged
    let candidate = first
    let count = 1
    for (const head of heads.slice(1)) {
      if (equalBytes(head.headerBytes, candidate.headerBytes)) {
        count++
        continue
      }
      const isLoose = !strict && looselyEqual(head.header, candidate.header)
      if (compareHeaders(head.header, candidate.header) < 0) {
        candidate = head
        count = isLoose ? count + 1 : 1
      } else if (isLoose) count++
      else if (head.header.versionId === candidate.header.versionId) {
        const group = heads.filter((h) => h.header.versionId === head.header.versionId)
        let best = 0
        for (const one of group) {
          const n = group.filter((h) =>
            strict
              ? equalBytes(h.headerBytes, one.headerBytes)
              : h.header.modifiedNs === one.header.modifiedNs && h.header.kind === one.header.kind,
          ).length
          if (n > best || (n === best && compareHeaders(one.header, candidate.header) < 0)) {
            best = n
            candidate = one
          }
        }
        count = best
        break
      }
    }
    if (count >= quorum) merged.push(candidate)
    const { header } = candidate
    seen.add(header.versionId)
    for (const [i, list] of lists.entries()) {
      let n = at[i] ?? 0
      for (; n < list.length; n++) {
        const own = list[n]?.header
        if (own === undefined) break
        if (own.modifiedNs > header.modifiedNs || own.versionId === header.versionId) continue
        if (count >= quorum && seen.has(own.versionId)) continue
        break
      }
      at[i] = n
    }
    if (count < quorum) seen.delete(header.versionId)
  }
}

function looselyEqual(a: VersionHeader, b: VersionHeader): boolean {
  if (a.versionId !== b.versionId || a.kind !== b.kind) return false
  if (a.dataShards !== 0 && b.dataShards !== 0) {
    if (a.dataShards !== b.dataShards || a.parityShards !== b.parityShards) return false
  }
  return a.versionId !== NULL_VERSION_ID || a.modifiedNs === b.modifiedNs
}
