/** xxHash with 32 bits, seed 0: the checksum of LZ4 frames (public specification). */

const PRIME_1 = 0x9e3779b1
const PRIME_2 = 0x85ebca77
const PRIME_3 = 0xc2b2ae3d
const PRIME_4 = 0x27d4eb2f
const PRIME_5 = 0x165667b1
const STRIPE_BYTES = 16

export class XxHash32 {
  readonly #lanes = new Uint32Array([PRIME_1 + PRIME_2, PRIME_2, 0, -PRIME_1])
  readonly #pending = new Uint8Array(STRIPE_BYTES)
  #pendingBytes = 0
  #totalBytes = 0

  update(data: Uint8Array): void {
    this.#totalBytes += data.length
    let at = 0
    if (this.#pendingBytes > 0) {
      at = Math.min(STRIPE_BYTES - this.#pendingBytes, data.length)
      this.#pending.set(data.subarray(0, at), this.#pendingBytes)
      this.#pendingBytes += at
      if (this.#pendingBytes < STRIPE_BYTES) return
      this.#stripes(this.#pending)
      this.#pendingBytes = 0
    }
    const whole = at + (data.length - at - ((data.length - at) % STRIPE_BYTES))
    this.#stripes(data.subarray(at, whole))
    this.#pending.set(data.subarray(whole))
    this.#pendingBytes = data.length - whole
  }

  #stripes(data: Uint8Array): void {
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
    const lanes = this.#lanes
    for (let at = 0; at < data.length; at += STRIPE_BYTES) {
      for (let i = 0; i < 4; i++) {
        const mixed = (lanes[i] ?? 0) + Math.imul(view.getUint32(at + 4 * i, true), PRIME_2)
        lanes[i] = Math.imul(rotated(mixed, 13), PRIME_1)
      }
    }
  }

  /** The hash of everything so far. */
  digest(): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.#lanes
    let hash =
      this.#totalBytes < STRIPE_BYTES
        ? PRIME_5
        : rotated(a, 1) + rotated(b, 7) + rotated(c, 12) + rotated(d, 18)
    hash = (hash + this.#totalBytes) | 0
    const view = new DataView(this.#pending.buffer)
    let at = 0
    for (; at + 4 <= this.#pendingBytes; at += 4) {
      const word = Math.imul(view.getUint32(at, true), PRIME_3)
      hash = Math.imul(rotated(hash + word, 17), PRIME_4)
    }
    for (; at < this.#pendingBytes; at++) {
      hash = Math.imul(rotated(hash + Math.imul(view.getUint8(at), PRIME_5), 11), PRIME_1)
    }
    hash = Math.imul(hash ^ (hash >>> 15), PRIME_2)
    hash = Math.imul(hash ^ (hash >>> 13), PRIME_3)
    return (hash ^ (hash >>> 16)) >>> 0
  }
}

function rotated(value: number, bits: number): number {
  return ((value << bits) | (value >>> (32 - bits))) >>> 0
}

/** The hash of one piece of data. */
export function xxHash32(data: Uint8Array): number {
  const hash = new XxHash32()
  hash.update(data)
  return hash.digest()
}
