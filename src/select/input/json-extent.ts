/** Where a JSON value ends in a text that grows: goes on where it stopped, so that each character is seen once. */
export class JsonExtent {
  /** Index of the next character to look at; -1: at the beginning of a value. */
  #at = -1
  #depth = 0
  #isString = false
  #isScalar = false

  /** The text lost `count` characters at its beginning. */
  move(count: number): void {
    if (this.#at >= 0) this.#at -= count
  }

  /** Index behind the value that begins at `start`; undefined: it goes on behind the text. */
  find(text: string, start: number, isComplete: boolean): number | undefined {
    let at = this.#at < 0 ? start : this.#at
    for (; at < text.length; at++) {
      const character = text.charAt(at)
      if (this.#isString) {
        if (character === '\\') at += 1
        else if (character === '"') {
          this.#isString = false
          if (this.#depth === 0) return this.#end(at + 1)
        }
        continue
      }
      switch (character) {
        case '"':
          if (this.#isScalar) return this.#end(at)
          this.#isString = true
          break
        case '{':
        case '[':
          if (this.#isScalar) return this.#end(at)
          this.#depth += 1
          break
        case '}':
        case ']':
          if (this.#isScalar) return this.#end(at)
          this.#depth -= 1
          if (this.#depth <= 0) return this.#end(at + 1)
          break
        case ' ':
        case '\n':
        case '\r':
        case '\t':
          if (this.#isScalar) return this.#end(at)
          break
        default:
          if (this.#depth === 0) this.#isScalar = true
      }
    }
    if (isComplete) return this.#end(text.length)
    this.#at = at
    return undefined
  }

  #end(at: number): number {
    this.#at = -1
    this.#depth = 0
    this.#isString = false
    this.#isScalar = false
    return at
  }
}
