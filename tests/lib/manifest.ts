/** The manifests of the golden drives, as their README (shared fixtures) describes them. */
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { REPOSITORY, run } from './programs.ts'
import type { Digest, PartRecipe } from './recipe.ts'

export interface ManifestReply {
  readonly status: number
  readonly code?: string | null
  readonly headers?: Readonly<Record<string, string>> | 'as head'
  readonly body?: unknown
}

export interface ManifestVersion {
  readonly key: string
  readonly versionId: string
  readonly listed: boolean
  readonly isLatest?: boolean
  readonly isDeleteMarker?: boolean
  readonly lastModified?: string
  readonly etag?: string
  readonly size?: number
  readonly storageClass?: string
  readonly recipe?: { readonly parts: readonly PartRecipe[] }
  readonly head: ManifestReply
  readonly get: ManifestReply
  readonly content?: Digest
  /** Hex. */
  readonly sseCustomerKey?: string
  readonly getWithoutKey?: { readonly status: number; readonly code: string }
  readonly partsCount?: number
  readonly parts?: readonly {
    readonly partNumber: number
    readonly status: number
    readonly size?: number
  }[]
  readonly ranges?: readonly { readonly range: string }[]
  readonly tagging?: unknown
  readonly attributes?: unknown
  readonly retention?: unknown
  readonly 'legal-hold'?: unknown
}

export interface ManifestListing {
  readonly query: Readonly<Record<string, string | number>>
  readonly pages: number
  readonly commonPrefixes: readonly string[]
  readonly order?: readonly (readonly [key: string, versionId: string])[]
  readonly keys?: readonly string[]
  readonly entries?: readonly Readonly<Record<string, string>>[]
}

export interface ManifestBucket {
  readonly name: string
  readonly config: Readonly<Record<string, ManifestReply>>
  readonly listV2: readonly ManifestListing[]
  readonly listVersions: readonly ManifestListing[]
  readonly versions: readonly ManifestVersion[]
  readonly listingFails?: unknown
}

export interface ManifestUpload {
  readonly bucket: string
  readonly key: string
  readonly uploadId: string
  readonly createHeaders?: Readonly<Record<string, string>>
  readonly parts: readonly {
    readonly partNumber: number
    readonly etag: string
    readonly md5: string
    readonly sha256: string
    readonly size: number
    readonly checksum?: Readonly<Record<string, string>>
  }[]
  readonly complete?: readonly number[]
  readonly whenCompleted?: Digest & { readonly checksum?: string }
  readonly listParts?: readonly Readonly<Record<string, string>>[]
  readonly listPartsHead?: Readonly<Record<string, string>>
  readonly listUploads?: readonly { readonly key: string; readonly uploadId: string }[]
}

export interface Manifest {
  readonly scenario: string
  readonly server: {
    readonly credentials: { readonly accessKey: string; readonly secretKey: string }
  }
  readonly start: {
    readonly commandLine: readonly string[]
    readonly environment: Readonly<Record<string, string>>
  }
  readonly drives: readonly string[]
  readonly tls?: boolean
  readonly buckets?: readonly ManifestBucket[]
  readonly pendingUploads?: readonly ManifestUpload[]
  readonly refusedKeys?: readonly {
    readonly key: string
    readonly status: number
    readonly code: string | null
  }[]
  readonly probes?: readonly {
    readonly method: string
    readonly bucket: string
    readonly key: string
    readonly versionId: string
    readonly status: number
    readonly code: string
  }[]
  readonly unreadable?: readonly {
    readonly bucket: string
    readonly key: string
    readonly versionId: string
  }[]
  readonly steady?: readonly (readonly [key: string, recipe: PartRecipe])[]
  readonly allowedStates?: readonly {
    readonly bucket: string
    readonly key: string
    readonly mustExist: boolean
    readonly allowed: readonly (string | null)[]
  }[]
  readonly acknowledgedVersions?: readonly {
    readonly bucket: string
    readonly key: string
    readonly op: string
    readonly versionId: string
    readonly sha256?: string
  }[]
}

/** Folder of the golden drives: env `CAIRN_FIXTURES`, else beside the repository; undefined when it is not there. */
export function fixturesFolder(): string | undefined {
  const folder = resolve(REPOSITORY, process.env['CAIRN_FIXTURES'] ?? '../shared/fixtures/minio')
  return existsSync(folder) ? folder : undefined
}

export function readManifest(fixtures: string, scenario: string): Manifest {
  const manifest: unknown = JSON.parse(readFileSync(join(fixtures, `${scenario}.json`), 'utf8'))
  if (
    typeof manifest !== 'object' ||
    manifest === null ||
    !('manifestVersion' in manifest) ||
    manifest.manifestVersion !== 1
  ) {
    throw new Error(`Not a manifest of version 1: "${scenario}"`)
  }
  // The fixtures are read-only and described by their README; the version above is their schema.
  return manifest as unknown as Manifest
}

/** Unpacks the drives of a scenario into `folder`. */
export async function unpackDrives(
  fixtures: string,
  scenario: string,
  folder: string,
): Promise<void> {
  await run('tar', ['xzf', join(fixtures, `${scenario}.tar.gz`), '-C', folder], {
    timeoutMs: 60_000,
  })
}

/** The drive arguments of the command line: what is left without the program, `server` and options. */
export function driveArguments(manifest: Manifest): readonly string[] {
  const [, command, ...rest] = manifest.start.commandLine
  if (command !== 'server') throw new Error(`Unexpected command line of "${manifest.scenario}"`)
  const drives: string[] = []
  for (let index = 0; index < rest.length; index++) {
    const word = rest[index] ?? ''
    if (word === '--address' || word === '--console-address' || word === '--certs-dir') index++
    else if (word.startsWith('--'))
      throw new Error(`Unexpected option ${word} in "${manifest.scenario}"`)
    else drives.push(word)
  }
  return drives
}
