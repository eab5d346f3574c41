import type { TarSource } from './snowball-tar.ts'
import { TarError } from './tar-values.ts'

/** Content may be this many times as large as the body so far, which gzip just reaches ... */
const FACTOR_MAX = 1100
/** ... and this much more. */
const FREE_BYTES = 2 * 1024 ** 3

/** Refuses archives that are bombs: little that becomes very much, by compression or by holes. */
export class Expansion {
  #takenBytes = 0
  #madeBytes = 0

  /** Tells of bytes of the body. */
  take(size: number): void {
    this.#takenBytes += size
  }

  /** Tells of bytes that came of it. Errors: `TarError`. */
  make(size: number): void {
    this.#madeBytes += size
    if (this.#madeBytes > FREE_BYTES + FACTOR_MAX * this.#takenBytes) {
      throw new TarError('Archive becomes too much')
    }
  }

  /** `content`, of which everything counts as made. */
  counted(content: TarSource): TarSource {
    return {
      next: async () => {
        const piece = await content.next()
        this.make(piece?.length ?? 0)
        return piece
      },
    }
  }
}
