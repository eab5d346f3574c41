/** `Content-MD5` (s3-api.md 3.10). */
import { S3Error } from './s3-error.ts'

/** The digest in a header. 400 `InvalidDigest` for what is no base64 of 16 bytes. */
export function parseContentMd5(header: string): Uint8Array {
  const text = header.trim()
  if (/^[A-Za-z0-9+/]{22}==$/.test(text)) return Uint8Array.fromBase64(text)
  throw new S3Error('InvalidDigest', { elements: [['Content-MD5', header]] })
}

/** The error of content that has another digest than its header said. */
export function wrongContentMd5(expected: Uint8Array, calculated: Uint8Array): S3Error {
  return new S3Error('BadDigest', {
    elements: [
      ['CalculatedDigest', calculated.toBase64()],
      ['ExpectedDigest', expected.toHex()],
    ],
  })
}
