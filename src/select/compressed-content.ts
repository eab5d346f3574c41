/** Content whose compression is told by its first bytes, for other users than queries. */
import { concatBytes } from '#base/bytes'
import { decompressed } from './input/decompress.ts'
import type { ByteStream, CompressionType, SelectServices } from './select.ts'

const FORMATS: readonly (readonly [RegExp, CompressionType])[] = [
  [/^1f8b/, 'GZIP'],
  [/^28b52ffd/, 'ZSTD'],
  [/^425a68/, 'BZIP2'],
  [/^04224d18/, 'LZ4'],
  [/^ff060000/, 'S2'],
]

/** The content of gzip, zstd, bzip2, LZ4 frames, S2 and Snappy frames; anything else as it is. Errors of its `next`: `SelectError`. */
export async function plainContent(
  stream: ByteStream,
  services: Pick<SelectServices, 's2Decoder'>,
): Promise<ByteStream> {
  let head: Uint8Array = new Uint8Array(0)
  while (head.length < 4) {
    const piece = await stream.next()
    if (piece === undefined) break
    head = concatBytes([head, piece])
  }
  let first: Uint8Array | undefined = head.length === 0 ? undefined : head
  const whole: ByteStream = {
    next: async () => {
      const piece = first
      first = undefined
      return piece ?? stream.next()
    },
    close: () => stream.close(),
  }
  const magic = head.subarray(0, 4).toHex()
  const format = FORMATS.find(([form]) => form.test(magic))?.[1] ?? 'NONE'
  return decompressed(whole, format, services)
}
