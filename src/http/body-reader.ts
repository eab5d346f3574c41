import type { IncomingMessage, ServerResponse } from 'node:http'
import { freeBytes } from '#base/memory'
import type { HttpBody } from './http.ts'

/** Bytes that may wait in memory before the socket is paused. */
const BUFFERED_MAX_BYTES = 256 * 1024

/** A body ended before its declared end, by the client or by a deadline. */
export class BodyAbortedError extends Error {
  override readonly name = 'BodyAbortedError'
}

/** The client has sent nothing for too long; it may still be told so. */
export class BodyStalledError extends BodyAbortedError {
  constructor() {
    super('Client stopped sending the body')
  }
}

interface Waiter {
  resolve(piece: Uint8Array | undefined): void
  reject(error: Error): void
}

/** Pulls pieces from Node's push stream; nothing is read before the first call. */
export class BodyReader implements HttpBody {
  readonly #message: IncomingMessage
  readonly #response: ServerResponse
  #continuePending: boolean
  #started = false
  #ended: boolean
  #failure: Error | undefined
  #queue: Uint8Array[] = []
  #queuedBytes = 0
  #isPaused = false
  #waiter: Waiter | undefined
  /** Handed out last; valid until the next call. */
  #lent: Uint8Array | undefined
  /** Bytes handed out or waiting. */
  receivedBytes = 0

  constructor(
    message: IncomingMessage,
    response: ServerResponse,
    options: { readonly isEmpty: boolean; readonly expectsContinue: boolean },
  ) {
    this.#message = message
    this.#response = response
    this.#ended = options.isEmpty
    this.#continuePending = options.expectsContinue
  }

  /** True when the whole body has arrived. */
  get isComplete(): boolean {
    return this.#ended
  }

  /** True when no more of the body is waited for. */
  get hasFailed(): boolean {
    return this.#failure !== undefined
  }

  /** True while somebody waits for the client to send. */
  get isWaiting(): boolean {
    return this.#waiter !== undefined
  }

  /** True when the client was never told to send. */
  get isHeldBack(): boolean {
    return this.#continuePending
  }

  next(): Promise<Uint8Array | undefined> {
    if (this.#lent !== undefined) freeBytes(this.#lent)
    this.#lent = undefined
    const piece = this.#queue.shift()
    if (piece !== undefined) {
      this.#lent = piece
      this.#queuedBytes -= piece.length
      if (this.#isPaused && this.#queuedBytes < BUFFERED_MAX_BYTES / 2) {
        this.#isPaused = false
        this.#message.resume()
      }
      return Promise.resolve(piece)
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (this.#ended) return Promise.resolve(undefined)
    if (this.#waiter !== undefined) return Promise.reject(new Error('Body is read twice at once'))
    this.#start()
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject }
    })
  }

  #start(): void {
    if (this.#started) return
    this.#started = true
    if (this.#continuePending) {
      this.#continuePending = false
      this.#response.writeContinue()
    }
    const message = this.#message
    message.on('data', (piece: Uint8Array) => {
      this.receivedBytes += piece.length
      const waiter = this.#waiter
      if (waiter !== undefined) {
        this.#waiter = undefined
        this.#lent = piece
        waiter.resolve(piece)
        return
      }
      this.#queue.push(piece)
      this.#queuedBytes += piece.length
      if (this.#queuedBytes >= BUFFERED_MAX_BYTES) {
        this.#isPaused = true
        message.pause()
      }
    })
    message.on('end', () => {
      this.#ended = true
      this.#waiter?.resolve(undefined)
      this.#waiter = undefined
    })
    message.on('error', (error) => this.fail(error))
  }

  /** Ends the body with an error: the client is gone, or given up. */
  fail(cause: Error): void {
    this.#fail(new BodyAbortedError('Client did not send the whole body', { cause }))
  }

  /** Ends the body with an error, since nothing comes any more. */
  stall(): void {
    this.#fail(new BodyStalledError())
  }

  #fail(failure: BodyAbortedError): void {
    if (this.#ended || this.#failure !== undefined) return
    this.#failure = failure
    this.#waiter?.reject(failure)
    this.#waiter = undefined
  }

  /** Reads and drops the rest. Resolves to true at the end, false after `maxBytes` or a failure. */
  async drain(maxBytes: number): Promise<boolean> {
    let left = maxBytes
    try {
      for (;;) {
        const piece = await this.next()
        if (piece === undefined) return true
        left -= piece.length
        if (left < 0) return false
      }
    } catch {
      return false // the client is gone: nothing to drain any more
    }
  }
}
