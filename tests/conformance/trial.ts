/** What one rule works with: buckets of its own, a key of its own, and short forms of requests. */
import { randomUUID } from 'node:crypto'
import { encodePercent } from '#s3-protocol/percent'
import type { Reply } from './reply.ts'
import { Violation } from './reply.ts'
import type { Call, Pairs, Wire } from './wire.ts'

export type BucketKind = 'plain' | 'versioned' | 'suspended' | 'locked'
export type Options = Omit<Call, 'method' | 'path' | 'body'>

/** Buckets that many rules share; each has keys of its own there. */
export class SharedBuckets {
  readonly #wire: Wire
  readonly #made = new Map<string, Promise<string>>()

  constructor(wire: Wire) {
    this.#wire = wire
  }

  get(kind: BucketKind): Promise<string> {
    const made = this.#made.get(kind) ?? makeBucket(this.#wire, kind)
    this.#made.set(kind, made)
    return made
  }

  async remove(): Promise<void> {
    for (const made of this.#made.values()) await removeBucket(this.#wire, await made)
  }
}

export const VERSION_ID = /^[0-9A-Za-z._-]{8,}$/
export const XMLNS = 'http://s3.amazonaws.com/doc/2006-03-01/'

export class Trial {
  readonly wire: Wire
  /** A key that no other rule uses. */
  readonly key = `k-${randomUUID().slice(0, 8)}`
  readonly #shared: SharedBuckets
  readonly #own: string[] = []

  constructor(wire: Wire, shared: SharedBuckets) {
    this.wire = wire
    this.#shared = shared
  }

  /** A bucket that other rules use too. */
  shared(kind: BucketKind = 'plain'): Promise<string> {
    return this.#shared.get(kind)
  }

  /** A fresh bucket, removed after the rule. */
  async own(kind: BucketKind = 'plain'): Promise<string> {
    const bucket = await makeBucket(this.wire, kind)
    this.#own.push(bucket)
    return bucket
  }

  /** A fresh bucket name; what is made of it is removed after the rule. */
  name(): string {
    const name = bucketName()
    this.#own.push(name)
    return name
  }

  async end(): Promise<void> {
    for (const bucket of this.#own) await removeBucket(this.wire, bucket)
  }

  send(call: Call): Promise<Reply> {
    return this.wire.send(call)
  }

  put(
    bucket: string,
    key: string,
    body: string | Uint8Array = 'data',
    headers: Pairs = {},
    options: Options = {},
  ): Promise<Reply> {
    return this.wire.send({ method: 'PUT', path: pathOf(bucket, key), body, headers, ...options })
  }

  get(
    bucket: string,
    key: string,
    headers: Pairs = {},
    query: Pairs = {},
    options: Options = {},
  ): Promise<Reply> {
    return this.wire.send({ method: 'GET', path: pathOf(bucket, key), headers, query, ...options })
  }

  head(
    bucket: string,
    key: string,
    headers: Pairs = {},
    query: Pairs = {},
    options: Options = {},
  ): Promise<Reply> {
    return this.wire.send({ method: 'HEAD', path: pathOf(bucket, key), headers, query, ...options })
  }

  delete(
    bucket: string,
    key: string,
    headers: Pairs = {},
    query: Pairs = {},
    options: Options = {},
  ): Promise<Reply> {
    return this.wire.send({
      method: 'DELETE',
      path: pathOf(bucket, key),
      headers,
      query,
      ...options,
    })
  }

  copy(
    bucket: string,
    key: string,
    source: string,
    headers: Pairs = {},
    query: Pairs = {},
  ): Promise<Reply> {
    return this.wire.send({
      method: 'PUT',
      path: pathOf(bucket, key),
      headers: { 'x-amz-copy-source': source, ...headers },
      query,
    })
  }

  /** A request about a bucket: `sub('GET', b, { versioning: '' })`. */
  sub(
    method: string,
    bucket: string,
    query: Pairs,
    body?: string,
    headers: Pairs = {},
    options: Options = {},
  ): Promise<Reply> {
    return this.wire.send({
      method,
      path: `/${bucket}`,
      query,
      headers,
      ...(body === undefined ? {} : { body }),
      ...options,
    })
  }

  /** A request about an object's sub-resource. */
  of(
    method: string,
    bucket: string,
    key: string,
    query: Pairs,
    body?: string | Uint8Array,
    headers: Pairs = {},
  ): Promise<Reply> {
    return this.wire.send({
      method,
      path: pathOf(bucket, key),
      query,
      headers,
      ...(body === undefined ? {} : { body }),
    })
  }

  list(bucket: string, query: Pairs = {}): Promise<Reply> {
    return this.sub('GET', bucket, query)
  }

  listV2(bucket: string, query: Pairs = {}): Promise<Reply> {
    return this.sub('GET', bucket, { 'list-type': '2', ...query })
  }

  listVersions(bucket: string, query: Pairs = {}): Promise<Reply> {
    return this.sub('GET', bucket, { versions: '', ...query })
  }

  /** Stores an empty-ish object under each key. */
  async fill(bucket: string, keys: readonly string[]): Promise<void> {
    for (const key of keys) (await this.put(bucket, key, `of ${key}`)).is(200)
  }

  /** Stores and tells the version. */
  async putVersion(
    bucket: string,
    key: string,
    body = 'data',
    headers: Pairs = {},
  ): Promise<string> {
    return (await this.put(bucket, key, body, headers)).is(200).header('x-amz-version-id')
  }

  async versioning(bucket: string, status: string): Promise<void> {
    await setVersioning(this.wire, bucket, status)
  }

  async begin(bucket: string, key: string, headers: Pairs = {}): Promise<string> {
    return (await this.of('POST', bucket, key, { uploads: '' }, undefined, headers))
      .is(200)
      .first('UploadId')
  }

  part(
    bucket: string,
    key: string,
    uploadId: string,
    number: number | string,
    body: string | Uint8Array,
    headers: Pairs = {},
  ): Promise<Reply> {
    return this.of('PUT', bucket, key, { partNumber: String(number), uploadId }, body, headers)
  }

  complete(
    bucket: string,
    key: string,
    uploadId: string,
    parts: readonly Part[],
    headers: Pairs = {},
  ): Promise<Reply> {
    return this.of('POST', bucket, key, { uploadId }, completeDocument(parts), headers)
  }

  /** A finished upload of `bodies`. */
  async multipart(
    bucket: string,
    key: string,
    bodies: readonly (string | Uint8Array)[],
    headers: Pairs = {},
  ): Promise<Reply> {
    const uploadId = await this.begin(bucket, key, headers)
    const parts: Part[] = []
    for (const [i, body] of bodies.entries()) {
      const reply = (await this.part(bucket, key, uploadId, i + 1, body)).is(200)
      parts.push([i + 1, reply.header('etag')])
    }
    return (await this.complete(bucket, key, uploadId, parts)).is(200)
  }

  /** Sends a `Delete` document, with its MD5. */
  deleteMany(bucket: string, document: string, headers: Pairs = {}): Promise<Reply> {
    return this.wire.send({
      method: 'POST',
      path: `/${bucket}`,
      query: { delete: '' },
      body: document,
      headers: { 'content-md5': md5Base64(document), ...headers },
    })
  }
}

export type Part = readonly [
  number: number,
  etag: string,
  checksums?: Readonly<Record<string, string>>,
]

export function completeDocument(parts: readonly Part[]): string {
  const elements = parts.map(([number, etag, checksums = {}]) => {
    const sums = Object.entries(checksums).map(([name, value]) => `<${name}>${value}</${name}>`)
    return `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag>${sums.join('')}</Part>`
  })
  return `<CompleteMultipartUpload xmlns="${XMLNS}">${elements.join('')}</CompleteMultipartUpload>`
}

export function pathOf(bucket: string, key: string): string {
  return `/${bucket}/${encodePercent(key, { keepSlash: true })}`
}

export function check(condition: boolean, expected: string): asserts condition {
  if (!condition) throw new Violation(`expected ${expected}`)
}

import { createHash } from 'node:crypto'

export function md5Base64(data: string | Uint8Array): string {
  return createHash('md5').update(data).digest('base64')
}

export function md5Hex(data: string | Uint8Array): string {
  return createHash('md5').update(data).digest('hex')
}

/** Largest size that a part other than the last may not go below. */
export const PART_SIZE = 5 * 1024 * 1024
const bigParts = new Map<string, Buffer>()

/** 5 MiB of one letter, made once. */
export function bigPart(letter: string): Buffer {
  const part = bigParts.get(letter) ?? Buffer.alloc(PART_SIZE, letter)
  bigParts.set(letter, part)
  return part
}

function bucketName(): string {
  return `conf-${randomUUID().slice(0, 13)}`
}

async function makeBucket(wire: Wire, kind: BucketKind): Promise<string> {
  const bucket = bucketName()
  const headers = kind === 'locked' ? { 'x-amz-bucket-object-lock-enabled': 'true' } : {}
  ;(await wire.send({ method: 'PUT', path: `/${bucket}`, headers })).is(200)
  if (kind === 'versioned' || kind === 'suspended') await setVersioning(wire, bucket, 'Enabled')
  if (kind === 'suspended') await setVersioning(wire, bucket, 'Suspended')
  return bucket
}

async function setVersioning(wire: Wire, bucket: string, status: string): Promise<void> {
  const body = `<VersioningConfiguration xmlns="${XMLNS}"><Status>${status}</Status></VersioningConfiguration>`
  ;(await wire.send({ method: 'PUT', path: `/${bucket}`, query: { versioning: '' }, body })).is(200)
}

/** Removes a bucket with everything in it, also on servers that know no forced removal. */
async function removeBucket(wire: Wire, bucket: string): Promise<void> {
  const force = { 'x-minio-force-delete': 'true' }
  // What it denies it may deny to the cleaning too.
  await wire.send({ method: 'DELETE', path: `/${bucket}`, query: { policy: '' } })
  const forced = await wire.send({ method: 'DELETE', path: `/${bucket}`, headers: force })
  if (forced.status < 300 || forced.status === 404 || forced.status === 400) return
  for (let round = 0; round < 5; round++) {
    const listed = await wire.send({ method: 'GET', path: `/${bucket}`, query: { versions: '' } })
    if (listed.status !== 200) return
    for (const kind of ['Version', 'DeleteMarker']) {
      const versions = listed.texts(`${kind}.VersionId`)
      for (const [i, key] of listed.texts(`${kind}.Key`).entries()) {
        await wire.send({
          method: 'DELETE',
          path: pathOf(bucket, key),
          query: { versionId: versions[i] },
          headers: { 'x-amz-bypass-governance-retention': 'true' },
        })
      }
    }
    const removed = await wire.send({ method: 'DELETE', path: `/${bucket}` })
    if (removed.status < 300) return
  }
}
