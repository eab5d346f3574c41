import { textOf, utf8 } from '#base/bytes'
import { type Random, seededRandom } from '#base/random'
import {
  type CommitRequest,
  type Drive,
  DriveError,
  type DriveResult,
  type Durability,
  MULTIPART_VOLUME,
} from '#drive/drive'
import { LocalDrive } from '#drive/local/local-drive'
import type { FileSystem } from '#drive/local/file-system'
import { dataDirName, FormatError, type DriveHashes, NULL_VERSION_ID, XlMeta } from '#drive/xl-meta'
import {
  encodedMarker,
  encodedObject,
  idOf,
  putInline,
  putStaged,
  readParsed,
  valueOf,
} from './drive-samples.ts'
import { SimFileSystem } from './sim-file-system.ts'

/**
 * Power loss over the real commit code: a workload on a recording file system, then a judge for what each crash image holds.
 *
 * - The workload does to one drive what the engine does. Each subject (a key, an upload's part, a small file) is worked on by
 *   one call at a time, several subjects at once, so that their steps share flushes.
 * - Of each call is noted between which operations of the file system it began and was acknowledged, and what a reader must
 *   see after it.
 * - An image is right when every subject is as after its last acknowledged call, or as after the call that was under way.
 */

export interface Trial {
  readonly seed: number
  readonly fileSystem: SimFileSystem
  /** Position at which the workload began. */
  readonly begun: number
  readonly subjects: readonly Subject[]
}

/** What a reader sees of a subject, as text: comparable. */
type State = string

interface Call {
  readonly begun: number
  /** Undefined: it failed or never ended. */
  acknowledged: number | undefined
  readonly after: State
  /** While it runs these may be seen as well. */
  readonly during: readonly State[]
  /** How the commit could be taken back, until what it replaced is purged. */
  readonly undo?: Undo | undefined
}

interface Undo {
  readonly versionId: string
  readonly oldDataDir: string | undefined
  readonly before: State
  purgeBegun: number | undefined
}

interface Subject {
  readonly name: string
  readonly kind: 'key' | 'part' | 'file' | 'appended'
  readonly initial: State
  readonly calls: Call[]
}

interface Version {
  readonly versionId: string
  readonly modifiedNs: bigint
  /** Undefined: a delete marker. */
  readonly text: string | undefined
  readonly etag: string
  /** Name of its data directory, also when the content lies in the metadata. */
  readonly dataDir?: string
}

const ROOT = '/drive'
const INLINE_SIZE = 30
const UPLOAD = 'sha/upload'
const UPLOAD_DIR = `${UPLOAD}/${dataDirName(idOf(0xff, 'd'))}`
const ABSENT: State = 'absent'
const KEYS = ['k', 'k/below', 'dir/one', 'dir/two', 'dir/deep/er/three', 'other__XLDIR__', 'v1']
/** An object of before 2020. */
const V1: Version = {
  versionId: NULL_VERSION_ID,
  modifiedNs: 500n,
  text: 'old',
  etag: 'v1',
  dataDir: 'legacy',
}
const V1_JSON = JSON.stringify({
  version: '1.0.1',
  format: 'xl',
  stat: { size: 3, modTime: '1970-01-01T00:00:00.0000005Z' },
  erasure: {
    algorithm: 'klauspost/reedsolomon/vandermonde',
    data: 1,
    parity: 0,
    blockSize: 10_485_760,
    index: 1,
    distribution: [1],
    checksum: [{ name: 'part.1', algorithm: 'highwayhash256S' }],
  },
  minio: { release: '2019-12-30T05:45:39Z' },
  meta: { etag: 'v1' },
  parts: [{ number: 1, size: 3, actualSize: 3 }],
})

export interface TrialOptions {
  readonly seed: number
  readonly hashes: DriveHashes
  readonly durability: Durability
  readonly rounds: number
  /** Puts something between the drive and its file system, to prove that the judge notices. */
  readonly wrap?: (fileSystem: FileSystem) => FileSystem
}

/** Runs the workload of a seed. */
export async function runTrial(options: TrialOptions): Promise<Trial> {
  let now = 0n
  const fileSystem = new SimFileSystem({ nowNs: () => (now += 1000n) })
  fileSystem.makeDirectory(ROOT)
  fileSystem.flushNow({ directory: '/' })
  const drive = driveOn(options.wrap?.(fileSystem) ?? fileSystem, options)
  valueOf(await drive.makeVolume('bucket'))
  valueOf(await drive.makeVolume(MULTIPART_VOLUME))
  valueOf(await drive.writeSmallFile(MULTIPART_VOLUME, `${UPLOAD}/xl.meta`, utf8('upload')))
  valueOf(await drive.writeSmallFile('bucket', 'v1/part.1', utf8('old')))
  valueOf(await drive.writeSmallFile('bucket', 'v1/xl.json', utf8(V1_JSON)))
  // The upload and the old object are there before the time that is judged.
  const begun = fileSystem.position
  const workload = new Workload(drive, fileSystem, options)
  await workload.run(options.rounds)
  return { seed: options.seed, fileSystem, begun, subjects: workload.subjects }
}

function driveOn(
  fileSystem: FileSystem,
  options: Pick<TrialOptions, 'seed' | 'hashes' | 'durability'>,
): LocalDrive {
  let nowNs = 1_000_000_000_000_000_000n
  return new LocalDrive({
    fileSystem,
    root: ROOT,
    clock: {
      nowMs: () => Number(nowNs / 1_000_000n),
      nowNs: () => ++nowNs,
      monotonicMs: () => 0,
      setTimer: () => ({ cancel: () => undefined }),
      sleep: () => Promise.resolve(),
    },
    random: seededRandom(options.seed + 1),
    hashes: options.hashes,
    durability: options.durability,
    mayHoldV1: true,
  })
}

class Workload {
  readonly subjects: Subject[] = []
  readonly #drive: Drive
  readonly #fileSystem: SimFileSystem
  readonly #hashes: DriveHashes
  readonly #random: Random
  readonly #versions = new Map<string, readonly Version[]>()
  #counter = 0

  constructor(drive: Drive, fileSystem: SimFileSystem, options: TrialOptions) {
    this.#drive = drive
    this.#fileSystem = fileSystem
    this.#hashes = options.hashes
    this.#random = seededRandom(options.seed)
    this.#versions.set('v1', [V1])
    const add = (name: string, kind: Subject['kind']): void => {
      const initial = stateOf(this.#versions.get(name) ?? [])
      this.subjects.push({ name, kind, initial, calls: [] })
    }
    for (const name of KEYS) add(name, 'key')
    for (const name of ['part.1', 'part.2']) add(name, 'part')
    add('cairn/state', 'file')
    add('cairn/journal', 'appended')
  }

  async run(rounds: number): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      const chosen = this.subjects.filter(() => this.#random.below(3) === 0)
      await Promise.all(chosen.map((subject) => this.#step(subject)))
    }
  }

  #step(subject: Subject): Promise<void> {
    switch (subject.kind) {
      case 'key':
        return this.#stepOfKey(subject)
      case 'part':
        return this.#putPart(subject)
      case 'file': {
        const text = this.#text(20)
        const call = (): Promise<DriveResult<void>> =>
          this.#drive.writeSmallFile('.minio.sys', subject.name, utf8(text))
        return this.#note(subject, text, call)
      }
      case 'appended': {
        const line = `${this.#text(10)}\n`
        const before = subject.calls.at(-1)?.after ?? subject.initial
        const text = (before === ABSENT ? '' : before) + line
        const call = (): Promise<DriveResult<void>> =>
          this.#drive.appendSmallFile('.minio.sys', subject.name, utf8(line))
        // An append that is not acknowledged may have come half.
        const halves = Array.from({ length: line.length }, (_, i) => text.slice(0, -1 - i))
        return this.#note(subject, text, call, halves)
      }
    }
  }

  async #stepOfKey(subject: Subject): Promise<void> {
    const versions = this.#versions.get(subject.name) ?? []
    switch (this.#random.below(7)) {
      case 0:
      case 1:
      case 2:
        return this.#put(subject, versions)
      case 3:
        return this.#putAndUndo(subject, versions)
      case 4:
        return this.#update(subject, versions)
      case 5:
        return this.#mark(subject, versions)
      default:
        return this.#remove(subject, versions)
    }
  }

  /** A write, and after its acknowledgement the purge of what it replaced. */
  async #put(subject: Subject, versions: readonly Version[]): Promise<void> {
    const version = this.#newVersion(versions)
    const { oldDataDir, undo } = await this.#commit(subject, version, versions)
    if (oldDataDir === undefined) return
    undo.purgeBegun = this.#fileSystem.position
    valueOf(await this.#drive.purgeDataDir('bucket', subject.name, oldDataDir))
  }

  /** A write whose quorum failed elsewhere. */
  async #putAndUndo(subject: Subject, versions: readonly Version[]): Promise<void> {
    const version = this.#newVersion(versions)
    const { oldDataDir } = await this.#commit(subject, version, versions)
    this.#versions.set(subject.name, versions)
    const { name } = subject
    await this.#note(subject, stateOf(versions), () =>
      this.#drive.undoCommit('bucket', name, version.versionId, oldDataDir),
    )
  }

  async #commit(
    subject: Subject,
    version: Version,
    versions: readonly Version[],
  ): Promise<{ readonly oldDataDir: string | undefined; readonly undo: Undo }> {
    const old = versions.find(({ versionId }) => versionId === version.versionId)
    const undo: Undo = {
      versionId: version.versionId,
      oldDataDir: old?.dataDir,
      before: stateOf(versions),
      purgeBegun: undefined,
    }
    const after = sorted([
      version,
      ...versions.filter(({ versionId }) => versionId !== version.versionId),
    ])
    this.#versions.set(subject.name, after)
    const { versionId, modifiedNs, etag, text = '' } = version
    const count = this.#counter
    const dataDir = idOf(count, 'd')
    const sample = { path: subject.name, text, modifiedNs, versionId, etag, dataDir, backup: true }
    let oldDataDir: string | undefined
    const call = async (): Promise<DriveResult<unknown>> => {
      const reply =
        text.length <= INLINE_SIZE
          ? await putInline(this.#drive, this.#hashes, sample)
          : await putStaged(this.#drive, this.#hashes, { ...sample, stage: `stage-${count}` })
      if (!(reply instanceof DriveError)) oldDataDir = reply.oldDataDir
      return reply
    }
    await this.#note(subject, { after: stateOf(after), undo }, call)
    return { oldDataDir, undo }
  }

  async #update(subject: Subject, versions: readonly Version[]): Promise<void> {
    const old = versions.find(({ text, etag }) => text !== undefined && etag !== V1.etag)
    if (old === undefined) return
    const updated = { ...old, etag: this.#text(4) }
    const after = versions.map((version) => (version === old ? updated : version))
    this.#versions.set(subject.name, after)
    const meta = await readParsed(this.#drive, this.#hashes, subject.name)
    const stored = meta.decode(meta.find(old.versionId))
    if (!('parts' in stored)) throw new Error('The version is an object')
    const userMetadata = new Map([['etag', updated.etag]])
    const version = encodedObject(this.#hashes, { ...stored, userMetadata })
    await this.#note(subject, stateOf(after), () =>
      this.#drive.updateVersion('bucket', subject.name, version),
    )
  }

  async #mark(subject: Subject, versions: readonly Version[]): Promise<void> {
    const marker: Version = {
      versionId: idOf(++this.#counter, 'f'),
      modifiedNs: this.#nextNs(versions),
      text: undefined,
      etag: '',
    }
    const after = [marker, ...versions]
    this.#versions.set(subject.name, after)
    const add = encodedMarker(this.#hashes, marker.versionId, marker.modifiedNs)
    await this.#note(subject, stateOf(after), () =>
      this.#drive.deleteVersions('bucket', subject.name, [{ add }]),
    )
  }

  /** One version, or all with one call. */
  async #remove(subject: Subject, versions: readonly Version[]): Promise<void> {
    if (versions.length === 0) return
    const isAll = this.#random.below(2) === 0
    const removed = isAll ? versions : [versions[this.#random.below(versions.length)]]
    const after = versions.filter((version) => !removed.includes(version))
    this.#versions.set(subject.name, after)
    const requests = removed.map((version) => ({ versionId: version?.versionId }))
    await this.#note(subject, stateOf(after), () =>
      this.#drive.deleteVersions('bucket', subject.name, requests),
    )
  }

  async #putPart(subject: Subject): Promise<void> {
    const text = this.#text(200)
    const partNumber = Number(subject.name.slice('part.'.length))
    const staged = `part-${++this.#counter}/${subject.name}`
    const metadata = utf8(`${text.slice(0, 8)}`)
    const call = async (): Promise<DriveResult<void>> => {
      const result = await this.#drive.appendStaged(staged, [utf8(text)], { last: true })
      if (result instanceof DriveError) return result
      return this.#drive.commitPart({ staged, directory: UPLOAD_DIR, partNumber, metadata })
    }
    // While a part is replaced it may be missing on this drive, but never be a mixture.
    await this.#note(subject, text, call, [ABSENT])
  }

  async #note(
    subject: Subject,
    outcome: State | Pick<Call, 'after' | 'undo'>,
    run: () => Promise<DriveResult<unknown>>,
    during: readonly State[] = [],
  ): Promise<void> {
    const begun = this.#fileSystem.position
    const seen = typeof outcome === 'string' ? { after: outcome } : outcome
    const call: Call = { begun, acknowledged: undefined, during, ...seen }
    subject.calls.push(call)
    const result = await run()
    if (result instanceof DriveError) throw result
    call.acknowledged = this.#fileSystem.position
  }

  #newVersion(versions: readonly Version[]): Version {
    const count = ++this.#counter
    const isNull = this.#random.below(3) > 0
    const isInline = this.#random.below(2) === 0
    return {
      versionId: isNull ? NULL_VERSION_ID : idOf(count),
      modifiedNs: this.#nextNs(versions),
      text: this.#text(isInline ? INLINE_SIZE : 300),
      etag: this.#text(4),
      dataDir: dataDirName(idOf(count, 'd')),
    }
  }

  #nextNs(versions: readonly Version[]): bigint {
    return (versions[0]?.modifiedNs ?? 1000n) + BigInt(1 + this.#random.below(5))
  }

  #text(size: number): string {
    return this.#random.bytes(size).toHex().slice(0, size)
  }
}

// Judgement ------------------------------------------------------------------------------------

/** Reads every subject of an image and writes to it; throws an error that says what is wrong. */
export async function judgeImage(
  trial: Trial,
  image: SimFileSystem,
  position: number,
  hashes: DriveHashes,
): Promise<void> {
  const drive = driveOn(image, { seed: 99, hashes, durability: 'strict' })
  const expectedKeys: string[] = []
  for (const subject of trial.subjects) {
    const allowed = allowedStates(subject, position)
    const state = await readState(drive, subject, hashes)
    if (!allowed.has(state)) {
      throw new Error(
        `Seed ${trial.seed}, position ${position}: "${subject.name}" is ${state}, expected ${[...allowed].join(' or ')}`,
      )
    }
    if (subject.kind === 'key' && state !== ABSENT) expectedKeys.push(keyOf(subject.name))
  }
  await judgeWalk(trial, drive, position, expectedKeys)
  for (const subject of trial.subjects) await judgeUndo(trial, drive, subject, position, hashes)
  await judgeWrites(drive, hashes)
}

/** A commit that is seen can be taken back as long as what it replaced is not being purged. */
async function judgeUndo(
  trial: Trial,
  drive: Drive,
  subject: Subject,
  position: number,
  hashes: DriveHashes,
): Promise<void> {
  const call = subject.calls.findLast(({ begun }) => begun < position)
  const undo = call?.undo
  if (call === undefined || undo === undefined) return
  if (undo.purgeBegun !== undefined && undo.purgeBegun <= position) return
  if ((await readState(drive, subject, hashes)) !== call.after) return
  valueOf(await drive.undoCommit('bucket', subject.name, undo.versionId, undo.oldDataDir))
  const state = await readState(drive, subject, hashes)
  if (state !== undo.before) {
    throw new Error(
      `Seed ${trial.seed}, position ${position}: taking back "${subject.name}" gives ${state}, expected ${undo.before}`,
    )
  }
}

function allowedStates(subject: Subject, position: number): ReadonlySet<State> {
  let last: State = subject.initial
  for (const call of subject.calls) {
    if (call.begun >= position) break
    if (call.acknowledged === undefined || call.acknowledged > position) {
      return new Set([last, call.after, ...call.during])
    }
    last = call.after
  }
  return new Set([last])
}

async function readState(drive: Drive, subject: Subject, hashes: DriveHashes): Promise<State> {
  switch (subject.kind) {
    case 'key':
      return readKey(drive, subject.name, hashes)
    case 'part':
      return readPart(drive, subject.name)
    default: {
      const [bytes] = valueOf(await drive.readSmallFiles('.minio.sys', [subject.name]))
      // A file without content counts like none: its name may survive before its first bytes.
      return bytes === undefined || bytes.length === 0 ? ABSENT : textOf(bytes)
    }
  }
}

async function readKey(drive: Drive, path: string, hashes: DriveHashes): Promise<State> {
  const bytes = await drive.readMetadata('bucket', path, { inline: true })
  if (bytes instanceof DriveError) {
    const isGone = bytes.code === 'FileNotFound' || bytes.code === 'VolumeNotFound'
    return isGone ? ABSENT : `unreadable (${bytes.code})`
  }
  const versions: Version[] = []
  let meta: XlMeta
  try {
    meta = XlMeta.parse(bytes, hashes)
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    return `unreadable (${error.message})`
  }
  for (const [index, { header }] of meta.versions.entries()) {
    const { versionId, modifiedNs } = header
    const stored = meta.decode(index)
    const object = 'parts' in stored ? stored : 'object' in stored ? stored.object : undefined
    if (object === undefined) {
      versions.push({ versionId, modifiedNs, text: undefined, etag: '' })
      continue
    }
    const inline = meta.inline(versionId)
    const content = inline ?? new Uint8Array(object.sizeBytes)
    if (inline === undefined) {
      // Parts of V1 objects lie beside the metadata.
      const folder = header.kind === 'legacy' ? '' : `${dataDirName(object.dataDir)}/`
      const read = await drive.readFile('bucket', `${path}/${folder}part.1`, 0, content)
      if (read instanceof DriveError) return `without data of ${versionId} (${read.code})`
    }
    const etag = object.userMetadata.get('etag') ?? ''
    versions.push({ versionId, modifiedNs, text: textOf(content), etag })
  }
  return stateOf(versions)
}

async function readPart(drive: Drive, name: string): Promise<State> {
  const paths = [`${UPLOAD_DIR}/${name}.meta`, `${UPLOAD_DIR}/${name}`]
  const [meta, part] = valueOf(await drive.readSmallFiles(MULTIPART_VOLUME, paths))
  if (meta === undefined || part === undefined) return ABSENT
  const text = textOf(part)
  return text.startsWith(textOf(meta)) && meta.length > 0 ? text : 'a part of another upload'
}

async function judgeWalk(
  trial: Trial,
  drive: Drive,
  position: number,
  expected: readonly string[],
): Promise<void> {
  const walked = await drive.walk({
    volume: 'bucket',
    prefix: '',
    startAfter: '',
    recursive: true,
    limit: 1000,
    metadata: false,
  })
  if (walked instanceof DriveError && walked.code === 'VolumeNotFound') return
  const found = valueOf(walked).entries.map(({ name }) => name)
  if (found.join() !== expected.toSorted().join()) {
    throw new Error(
      `Seed ${trial.seed}, position ${position}: a walk finds ${found.join()}, expected ${expected.join()}`,
    )
  }
}

/** The drive goes on working without repair: each key takes a new version, and is deleted with everything. */
async function judgeWrites(drive: Drive, hashes: DriveHashes): Promise<void> {
  const made = await drive.makeVolume('bucket')
  if (made instanceof DriveError && made.code !== 'VolumeExists') throw made
  const one = async (path: string): Promise<void> => {
    const request: CommitRequest = {
      volume: 'bucket',
      path,
      version: encodedObject(hashes, { modifiedNs: 10_000_000n }),
      inline: utf8('after'),
      mode: 'write',
      backup: true,
    }
    valueOf(await drive.commitVersion(request))
    const meta = await readParsed(drive, hashes, path)
    const requests = meta.versions.map(({ header }) => ({ versionId: header.versionId }))
    valueOf(await drive.deleteVersions('bucket', path, requests))
  }
  await Promise.all(KEYS.map(one))
  // Nothing is left over that would keep the bucket.
  const left = valueOf(await drive.listDirectory('bucket', '', 10))
  if (left.length > 0) throw new Error(`${left.join()} is left in the bucket, expected nothing`)
}

function stateOf(versions: readonly Version[]): State {
  if (versions.length === 0) return ABSENT
  return versions
    .map(
      ({ versionId, modifiedNs, text, etag }) =>
        `${versionId.slice(-4)}@${modifiedNs}:${text ?? 'marker'}:${etag}`,
    )
    .join(' ')
}

function sorted(versions: readonly Version[]): readonly Version[] {
  return versions.toSorted((a, b) => Number(b.modifiedNs - a.modifiedNs))
}

function keyOf(path: string): string {
  return path.replace('__XLDIR__', '/')
}
