import { FormatError, MsgpackReader, MsgpackWriter } from '#codec/msgpack'

/**
 * The section of inline data behind the metadata: `01`, then a map of version names to framed shards.
 *
 * It is read on first use. While nothing changes its bytes are written back as they were. Source: disk-format.md 5.7.
 */

const SECTION_VERSION = 1

export class InlineSection {
  /** As read; undefined after a change. */
  #raw: Uint8Array | undefined
  #values: Map<string, Uint8Array> | undefined

  constructor(raw: Uint8Array) {
    this.#raw = raw
  }

  get(name: string): Uint8Array | undefined {
    if (this.#raw?.length === 0) return undefined
    return this.#entries().get(name)
  }

  set(name: string, value: Uint8Array): void {
    this.#entries().set(name, value)
    this.#raw = undefined
  }

  /** True when there was such an entry. */
  delete(name: string): boolean {
    if (this.#raw?.length === 0 || !this.#entries().delete(name)) return false
    this.#raw = undefined
    return true
  }

  encode(): Uint8Array {
    if (this.#raw !== undefined) return this.#raw
    const values = this.#entries()
    if (values.size === 0) return new Uint8Array(0)
    let size = 16
    for (const [name, value] of values) size += name.length + value.length + 10
    const writer = new MsgpackWriter(size)
    writer.unsigned(SECTION_VERSION)
    writer.mapHeader(values.size)
    for (const [name, value] of values) {
      writer.text(name)
      writer.bytes(value)
    }
    return writer.view()
  }

  #entries(): Map<string, Uint8Array> {
    this.#values ??= readEntries(this.#raw ?? new Uint8Array(0))
    return this.#values
  }
}

/** The entries up to the first that cannot be read: the section is outside of the checksum, and each value has its own hashes. */
function readEntries(raw: Uint8Array): Map<string, Uint8Array> {
  const values = new Map<string, Uint8Array>()
  if (raw.length === 0 || raw[0] !== SECTION_VERSION) return values
  const reader = new MsgpackReader(raw, 1)
  try {
    for (let left = reader.readMapSize(); left > 0; left--) {
      const name = reader.readText()
      if (name === '') break
      values.set(name, reader.readBytes())
    }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error // a damaged rest is as good as missing
  }
  return values
}
