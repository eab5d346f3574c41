/** Objects that are made when they are read: what backup programs ask a store about itself (s3-api.md 4.2.11). */
import { createHash } from 'node:crypto'
import { utf8 } from '#base/bytes'
import type { HttpRequest } from '#http/http'
import type { RangeRequest } from '#object/object'
import { S3Error } from '#s3-protocol/s3-error'
import { escapeXml, XML_DECLARATION } from '#s3-protocol/xml-writer'
import type { S3Call, S3Reply } from '../s3.ts'
import { httpDate, quotedEtag } from './object-headers.ts'
import { wantedRange } from './object-read.ts'

const FOLDER = '.system-d26a9498-cb7c-4a87-a44a-8ae204f5ba6c/'
/** Size of blocks that backup programs should write, in KiB. */
const BLOCK_KIB = 4096
/** The quotes are part of the texts. */
const PROTOCOL_VERSION = '"1.0"'
const MODEL_NAME = '"MinIO Cairn"'

/** Whether a request addresses one of the objects. */
export function isVendorRequest(request: HttpRequest): boolean {
  return /\.system-d26a9498-cb7c-4a87-a44a-8ae204f5ba6c\/(?:system|capacity)\.xml(?:\?|$)/.test(
    request.target,
  )
}

/** `GET` and `HEAD` of them. They hide what is stored under their names. */
export async function readVendorObject(call: S3Call): Promise<S3Reply> {
  const { engine, clock } = call.services
  await engine.getBucket(call.bucket)
  const text =
    call.key === `${FOLDER}system.xml` ? systemDocument() : await capacityDocument(engine)
  const content = utf8(text)
  const etag = createHash('md5').update(content).digest('hex')
  const range = wantedRange(call)
  const { offset, sizeBytes } = resolve(range, content.length)
  const headers: (readonly [string, string])[] = [
    ['Content-Type', 'application/xml'],
    ['ETag', quotedEtag(etag)],
    ['Last-Modified', httpDate(clock.nowNs())],
  ]
  if (range.kind !== 'all') {
    headers.push(['Content-Range', `bytes ${offset}-${offset + sizeBytes - 1}/${content.length}`])
  }
  if (call.request.method === 'HEAD') headers.push(['Content-Length', String(sizeBytes)])
  return {
    status: range.kind === 'all' ? 200 : 206,
    headers,
    body: content.subarray(offset, offset + sizeBytes),
  }
}

function resolve(range: RangeRequest, total: number): { offset: number; sizeBytes: number } {
  if (range.kind === 'all') return { offset: 0, sizeBytes: total }
  if (range.kind === 'part') {
    if (range.number !== 1) throw new S3Error('InvalidPartNumber')
    return { offset: 0, sizeBytes: total }
  }
  const start = range.kind === 'suffix' ? Math.max(0, total - range.size) : range.start
  const end = range.kind === 'suffix' ? total - 1 : Math.min(range.end ?? total - 1, total - 1)
  if (start > end) throw new S3Error('InvalidRange')
  return { offset: start, sizeBytes: end - start + 1 }
}

function systemDocument(): string {
  const capabilities =
    '<CapacityInfo>true</CapacityInfo><UploadSessions>false</UploadSessions><IAMSTS>false</IAMSTS>'
  return `${XML_DECLARATION}<SystemInfo><ProtocolVersion>${escapeXml(PROTOCOL_VERSION)}</ProtocolVersion><ModelName>${escapeXml(MODEL_NAME)}</ModelName><ProtocolCapabilities>${capabilities}</ProtocolCapabilities><SystemRecommendations><KbBlockSize>${BLOCK_KIB}</KbBlockSize></SystemRecommendations></SystemInfo>`
}

async function capacityDocument(engine: S3Call['services']['engine']): Promise<string> {
  const { totalBytes, freeBytes } = await engine.capacity()
  return `${XML_DECLARATION}<CapacityInfo><Capacity>${totalBytes}</Capacity><Available>${freeBytes}</Available><Used>${totalBytes - freeBytes}</Used></CapacityInfo>`
}
