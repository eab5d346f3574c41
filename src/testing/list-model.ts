import { compareUtf8 } from '#base/bytes'
import type { Random } from '#base/random'
import type { Codec } from '#codec/codec'
import { encodeDeleteMarker, encodeObjectVersion, XlMeta } from '#drive/xl-meta'
import type { ListResult, ListVersionsResult } from '#object/object'

/** Random buckets for tests of lists, and what a list of them must show, by sorting in memory. */

export interface ModelVersion {
  /** 32 hex digits. */
  readonly id: string
  readonly isMarker: boolean
  readonly modifiedNs: bigint
}

/** Versions newest first. */
export type Model = ReadonlyMap<string, readonly ModelVersion[]>

export function metaOf(
  codec: Codec,
  versions: readonly ModelVersion[],
  shardIndex: number,
): Uint8Array {
  const meta = XlMeta.empty(codec)
  for (const { id, isMarker, modifiedNs } of versions) {
    const systemMetadata = new Map<string, Uint8Array>()
    meta.put(
      isMarker
        ? encodeDeleteMarker({ versionId: id, modifiedNs, systemMetadata }, codec)
        : encodeObjectVersion(
            {
              versionId: id,
              dataDir: id,
              dataShards: 2,
              parityShards: 2,
              blockSizeBytes: 1_048_576,
              shardIndex,
              distribution: [1, 2, 3, 4],
              parts: [{ number: 1, sizeBytes: 5, actualSizeBytes: 5 }],
              sizeBytes: 5,
              modifiedNs,
              systemMetadata,
              userMetadata: new Map([['etag', `${id}`]]),
            },
            codec,
          ),
      undefined,
    )
  }
  return meta.encode()
}

export function oneVersion(id = 1): readonly ModelVersion[] {
  return [{ id: id.toString(16).padStart(32, '0'), isMarker: false, modifiedNs: BigInt(id) }]
}

const PIECES = [
  'a',
  'b',
  '/',
  '/',
  '-',
  '0',
  'ab',
  'é',
  '\u{1f600}',
  '\u{ffff}',
  'a/b',
  '/a/',
  '//',
]
/** Near the length at which segments are cut, and what keys are spelled with on drives. */
const ODD_PIECES = [
  'l'.repeat(239),
  'l'.repeat(250),
  'é'.repeat(120),
  `${'l'.repeat(240)}~~more`,
  '~~',
  '__XLDIR__',
  '~~more',
]

export function randomText(random: Random, piecesMax: number): string {
  let text = ''
  const hasOdd = random.below(3) === 0
  for (let i = random.below(piecesMax + 1); i > 0; i--) {
    const pieces = hasOdd && random.below(3) === 0 ? ODD_PIECES : PIECES
    text += pieces[random.below(pieces.length)] ?? ''
  }
  return text
}

export function randomModel(random: Random, markerShare: number): Model {
  const model = new Map<string, readonly ModelVersion[]>()
  let nowNs = 1n
  for (let i = random.below(30); i > 0; i--) {
    const key = randomText(random, 6)
    if (key === '') continue
    const versions: ModelVersion[] = []
    for (let j = random.below(4); j >= 0; j--) {
      const isNull = j === 0 && random.below(2) === 0
      versions.unshift({
        id: isNull ? '0'.repeat(32) : random.uuid().replaceAll('-', ''),
        isMarker: random.below(100) < markerShare,
        modifiedNs: nowNs++,
      })
    }
    model.set(key, versions)
  }
  return model
}

interface Shown {
  readonly name: string
  readonly text: string
}

/** What a list must show, by sorting in memory. */
export function expected(
  model: Model,
  kind: 'objects' | 'versions',
  request: { prefix: string; delimiter: string; startAfter: string },
): string[] {
  const { prefix, delimiter, startAfter } = request
  const rolled = (key: string): string | undefined => {
    const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    return at < 0 ? undefined : key.slice(0, at + delimiter.length)
  }
  const isMarkerPrefix = startAfter.startsWith(prefix) && rolled(startAfter) === startAfter
  const shown: Shown[] = []
  for (const [key, versions] of model) {
    if (!key.startsWith(prefix) || compareUtf8(key, startAfter) <= 0) continue
    if (kind === 'objects' && versions[0]?.isMarker === true) continue
    const group = rolled(key)
    if (group !== undefined) {
      if (isMarkerPrefix && group === startAfter) continue
      if (!shown.some((entry) => entry.text === `P${group}`)) {
        shown.push({ name: group, text: `P${group}` })
      }
    } else if (kind === 'objects') {
      shown.push({ name: key, text: `K${key}` })
    } else {
      for (const { id } of versions) shown.push({ name: key, text: `K${key} ${id}` })
    }
  }
  shown.sort((a, b) => compareUtf8(a.name, b.name))
  return shown.map((entry) => entry.text)
}

export function shownIn(result: ListResult | ListVersionsResult): string[] {
  const entries: Shown[] = result.commonPrefixes.map((name) => ({ name, text: `P${name}` }))
  if ('objects' in result) {
    for (const { key } of result.objects) entries.push({ name: key, text: `K${key}` })
  } else {
    for (const { key, versionId } of result.versions) {
      const id = versionId === 'null' ? '0'.repeat(32) : versionId.replaceAll('-', '')
      entries.push({ name: key, text: `K${key} ${id}` })
    }
  }
  return entries.sort((a, b) => compareUtf8(a.name, b.name)).map((entry) => entry.text)
}
