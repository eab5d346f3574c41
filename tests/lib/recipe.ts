/** Contents that can be made again from a few words, as the fixtures describe them (shared fixtures, README). */
import { createHash } from 'node:crypto'

export interface PartRecipe {
  readonly kind: 'random' | 'sparse' | 'lines' | 'zero'
  readonly label: string
  readonly size: number
}

export interface Digest {
  readonly size: number
  readonly sha256: string
  readonly md5: string
}

function block(label: string, index: number): Buffer {
  return createHash('sha256').update(`${label}/${index}`).digest()
}

function* pieces(recipe: PartRecipe): Generator<Buffer> {
  const zeros = Buffer.alloc(16_352)
  for (let n = 0; ; n++) {
    if (recipe.kind === 'random') yield block(recipe.label, n)
    else if (recipe.kind === 'zero') yield zeros
    else if (recipe.kind === 'sparse') {
      yield block(recipe.label, n)
      yield zeros
    } else {
      const hex = block(recipe.label, n % 97).toString('hex')
      yield Buffer.from(`${String(n).padStart(12, '0')} ${hex.repeat(16).slice(0, 1010)}\n`)
    }
  }
}

/** The bytes of one part. */
export function makePart(recipe: PartRecipe): Buffer {
  const content = Buffer.alloc(recipe.size)
  let offset = 0
  for (const piece of pieces(recipe)) {
    if (offset >= recipe.size) break
    offset += piece.copy(content, offset)
  }
  return content
}

/** The bytes of a whole object. */
export function makeContent(parts: readonly PartRecipe[]): Buffer {
  return Buffer.concat(parts.map(makePart))
}

export function digestOf(content: Uint8Array): Digest {
  return {
    size: content.length,
    sha256: createHash('sha256').update(content).digest('hex'),
    md5: createHash('md5').update(content).digest('hex'),
  }
}
