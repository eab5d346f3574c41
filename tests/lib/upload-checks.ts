/** Checks of uploads that were in progress when the server stopped: listed as before, then completed. */
import { createHash } from 'node:crypto'
import type { Check } from './checks.ts'
import type { ManifestUpload } from './manifest.ts'
import { observeGet } from './observation.ts'
import type { S3Driver } from './s3-driver.ts'
import { listParts as specifiedParts } from './specified.ts'
import { children, parseXml, textOf } from './xml.ts'

async function listParts(client: S3Driver, upload: ManifestUpload): Promise<unknown> {
  const { bucket, key, uploadId } = upload
  const reply = await client.must({ method: 'GET', bucket, key, query: { uploadId } })
  const root = parseXml(reply.text)
  const parts = children(root, 'Part').map((part) =>
    typeof part[1] === 'string' ? {} : Object.fromEntries(part[1]),
  )
  const head: Record<string, unknown> = {}
  for (const name of Object.keys(upload.listPartsHead ?? {})) head[name] = textOf(root, name)
  return { head, parts }
}

async function listUploads(client: S3Driver, upload: ManifestUpload): Promise<readonly string[]> {
  const { bucket, key } = upload
  const reply = await client.must({ method: 'GET', bucket, query: { uploads: '', prefix: key } })
  return children(parseXml(reply.text), 'Upload')
    .filter((found) => textOf(found, 'Key') === key)
    .map((found) => textOf(found, 'UploadId') ?? '')
}

/** Checks that only read. */
export function pendingUploadChecks(client: S3Driver, uploads: readonly ManifestUpload[]): Check[] {
  const checks: Check[] = []
  for (const upload of uploads) {
    const id = `${upload.bucket}/upload/${upload.key}#${upload.uploadId.slice(-12)}`
    if (upload.listParts !== undefined) {
      checks.push({
        id: `${id}/listParts`,
        expected: { head: upload.listPartsHead ?? {}, parts: upload.listParts },
        specified: specifiedParts({
          StorageClass: upload.createHeaders?.['x-amz-storage-class'] ?? 'STANDARD',
        }),
        observe: () => listParts(client, upload),
      })
    }
    if (upload.listUploads !== undefined) {
      checks.push({
        id: `${id}/listUploads`,
        expected: upload.listUploads.map(({ uploadId }) => uploadId),
        observe: () => listUploads(client, upload),
      })
    }
  }
  return checks
}

const CHECKSUM_ELEMENTS: Readonly<Record<string, string>> = {
  'x-amz-checksum-crc32': 'ChecksumCRC32',
  'x-amz-checksum-crc32c': 'ChecksumCRC32C',
  'x-amz-checksum-crc64nvme': 'ChecksumCRC64NVME',
  'x-amz-checksum-sha1': 'ChecksumSHA1',
  'x-amz-checksum-sha256': 'ChecksumSHA256',
}

async function complete(client: S3Driver, upload: ManifestUpload): Promise<unknown> {
  const { bucket, key, uploadId } = upload
  const chosen = chosenParts(upload)
  const parts = chosen.map(({ partNumber, etag, checksum }) => {
    const sums = Object.entries(checksum ?? {}).map(([header, value]) => {
      const element = CHECKSUM_ELEMENTS[header]
      return element === undefined ? '' : `<${element}>${value}</${element}>`
    })
    return `<Part><PartNumber>${partNumber}</PartNumber><ETag>${etag}</ETag>${sums.join('')}</Part>`
  })
  const body = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`
  const reply = await client.must({ method: 'POST', bucket, key, query: { uploadId }, body })
  const root = parseXml(reply.text)
  // Completion may fail after the status line was sent; the body then is an error document.
  if (root[0] !== 'CompleteMultipartUploadResult') return reply.text
  const versionId = reply.headers['x-amz-version-id']
  const { get, content } = await observeGet(client, bucket, key, versionId)
  const headers = typeof get.headers === 'object' ? get.headers : {}
  const sum = upload.whenCompleted?.checksum
  return {
    etag: hasSealedEtag(upload) ? undefined : headers['etag']?.replaceAll('"', ''),
    size: content?.size,
    sha256: content?.sha256,
    checksum: sum === undefined ? undefined : headers['x-amz-checksum-crc64nvme'],
  }
}

/** The ETag of a part that a KMS key seals is not an MD5. */
function hasSealedEtag(upload: ManifestUpload): boolean {
  return upload.createHeaders?.['x-amz-server-side-encryption'] === 'aws:kms'
}

function chosenParts(upload: ManifestUpload): ManifestUpload['parts'] {
  const numbers = upload.complete ?? upload.parts.map((part) => part.partNumber)
  return numbers.flatMap((number) => upload.parts.filter((part) => part.partNumber === number))
}

/** Checks that complete each upload that has parts; to be run one after the other, in this order. */
export function completionChecks(client: S3Driver, uploads: readonly ManifestUpload[]): Check[] {
  return uploads
    .filter((upload) => chosenParts(upload).length > 0)
    .map((upload) => {
      const chosen = chosenParts(upload)
      const hash = createHash('md5')
      for (const part of chosen) hash.update(Buffer.from(part.md5, 'hex'))
      const whole = upload.whenCompleted ?? chosen[0]
      return {
        id: `${upload.bucket}/upload/${upload.key}#${upload.uploadId.slice(-12)}/complete`,
        expected: {
          etag: hasSealedEtag(upload) ? undefined : `${hash.digest('hex')}-${chosen.length}`,
          size: whole?.size,
          sha256: whole?.sha256,
          checksum: upload.whenCompleted?.checksum,
        },
        observe: () => complete(client, upload),
      }
    })
}
