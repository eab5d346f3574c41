/**
 * Settings of a node: command line first, then `CAIRN_*`, then `MINIO_*` environment, then what an administrator stored on
 * the drives (`config.json`, read by `stored-settings.ts` once they are there), then defaults.
 *
 * Invariants
 * - A wrong value ends the start with a message that names the setting and what it allows; nothing is guessed. A
 *   stored one that is wrong is reported and not used.
 * - An unknown `CAIRN_*` name ends the start; an unknown `MINIO_*` name is reported and ignored, since it may belong
 *   to a part of MinIO that this release does not have.
 */

import type { CompressionSettings } from './compression-settings.ts'
import type { EncryptionSettings } from './kms-settings.ts'

/** A setting that cannot be used; the message names it and what is allowed. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly temporary = false
}

/** Environment by name, already merged with the file of `MINIO_CONFIG_ENV_FILE`. */
export type Environment = Readonly<Record<string, string | undefined>>

export interface Address {
  /** Empty: all interfaces. */
  readonly host: string
  readonly port: number
}

export interface StorageClassSettings {
  /** Parity of `STANDARD`; undefined: by set size. */
  readonly standardParity: number | undefined
  readonly reducedParity: number | undefined
  readonly optimize: 'availability' | 'capacity'
  readonly inlineBlockBytes: number
}

export interface Settings {
  /** As typed; several words of `MINIO_VOLUMES` are several. */
  readonly volumes: readonly string[]
  readonly address: Address
  readonly consoleAddress: Address
  readonly rootUser: string
  readonly rootPassword: string
  /** True: nobody chose credentials. */
  readonly defaultCredentials: boolean
  readonly domains: readonly string[]
  /** Base domains of websites: `bucket.domain`. With one, buckets called like a host serve that host too. */
  readonly websiteDomains: readonly string[]
  /** Addresses and CIDR blocks of proxies in front of this server. */
  readonly trustedProxies: readonly string[]
  /** What these proxies take off the front of paths, such as `/s3`; empty: nothing. */
  readonly pathPrefix: string
  /** Origins of browsers for buckets without CORS rules of their own; `*` inside is a wildcard. */
  readonly corsOrigins: readonly string[]
  readonly region: string
  readonly certsDir: string
  /** Of an encrypted `private.key`. */
  readonly certsPassphrase: string | undefined
  readonly storageClass: StorageClassSettings
  readonly setDriveCount: number | undefined
  readonly durability: 'strict' | 'relaxed'
  readonly driveTimeoutMs: number
  /** Drives on the root file system are fine (`CI`, `MINIO_CI_CD`). */
  readonly allowRootDrive: boolean
  readonly rootDriveThresholdBytes: number
  readonly requestThreads: number
  /** Requests served at a time; 0: no limit. */
  readonly requestsMax: number
  readonly arenaBytes: number
  /** What the arena may have on top of that while clients stall. */
  readonly arenaReserveBytes: number
  /** Queries may read Parquet. */
  readonly selectsParquet: boolean
  /** Slashes in front of keys are taken away, as MinIO does. */
  readonly cleansKeys: boolean
  /** What the policy of a bucket denies to everybody it denies to the root key too. */
  readonly policiesBindOwner: boolean
  readonly staleUploadsExpiryMs: number
  readonly staleUploadsIntervalMs: number
  readonly shutdownTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly readHeaderTimeoutMs: number
  readonly encryption: EncryptionSettings
  readonly compression: CompressionSettings
  readonly logFormat: 'text' | 'json'
  readonly quiet: boolean
  readonly anonymous: boolean
}

/** Flags of `cairn server` as given; undefined where not. */
export interface ServerFlags {
  readonly volumes: readonly string[]
  readonly address?: string | undefined
  readonly consoleAddress?: string | undefined
  readonly certsDir?: string | undefined
  readonly idleTimeout?: string | undefined
  readonly readHeaderTimeout?: string | undefined
  readonly shutdownTimeout?: string | undefined
  readonly json?: boolean | undefined
  readonly quiet?: boolean | undefined
  readonly anonymous?: boolean | undefined
}
