/**
 * Messages of an AWS event stream (s3-api.md 6.2.7):
 *
 *     | total length: u32 | headers length: u32 | CRC-32 of these | headers | payload | CRC-32 of all before |
 *     header: | name length: u8 | name | 7 | value length: u16 | value |
 */
import { crc32 } from 'node:zlib'
import { concatBytes, utf8 } from '#base/bytes'

const PRELUDE_BYTES = 12
const TRAILER_BYTES = 4
const STRING_TYPE = 7
const VALUE_MAX_BYTES = 0xffff

type Header = readonly [name: string, value: string]

const RECORDS = headerBytes([
  [':message-type', 'event'],
  [':content-type', 'application/octet-stream'],
  [':event-type', 'Records'],
])
const CONT = headerBytes([
  [':message-type', 'event'],
  [':event-type', 'Cont'],
])
const END = headerBytes([
  [':message-type', 'event'],
  [':event-type', 'End'],
])
const EMPTY = new Uint8Array(0)

/** Largest payload of one Records message. */
export const PAYLOAD_MAX_BYTES = 128 * 1024 - 256 - PRELUDE_BYTES - TRAILER_BYTES - RECORDS.length

export function recordsMessage(payload: Uint8Array): Uint8Array {
  return message(RECORDS, payload)
}

export function contMessage(): Uint8Array {
  return message(CONT, EMPTY)
}

export function endMessage(): Uint8Array {
  return message(END, EMPTY)
}

export interface Counts {
  readonly scannedBytes: number
  readonly processedBytes: number
  readonly returnedBytes: number
}

export function countsMessage(kind: 'Progress' | 'Stats', counts: Counts): Uint8Array {
  const headers = headerBytes([
    [':message-type', 'event'],
    [':content-type', 'text/xml'],
    [':event-type', kind],
  ])
  const { scannedBytes, processedBytes, returnedBytes } = counts
  const document = `<?xml version="1.0" encoding="UTF-8"?><${kind}><BytesScanned>${scannedBytes}</BytesScanned><BytesProcessed>${processedBytes}</BytesProcessed><BytesReturned>${returnedBytes}</BytesReturned></${kind}>`
  return message(headers, utf8(document))
}

export function errorMessage(code: string, text: string): Uint8Array {
  const headers = headerBytes([
    [':message-type', 'error'],
    [':error-message', text],
    [':error-code', code],
  ])
  return message(headers, EMPTY)
}

function headerBytes(headers: readonly Header[]): Uint8Array {
  const pieces: Uint8Array[] = []
  for (const [name, value] of headers) {
    const nameBytes = utf8(name)
    const valueBytes = utf8(value).subarray(0, VALUE_MAX_BYTES)
    pieces.push(
      Uint8Array.of(nameBytes.length),
      nameBytes,
      Uint8Array.of(STRING_TYPE, valueBytes.length >> 8, valueBytes.length & 0xff),
      valueBytes,
    )
  }
  return concatBytes(pieces)
}

function message(headers: Uint8Array, payload: Uint8Array): Uint8Array {
  const size = PRELUDE_BYTES + headers.length + payload.length + TRAILER_BYTES
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, size)
  view.setUint32(4, headers.length)
  view.setUint32(8, crc32(bytes.subarray(0, 8)))
  bytes.set(headers, PRELUDE_BYTES)
  bytes.set(payload, PRELUDE_BYTES + headers.length)
  view.setUint32(size - TRAILER_BYTES, crc32(bytes.subarray(0, size - TRAILER_BYTES)))
  return bytes
}
