import { concatBytes, utf8 } from '#base/bytes'

/** Contents that the recorded vectors were made of, by kind. */
export type SampleKind = 'zeros' | 'random' | 'words' | 'runs'

const WORDS = [
  'drive ',
  'pool ',
  'set ',
  'bucket ',
  'key ',
  'object ',
  'version ',
  'part ',
  'block ',
  'shard ',
  'stripe\n',
  'quorum ',
].map(utf8)

export function sampleOf(kind: SampleKind, size: number): Uint8Array {
  switch (kind) {
    case 'zeros':
      return new Uint8Array(size)
    case 'random':
      return noise(size, 1)
    case 'words': {
      const choices = noise(size, 3)
      const pieces: Uint8Array[] = []
      for (let i = 0, made = 0; made < size; i++) {
        const word = WORDS[(choices[i] ?? 0) % WORDS.length] ?? new Uint8Array()
        pieces.push(word)
        made += word.length
      }
      return concatBytes(pieces).slice(0, size)
    }
    case 'runs': {
      const pieces: Uint8Array[] = []
      for (let i = 0, made = 0; made < size; i++) {
        const piece = noise(20 + 7 * i, (i % 5) + 1)
        const run = new Uint8Array(i % 40).fill(i)
        pieces.push(piece, run)
        made += piece.length + run.length
      }
      return concatBytes(pieces).slice(0, size)
    }
  }
}

/** Bytes without pattern, the same each time. */
export function noise(size: number, seed: number): Uint8Array {
  const out = new Uint8Array(size)
  let state = Math.imul(seed, 2_654_435_761) >>> 0
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    out[i] = state >>> 24
  }
  return out
}
