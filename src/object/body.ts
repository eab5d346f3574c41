import { copyBytes } from '#base/bytes'
import type { BodySource, DataChunk, ObjectReader } from './object.ts'

/**
 * Bodies that do not come from a client.
 */

/** The content of an open reader as a body. The reader is closed when the body was read to its end; `close` does it before. */
export function bodyOfReader(reader: ObjectReader): BodySource & { close(): void } {
  let iterator: AsyncIterator<DataChunk> | undefined
  let chunk: DataChunk | undefined
  let used = 0
  let isAtEnd = false
  const body = {
    sizeBytes: reader.sizeBytes,
    read: async (target: Uint8Array): Promise<number> => {
      if (chunk === undefined) {
        if (isAtEnd) return 0
        iterator ??= reader.chunks()[Symbol.asyncIterator]()
        const next = await iterator.next()
        if (next.done === true) {
          isAtEnd = true
          return 0
        }
        chunk = next.value
        used = 0
      }
      const count = Math.min(target.length, chunk.bytes.length - used)
      copyBytes(chunk.bytes.subarray(used, used + count), target)
      used += count
      if (used === chunk.bytes.length) {
        chunk.release()
        chunk = undefined
      }
      return count
    },
    close: (): void => {
      isAtEnd = true
      chunk?.release()
      chunk = undefined
      reader.close()
    },
  }
  return body
}

/** Bytes in memory as a body. */
export function bodyOfBytes(bytes: Uint8Array): BodySource {
  let offset = 0
  return {
    sizeBytes: bytes.length,
    read: (target) => {
      const count = Math.min(target.length, bytes.length - offset)
      target.set(bytes.subarray(offset, offset + count))
      offset += count
      return Promise.resolve(count)
    },
  }
}

const COLLECT_BYTES = 65_536

/** All of a body, which the caller knows to be small. Errors: those of the body. */
export async function collectBody(body: BodySource): Promise<Uint8Array> {
  let bytes = new Uint8Array(body.sizeBytes ?? COLLECT_BYTES)
  let used = 0
  for (;;) {
    if (used === bytes.length) {
      // Also a body of known size is read to its end, where it is checked.
      const larger = new Uint8Array(2 * used + 1)
      larger.set(bytes)
      bytes = larger
    }
    const count = await body.read(bytes.subarray(used))
    if (count === 0) return bytes.subarray(0, used)
    used += count
  }
}
