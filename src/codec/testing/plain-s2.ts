/** Slow and plain: blocks of S2 byte by byte, to compare the kernels with. Undefined for damaged blocks. */
export function plainDecodeS2(block: Uint8Array, sizeMax: number): Uint8Array | undefined {
  let position = 0
  const take = (count: number): number | undefined => {
    if (position + count > block.length) return undefined
    let value = 0
    for (let i = 0; i < count; i++) value += (block[position++] ?? 0) * 2 ** (8 * i)
    return value
  }
  let size = 0
  for (let shift = 0; ; shift += 7) {
    const byte = take(1)
    if (byte === undefined || shift > 28) return undefined
    size += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) break
  }
  if (size > sizeMax) return undefined
  const out = new Uint8Array(size)
  let used = 0
  let lastOffset = 0
  while (position < block.length) {
    const tag = take(1) ?? 0
    const upper = tag >> 2
    let length: number
    let offset: number | undefined
    switch (tag & 3) {
      case 0: {
        const less = upper < 60 ? upper : take(upper - 59)
        if (less === undefined || less >= size - used || less >= block.length - position) {
          return undefined
        }
        for (let i = 0; i <= less; i++) out[used++] = take(1) ?? 0
        continue
      }
      case 1: {
        length = 4 + (upper & 7)
        const low = take(1)
        offset = low === undefined ? undefined : ((tag & 0xe0) << 3) | low
        if (offset === 0) {
          offset = lastOffset
          if (length > 8) {
            const more = take(length - 8)
            if (more === undefined) return undefined
            length = more + ([8, 260, 65_540][length - 9] ?? 0)
          }
        }
        break
      }
      case 2:
        length = 1 + upper
        offset = take(2)
        break
      default:
        length = 1 + upper
        offset = take(4)
    }
    if (offset === undefined || offset === 0 || offset > used || length > size - used) {
      return undefined
    }
    lastOffset = offset
    for (let i = 0; i < length; i++, used++) out[used] = out[used - offset] ?? 0
  }
  return used === size ? out : undefined
}
