import { equalBytes, strictTextOf, textOf, utf8 } from '#base/bytes'
import {
  encodeBucketMetadata,
  newBucketMetadata,
  parseBucketMetadata,
  type BucketMetadataFile,
} from '#drive/bucket-metadata-file'
import { META_VOLUME } from '#drive/drive'
import {
  type BucketExtras,
  encodeExtras,
  type ExtraDocument,
  isExtraDocument,
  NO_EXTRAS,
  parseExtras,
} from './bucket-extras.ts'
import {
  parseObjectLock,
  parseVersioning,
  UNVERSIONED,
  versioningStateOf,
  type VersioningRules,
} from './bucket-versioning.ts'
import type { EngineContext } from './context.ts'
import { noReadQuorum } from './errors.ts'
import { ObjectError } from './object.ts'
import type { BucketDocument, BucketMetadata, DocumentChange, VersioningState } from './object.ts'
import type { Pools } from './pools.ts'
import type { SystemObjects } from './system-objects.ts'

/**
 * Metadata of buckets: the object `buckets/<bucket>/.metadata.bin` of the meta bucket, and beside it what MinIO has no place
 * for. Source: disk-format.md 7.1.
 *
 * Every thread keeps what it has read. One counter in shared memory tells all threads that some bucket changed: a change
 * counts it up before the change is acknowledged, and a thread that sees another count than its own forgets everything.
 * Changes are rare.
 */

/** Memory for `BucketMetadataStore`, made once for each process and given to every thread. */
export function createGenerationMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(4)
}

/** Buckets kept at once; one more and all are read again. */
const KNOWN_MAX = 10_000

const LOCK_DOCUMENT =
  '<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>'
const VERSIONING_DOCUMENT =
  '<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>'

type MinioDocument = Exclude<BucketDocument, ExtraDocument>

/** Files of releases before the one metadata object, and what they became. */
const LEGACY_FILES: readonly (readonly [string, MinioDocument])[] = [
  ['policy.json', 'PolicyConfigJSON'],
  ['notification.xml', 'NotificationConfigXML'],
  ['lifecycle.xml', 'LifecycleConfigXML'],
  ['quota.json', 'QuotaConfigJSON'],
  ['bucket-encryption.xml', 'EncryptionConfigXML'],
  ['tagging.xml', 'TaggingConfigXML'],
  ['replication.xml', 'ReplicationConfigXML'],
  ['bucket-targets.json', 'BucketTargetsConfigJSON'],
  ['object-lock.xml', 'ObjectLockConfigXML'],
]
const LEGACY_LOCK_FILE = 'object-lock-enabled.json'
const LEGACY_LOCK_CONTENT = '{"x-amz-bucket-object-lock-enabled":true}'

/** Parsed metadata of one bucket, immutable. */
class ParsedMetadata implements BucketMetadata {
  readonly name: string
  readonly createdNs: bigint
  readonly rules: VersioningRules
  readonly objectLock: boolean
  readonly file: BucketMetadataFile
  readonly extras: BucketExtras
  /** False: the time of creation is that of the directory, which changes. */
  readonly hasStoredTime: boolean

  constructor(
    name: string,
    file: BucketMetadataFile,
    about: { readonly extras: BucketExtras; readonly hasStoredTime: boolean } = {
      extras: NO_EXTRAS,
      hasStoredTime: true,
    },
  ) {
    this.name = name
    this.file = file
    this.extras = about.extras
    this.hasStoredTime = about.hasStoredTime
    this.createdNs = file.createdNs
    this.objectLock =
      file.lockEnabled || readDocument(file, 'ObjectLockConfigXML', parseObjectLock, false)
    const rules = readDocument(file, 'VersioningConfigXML', parseVersioning, UNVERSIONED)
    // Object lock is nothing without versions.
    this.rules = this.objectLock ? { ...UNVERSIONED, state: 'enabled' } : rules
  }

  get versioning(): VersioningState {
    return this.rules.state
  }

  document(name: BucketDocument): Uint8Array | undefined {
    if (isExtraDocument(name)) return this.extras.documents.get(name)?.content
    const content = this.file.documents.get(name) ?? NOTHING
    const original = this.extras.originals.get(name)
    if (original !== undefined && equalBytes(original.standIn, content)) return original.content
    return content.length === 0 ? undefined : content
  }

  updatedNs(name: BucketDocument): bigint {
    const updatedNs = isExtraDocument(name)
      ? (this.extras.documents.get(name)?.updatedNs ?? 0n)
      : (this.file.updatedNs.get(name) ?? 0n)
    return updatedNs === 0n ? this.createdNs : updatedNs
  }
}

/** The versioning state that counts for one key of the bucket, exclusions considered. */
export function versioningStateFor(metadata: BucketMetadata, key: string): VersioningState {
  return metadata instanceof ParsedMetadata
    ? versioningStateOf(metadata.rules, key)
    : metadata.versioning
}

export class BucketMetadataStore {
  readonly #context: EngineContext
  readonly #pools: Pools
  readonly #objects: SystemObjects
  readonly #generation: Int32Array<SharedArrayBuffer>
  #seenGeneration: number
  readonly #known = new Map<string, Promise<ParsedMetadata>>()

  constructor(
    context: EngineContext,
    pools: Pools,
    objects: SystemObjects,
    generation: SharedArrayBuffer,
  ) {
    this.#context = context
    this.#pools = pools
    this.#objects = objects
    this.#generation = new Int32Array(generation)
    this.#seenGeneration = Atomics.load(this.#generation, 0)
  }

  /** Metadata of a bucket. `requireBucket` runs when it is not known yet: rejects when there is no such bucket, answers the time of its directory. */
  get(name: string, requireBucket: () => Promise<bigint>): Promise<BucketMetadata> {
    this.#forgetIfChanged()
    const known = this.#known.get(name)
    if (known !== undefined) return known
    if (this.#known.size >= KNOWN_MAX) this.#known.clear()
    const loading = this.#load(name, requireBucket)
    this.#known.set(name, loading)
    loading.catch(() => {
      if (this.#known.get(name) === loading) this.#known.delete(name)
    })
    return loading
  }

  /** Writes the metadata of a new bucket. The caller holds the bucket's lock. */
  async create(
    name: string,
    options: { readonly objectLock: boolean; readonly versioning: boolean },
  ): Promise<void> {
    const nowNs = this.#context.clock.nowNs()
    let file = newBucketMetadata(name, nowNs)
    if (options.objectLock) {
      file = withDocument(file, 'ObjectLockConfigXML', utf8(LOCK_DOCUMENT), nowNs)
    }
    if (options.objectLock || options.versioning) {
      file = withDocument(file, 'VersioningConfigXML', utf8(VERSIONING_DOCUMENT), nowNs)
    }
    await this.#write(name, file)
  }

  /** Replaces one document, keeping every other one; undefined removes it. The caller holds the bucket's lock. */
  async setDocument(
    name: string,
    document: BucketDocument,
    change: DocumentChange,
    requireBucket: () => Promise<bigint>,
  ): Promise<void> {
    // What is known may be older than the lock.
    const current = await this.#load(name, requireBucket)
    const content = typeof change === 'function' ? change(current) : change
    const nowNs = this.#context.clock.nowNs()
    const plain = content instanceof Uint8Array ? content : (content?.content ?? NOTHING)
    if (isExtraDocument(document)) {
      const documents = new Map(current.extras.documents)
      if (plain.length === 0) documents.delete(document)
      else documents.set(document, { content: plain, updatedNs: nowNs })
      await this.#writeExtras(current, { ...current.extras, documents })
      return
    }
    const original = content instanceof Uint8Array ? undefined : content
    // First what MinIO does not see: it counts with the document that comes next, and not before.
    if (original !== undefined || current.extras.originals.has(document)) {
      const originals = new Map(current.extras.originals)
      if (original === undefined) originals.delete(document)
      else originals.set(document, original)
      await this.#writeExtras(current, { ...current.extras, originals })
    }
    const stored = original?.standIn ?? plain
    await this.#write(name, withDocument(current.file, document, stored, nowNs))
  }

  async #writeExtras(
    { name, file, hasStoredTime }: ParsedMetadata,
    extras: BucketExtras,
  ): Promise<void> {
    // The time that ties them together must be a stored one: that of a bare directory changes.
    if (!hasStoredTime) await this.#write(name, file)
    try {
      if (extras.documents.size === 0 && extras.originals.size === 0) {
        await this.#objects.remove(extrasPathOf(name))
      } else {
        const encoded = encodeExtras(extras, name, file.createdNs)
        await this.#objects.write(extrasPathOf(name), encoded)
      }
    } finally {
      this.announceChange()
    }
  }

  /** Makes all threads read again. */
  announceChange(): void {
    Atomics.add(this.#generation, 0, 1)
  }

  #forgetIfChanged(): void {
    const generation = Atomics.load(this.#generation, 0)
    if (generation === this.#seenGeneration) return
    this.#seenGeneration = generation
    this.#known.clear()
  }

  async #write(name: string, file: BucketMetadataFile): Promise<void> {
    try {
      await this.#objects.write(pathOf(name), encodeBucketMetadata(file))
    } finally {
      // Also after a failure: a part of the drives may have it.
      this.announceChange()
    }
  }

  async #load(name: string, requireBucket: () => Promise<bigint>): Promise<ParsedMetadata> {
    const directoryNs = await requireBucket()
    const [content, beside] = await Promise.all([
      this.#objects.read(pathOf(name)),
      this.#objects.read(extrasPathOf(name)),
    ])
    let file = content === undefined ? undefined : parseFile(name, content)
    let hasStoredTime = true
    if (file === undefined || file.createdNs === 0n) {
      // A directory without metadata is a bucket with defaults, or one of an old release.
      const base = file ?? newBucketMetadata(name, 0n)
      const imported = await this.#importLegacy(name, base)
      file = imported ?? { ...base, createdNs: directoryNs }
      hasStoredTime = imported !== undefined
    }
    const extras = beside === undefined ? NO_EXTRAS : parseExtras(beside, name, file.createdNs)
    return new ParsedMetadata(name, file, { extras, hasStoredTime })
  }

  /** Moves the documents of an old release into the one object; undefined: there are none. */
  async #importLegacy(
    name: string,
    base: BucketMetadataFile,
  ): Promise<BucketMetadataFile | undefined> {
    const paths: string[] = []
    let file = base
    let createdNs = 0n
    const read = async (legacy: string): Promise<Uint8Array | undefined> => {
      const path = `buckets/${name}/${legacy}`
      const modifiedNs = await this.#modifiedNs(path)
      if (modifiedNs === undefined) return undefined
      paths.push(path)
      if (createdNs === 0n || modifiedNs < createdNs) createdNs = modifiedNs
      return this.#objects.read(path)
    }
    const lock = await read(LEGACY_LOCK_FILE)
    if (lock !== undefined && textOf(lock).trim() === LEGACY_LOCK_CONTENT) {
      file = withDocument(file, 'ObjectLockConfigXML', utf8(LOCK_DOCUMENT), 0n)
      file = withDocument(file, 'VersioningConfigXML', utf8(VERSIONING_DOCUMENT), 0n)
    }
    for (const [legacy, document] of LEGACY_FILES) {
      const content = await read(legacy)
      if (content === undefined) continue
      file = withDocument(file, document, content, 0n)
      if (document === 'ObjectLockConfigXML') {
        file = withDocument(file, 'VersioningConfigXML', utf8(VERSIONING_DOCUMENT), 0n)
      }
    }
    if (paths.length === 0) return undefined
    const imported = { ...file, createdNs }
    const parsed = new ParsedMetadata(name, imported) // refuses malformed documents before anything is removed
    await this.#objects.write(pathOf(name), encodeBucketMetadata(parsed.file))
    for (const path of paths) await this.#objects.remove(path)
    return imported
  }

  async #modifiedNs(path: string): Promise<bigint | undefined> {
    const { lookup } = await this.#pools.locate({
      bucket: META_VOLUME,
      path,
      versionId: undefined,
      inline: false,
      allDrives: false,
    })
    if (lookup.kind === 'unreadable') throw noReadQuorum({ key: path }, lookup.cause)
    return lookup.kind === 'found' ? lookup.version.header.modifiedNs : undefined
  }
}

const NOTHING = new Uint8Array(0)

function extrasPathOf(name: string): string {
  return `buckets/${name}/.cairn-metadata.json`
}

function pathOf(name: string): string {
  return `buckets/${name}/.metadata.bin`
}

function parseFile(name: string, content: Uint8Array): BucketMetadataFile {
  try {
    return parseBucketMetadata(content)
  } catch (error) {
    throw new ObjectError(
      'Internal',
      `Metadata of bucket "${name}" cannot be read`,
      { bucket: name },
      { cause: error },
    )
  }
}

function withDocument(
  file: BucketMetadataFile,
  document: MinioDocument,
  content: Uint8Array,
  nowNs: bigint,
): BucketMetadataFile {
  return {
    ...file,
    documents: new Map(file.documents).set(document, content),
    updatedNs: new Map(file.updatedNs).set(document, nowNs),
  }
}

function readDocument<T>(
  file: BucketMetadataFile,
  name: MinioDocument,
  parse: (text: string) => T,
  otherwise: T,
): T {
  const content = file.documents.get(name)
  if (content === undefined || content.length === 0) return otherwise
  const text = strictTextOf(content)
  if (text === undefined) throw new ObjectError('Internal', `Stored ${name} is not UTF-8`)
  return parse(text)
}
