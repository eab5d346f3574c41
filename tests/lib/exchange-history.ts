/** A random history of clients' requests, of which it knows what every version must hold, whichever server took them. */
import { createHash } from 'node:crypto'
import type { Random } from '#base/random'
import type { Check } from './checks.ts'
import { observeGet, observeLock } from './observation.ts'
import { makePart } from './recipe.ts'
import { type S3Driver, type S3Reply, type S3Request, uriEncode } from './s3-driver.ts'
import { completeUpload } from './workload.ts'
import { parseXml, textOf } from './xml.ts'

const KIB = 1024
const MIB = 1024 * KIB
/** Around the limits of inline data, packages of encryption, blocks and stripes. */
const SIZES = [0, 1, 4 * KIB, 64 * KIB + 1, 128 * KIB - 1, 128 * KIB, 128 * KIB + 1, MIB - 1, MIB]
const LARGE_SIZES = [MIB + 1, 3 * MIB + 5, 9 * MIB + 17]
const PART_SIZES = [5 * MIB, 5 * MIB + 1, 6 * MIB - 7]
const LAST_SIZES = [1, 70_000, MIB + 1]
const KEYS = [
  'a',
  'a/b',
  'a/b/c',
  'a-',
  'a b+c%2F',
  'text.txt',
  'ключ/🗝️.json',
  'amp&<x>=?d#e',
  'back\\slash',
  'part.1',
  'm/1/2/3/4',
  `${'k'.repeat(200)}/${'l'.repeat(100)}`,
]
const UNTIL = ['2031-02-03T04:05:06.789Z', '2030-01-01T00:00:00Z']

type Headers = Readonly<Record<string, string>>

interface Bucket {
  readonly name: string
  versioning: 'none' | 'Enabled' | 'Suspended'
  readonly hasLocks: boolean
}

interface Upload {
  readonly bucket: Bucket
  readonly key: string
  readonly uploadId: string
  readonly parts: Map<number, { readonly etag: string; readonly content: Buffer }>
}

/** A version with its content, or undefined once it is removed. */
interface Version {
  readonly bucket: Bucket
  readonly key: string
  readonly versionId: string
  sha256: string | undefined
}

export interface HistoryOptions {
  readonly isEncrypted: boolean
}

export class ExchangeHistory {
  readonly #random: Random
  readonly #options: HistoryOptions
  readonly #pool: Buffer
  readonly #versions = new Map<string, Version>()
  readonly #buckets: readonly Bucket[] = [
    { name: 'plain', versioning: 'none', hasLocks: false },
    { name: 'versions', versioning: 'Enabled', hasLocks: false },
    { name: 'locks', versioning: 'Enabled', hasLocks: true },
  ]
  #uploads: Upload[] = []
  #client!: S3Driver
  /** What was done, for the report of a failure. */
  readonly log: string[] = []

  constructor(random: Random, options: HistoryOptions) {
    this.#random = random
    this.#options = options
    const half = { label: 'exchange', size: 6 * MIB }
    this.#pool = Buffer.concat([
      makePart({ ...half, kind: 'lines' }),
      makePart({ ...half, kind: 'sparse' }),
    ])
  }

  get bucketNames(): readonly string[] {
    return this.#buckets.map(({ name }) => name)
  }

  get isSuspended(): boolean {
    return this.#buckets.some(({ versioning }) => versioning === 'Suspended')
  }

  async prepare(client: S3Driver): Promise<void> {
    for (const { name, hasLocks } of this.#buckets) {
      const headers: Headers = hasLocks ? { 'x-amz-bucket-object-lock-enabled': 'true' } : {}
      await client.must({ method: 'PUT', bucket: name, headers })
    }
    await setVersioning(client, 'versions', 'Enabled')
  }

  /** Sends `count` requests, one after another. Rejects when one is answered 5xx. */
  async run(
    client: S3Driver,
    count: number,
    options: { readonly changesMetadata: boolean; readonly copiesInPlace: boolean },
  ): Promise<void> {
    this.#client = client
    for (let i = 0; i < count; i++) {
      const n = this.#random.below(100)
      const isChange = n >= 66 && n < 82
      if (n < 40 || (isChange && !options.changesMetadata)) await this.#put()
      else if (n < 54) await this.#remove()
      else if (n < 66) await this.#copy(options.copiesInPlace)
      else if (n < 76) await this.#tag()
      else if (n < 82) await this.#lock()
      else if (n < 88) await this.#begin()
      else if (n < 96) await this.#finish()
      else await this.#switchVersioning()
    }
  }

  /** Whether a key is below another one that has versions: MinIO's lists leave it out. */
  isBelow(key: string): boolean {
    const used = new Set([...this.#versions.values()].map((version) => version.key))
    const names = key.split('/')
    return names.some((_, depth) => depth > 0 && used.has(names.slice(0, depth).join('/')))
  }

  /** Contents of all versions, those that were removed being gone, and locks. */
  checks(client: S3Driver): Check[] {
    return [...this.#versions.values()].map(({ bucket, key, versionId, sha256 }) => ({
      id: `${bucket.name}/key/${key}#${versionId}/written`,
      expected: sha256,
      observe: async () => (await observeGet(client, bucket.name, key, versionId)).content?.sha256,
    }))
  }

  /** Retention and legal hold of what is there. */
  async locks(client: S3Driver): Promise<ReadonlyMap<string, unknown>> {
    const shown = new Map<string, unknown>()
    for (const { bucket, key, versionId, sha256 } of this.#versions.values()) {
      if (!bucket.hasLocks || sha256 === undefined) continue
      for (const kind of ['retention', 'legal-hold'] as const) {
        const { body } = await observeLock(client, bucket.name, key, versionId, kind)
        shown.set(`${key}#${versionId}/${kind}`, body)
      }
    }
    return shown
  }

  /** Numbers and entity tags of the parts of all uploads in progress. */
  async uploadedParts(client: S3Driver): Promise<readonly string[]> {
    const shown: string[] = []
    for (const { bucket, key, uploadId } of this.#uploads) {
      const query = { uploadId }
      const reply = await client.must({ method: 'GET', bucket: bucket.name, key, query })
      const [, content] = parseXml(reply.text)
      for (const part of typeof content === 'string' ? [] : content) {
        if (part[0] === 'Part') shown.push(`${textOf(part, 'PartNumber')} ${textOf(part, 'ETag')}`)
      }
    }
    return shown
  }

  async #send(call: S3Request, more = ''): Promise<S3Reply> {
    const reply = await this.#client.send({ unsignedPayload: true, ...call })
    const query = JSON.stringify(call.query ?? {})
    const line = `${call.method} ${call.bucket}/${call.key ?? ''} ${query} ${more}: ${reply.status} ${reply.code ?? ''}`
    this.log.push(line)
    if (reply.status >= 500) throw new Error(`${line} ${reply.text.slice(0, 300)}`)
    return reply
  }

  async #put(): Promise<void> {
    const bucket = this.#pick(this.#buckets)
    const key = this.#pick(KEYS)
    const body = this.#content(this.#pick(this.#chance(5) ? LARGE_SIZES : SIZES))
    const headers = { ...this.#metadata(), ...this.#encryption(), ...this.#sum(body) }
    const call = { method: 'PUT', bucket: bucket.name, key, body, headers }
    this.#remember(bucket, key, await this.#send(call, `of ${body.length}`), body)
  }

  async #remove(): Promise<void> {
    const { bucket, key, versionId } = this.#someVersion()
    const isVersion = this.#chance(2)
    const query = isVersion ? { versionId } : {}
    const reply = await this.#send({ method: 'DELETE', bucket: bucket.name, key, query })
    if (reply.status !== 204) return
    if (isVersion) this.#set(bucket, key, versionId, undefined)
    else if (bucket.versioning !== 'Enabled') this.#set(bucket, key, 'null', undefined)
  }

  async #copy(isInPlaceAllowed: boolean): Promise<void> {
    const from = this.#someVersion()
    const to = this.#chance(2) ? from : { bucket: this.#pick(this.#buckets), key: this.#pick(KEYS) }
    const isInPlace = to.bucket === from.bucket && to.key === from.key
    if (isInPlace && !isInPlaceAllowed) return
    const path = `/${from.bucket.name}/${uriEncode(from.key, '/')}?versionId=${from.versionId}`
    const headers = {
      'x-amz-copy-source': path,
      ...(to === from || this.#chance(3)
        ? { 'x-amz-metadata-directive': 'REPLACE', ...this.#metadata() }
        : {}),
      ...this.#encryption(),
    }
    const call = { method: 'PUT', bucket: to.bucket.name, key: to.key, headers }
    const reply = await this.#send(call, `from ${path}`)
    if (reply.status === 200) this.#set(to.bucket, to.key, versionOf(reply), from.sha256)
  }

  async #tag(): Promise<void> {
    const { bucket, key, versionId } = this.#someVersion()
    const query = { tagging: '', versionId }
    const target = { bucket: bucket.name, key, query }
    const value = `${this.#random.below(1000)} +-=._:/@`
    const body = `<Tagging><TagSet><Tag><Key>k</Key><Value>${value}</Value></Tag></TagSet></Tagging>`
    if (this.#chance(4)) await this.#send({ ...target, method: 'DELETE' })
    else await this.#send({ ...target, method: 'PUT', body, headers: md5Header(body) })
  }

  async #lock(): Promise<void> {
    const { bucket, key, versionId } = this.#someVersion()
    if (!bucket.hasLocks) return
    const [name, body] = this.#chance(2)
      ? ['legal-hold', `<LegalHold><Status>${this.#pick(['ON', 'OFF'])}</Status></LegalHold>`]
      : [
          'retention',
          `<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>${this.#pick(UNTIL)}</RetainUntilDate></Retention>`,
        ]
    const query = { [name ?? '']: '', versionId }
    const headers = { ...md5Header(body ?? ''), 'x-amz-bypass-governance-retention': 'true' }
    await this.#send({ method: 'PUT', bucket: bucket.name, key, query, headers, body: body ?? '' })
  }

  async #begin(): Promise<void> {
    const bucket = this.#pick(this.#buckets)
    const key = this.#pick(KEYS)
    const headers = { ...this.#metadata(), ...this.#encryption() }
    const query = { uploads: '' }
    const reply = await this.#send({ method: 'POST', bucket: bucket.name, key, query, headers })
    const uploadId = textOf(parseXml(reply.text), 'UploadId') ?? ''
    const upload = { bucket, key, uploadId, parts: new Map() }
    this.#uploads.push(upload)
    if (this.#chance(2)) await this.#part(upload, 1, this.#pick(PART_SIZES))
  }

  async #part(upload: Upload, number: number, size: number): Promise<void> {
    const { bucket, key, uploadId, parts } = upload
    const content = this.#content(size)
    const query = { uploadId, partNumber: String(number) }
    const call = { method: 'PUT', bucket: bucket.name, key, query, body: content }
    const reply = await this.#send(call, `of ${size}`)
    parts.set(number, { etag: (reply.headers['etag'] ?? '').replaceAll('"', ''), content })
  }

  /** Goes on with an upload, perhaps one that the other server began, and completes it. */
  async #finish(): Promise<void> {
    const upload = this.#uploads.shift()
    if (upload === undefined) return
    if (this.#chance(2)) await this.#part(upload, 1, this.#pick(PART_SIZES))
    await this.#part(upload, upload.parts.size + 1, this.#pick(LAST_SIZES))
    const parts = [...upload.parts].map(([number, { etag }]) => ({ number, etag }))
    const { bucket, key, uploadId } = upload
    const target = { bucket: bucket.name, key, uploadId }
    this.log.push(`complete ${bucket.name}/${key}`)
    const versionId = await completeUpload(this.#client, target, parts)
    const content = Buffer.concat([...upload.parts.values()].map((part) => part.content))
    this.#set(bucket, key, versionId ?? 'null', sha256Of(content))
  }

  async #switchVersioning(): Promise<void> {
    const bucket = this.#buckets[1]
    if (bucket === undefined) return
    bucket.versioning = bucket.versioning === 'Enabled' ? 'Suspended' : 'Enabled'
    this.log.push(`versioning ${bucket.versioning}`)
    await setVersioning(this.#client, bucket.name, bucket.versioning)
  }

  #metadata(): Headers {
    const choices: readonly Headers[] = [
      {},
      { 'content-type': 'text/plain; charset=utf-8', 'x-amz-meta-empty': '' },
      { 'cache-control': 'max-age=60,  public', 'x-amz-meta-A_b.c': '=?UTF-8?B?w7w=?=' },
      { 'content-encoding': 'gzip', 'content-language': 'de-DE, en' },
      { 'x-amz-meta-long': 'x'.repeat(900), 'content-disposition': 'inline; filename="a b"' },
    ]
    return this.#pick(choices)
  }

  #encryption(): Headers {
    if (!this.#options.isEncrypted || this.#chance(2)) return {}
    return { 'x-amz-server-side-encryption': 'AES256' }
  }

  #sum(content: Buffer): Headers {
    const name = this.#pick(['sha1', 'sha256', ''])
    if (name === '') return {}
    const sum = createHash(name).update(content).digest('base64')
    return { [`x-amz-checksum-${name}`]: sum }
  }

  #content(size: number): Buffer {
    return this.#pool.subarray(this.#random.below(this.#pool.length - size + 1)).subarray(0, size)
  }

  /** One that is there, if there is any. */
  #someVersion(): Version {
    const there = [...this.#versions.values()].filter(({ sha256 }) => sha256 !== undefined)
    const [bucket] = this.#buckets
    if (there.length > 0) return this.#pick(there)
    if (bucket === undefined) throw new Error('There is no bucket')
    return { bucket, key: 'a', versionId: 'null', sha256: undefined }
  }

  #remember(bucket: Bucket, key: string, reply: S3Reply, content: Buffer): void {
    if (reply.status === 200) this.#set(bucket, key, versionOf(reply), sha256Of(content))
  }

  #set(bucket: Bucket, key: string, versionId: string, sha256: string | undefined): void {
    this.#versions.set(`${bucket.name}/${key}#${versionId}`, { bucket, key, versionId, sha256 })
  }

  #pick<T>(items: readonly T[]): T {
    const item = items[this.#random.below(items.length)]
    if (item === undefined) throw new Error('There is nothing to choose from')
    return item
  }

  /** True once in so many times. */
  #chance(times: number): boolean {
    return this.#random.below(times) === 0
  }
}

function versionOf(reply: S3Reply): string {
  return reply.headers['x-amz-version-id'] ?? 'null'
}

function sha256Of(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

function md5Header(body: string): Headers {
  return { 'content-md5': createHash('md5').update(body).digest('base64') }
}

async function setVersioning(client: S3Driver, bucket: string, status: string): Promise<void> {
  const body = `<VersioningConfiguration><Status>${status}</Status></VersioningConfiguration>`
  await client.must({ method: 'PUT', bucket, query: { versioning: '' }, body })
}
