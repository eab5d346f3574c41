import { createHash } from 'node:crypto'

/** Headers of SSE-C with a key of 32 bytes that are all `seed`; `prefix` is another one for the source of a copy. */
export function customerKey(
  seed: number,
  prefix = 'x-amz-server-side-encryption-customer-',
): Readonly<Record<string, string>> {
  const key = Buffer.alloc(32, seed)
  return {
    [`${prefix}algorithm`]: 'AES256',
    [`${prefix}key`]: key.toString('base64'),
    [`${prefix}key-MD5`]: createHash('md5').update(key).digest('base64'),
  }
}
