/** Runs queries over data in memory, and reads their messages as a client does. */
import { crc32 } from 'node:zlib'
import { concatBytes, textOf, utf8 } from '#base/bytes'
import { type Clock, systemClock } from '#base/clock'
import { testCodec } from '#testing/engine-fixture'
import { SelectError } from '../select-error.ts'
import {
  type ByteStream,
  type CompressionType,
  type CsvInput,
  type CsvOutput,
  type JsonInput,
  type JsonOutput,
  openSelect,
  type ScanRange,
  type SelectRequest,
  type SelectSource,
} from '../select.ts'

export const CSV: CsvInput = {
  kind: 'csv',
  header: 'USE',
  recordDelimiter: '\n',
  fieldDelimiter: ',',
  quote: '"',
  quoteEscape: '"',
  comment: '#',
}
export const LINES: JsonInput = { kind: 'json', type: 'LINES' }
export const DOCUMENT: JsonInput = { kind: 'json', type: 'DOCUMENT' }
export const TO_CSV: CsvOutput = {
  kind: 'csv',
  quoteFields: 'ASNEEDED',
  recordDelimiter: '\n',
  fieldDelimiter: ',',
  quote: '"',
  quoteEscape: '"',
}
export const TO_JSON: JsonOutput = { kind: 'json', recordDelimiter: '\n' }

export interface RunOptions {
  readonly data?: string | Uint8Array | undefined
  readonly input?: SelectRequest['input'] | undefined
  readonly output?: SelectRequest['output'] | undefined
  readonly compression?: CompressionType | undefined
  readonly scanRange?: ScanRange | undefined
  readonly source?: SelectSource | undefined
  readonly wantsProgress?: boolean | undefined
  readonly clock?: Clock | undefined
  readonly signal?: AbortSignal | undefined
  /** Size of the pieces that the data comes in. */
  readonly pieceBytes?: number | undefined
}

export interface RunResult {
  /** Payloads of all Records messages. */
  readonly records: string
  /** `event` or `error`, with type or code, in order; runs of the same count once. */
  readonly events: readonly string[]
  /** Text of the Stats message. */
  readonly stats: string
  /** Code of the error message. */
  readonly error?: string | undefined
  readonly errorText?: string | undefined
  /** What the log would be told. */
  readonly failure?: unknown
  /** True: the error came before the stream. */
  readonly isRefused: boolean
}

/** Result of a query, errors included. */
export async function runSelect(expression: string, options: RunOptions = {}): Promise<RunResult> {
  const data = typeof options.data === 'string' ? utf8(options.data) : (options.data ?? NO_DATA)
  const source = options.source ?? sourceOf(data, options.pieceBytes)
  const request: SelectRequest = {
    expression,
    input: options.input ?? CSV,
    output: options.output ?? TO_JSON,
    compression: options.compression ?? 'NONE',
    scanRange: options.scanRange,
    wantsProgress: options.wantsProgress ?? false,
  }
  try {
    const reply = await openSelect(request, source, {
      clock: options.clock ?? systemClock(),
      signal: options.signal ?? new AbortController().signal,
      s2Decoder: () => testCodec().s2Decoder(),
    })
    const pieces: Uint8Array[] = []
    for await (const piece of reply.messages()) pieces.push(piece)
    return { ...readMessages(concatBytes(pieces)), failure: reply.failure }
  } catch (error) {
    if (!(error instanceof SelectError)) throw error
    const { code, message } = error
    return { records: '', events: [], stats: '', error: code, errorText: message, isRefused: true }
  }
}

const NO_DATA = new Uint8Array(0)

/** An object in memory. */
export function sourceOf(data: Uint8Array, pieceBytes = 64 * 1024): SelectSource {
  return {
    sizeBytes: data.length,
    open: async (offset, sizeBytes = data.length) =>
      streamOf(data.subarray(offset, offset + sizeBytes), pieceBytes),
  }
}

/** Bytes in pieces; each is spoiled when the next one is asked for, as buffers of the engine are. */
export function streamOf(data: Uint8Array, pieceBytes = 64 * 1024): ByteStream {
  let at = 0
  let last: Uint8Array | undefined
  return {
    next: async () => {
      last?.fill(0xff)
      last = new Uint8Array(data.subarray(at, at + pieceBytes))
      at += last.length
      return last.length === 0 ? undefined : last
    },
    close: () => undefined,
  }
}

/** Reads all bytes of a stream. */
export async function bytesOf(stream: ByteStream): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for (let piece = await stream.next(); piece !== undefined; piece = await stream.next()) {
    pieces.push(new Uint8Array(piece))
  }
  return concatBytes(pieces)
}

/** Takes an event stream apart and checks its framing. */
export function readMessages(bytes: Uint8Array): RunResult {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const payloads: Uint8Array[] = []
  const events: string[] = []
  let stats = ''
  let error: string | undefined
  let errorText: string | undefined
  for (let at = 0; at < bytes.length; ) {
    const size = view.getUint32(at)
    const headerSize = view.getUint32(at + 4)
    if (view.getUint32(at + 8) !== crc32(bytes.subarray(at, at + 8))) throw new Error('Prelude CRC')
    const body = bytes.subarray(at, at + size - 4)
    if (view.getUint32(at + size - 4) !== crc32(body)) throw new Error('Message CRC')
    const headers = readHeaders(bytes.subarray(at + 12, at + 12 + headerSize))
    const payload = bytes.subarray(at + 12 + headerSize, at + size - 4)
    const kind = headers.get(':event-type') ?? headers.get(':message-type') ?? ''
    if (events.at(-1) !== kind) events.push(kind)
    if (kind === 'Records') payloads.push(payload)
    if (kind === 'Stats') stats = textOf(payload)
    error ??= headers.get(':error-code')
    errorText ??= headers.get(':error-message')
    at += size
  }
  const records = textOf(concatBytes(payloads))
  return { records, events, stats, error, errorText, isRefused: false }
}

function readHeaders(bytes: Uint8Array): Map<string, string> {
  const headers = new Map<string, string>()
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at < bytes.length; ) {
    const nameSize = view.getUint8(at)
    const name = textOf(bytes.subarray(at + 1, at + 1 + nameSize))
    const valueAt = at + 1 + nameSize + 3
    if (view.getUint8(valueAt - 3) !== 7) throw new Error('Header type')
    const valueSize = view.getUint16(valueAt - 2)
    headers.set(name, textOf(bytes.subarray(valueAt, valueAt + valueSize)))
    at = valueAt + valueSize
  }
  return headers
}
