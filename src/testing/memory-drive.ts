import { compareUtf8 } from '#base/bytes'
import {
  DriveError,
  TMP_VOLUME,
  MULTIPART_VOLUME,
  type CommitReply,
  type CommitRequest,
  type DeleteReply,
  type DeleteRequest,
  type Drive,
  type DriveErrorCode,
  type DriveInfo,
  type DriveReply,
  type DriveResult,
  type EncodedVersion,
  type PartCommit,
  type VolumeInfo,
  type WalkEntry,
  type WalkReply,
  type WalkRequest,
} from '#drive/drive'
import { decodeKey } from '#drive/key-path'
import { pendingDirectory } from '#drive/part-meta'
import { areGoodFrames } from '#drive/shard-layout'
import { dataDirName, type DriveHashes, headerFrom, keepFreeVersion, XlMeta } from '#drive/xl-meta'

/**
 * A drive in memory: files by path, folders implied by them. For tests of the engine above; it keeps the rules of
 * `Drive` that concern one call at a time, not those of crashes.
 */

const GIB = 1_073_741_824

export class MemoryDrive implements Drive {
  readonly endpoint: string
  /** Calls made, by name, to count what an operation costs. */
  readonly calls = new Map<string, number>()
  /** Entries answered by walks with metadata. */
  walkedWithMetadata = 0
  readonly files = new Map<string, Uint8Array>()
  readonly #hashes: DriveHashes
  readonly #volumes = new Map<string, bigint>()
  #isOnline = true
  #backups = 0
  #failure: DriveErrorCode | undefined
  readonly #failingCalls = new Map<string, DriveErrorCode>()
  readonly #hangingCalls = new Map<string, Promise<void>>()
  #sorted:
    | { readonly volume: string; readonly keys: readonly (readonly [string, string])[] }
    | undefined

  constructor(endpoint: string, hashes: DriveHashes) {
    this.endpoint = endpoint
    this.#hashes = hashes
    this.#volumes.set('.minio.sys', 0n)
  }

  isOnline(): boolean {
    return this.#isOnline
  }

  setOnline(isOnline: boolean): void {
    this.#isOnline = isOnline
  }

  /** Every call fails with this code until it is cleared. */
  setFailure(code: DriveErrorCode | undefined): void {
    this.#failure = code
  }

  /** Calls of one name fail with this code until it is cleared. */
  failCall(name: string, code: DriveErrorCode | undefined): void {
    if (code === undefined) this.#failingCalls.delete(name)
    else this.#failingCalls.set(name, code)
  }

  /** Calls of one name wait for this until it is cleared. */
  hangCall(name: string, until: Promise<void> | undefined): void {
    if (until === undefined) this.#hangingCalls.delete(name)
    else this.#hangingCalls.set(name, until)
  }

  info(): DriveReply<DriveInfo> {
    return this.#run('info', () => ({
      totalBytes: GIB,
      freeBytes: GIB,
      usedBytes: 1,
      totalInodes: 0,
      freeInodes: 0,
      fileSystem: 'memory',
      isRootDrive: false,
    }))
  }

  makeVolume(volume: string): DriveReply<void> {
    return this.#run('makeVolume', () => {
      if (this.#volumes.has(volume)) return new DriveError('VolumeExists', volume)
      this.#volumes.set(volume, BigInt(this.#volumes.size) * 1_000_000_000n)
      return undefined
    })
  }

  statVolume(volume: string): DriveReply<VolumeInfo> {
    return this.#run('statVolume', () => {
      const createdNs = this.#volumes.get(volume)
      return createdNs === undefined ? noVolume(volume) : { name: volume, createdNs }
    })
  }

  listVolumes(): DriveReply<readonly VolumeInfo[]> {
    return this.#run('listVolumes', () =>
      [...this.#volumes]
        .filter(([name]) => !name.startsWith('.'))
        .map(([name, createdNs]) => ({ name, createdNs })),
    )
  }

  deleteVolume(volume: string, options: { readonly force: boolean }): DriveReply<void> {
    return this.#run('deleteVolume', () => {
      if (!this.#volumes.has(volume)) return noVolume(volume)
      const files = this.#below(`${volume}/`)
      if (files.length > 0 && !options.force) return new DriveError('VolumeNotEmpty', volume)
      for (const file of files) this.#remove(file)
      this.#volumes.delete(volume)
      return undefined
    })
  }

  readMetadata(volume: string, path: string): DriveReply<Uint8Array> {
    return this.#run('readMetadata', () => {
      if (!this.#hasVolume(volume)) return noVolume(volume)
      const bytes = this.#metadataAt(volume, path)
      return bytes === undefined ? notFound(path) : bytes.slice()
    })
  }

  commitVersion(request: CommitRequest): DriveReply<CommitReply> {
    return this.#run('commitVersion', () => {
      const { volume, path, version, source, mode } = request
      if (!this.#hasVolume(volume)) return noVolume(volume)
      const old = this.files.get(`${volume}/${path}/xl.meta`)
      const meta = this.#read(volume, path) ?? XlMeta.empty(this.#hashes)
      const added = headerFrom(version)
      const newest = meta.versions[meta.latest()]?.header.modifiedNs
      if (mode === 'write' && newest !== undefined && newest >= added.modifiedNs) {
        return new DriveError('StaleCommit', path, { newestNs: newest })
      }
      const { inlineFrom } = request
      if (inlineFrom !== undefined && meta.find(inlineFrom) < 0) {
        return new DriveError('FileVersionNotFound', path)
      }
      const inline = inlineFrom === undefined ? request.inline : meta.inline(inlineFrom)
      if (mode === 'write') keepFreeVersion(meta, added.versionId, this.#hashes, version)
      const displaced = meta.put(version, inline)
      const isKept = displaced !== undefined && request.backup && mode !== 'heal'
      const oldDataDir = displaced?.dataDirectory ?? (isKept ? this.#newBackup() : undefined)
      const dataDir = dataDirOf(meta, added.versionId)
      if (source !== undefined && dataDir !== undefined) {
        const folder = `${source.volume}/${source.path}/`
        const from = source.volume === TMP_VOLUME ? folder : `${folder}${dataDir}/`
        const staged = this.#below(from)
        if (staged.length === 0) return notFound(from)
        for (const file of staged) {
          this.#move(file, `${volume}/${path}/${dataDir}/${file.slice(from.length)}`)
        }
        for (const file of this.#below(folder)) this.#remove(file)
      }
      if (oldDataDir !== undefined && old !== undefined) {
        const folder = `${volume}/${path}/${oldDataDir}/`
        if (request.backup || this.#below(folder).length > 0) this.#put(`${folder}xl.meta.bkp`, old)
      }
      this.#write(volume, path, meta)
      return {
        oldDataDir: mode === 'heal' ? undefined : oldDataDir,
        versionsHash: meta.versionsHash(),
      }
    })
  }

  /** Name of a directory for nothing but a backup. */
  #newBackup(): string {
    return `00000000-0000-4000-8000-${String(++this.#backups).padStart(12, '0')}`
  }

  undoCommit(
    volume: string,
    path: string,
    versionId: string,
    oldDataDir: string | undefined,
  ): DriveReply<void> {
    return this.#run('undoCommit', () => {
      const meta = this.#read(volume, path)
      if (meta === undefined) return notFound(path)
      const dataDir = meta.remove(versionId)?.dataDirectory
      const backup = `${volume}/${path}/${oldDataDir ?? ''}/xl.meta.bkp`
      if (oldDataDir !== undefined && this.files.has(backup)) {
        this.#move(backup, `${volume}/${path}/xl.meta`)
      } else this.#write(volume, path, meta)
      if (dataDir !== undefined && this.#read(volume, path)?.usesDataDirectory(dataDir) !== true) {
        this.#removeBelow(`${volume}/${path}/${dataDir}/`)
      }
      return undefined
    })
  }

  updateVersion(volume: string, path: string, version: EncodedVersion): DriveReply<CommitReply> {
    return this.#run('updateVersion', () => {
      const meta = this.#read(volume, path)
      if (meta === undefined) return notFound(path)
      if (!meta.update(version)) return new DriveError('FileVersionNotFound', path)
      this.#write(volume, path, meta)
      return { versionsHash: meta.versionsHash() }
    })
  }

  deleteVersions(
    volume: string,
    path: string,
    requests: readonly DeleteRequest[],
  ): DriveReply<readonly DriveResult<DeleteReply>[]> {
    return this.#run('deleteVersions', () => {
      if (!this.#hasVolume(volume)) return noVolume(volume)
      const meta = this.#read(volume, path) ?? XlMeta.empty(this.#hashes)
      const replies = requests.map((request): DriveResult<DeleteReply> => {
        const { versionId, add, notNewerThanNs } = request
        const index = versionId === undefined ? -1 : meta.find(versionId)
        const storedNs = meta.versions[index]?.header.modifiedNs
        if (storedNs !== undefined && notNewerThanNs !== undefined && storedNs > notNewerThanNs) {
          return new DriveError('StaleCommit', path, { newestNs: storedNs })
        }
        if (index >= 0 && versionId !== undefined) {
          keepFreeVersion(meta, versionId, this.#hashes)
          const dataDir = meta.remove(versionId)?.dataDirectory
          if (dataDir !== undefined) this.#removeBelow(`${volume}/${path}/${dataDir}/`)
        }
        if (add !== undefined) meta.put(add, undefined)
        return { found: index >= 0, versionsLeft: meta.versions.length }
      })
      this.#write(volume, path, meta)
      return replies
    })
  }

  replaceMetadata(volume: string, path: string, bytes: Uint8Array): DriveReply<void> {
    return this.#run('replaceMetadata', () => {
      this.#put(`${volume}/${path}/xl.meta`, bytes.slice())
      return undefined
    })
  }

  restoreBackup(_volume: string, path: string): DriveReply<void> {
    return this.#run('restoreBackup', () => notFound(path))
  }

  purgeDataDir(volume: string, path: string, dataDir: string): DriveReply<void> {
    return this.#run('purgeDataDir', () => {
      this.#removeBelow(`${volume}/${path}/${dataDir}/`)
      return undefined
    })
  }

  appendStaged(path: string, chunks: readonly Uint8Array[]): DriveReply<void> {
    return this.#run('appendStaged', () => {
      const name = `${TMP_VOLUME}/${path}`
      const before = this.files.get(name) ?? new Uint8Array()
      const size = chunks.reduce((sum, chunk) => sum + chunk.length, before.length)
      const after = new Uint8Array(size)
      after.set(before)
      let offset = before.length
      for (const chunk of chunks) {
        after.set(chunk, offset)
        offset += chunk.length
      }
      this.#put(name, after)
      return undefined
    })
  }

  linkStaged(
    volume: string,
    directory: string,
    names: readonly string[],
    folder: string,
  ): DriveReply<void> {
    return this.#run('linkStaged', () => {
      let count = 0
      for (const name of names) {
        const bytes = this.files.get(`${volume}/${directory}/${name}`)
        if (bytes === undefined) continue
        this.#put(`${TMP_VOLUME}/${folder}/${name}`, bytes)
        count++
      }
      return count === 0 ? notFound(directory) : undefined
    })
  }

  discardStaged(path: string): DriveReply<void> {
    return this.#run('discardStaged', () => {
      this.#removeBelow(`${TMP_VOLUME}/${path}/`)
      return undefined
    })
  }

  commitPart(request: PartCommit): DriveReply<void> {
    return this.#run('commitPart', () => {
      const name = `part.${request.partNumber}`
      const pending = `${MULTIPART_VOLUME}/${pendingDirectory(request.directory)}/${name}`
      const place = `${MULTIPART_VOLUME}/${request.directory}/${name}`
      if (request.step === 'settle') {
        if (!this.files.has(pending)) return undefined
        this.#move(pending, place)
        this.#move(`${pending}.meta`, `${place}.meta`)
        return undefined
      }
      const staged = `${TMP_VOLUME}/${request.staged}`
      if (!this.files.has(staged)) return notFound(staged)
      const target = request.step === 'prepare' ? pending : place
      this.#move(staged, target)
      this.#put(`${target}.meta`, request.metadata.slice())
      return undefined
    })
  }

  readFile(
    volume: string,
    path: string,
    offset: number,
    target: Uint8Array,
    _stream?: number,
    frameBytes?: number,
  ): DriveReply<void> {
    return this.#run('readFile', () => {
      const bytes = this.files.get(`${volume}/${path}`)
      if (bytes === undefined) return notFound(path)
      if (bytes.length < offset + target.length) return new DriveError('FileCorrupt', path)
      target.set(bytes.subarray(offset, offset + target.length))
      return frameBytes === undefined || areGoodFrames(this.#hashes, target, frameBytes)
        ? undefined
        : new DriveError('FileCorrupt', path)
    })
  }

  closeStream(): void {
    // Files are not held open here.
  }

  statFiles(
    volume: string,
    directory: string,
    names: readonly string[],
  ): DriveReply<readonly (number | undefined)[]> {
    return this.#run('statFiles', () =>
      names.map((name) => this.files.get(`${volume}/${directory}/${name}`)?.length),
    )
  }

  readSmallFiles(
    volume: string,
    paths: readonly string[],
  ): DriveReply<readonly (Uint8Array | undefined)[]> {
    return this.#run('readSmallFiles', () =>
      paths.map((path) => this.files.get(`${volume}/${path}`)?.slice()),
    )
  }

  writeSmallFile(volume: string, path: string, bytes: Uint8Array): DriveReply<void> {
    return this.#run('writeSmallFile', () => {
      this.#put(`${volume}/${path}`, bytes.slice())
      return undefined
    })
  }

  appendSmallFile(volume: string, path: string, bytes: Uint8Array): DriveReply<void> {
    return this.#run('appendSmallFile', () => {
      const before = this.files.get(`${volume}/${path}`) ?? new Uint8Array()
      const after = new Uint8Array(before.length + bytes.length)
      after.set(before)
      after.set(bytes, before.length)
      this.#put(`${volume}/${path}`, after)
      return undefined
    })
  }

  listDirectory(volume: string, path: string, limit: number): DriveReply<readonly string[]> {
    return this.#run('listDirectory', () => {
      const base = path === '' ? `${volume}/` : `${volume}/${path}/`
      const names = new Set<string>()
      for (const file of this.#below(base)) {
        const slash = file.indexOf('/', base.length)
        names.add(file.slice(base.length, slash < 0 ? undefined : slash + 1))
      }
      return names.size === 0 ? notFound(path) : [...names].slice(0, limit)
    })
  }

  trash(volume: string, path: string): DriveReply<void> {
    return this.#run('trash', () => {
      this.#remove(`${volume}/${path}`)
      this.#removeBelow(`${volume}/${path}/`)
      return undefined
    })
  }

  walk(request: WalkRequest): DriveReply<WalkReply> {
    return this.#run('walk', () => {
      const { volume, prefix, startAfter, recursive, limit } = request
      if (!this.#hasVolume(volume)) return noVolume(volume)
      const base = prefix.lastIndexOf('/') + 1
      const entries = new Map<string, WalkEntry>()
      const keys = this.#keysOf(volume)
      for (let i = lowerBound(keys, prefix, startAfter); i < keys.length; i++) {
        const [key, path] = keys[i] ?? ['', '']
        if (!key.startsWith(prefix)) {
          if (compareUtf8(key, prefix) > 0) break
          continue
        }
        const slash = recursive ? -1 : key.indexOf('/', base)
        const isPrefix = slash >= 0 && slash < key.length - 1
        const name = isPrefix ? key.slice(0, slash + 1) : key
        if (compareUtf8(name, startAfter) <= 0) continue
        const id = isPrefix ? `${name}\0` : name
        if (entries.has(id)) continue
        // A folder sorts where its name does, which its keys may not.
        if (entries.size > limit + 1 && recursive) break
        const metadata = request.metadata && !isPrefix ? this.#metadataAt(volume, path) : undefined
        entries.set(id, isPrefix ? { name, isPrefix, firstKey: key } : { name, isPrefix, metadata })
      }
      const sorted = [...entries.values()].sort(
        (a, b) => compareUtf8(a.name, b.name) || Number(a.isPrefix) - Number(b.isPrefix),
      )
      const page = sorted.slice(0, limit)
      if (request.metadata) this.walkedWithMetadata += page.length
      return { entries: page, done: sorted.length <= limit }
    })
  }

  emptyTrash(): DriveReply<{ readonly left: number; readonly removed: number }> {
    return this.#run('emptyTrash', () => ({ left: 0, removed: 0 }))
  }

  /** Answers in a later turn, as a thread would. */
  async #run<T>(name: string, call: () => DriveResult<T>): DriveReply<T> {
    this.calls.set(name, (this.calls.get(name) ?? 0) + 1)
    await Promise.resolve()
    await this.#hangingCalls.get(name)
    const failure = this.#failingCalls.get(name) ?? this.#failure
    if (failure !== undefined) return new DriveError(failure, 'Set by the test')
    return call()
  }

  #hasVolume(volume: string): boolean {
    return volume.startsWith('.minio.sys') || this.#volumes.has(volume)
  }

  #metadataAt(volume: string, path: string): Uint8Array | undefined {
    return (
      this.files.get(`${volume}/${path}/xl.meta`) ?? this.files.get(`${volume}/${path}/xl.json`)
    )
  }

  #read(volume: string, path: string): XlMeta | undefined {
    const bytes = this.#metadataAt(volume, path)
    return bytes === undefined ? undefined : XlMeta.parse(bytes, this.#hashes)
  }

  #write(volume: string, path: string, meta: XlMeta): void {
    const name = `${volume}/${path}/xl.meta`
    if (meta.versions.length === 0) this.#remove(name)
    else this.#put(name, meta.encode())
  }

  #put(name: string, bytes: Uint8Array): void {
    if (!this.files.has(name)) this.#sorted = undefined
    this.files.set(name, bytes)
  }

  #remove(name: string): void {
    if (this.files.delete(name)) this.#sorted = undefined
  }

  #move(from: string, to: string): void {
    const bytes = this.files.get(from)
    this.#remove(from)
    if (bytes !== undefined) this.#put(to, bytes)
  }

  #below(prefix: string): string[] {
    return [...this.files.keys()].filter((name) => name.startsWith(prefix))
  }

  #removeBelow(prefix: string): void {
    for (const name of this.#below(prefix)) this.#remove(name)
  }

  /** Decoded keys and paths of a volume, sorted. */
  #keysOf(volume: string): readonly (readonly [string, string])[] {
    if (this.#sorted?.volume === volume) return this.#sorted.keys
    const keys: [string, string][] = []
    for (const name of this.#below(`${volume}/`)) {
      if (!name.endsWith('/xl.meta') && !name.endsWith('/xl.json')) continue
      const path = name.slice(volume.length + 1, name.lastIndexOf('/'))
      keys.push([decodeKey(path), path])
    }
    keys.sort((a, b) => compareUtf8(a[0], b[0]))
    this.#sorted = { volume, keys }
    return keys
  }
}

function dataDirOf(meta: XlMeta, versionId: string): string | undefined {
  const index = meta.find(versionId)
  if (index < 0) return undefined
  const body = meta.decode(index)
  return 'dataDir' in body ? dataDirName(body.dataDir) : undefined
}

function noVolume(volume: string): DriveError {
  return new DriveError('VolumeNotFound', `Volume "${volume}" is not there`)
}

function notFound(path: string): DriveError {
  return new DriveError('FileNotFound', `"${path}" is not there`)
}

/** Index from which keys can matter: those before the marker's folder cannot. */
function lowerBound(
  keys: readonly (readonly [string, string])[],
  prefix: string,
  startAfter: string,
): number {
  const folder = startAfter.slice(0, startAfter.lastIndexOf('/') + 1)
  const target = compareUtf8(folder, prefix) > 0 ? folder : prefix
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareUtf8(keys[middle]?.[0] ?? '', target) < 0) low = middle + 1
    else high = middle
  }
  return low
}
