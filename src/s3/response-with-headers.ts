import type { HttpResponse } from '#http/http'

type Header = readonly [string, string]

/** A response that sends further headers with its head. */
export class ResponseWithHeaders implements HttpResponse {
  readonly #response: HttpResponse
  readonly #headers: readonly Header[]

  constructor(response: HttpResponse, headers: readonly Header[]) {
    this.#response = response
    this.#headers = headers
  }

  get headSent(): boolean {
    return this.#response.headSent
  }

  head(status: number, headers: Iterable<Header>): void {
    this.#response.head(status, [...headers, ...this.#headers])
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#response.write(bytes)
  }

  end(bytes?: Uint8Array): void {
    this.#response.end(bytes)
  }

  destroy(): void {
    this.#response.destroy()
  }
}
