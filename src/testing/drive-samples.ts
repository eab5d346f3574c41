import { utf8 } from '#base/bytes'
import {
  type CommitReply,
  type CommitRequest,
  type Drive,
  DriveError,
  type DriveReply,
  type DriveResult,
  type EncodedVersion,
  TMP_VOLUME,
} from '#drive/drive'
import {
  encodeDeleteMarker,
  encodeObjectVersion,
  type FormatHashes,
  NULL_VERSION_ID,
  type ObjectVersion,
  XlMeta,
} from '#drive/xl-meta'

/** Versions and calls for tests of drives. */

const INLINE_KEY = 'x-minio-internal-inline-data'

/** 32 hex digits that end in `n`. */
export function idOf(n: number, first = 'a'): string {
  return first + n.toString(16).padStart(31, '0')
}

export function encodedObject(
  hashes: FormatHashes,
  changes: Partial<ObjectVersion> = {},
): EncodedVersion {
  const version: ObjectVersion = {
    versionId: NULL_VERSION_ID,
    dataDir: idOf(1, 'd'),
    dataShards: 1,
    parityShards: 0,
    blockSizeBytes: 1_048_576,
    shardIndex: 1,
    distribution: [1],
    parts: [{ number: 1, sizeBytes: 5, actualSizeBytes: 5 }],
    sizeBytes: 5,
    modifiedNs: 1000n,
    systemMetadata: new Map(),
    userMetadata: new Map([['etag', 'x']]),
    writerTime: 1_800_000_000,
    ...changes,
  }
  return encodeObjectVersion(version, hashes)
}

export function encodedMarker(
  hashes: FormatHashes,
  versionId: string,
  modifiedNs: bigint,
): EncodedVersion {
  return encodeDeleteMarker({ versionId, modifiedNs, systemMetadata: new Map() }, hashes)
}

/** The value, or throws the error. */
export function valueOf<T>(result: DriveResult<T>): T {
  if (result instanceof DriveError) throw result
  return result
}

/** Code of an error, `ok` for a value. */
export function codeOf(result: DriveResult<unknown>): string {
  return result instanceof DriveError ? result.code : 'ok'
}

export interface PutSample {
  readonly path: string
  readonly volume?: string
  readonly text: string
  readonly modifiedNs: bigint
  readonly versionId?: string
  readonly dataDir?: string
  readonly mode?: CommitRequest['mode']
  readonly backup?: boolean
  readonly etag?: string
}

/** Commits a version whose content lies in the metadata. */
export function putInline(
  drive: Drive,
  hashes: FormatHashes,
  sample: PutSample,
): DriveReply<CommitReply> {
  return drive.commitVersion({
    volume: sample.volume ?? 'bucket',
    path: sample.path,
    version: encodedObject(hashes, {
      ...fieldsOf(sample),
      systemMetadata: new Map([[INLINE_KEY, utf8('true')]]),
    }),
    inline: utf8(sample.text),
    mode: sample.mode ?? 'write',
    backup: sample.backup ?? false,
  })
}

/** Stages a file in two pieces and commits it. */
export async function putStaged(
  drive: Drive,
  hashes: FormatHashes,
  sample: PutSample & { readonly dataDir: string; readonly stage: string },
): DriveReply<CommitReply> {
  const file = `${sample.stage}/part.1`
  const content = utf8(sample.text)
  const half = Math.floor(content.length / 2)
  const first = await drive.appendStaged(file, [content.subarray(0, half)], { last: false })
  if (first instanceof DriveError) return first
  const second = await drive.appendStaged(file, [content.subarray(half)], { last: true })
  if (second instanceof DriveError) return second
  return drive.commitVersion({
    volume: sample.volume ?? 'bucket',
    path: sample.path,
    version: encodedObject(hashes, fieldsOf(sample)),
    source: { volume: TMP_VOLUME, path: sample.stage },
    mode: sample.mode ?? 'write',
    backup: sample.backup ?? false,
  })
}

function fieldsOf(sample: PutSample): Partial<ObjectVersion> {
  const sizeBytes = utf8(sample.text).length
  return {
    modifiedNs: sample.modifiedNs,
    sizeBytes,
    parts: [{ number: 1, sizeBytes, actualSizeBytes: sizeBytes }],
    userMetadata: new Map([['etag', sample.etag ?? 'x']]),
    ...(sample.versionId === undefined ? {} : { versionId: sample.versionId }),
    ...(sample.dataDir === undefined ? {} : { dataDir: sample.dataDir }),
  }
}

/** The stored metadata with its inline section. Throws `DriveError`. */
export async function readParsed(
  drive: Drive,
  hashes: FormatHashes,
  path: string,
  volume = 'bucket',
): Promise<XlMeta> {
  return XlMeta.parse(valueOf(await drive.readMetadata(volume, path, { inline: true })), hashes)
}
