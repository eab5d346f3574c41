import type { BucketDocument, BucketMetadata } from '#object/object'

/** Parsed forms of one kind of document. The engine keeps a document while it does not change, and with it goes its form. */
export class ParsedDocuments<T> {
  readonly #document: BucketDocument
  readonly #parse: (content: Uint8Array, bucket: string) => T
  readonly #known = new WeakMap<Uint8Array, { readonly form: T }>()

  /** `parse` answers also for content that cannot be read. */
  constructor(document: BucketDocument, parse: (content: Uint8Array, bucket: string) => T) {
    this.#document = document
    this.#parse = parse
  }

  /** Undefined where the bucket has no such document. */
  of(metadata: Pick<BucketMetadata, 'name' | 'document'>): T | undefined {
    const content = metadata.document(this.#document)
    if (content === undefined) return undefined
    let known = this.#known.get(content)
    if (known === undefined) {
      known = { form: this.#parse(content, metadata.name) }
      this.#known.set(content, known)
    }
    return known.form
  }
}
