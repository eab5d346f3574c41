import { parseXml, type XmlElement } from '../lib/xml.ts'

/** What a rule expects and did not get. */
export class Violation extends Error {
  override readonly name = 'Violation'
}

/** A reply with assertions that can be chained; each throws a `Violation` that says what came instead. */
export class Reply {
  readonly status: number
  readonly body: Buffer
  readonly headers: ReadonlyMap<string, string>
  readonly #method: string
  #root: XmlElement | undefined

  constructor(method: string, status: number, rawHeaders: readonly string[], body: Buffer) {
    const headers = new Map<string, string>()
    for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
      const name = (rawHeaders[i] ?? '').toLowerCase()
      const earlier = headers.get(name)
      // Header bytes are Latin-1 on the wire; what servers send beyond ASCII is UTF-8.
      const value = Buffer.from(rawHeaders[i + 1] ?? '', 'latin1').toString('utf8')
      headers.set(name, earlier === undefined ? value : `${earlier}, ${value}`)
    }
    this.#method = method
    this.status = status
    this.headers = headers
    this.body = body
  }

  get text(): string {
    return this.body.toString('utf8')
  }

  /** Error code of the document, else of the header. */
  get code(): string {
    if (this.status < 400 && !this.text.includes('<Error>')) return ''
    return (
      /<Code>([^<]*)<\/Code>/.exec(this.text)?.[1] ?? this.headers.get('x-minio-error-code') ?? ''
    )
  }

  get message(): string {
    return /<Message>([^<]*)<\/Message>/.exec(this.text)?.[1] ?? ''
  }

  get root(): XmlElement {
    this.#root ??= parseXml(this.text)
    return this.#root
  }

  get summary(): string {
    const said = this.status >= 400 ? ` ${this.code || this.text.slice(0, 120)}` : ''
    return `${this.#method} answered ${this.status}${said}`
  }

  fail(expected: string): never {
    throw new Violation(`expected ${expected}; ${this.summary}`)
  }

  /** Status, and with an error its code; several codes: any of them. Replies to HEAD have no code everywhere, so only a code that is there counts. */
  is(status: number, ...codes: readonly string[]): this {
    const isCode =
      codes.length === 0 ||
      codes.includes(this.code) ||
      (this.#method === 'HEAD' && this.code === '')
    if (this.status !== status || !isCode) this.fail(`${status} ${codes.join(' or ')}`.trimEnd())
    return this
  }

  /** Any of several statuses. */
  isOne(...statuses: readonly number[]): this {
    if (!statuses.includes(this.status)) this.fail(statuses.join(' or '))
    return this
  }

  /** A header's value; `null`: it is absent. */
  has(name: string, expected: string | RegExp | null): this {
    const value = this.headers.get(name.toLowerCase())
    const good =
      expected === null
        ? value === undefined
        : typeof expected === 'string'
          ? value === expected
          : value !== undefined && expected.test(value)
    if (!good) this.fail(`header ${name} ${expected ?? 'absent'}, got ${value ?? 'none'}`)
    return this
  }

  header(name: string): string {
    return this.headers.get(name.toLowerCase()) ?? this.fail(`header ${name}`)
  }

  contains(expected: string | Uint8Array): this {
    const bytes = typeof expected === 'string' ? Buffer.from(expected) : Buffer.from(expected)
    if (!this.body.equals(bytes)) {
      this.fail(
        `body of ${bytes.length} bytes "${bytes.toString('latin1', 0, 40)}", got ${this.body.length} "${this.body.toString('latin1', 0, 80)}"`,
      )
    }
    return this
  }

  /** Part of the body. */
  mentions(expected: string | RegExp): this {
    const good =
      typeof expected === 'string' ? this.text.includes(expected) : expected.test(this.text)
    if (!good) this.fail(`a body with ${expected}, got ${this.text.slice(0, 300)}`)
    return this
  }

  /** All texts at a path of element names below the root: `Contents.Key`. */
  texts(path: string): readonly string[] {
    let level: readonly XmlElement[] = [this.root]
    for (const name of path.split('.')) {
      level = level.flatMap((element) =>
        typeof element[1] === 'string' ? [] : element[1].filter((child) => child[0] === name),
      )
    }
    return level.map((element) => (typeof element[1] === 'string' ? element[1] : ''))
  }

  first(path: string): string {
    return this.texts(path)[0] ?? this.fail(`an element ${path} in ${this.text.slice(0, 300)}`)
  }

  /** Exactly these texts at a path. */
  shows(path: string, ...expected: readonly string[]): this {
    let found: readonly string[] = []
    try {
      found = this.texts(path)
    } catch {
      this.fail(`XML with ${path}, got ${this.text.slice(0, 120)}`)
    }
    if (found.length !== expected.length || found.some((text, i) => text !== expected[i])) {
      this.fail(`${path} = [${expected.join(', ')}], got [${found.join(', ').slice(0, 300)}]`)
    }
    return this
  }
}
