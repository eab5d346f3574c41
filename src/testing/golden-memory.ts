import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { textOf } from '#base/bytes'
import type { DistributionAlgorithm } from '#drive/format-json'
import type { DriveHashes } from '#drive/xl-meta'
import type { PoolLayout } from '#object/placement'
import { MemoryDrive } from './memory-drive.ts'

/** Drives that MinIO left behind, loaded into memory, with the manifest of what it showed. */

const FOLDER = join(import.meta.dirname, '../../../shared/fixtures/minio')
const TAR_BLOCK = 512

export interface GoldenListing {
  readonly query: {
    readonly prefix?: string
    readonly delimiter?: string
    readonly start_after?: string
    readonly max_keys?: number
  }
  readonly keys?: readonly string[]
  readonly order?: readonly (readonly [string, string])[]
  readonly commonPrefixes?: readonly string[]
}

export interface GoldenBucket {
  readonly name: string
  /** Replies by sub-resource. */
  readonly config: Readonly<
    Record<string, { readonly status: number; readonly body: string | null } | undefined>
  >
  readonly listV2: readonly GoldenListing[]
  readonly listVersions: readonly GoldenListing[]
  /** `listed` false: MinIO's lists hide the key, since it lies below an object. */
  readonly versions: readonly { readonly key: string; readonly listed: boolean }[]
}

export interface GoldenUpload {
  readonly bucket: string
  readonly key: string
  readonly uploadId: string
  readonly createHeaders?: Readonly<Record<string, string>>
  readonly parts: readonly {
    readonly partNumber: number
    readonly etag: string
    readonly size: number
    readonly checksum?: Readonly<Record<string, string>>
  }[]
  readonly complete?: readonly number[]
  readonly whenCompleted?: { readonly size: number; readonly sha256: string }
}

export interface GoldenManifest {
  readonly server: { readonly deploymentId: string }
  /** Environment of the last server, by name. */
  readonly start: { readonly environment: Readonly<Record<string, string>> }
  readonly drives: readonly string[]
  readonly buckets: readonly GoldenBucket[]
  readonly pendingUploads?: readonly GoldenUpload[]
}

export interface GoldenDrives {
  readonly manifest: GoldenManifest
  readonly layouts: readonly PoolLayout[]
  readonly drives: readonly MemoryDrive[]
}

/** False, or why tests with these drives are skipped. */
export function goldenSkip(): string | false {
  return existsSync(FOLDER) ? false : `no golden drives at ${FOLDER}`
}

export function loadGolden(name: string, hashes: DriveHashes): GoldenDrives {
  // The manifests are made for these tests: their shape is not checked again.
  const manifest = JSON.parse(readFileSync(join(FOLDER, `${name}.json`), 'utf8')) as GoldenManifest
  const drives = manifest.drives.map((folder) => new MemoryDrive(folder, hashes))
  for (const [path, content, isDirectory] of entriesOf(readArchive(name))) {
    const clean = path.replace(/^\.\//, '')
    const index = manifest.drives.findIndex((folder) => clean.startsWith(`${folder}/`))
    const drive = drives[index]
    if (drive === undefined) continue
    const inner = clean.slice((manifest.drives[index]?.length ?? 0) + 1).replace(/\/$/, '')
    const [volume] = inner.split('/')
    if (volume !== undefined && volume !== '' && volume !== '.minio.sys')
      void drive.makeVolume(volume)
    if (!isDirectory) drive.files.set(inner, content)
  }
  return { manifest, drives, layouts: layoutsOf(drives) }
}

interface FormatFile {
  readonly xl: {
    readonly this: string
    readonly sets: readonly (readonly string[])[]
    readonly distributionAlgo: DistributionAlgorithm
  }
}

function layoutsOf(drives: readonly MemoryDrive[]): readonly PoolLayout[] {
  const pools = new Map<string, { format: FormatFile; byId: Map<string, MemoryDrive> }>()
  for (const drive of drives) {
    const bytes = drive.files.get('.minio.sys/format.json')
    if (bytes === undefined) continue
    const format = JSON.parse(textOf(bytes)) as FormatFile
    const name = JSON.stringify(format.xl.sets)
    const pool = pools.get(name) ?? { format, byId: new Map<string, MemoryDrive>() }
    pool.byId.set(format.xl.this, drive)
    pools.set(name, pool)
  }
  return [...pools.values()].map(({ format, byId }) => ({
    sets: format.xl.sets.map((ids) => ids.map((id) => byId.get(id))),
    distributionAlgorithm: format.xl.distributionAlgo,
  }))
}

function readArchive(name: string): Uint8Array {
  return gunzipSync(readFileSync(join(FOLDER, `${name}.tar.gz`)))
}

/** Files and directories of a tar archive. */
function* entriesOf(archive: Uint8Array): Generator<[string, Uint8Array, boolean]> {
  let longPath: string | undefined
  for (let at = 0; at + TAR_BLOCK <= archive.length && archive[at] !== 0; ) {
    const field = (start: number, size: number): string =>
      textOf(archive.subarray(at + start, at + start + size)).replace(/\0[^]*$/, '')
    const size = Number.parseInt(field(124, 12), 8)
    const type = field(156, 1)
    const folder = field(345, 155)
    const path = longPath ?? (folder === '' ? field(0, 100) : `${folder}/${field(0, 100)}`)
    const content = archive.subarray(at + TAR_BLOCK, at + TAR_BLOCK + size)
    at += TAR_BLOCK + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK
    longPath = undefined
    if (type === 'x') longPath = /\d+ path=([^\n]+)\n/.exec(textOf(content))?.[1]
    else if (type === 'L') longPath = textOf(content).replace(/\0[^]*$/, '')
    else if (type === '0' || type === '5') yield [path, content, type === '5']
  }
}
