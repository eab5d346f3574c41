import { type MsgpackReader, MsgpackWriter } from '#codec/msgpack'
import type { KeptFields } from '../xl-meta.ts'

/** Reading of encoded maps and lists that several formats share. */

const EMPTY = new Uint8Array(0)

/** Reads maps and keeps the encoding of fields that its reader does not know. */
export class FieldKeeper {
  count = 0
  readonly #reader: MsgpackReader
  #writer: MsgpackWriter | undefined

  constructor(reader: MsgpackReader) {
    this.#reader = reader
  }

  /** Encoded keys and values, one after the other. */
  get fields(): Uint8Array {
    return this.#writer?.view() ?? EMPTY
  }

  /** `readValue` takes the value of a key that it knows, or takes nothing and answers false. */
  read(readValue: (key: string) => boolean): void {
    const reader = this.#reader
    for (let left = reader.readMapSize(); left > 0; left--) {
      const start = reader.offset
      if (readValue(reader.readKey())) continue
      reader.skip()
      this.#writer ??= new MsgpackWriter(64)
      this.#writer.raw(reader.bytes.subarray(start, reader.offset))
      this.count++
    }
  }
}

/** What two keepers kept, if anything. */
export function keptFields(outer: FieldKeeper, inner: FieldKeeper): KeptFields | undefined {
  if (outer.count + inner.count === 0) return undefined
  return {
    outerCount: outer.count,
    outer: outer.fields,
    innerCount: inner.count,
    inner: inner.fields,
  }
}

/** A list, undefined for nil. */
export function readList<T>(
  reader: MsgpackReader,
  read: (reader: MsgpackReader) => T,
): T[] | undefined {
  if (reader.tryNil()) return undefined
  const list: T[] = []
  for (let left = reader.readArraySize(); left > 0; left--) list.push(read(reader))
  return list
}

export function readIntegers(reader: MsgpackReader): number[] | undefined {
  return readList(reader, readInteger)
}

function readInteger(reader: MsgpackReader): number {
  return reader.readInteger()
}

/** Bytes, empty for nil; a view. */
export function readOptionalBytes(reader: MsgpackReader): Uint8Array {
  return reader.tryNil() ? EMPTY : reader.readBytes()
}

/** A map of texts to bytes; nil is empty. Values are views. */
export function readBytesMap(reader: MsgpackReader): Map<string, Uint8Array> {
  const map = new Map<string, Uint8Array>()
  if (reader.tryNil()) return map
  for (let left = reader.readMapSize(); left > 0; left--) {
    map.set(reader.readKey(), readOptionalBytes(reader))
  }
  return map
}

/** A map of texts to texts; nil is empty. */
export function readTextMap(reader: MsgpackReader): Map<string, string> {
  const map = new Map<string, string>()
  if (reader.tryNil()) return map
  for (let left = reader.readMapSize(); left > 0; left--) {
    map.set(reader.readKey(), reader.readText())
  }
  return map
}

/** Moves the reader, which stands at a map, to the value of `key`; false when there is none. */
export function enterField(reader: MsgpackReader, key: string): boolean {
  for (let left = reader.readMapSize(); left > 0; left--) {
    if (reader.readKey() === key) return true
    reader.skip()
  }
  return false
}
