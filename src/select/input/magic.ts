import { concatBytes } from '#base/bytes'
import { SelectError } from '../select-error.ts'
import type { ByteStream, CompressionType } from '../select.ts'

const MAGIC_BYTES = 4
const SKIPPABLE = /^5[0-9a-f]2a4d18/
const MAGICS: Readonly<Record<Exclude<CompressionType, 'NONE'>, RegExp>> = {
  GZIP: /^1f8b/,
  BZIP2: /^425a68/,
  ZSTD: new RegExp(`^28b52ffd|${SKIPPABLE.source}`),
  LZ4: new RegExp(`^04224d18|${SKIPPABLE.source}`),
  S2: /^ff060000/,
  SNAPPY: /^ff060000/,
}

/** The same stream, if it begins as the format does; else `InvalidCompressionFormat`. */
export async function withMagic(
  stream: ByteStream,
  compression: Exclude<CompressionType, 'NONE'>,
): Promise<ByteStream> {
  let head: Uint8Array = new Uint8Array(0)
  let isAtEnd = false
  while (head.length < MAGIC_BYTES && !isAtEnd) {
    const piece = await stream.next()
    if (piece === undefined) isAtEnd = true
    else head = concatBytes([head, piece])
  }
  if (head.length < MAGIC_BYTES) throw new SelectError('TruncatedInput')
  if (!MAGICS[compression].test(head.subarray(0, MAGIC_BYTES).toHex())) {
    throw new SelectError(
      'InvalidCompressionFormat',
      `${compression} is not applicable to the queried object. Please correct the request and try again.`,
    )
  }
  let first: Uint8Array | undefined = head
  return {
    next: async () => {
      const piece = first
      first = undefined
      return piece ?? stream.next()
    },
    close: () => stream.close(),
  }
}
