/** Mixed load of several writers against a server that may be killed at any moment, and the look at it afterwards. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Random } from '#base/random'
import { KeyModel, type ModelVersion, VersionsModel } from './crash-model.ts'
import { observeGet, observeListV2, observeVersions } from './observation.ts'
import { parallel } from './parallel.ts'
import { makePart } from './recipe.ts'
import type { S3Driver, S3Reply, S3Request } from './s3-driver.ts'
import { completeUpload } from './workload.ts'
import { parseXml, textOf } from './xml.ts'

const KEYS_PER_WRITER = 8
const VERSIONS_PER_KEY = 6
const PART_BYTES = 5 * 1024 * 1024

/** The connection broke: the server is dead, and the request under way has an unknown outcome. */
class ServerGone extends Error {}

function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

interface UnfinishedUpload {
  readonly key: string
  readonly uploadId: string
  readonly parts: readonly { readonly number: number; readonly etag: string }[]
  readonly sha256: string
}

export class CrashLoad {
  readonly #random: Random
  readonly #keys = new Map<string, KeyModel>()
  readonly #versioned = new Map<string, VersionsModel>()
  #unfinished: UnfinishedUpload[] = []
  #serial = 0
  #isOver = false
  acknowledgedCount = 0
  unansweredCount = 0

  constructor(random: Random) {
    this.#random = random
  }

  async prepare(client: S3Driver): Promise<void> {
    await client.must({ method: 'PUT', bucket: 'plain' })
    await client.must({ method: 'PUT', bucket: 'versioned' })
    await client.must({
      method: 'PUT',
      bucket: 'versioned',
      query: { versioning: '' },
      body: '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>',
    })
  }

  /** Call this before the kill, so that an error reply is not taken for a fault of a live server. */
  end(): void {
    this.#isOver = true
  }

  /** Runs all writers until the server is gone. Rejects when a live server refuses a request. */
  async run(client: S3Driver): Promise<void> {
    this.#isOver = false
    const writers = [
      ...Array.from({ length: 6 }, (_, index) => () => this.#writePlain(client, `plain-${index}`)),
      ...Array.from(
        { length: 3 },
        (_, index) => () => this.#writeVersion(client, `history-${index}`),
      ),
      ...Array.from({ length: 2 }, (_, index) => () => this.#writeParts(client, `parts-${index}`)),
    ]
    await Promise.all(
      writers.map(async (write) => {
        try {
          while (!this.#isOver) await write()
        } catch (error) {
          if (!(error instanceof ServerGone)) throw error
        }
      }),
    )
  }

  async #send(client: S3Driver, call: S3Request): Promise<S3Reply> {
    let reply: S3Reply
    try {
      reply = await client.send({ ...call, unsignedPayload: true })
    } catch (error) {
      this.unansweredCount++
      throw new ServerGone('The server is gone', { cause: error })
    }
    if (reply.status >= 300) {
      if (this.#isOver) throw new ServerGone(`The dying server answered ${reply.status}`)
      throw new Error(`${call.method} ${call.key} answered ${reply.status} ${reply.code}`)
    }
    this.acknowledgedCount++
    return reply
  }

  #content(): Buffer {
    const sizes = [0, 10, 3000, 100_000, 131_073, 600_000, 1_048_577, 3_000_000]
    const size = sizes[this.#random.below(sizes.length)] ?? 0
    const label = `crash ${this.#serial++} ${this.#random.below(1e9)}`
    return makePart({
      kind: 'sparse',
      label,
      size: size === 0 ? 0 : size + this.#random.below(100),
    })
  }

  #model(key: string): KeyModel {
    const model = this.#keys.get(key) ?? new KeyModel()
    this.#keys.set(key, model)
    return model
  }

  async #writePlain(client: S3Driver, writer: string): Promise<void> {
    const key = `${writer}/${this.#random.below(KEYS_PER_WRITER)}`
    const model = this.#model(key)
    if (this.#random.below(5) === 0) {
      model.begin(null)
      await this.#send(client, { method: 'DELETE', bucket: 'plain', key })
      model.acknowledge(null)
      return
    }
    const body = this.#content()
    model.begin(sha256(body))
    await this.#send(client, { method: 'PUT', bucket: 'plain', key, body })
    model.acknowledge(sha256(body))
  }

  async #writeVersion(client: S3Driver, writer: string): Promise<void> {
    const key = `${writer}/${this.#random.below(3)}`
    const model = this.#versioned.get(key) ?? new VersionsModel()
    this.#versioned.set(key, model)
    const bucket = 'versioned'
    const oldest = model.versions.at(-1)
    if (oldest !== undefined && model.versions.length >= VERSIONS_PER_KEY) {
      const { versionId } = oldest
      model.begin({ kind: 'remove', versionId })
      await this.#send(client, { method: 'DELETE', bucket, key, query: { versionId } })
      model.acknowledgeRemoved(versionId)
      return
    }
    // A DELETE adds a marker only above an object.
    const canMark = typeof model.versions[0]?.sha256 === 'string'
    const body = canMark && this.#random.below(5) === 0 ? undefined : this.#content()
    const hash = body === undefined ? null : sha256(body)
    model.begin({ kind: 'add', sha256: hash })
    const reply = await this.#send(client, {
      method: body === undefined ? 'DELETE' : 'PUT',
      bucket,
      key,
      ...(body === undefined ? {} : { body }),
    })
    model.acknowledgeAdded({ versionId: reply.headers['x-amz-version-id'] ?? '', sha256: hash })
  }

  async #writeParts(client: S3Driver, writer: string): Promise<void> {
    const bucket = 'plain'
    const key = `${writer}/${this.#random.below(2)}`
    const model = this.#model(key)
    const label = `crash part ${this.#serial++}`
    const contents = [PART_BYTES, 1 + this.#random.below(300_000)].map((size, index) =>
      makePart({ kind: 'sparse', label: `${label}/${index}`, size }),
    )
    const hash = sha256(Buffer.concat(contents))
    const start = await this.#send(client, { method: 'POST', bucket, key, query: { uploads: '' } })
    const uploadId = textOf(parseXml(start.text), 'UploadId') ?? ''
    const parts: { number: number; etag: string }[] = []
    for (const [index, body] of contents.entries()) {
      const query = { uploadId, partNumber: String(index + 1) }
      const reply = await this.#send(client, { method: 'PUT', bucket, key, query, body })
      parts.push({ number: index + 1, etag: reply.headers['etag'] ?? '' })
    }
    const upload = { key, uploadId, parts, sha256: hash }
    this.#unfinished.push(upload)
    model.begin(hash)
    const list = parts.map(
      ({ number, etag }) => `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag></Part>`,
    )
    const body = `<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`
    await this.#send(client, { method: 'POST', bucket, key, query: { uploadId }, body })
    model.acknowledge(hash)
    this.#unfinished = this.#unfinished.filter((other) => other !== upload)
  }

  /** Looks at everything after a restart. Rejects with the first loss, tear or resurrection. */
  async verify(client: S3Driver): Promise<void> {
    const present = new Set<string>()
    await parallel([...this.#keys], 8, async ([key, model]) => {
      const { get, content } = await observeGet(client, 'plain', key)
      const isMissing = get.status === 404 && get.code === 'NoSuchKey'
      assert.ok(
        content !== undefined || isMissing,
        `GET "${key}" answered ${get.status} ${get.code}`,
      )
      model.observe(key, content?.sha256 ?? null)
      if (content !== undefined) present.add(key)
    })
    const listed = await observeListV2(client, 'plain', {})
    assert.deepEqual(listed.keys, [...present].sort(), 'the listing differs from what can be read')
    await this.#verifyVersions(client)
    await this.#finishUploads(client)
  }

  async #verifyVersions(client: S3Driver): Promise<void> {
    const { versions } = await observeVersions(client, 'versioned', {})
    const found = await parallel(versions, 8, async ({ key, versionId, isDeleteMarker }) => {
      if (isDeleteMarker) return { key, versionId, sha256: null }
      const { get, content } = await observeGet(client, 'versioned', key, versionId)
      assert.ok(
        content !== undefined,
        `GET "${key}#${versionId}" answered ${get.status} ${get.code}`,
      )
      return { key, versionId, sha256: content.sha256 }
    })
    for (const [key, model] of this.#versioned) {
      const own = found.filter((version) => version.key === key)
      const actual: ModelVersion[] = own.map(({ versionId, sha256: hash }) => ({
        versionId,
        sha256: hash,
      }))
      model.observe(key, actual)
    }
  }

  /** The parts of an upload that was not completed were acknowledged, so it can still be completed. */
  async #finishUploads(client: S3Driver): Promise<void> {
    for (const upload of this.#unfinished) {
      const { key, uploadId, parts, sha256: hash } = upload
      const model = this.#model(key)
      if (model.allowed.includes(hash)) continue
      await completeUpload(client, { bucket: 'plain', key, uploadId }, parts)
      const { content } = await observeGet(client, 'plain', key)
      model.acknowledge(hash)
      model.observe(key, content?.sha256 ?? null)
    }
    this.#unfinished = []
  }
}
