import { randomFillSync } from 'node:crypto'
import { formatUuid } from './uuid.ts'

/** The source of chance. */
export interface Random {
  /** `size` fresh random bytes, owned by the caller. */
  bytes(size: number): Uint8Array
  /** A random (version 4) UUID as 36 lower-case characters. */
  uuid(): string
  /** A uniform integer, 0 <= n < `limit`; `limit` is at most 2^32. */
  below(limit: number): number
}

function randomFrom(bytes: (size: number) => Uint8Array): Random {
  return {
    bytes,
    uuid: () => {
      const raw = bytes(16)
      raw[6] = ((raw[6] ?? 0) & 0x0f) | 0x40
      raw[8] = ((raw[8] ?? 0) & 0x3f) | 0x80
      return formatUuid(raw)
    },
    below: (limit) => {
      const raw = bytes(8)
      const view = new DataView(raw.buffer, raw.byteOffset, 8)
      return Number(view.getBigUint64(0, true) % BigInt(limit))
    },
  }
}

/** Cryptographically strong randomness of the operating system. */
export function systemRandom(): Random {
  // One system call fills a pool: asking for 16 bytes at a time costs more than making them.
  const pool = new Uint8Array(4096)
  let used = pool.length
  return randomFrom((size) => {
    if (size > pool.length) return randomFillSync(new Uint8Array(size))
    if (used + size > pool.length) {
      randomFillSync(pool)
      used = 0
    }
    used += size
    const taken = pool.slice(used - size, used)
    pool.fill(0, used - size, used) // keys are made of these bytes: no second copy stays
    return taken
  })
}

/** Repeatable randomness for simulation and fuzzing: xorshift128+ from a 32-bit seed. */
export function seededRandom(seed: number): Random {
  let a = (BigInt(seed >>> 0) * 0x9e3779b97f4a7c15n + 1n) & 0xffffffffffffffffn
  let b = (a * 0xbf58476d1ce4e5b9n + 7n) & 0xffffffffffffffffn
  const next = (): bigint => {
    let x = a
    a = b
    x ^= (x << 23n) & 0xffffffffffffffffn
    x ^= x >> 17n
    x ^= b ^ (b >> 26n)
    b = x
    return (a + b) & 0xffffffffffffffffn
  }
  return randomFrom((size) => {
    const out = new Uint8Array(size)
    for (let offset = 0; offset < size; offset += 8) {
      let word = next()
      for (let i = offset; i < Math.min(offset + 8, size); i++) {
        out[i] = Number(word & 0xffn)
        word >>= 8n
      }
    }
    return out
  })
}
