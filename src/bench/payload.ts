/** Bodies as clients send them. All that does not depend on the request is computed once, so that the client's hashing does not hide the server's. */
import { hash } from 'node:crypto'
import { seededRandom } from '#base/random'
import { createCodecSeed } from '#codec/arena'
import { Codec } from '#codec/codec'
import {
  chunkStringToSign,
  EMPTY_SHA256,
  STREAMING_SIGNED,
  STREAMING_UNSIGNED_TRAILER,
  UNSIGNED_PAYLOAD,
} from '#s3-protocol/sigv4'
import type { SignedRequest } from '#s3-protocol/sigv4-client'
import type { BodyForm } from './modes.ts'

/** Clients' usual size of chunks. */
const CHUNK_BYTES = 65_536

export type Seed = Pick<SignedRequest, 'signature' | 'date' | 'scope' | 'key'>

/** A body ready to be sent any number of times. */
export interface Payload {
  /** Of the content. */
  readonly sizeBytes: number
  /** Of the body on the wire. */
  readonly wireBytes: number
  /** `x-amz-content-sha256`. */
  readonly hash: string
  readonly headers: Readonly<Record<string, string>>
  /** The body of one request. */
  pieces(seed: Seed): readonly Uint8Array[]
}

export function preparePayload(form: BodyForm, content: Uint8Array): Payload {
  switch (form) {
    case 'unsigned':
      return wholePayload(content, UNSIGNED_PAYLOAD)
    case 'sha256':
      return wholePayload(content, hash('sha256', content, 'hex'))
    case 'chunked':
      return signedChunks(content)
    case 'crc32':
    case 'crc32c':
    case 'crc64nvme':
      return chunksWithTrailer(content, form)
  }
}

function wholePayload(content: Uint8Array, contentHash: string): Payload {
  return {
    sizeBytes: content.length,
    wireBytes: content.length,
    hash: contentHash,
    headers: {},
    pieces: () => [content],
  }
}

/** Only the chain of signatures is left for the request: one HMAC for each chunk. */
function signedChunks(content: Uint8Array): Payload {
  const chunks = chunksOf(content).map((data) => ({ data, hash: hash('sha256', data, 'hex') }))
  chunks.push({ data: new Uint8Array(0), hash: EMPTY_SHA256 })
  const pieces = (seed: Seed): readonly Uint8Array[] => {
    const out: Uint8Array[] = []
    let previous = seed.signature
    let lineEnd = ''
    for (const chunk of chunks) {
      previous = seed.key.sign(chunkStringToSign(seed, previous, chunk.hash))
      const size = chunk.data.length.toString(16)
      out.push(Buffer.from(`${lineEnd}${size};chunk-signature=${previous}\r\n`), chunk.data)
      lineEnd = '\r\n'
    }
    out.push(Buffer.from(lineEnd))
    return out
  }
  const framing = chunks.map(({ data }) => data.length.toString(16).length + 85)
  return {
    sizeBytes: content.length,
    wireBytes: content.length + framing.reduce((sum, bytes) => sum + bytes, 0),
    hash: STREAMING_SIGNED,
    headers: framedHeaders(content),
    pieces,
  }
}

/** Depends on nothing but the content. */
function chunksWithTrailer(content: Uint8Array, name: 'crc32' | 'crc32c' | 'crc64nvme'): Payload {
  const codec = new Codec(createCodecSeed({ regionSizesBytes: [0] }), 0)
  const checksum = codec.checksum(name)
  checksum.update(content)
  const trailer = `x-amz-checksum-${name}`
  const value = Buffer.from(checksum.digest()).toString('base64')
  const framed = chunksOf(content).flatMap((data) => [
    Buffer.from(`${data.length.toString(16)}\r\n`),
    data,
    Buffer.from('\r\n'),
  ])
  const body = Buffer.concat([...framed, Buffer.from(`0\r\n${trailer}:${value}\r\n\r\n`)])
  return {
    sizeBytes: content.length,
    wireBytes: body.length,
    hash: STREAMING_UNSIGNED_TRAILER,
    headers: { ...framedHeaders(content), 'x-amz-trailer': trailer },
    pieces: () => [body],
  }
}

function framedHeaders(content: Uint8Array): Readonly<Record<string, string>> {
  return {
    'content-encoding': 'aws-chunked',
    'x-amz-decoded-content-length': String(content.length),
  }
}

function chunksOf(content: Uint8Array): Uint8Array[] {
  const count = Math.ceil(content.length / CHUNK_BYTES)
  return Array.from({ length: count }, (_, index) =>
    content.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES),
  )
}

/** Words of a small language, the first of them most often, in lines: like logs, it compresses to about half. */
export function textOf(sizeBytes: number): Uint8Array {
  const random = seededRandom(1)
  const words = Array.from({ length: 2000 }, () =>
    Array.from({ length: 2 + random.below(9) }, () =>
      String.fromCharCode(97 + random.below(26)),
    ).join(''),
  )
  let text = ''
  while (text.length < sizeBytes) {
    const rank = Math.floor(words.length * (random.below(10_000) / 10_000) ** 3)
    text += `${words[rank] ?? ''}${random.below(12) === 0 ? '\n' : ' '}`
  }
  return Buffer.from(text.slice(0, sizeBytes))
}
