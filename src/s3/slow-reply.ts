/**
 * Replies of operations that may take long: after some seconds the status goes out, and white space keeps the connection
 * from being taken for dead until the document is there (s3-api.md 3.7). An error then comes as a document too.
 */
import type { Clock } from '#base/clock'
import { utf8 } from '#base/bytes'
import type { HttpResponse } from '#http/http'
import { XML_DECLARATION } from '#s3-protocol/xml-writer'
import type { S3Reply } from './s3.ts'

/** Silence that clients and proxies are used to. */
const QUIET_MS = 10_000
const BLANK = utf8(' ')

/** Operations that move or join data on behalf of a short request. */
const SLOW = new Set(['CompleteMultipartUpload', 'CopyObject', 'UploadPartCopy'])

export function mayBeSlow(operation: { readonly name: string }): boolean {
  return SLOW.has(operation.name)
}

export interface SlowReplyOptions {
  readonly clock: Clock
  /** Sends the head of a reply with status 200, whose length is not known. */
  readonly sendHead: () => void
  /** The document of what was thrown. */
  readonly errorText: (thrown: unknown) => string
}

/**
 * Waits for `running`. Resolves to its reply while nothing was sent; undefined when the reply was sent here, also that of
 * an error. Rejects only while nothing was sent, or when the client is gone.
 */
export async function awaitSlow(
  running: Promise<S3Reply>,
  response: HttpResponse,
  { clock, sendHead, errorText }: SlowReplyOptions,
): Promise<S3Reply | undefined> {
  const outcome = running.then(
    (reply) => ({ reply }),
    (thrown: unknown) => ({ thrown }),
  )
  const early = await within(outcome, clock)
  if (early !== undefined) return running
  sendHead()
  await response.write(utf8(XML_DECLARATION))
  for (;;) {
    const late = await within(outcome, clock)
    if (late !== undefined) {
      const text = 'reply' in late ? documentOf(late.reply) : errorText(late.thrown)
      // The declaration is the beginning of the document already.
      response.end(
        utf8(text.startsWith(XML_DECLARATION) ? text.slice(XML_DECLARATION.length) : text),
      )
      return undefined
    }
    await response.write(BLANK)
  }
}

function documentOf({ body }: S3Reply): string {
  return typeof body === 'string' ? body : ''
}

/** What `outcome` comes to within the quiet time, else undefined. */
async function within<T>(outcome: Promise<T>, clock: Clock): Promise<T | undefined> {
  const stop = new AbortController()
  try {
    return await Promise.race([outcome, clock.sleep(QUIET_MS, stop.signal).then(() => undefined)])
  } finally {
    stop.abort()
  }
}
