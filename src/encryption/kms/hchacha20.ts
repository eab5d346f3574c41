import { assert } from '#base/assert'

/**
 * HChaCha20: a key from a key and 16 bytes. Node.js has no call for it. Only ciphertexts of 2021 and 2022 need it.
 * Source: draft-irtf-cfrg-xchacha, section 2.2.
 */
export function hchacha20(key: Uint8Array, input: Uint8Array): Uint8Array {
  assert(key.length === 32 && input.length === 16)
  const state = new Uint32Array(16)
  state.set([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574])
  const keyView = new DataView(key.buffer, key.byteOffset)
  for (let i = 0; i < 8; i++) state[4 + i] = keyView.getUint32(4 * i, true)
  const inputView = new DataView(input.buffer, input.byteOffset)
  for (let i = 0; i < 4; i++) state[12 + i] = inputView.getUint32(4 * i, true)
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 4; i++) quarterRound(state, i, 4 + i, 8 + i, 12 + i)
    for (let i = 0; i < 4; i++) {
      quarterRound(state, i, 4 + ((i + 1) & 3), 8 + ((i + 2) & 3), 12 + ((i + 3) & 3))
    }
  }
  const out = new Uint8Array(32)
  const view = new DataView(out.buffer)
  for (let i = 0; i < 4; i++) {
    view.setUint32(4 * i, state[i] ?? 0, true)
    view.setUint32(16 + 4 * i, state[12 + i] ?? 0, true)
  }
  state.fill(0)
  return out
}

function quarterRound(state: Uint32Array, a: number, b: number, c: number, d: number): void {
  step(state, a, b, d, 16)
  step(state, c, d, b, 12)
  step(state, a, b, d, 8)
  step(state, c, d, b, 7)
}

/** `x += y; z = rotate(z ^ x)`. */
function step(state: Uint32Array, x: number, y: number, z: number, bits: number): void {
  const sum = ((state[x] ?? 0) + (state[y] ?? 0)) >>> 0
  const mixed = (state[z] ?? 0) ^ sum
  state[x] = sum
  state[z] = (mixed << bits) | (mixed >>> (32 - bits))
}
