/** Writes every kind of object through the S3 API, so that another server can be asked for the same. */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { parallel } from './parallel.ts'
import { type Digest, digestOf, makePart, type PartRecipe } from './recipe.ts'
import type { S3Driver } from './s3-driver.ts'
import { parseXml, textOf } from './xml.ts'

const KIB = 1024
const MIB = 1024 * KIB

/** Around the limits of inline data, blocks, shards, stripes and parts. */
const SIZES = [
  0,
  1,
  2,
  100,
  4095,
  4096,
  16_383,
  16_384,
  16_385,
  65_536,
  65_537,
  131_071,
  131_072,
  131_073,
  262_143,
  262_144,
  262_145,
  MIB - 1,
  MIB,
  MIB + 1,
  2 * MIB + 7,
  5 * MIB,
  10 * MIB,
  10 * MIB + 1,
]

const HARD_KEYS = [
  'pre',
  'pre/below',
  'pre/below/deeper',
  'pre-fix',
  'ünïcödé/ключ/鍵/🗝️.txt',
  'with space and  two',
  'a&b=c?d#e;f,g',
  'percent%20literal%',
  'plus+sign',
  'quote\'"`',
  'back\\slash',
  'star*brace{}[]|^~',
  'xl.meta',
  'part.1',
  'legacy/x',
  '.minio.sys-like',
  'dots/...three/.hidden',
  `${'k'.repeat(250)}/${'m'.repeat(200)}`,
  Array.from({ length: 40 }, (_, level) => `l${level}`).join('/'),
]

/** Content that must be read again from `bucket/key`, at `versionId` where there is one. */
export interface WrittenObject {
  readonly bucket: string
  readonly key: string
  readonly versionId: string | undefined
  readonly digest: Digest
}

export interface PendingUpload {
  readonly bucket: string
  readonly key: string
  readonly uploadId: string
  readonly parts: readonly { readonly number: number; readonly etag: string }[]
  readonly digest: Digest
}

export interface Workload {
  /** Only what nothing later replaced or deleted. */
  readonly written: readonly WrittenObject[]
  readonly pending: readonly PendingUpload[]
}

class Writer {
  readonly client: S3Driver
  readonly label: string
  readonly #written = new Map<string, WrittenObject>()

  constructor(client: S3Driver, label: string) {
    this.client = client
    this.label = label
  }

  get written(): readonly WrittenObject[] {
    return [...this.#written.values()]
  }

  content(key: string, size: number): Buffer {
    const kind: PartRecipe['kind'] = key.includes('.txt')
      ? 'lines'
      : size > 4 * MIB
        ? 'sparse'
        : 'random'
    return makePart({ kind, label: `${this.label}/${key}`, size })
  }

  remember(bucket: string, key: string, versionId: string | undefined, content: Buffer): void {
    const at = versionId === undefined || versionId === 'null' ? undefined : versionId
    this.#written.set(`${bucket}/${key}#${at ?? ''}`, {
      bucket,
      key,
      versionId: at,
      digest: digestOf(content),
    })
  }

  forget(bucket: string, key: string, versionId?: string): void {
    this.#written.delete(`${bucket}/${key}#${versionId ?? ''}`)
  }

  async put(
    bucket: string,
    key: string,
    content: Buffer,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<string | undefined> {
    const reply = await this.client.must({ method: 'PUT', bucket, key, headers, body: content })
    const versionId = reply.headers['x-amz-version-id']
    this.remember(bucket, key, versionId, content)
    return versionId
  }

  async remove(bucket: string, key: string, versionId?: string): Promise<void> {
    await this.client.must({ method: 'DELETE', bucket, key, query: { versionId } })
    this.forget(bucket, key, versionId)
  }

  async copy(
    bucket: string,
    from: string,
    to: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<void> {
    const source = encodeURI(`/${bucket}/${from}`)
    await this.client.must({
      method: 'PUT',
      bucket,
      key: to,
      headers: { 'x-amz-copy-source': source, ...headers },
    })
  }

  async startUpload(
    bucket: string,
    key: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<string> {
    const reply = await this.client.must({
      method: 'POST',
      bucket,
      key,
      query: { uploads: '' },
      headers,
    })
    return textOf(parseXml(reply.text), 'UploadId') ?? ''
  }

  async uploadPart(
    target: {
      bucket: string
      key: string
      uploadId: string
      headers?: Readonly<Record<string, string>>
    },
    partNumber: number,
    content: Buffer,
  ): Promise<string> {
    const { bucket, key, uploadId, headers } = target
    const reply = await this.client.must({
      method: 'PUT',
      bucket,
      key,
      query: { uploadId, partNumber: String(partNumber) },
      body: content,
      ...(headers === undefined ? {} : { headers }),
    })
    return (reply.headers['etag'] ?? '').replaceAll('"', '')
  }
}

export async function completeUpload(
  client: S3Driver,
  upload: Pick<PendingUpload, 'bucket' | 'key' | 'uploadId'>,
  parts: readonly { readonly number: number; readonly etag: string; readonly checksum?: string }[],
): Promise<string | undefined> {
  const list = parts.map(
    ({ number, etag, checksum }) =>
      `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag>${checksum ?? ''}</Part>`,
  )
  const reply = await client.must({
    method: 'POST',
    bucket: upload.bucket,
    key: upload.key,
    query: { uploadId: upload.uploadId },
    body: `<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`,
  })
  const root = parseXml(reply.text)
  if (root[0] !== 'CompleteMultipartUploadResult') throw new Error(`Cannot complete: ${reply.text}`)
  return reply.headers['x-amz-version-id']
}

async function multipart(
  writer: Writer,
  bucket: string,
  key: string,
  parts: readonly (readonly [number: number, size: number])[],
): Promise<void> {
  const uploadId = await writer.startUpload(bucket, key, { 'x-amz-meta-how': 'in parts' })
  const contents = parts.map(([number, size]) => writer.content(`${key}/${number}`, size))
  const etags = await parallel(parts, 3, ([number], index) =>
    writer.uploadPart({ bucket, key, uploadId }, number, contents[index] ?? Buffer.alloc(0)),
  )
  const list = parts.map(([number], index) => ({ number, etag: etags[index] ?? '' }))
  const versionId = await completeUpload(writer.client, { bucket, key, uploadId }, list)
  writer.remember(bucket, key, versionId, Buffer.concat(contents))
}

async function checksummedMultipart(writer: Writer, bucket: string, key: string): Promise<void> {
  const uploadId = await writer.startUpload(bucket, key, {
    'x-amz-checksum-algorithm': 'SHA256',
    'x-amz-checksum-type': 'COMPOSITE',
  })
  const contents = [5 * MIB, 1234].map((size, index) => writer.content(`${key}/${index}`, size))
  const parts: { number: number; etag: string; checksum: string }[] = []
  for (const [index, content] of contents.entries()) {
    const sum = createHash('sha256').update(content).digest('base64')
    const headers = { 'x-amz-checksum-sha256': sum }
    const etag = await writer.uploadPart({ bucket, key, uploadId, headers }, index + 1, content)
    parts.push({ number: index + 1, etag, checksum: `<ChecksumSHA256>${sum}</ChecksumSHA256>` })
  }
  await completeUpload(writer.client, { bucket, key, uploadId }, parts)
  writer.remember(bucket, key, undefined, Buffer.concat(contents))
}

async function writeSizes(writer: Writer): Promise<void> {
  await parallel(SIZES, 4, async (size) => {
    const key = `sizes/${String(size).padStart(8, '0')}`
    await writer.put('plain', key, writer.content(key, size))
  })
  await parallel(HARD_KEYS, 4, async (key) => {
    await writer.put('plain', key, writer.content(key, 77))
  })
  await writer.put('plain', 'dir/', Buffer.alloc(0))
  await writer.put('plain', 'dir/with content/', writer.content('dir/with content/', 300))
  await writer.put('plain', 'dir/big content/', writer.content('dir/big content/', 200_000))
  await writer.put('plain', 'dir/with content/inside', writer.content('inside', 5))
}

async function writeMetadata(writer: Writer): Promise<void> {
  await writer.put('plain', 'meta/all', writer.content('meta/all', 177), {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'max-age=60, public',
    'content-encoding': 'gzip',
    'content-language': 'de-DE',
    'content-disposition': 'attachment; filename="a b.txt"',
    expires: 'Thu, 01 Jan 2099 00:00:00 GMT',
    'x-amz-meta-one': '1',
    'x-amz-meta-UPPER-Case': 'Kept Value',
    'x-amz-meta-empty': '',
    'x-amz-tagging': 'color=dark%20green&empty=',
  })
  await writer.put('plain', 'meta/tagged later', writer.content('tagged', 300_000))
  await writer.client.must({
    method: 'PUT',
    bucket: 'plain',
    key: 'meta/tagged later',
    query: { tagging: '' },
    body: '<Tagging><TagSet><Tag><Key>a</Key><Value>b + c</Value></Tag></TagSet></Tagging>',
  })
  const summed = writer.content('meta/sums', 3000)
  await writer.put('plain', 'sums/sha256', summed, {
    'x-amz-checksum-sha256': createHash('sha256').update(summed).digest('base64'),
  })
  const crc = Buffer.alloc(4)
  crc.writeUInt32BE(crc32(summed))
  await writer.put('plain', 'sums/crc32', summed, {
    'x-amz-checksum-crc32': crc.toString('base64'),
  })
  for (const [key, size] of [
    ['class/small', 200],
    ['class/large', 900_000],
  ] as const) {
    await writer.put('plain', key, writer.content(key, size), {
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    })
  }
}

async function writeChanges(writer: Writer): Promise<void> {
  for (const [key, before, after] of [
    ['over/big by small', 700_000, 20],
    ['over/small by big', 20, 700_000],
    ['over/same', 3 * MIB, 3 * MIB],
  ] as const) {
    await writer.put('plain', key, writer.content(`${key} before`, before))
    await writer.put('plain', key, writer.content(key, after))
  }
  for (const [key, size] of [
    ['gone/small', 10],
    ['gone/large', 2 * MIB],
  ] as const) {
    await writer.put('plain', key, writer.content(key, size))
    await writer.remove('plain', key)
  }
  const original = writer.content('copy/original', 400_000)
  await writer.put('plain', 'copy/original', original, { 'x-amz-meta-from': 'original' })
  await writer.copy('plain', 'copy/original', 'copy/of original', {})
  writer.remember('plain', 'copy/of original', undefined, original)
  await writer.copy('plain', 'copy/original', 'copy/original', {
    'x-amz-metadata-directive': 'REPLACE',
    'x-amz-meta-from': 'itself',
  })
}

async function writeVersions(writer: Writer): Promise<void> {
  for (const bucket of ['versioned', 'suspended']) {
    for (let round = 0; round < 5; round++) {
      await writer.put(bucket, 'history', writer.content(`history ${round}`, 50 * KIB * round + 7))
    }
    const first = await writer.put(bucket, 'first removed', writer.content('first', 10))
    await writer.put(bucket, 'first removed', writer.content('second', 200_000))
    await writer.remove(bucket, 'first removed', first)
    await writer.put(bucket, 'marked', writer.content('marked', 1000))
    await writer.client.must({ method: 'DELETE', bucket, key: 'marked' })
    await writer.client.must({ method: 'DELETE', bucket, key: 'never there' })
    await multipart(writer, bucket, 'parts', [
      [1, 5 * MIB],
      [2, 100],
    ])
    // From metadata to a file: here data is kept in the metadata up to an eighth of the size only.
    const headers = { 'x-amz-copy-source': '/plain/sizes/00131073' }
    const reply = await writer.client.must({ method: 'PUT', bucket, key: 'copied', headers })
    const copied = writer.content('sizes/00131073', 131_073)
    writer.remember(bucket, 'copied', reply.headers['x-amz-version-id'], copied)
    await writer.put(bucket, 'dir/', Buffer.alloc(0))
    await writer.put(bucket, 'dir/in', writer.content('dir/in', 12))
  }
  await setVersioning(writer.client, 'suspended', 'Suspended')
  for (const round of [1, 2]) {
    await writer.put('suspended', 'history', writer.content(`null ${round}`, 300 * round))
  }
  await writer.client.must({ method: 'DELETE', bucket: 'suspended', key: 'parts' })
  await writer.put('suspended', 'only null', writer.content('only null', 150_000))
}

async function setVersioning(client: S3Driver, bucket: string, status: string): Promise<void> {
  await client.must({
    method: 'PUT',
    bucket,
    query: { versioning: '' },
    body: `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>${status}</Status></VersioningConfiguration>`,
  })
}

async function leaveUpload(writer: Writer): Promise<PendingUpload> {
  const bucket = 'plain'
  const key = `pending/${writer.label}`
  const uploadId = await writer.startUpload(bucket, key, { 'x-amz-meta-left': 'behind' })
  const contents = [writer.content(`${key}/1`, 5 * MIB), writer.content(`${key}/2`, 70_000)]
  const parts: { number: number; etag: string }[] = []
  for (const [index, content] of contents.entries()) {
    const etag = await writer.uploadPart({ bucket, key, uploadId }, index + 1, content)
    parts.push({ number: index + 1, etag })
  }
  return { bucket, key, uploadId, parts, digest: digestOf(Buffer.concat(contents)) }
}

/**
 * Writes everything once. A second call, with another label, overwrites keys, adds versions and writes its own contents
 * over what the first left.
 */
export async function writeWorkload(client: S3Driver, label: string): Promise<Workload> {
  const writer = new Writer(client, label)
  for (const bucket of ['plain', 'versioned', 'suspended']) {
    const reply = await client.send({ method: 'HEAD', bucket })
    if (reply.status === 404) await client.must({ method: 'PUT', bucket })
  }
  await setVersioning(client, 'versioned', 'Enabled')
  await setVersioning(client, 'suspended', 'Enabled')
  await writeSizes(writer)
  await writeMetadata(writer)
  await writeChanges(writer)
  await multipart(writer, 'plain', 'multipart/three parts', [
    [1, 5 * MIB],
    [2, 5 * MIB],
    [3, 700_001],
  ])
  await multipart(writer, 'plain', 'multipart/gaps', [
    [3, 5 * MIB],
    [9000, 1234],
  ])
  await multipart(writer, 'plain', 'multipart/one small part', [[1, 100]])
  await multipart(writer, 'plain', 'multipart/long.txt', [
    [1, 9 * MIB + 5],
    [2, 5 * MIB],
    [3, 777],
  ])
  await writer.put('plain', 'long.txt', writer.content('long.txt', 11 * MIB + 3))
  await checksummedMultipart(writer, 'plain', 'multipart/sha256')
  await writeVersions(writer)
  const pending = [await leaveUpload(writer)]
  return { written: writer.written, pending }
}
