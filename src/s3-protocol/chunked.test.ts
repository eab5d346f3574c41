import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChunkedDecoder, type ChunkedOptions } from './chunked.ts'
import { S3Error } from './s3-error.ts'
import { deriveSigningKey } from './sigv4.ts'
import { signChunks } from './sigv4-client.ts'

const SCOPE = { date: '20130524', region: 'us-east-1', service: 's3' }
const KEY = deriveSigningKey('wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', SCOPE)
const SEED = '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9'
const REQUEST = { key: KEY, date: '20130524T000000Z', scope: SCOPE, signature: SEED }
const CHAIN = { key: KEY, date: REQUEST.date, scope: SCOPE, seedSignature: SEED }

/** Decodes `body` in pieces of `step` bytes. */
function decode(body: Uint8Array, options: ChunkedOptions, step = body.length): Uint8Array {
  const decoder = new ChunkedDecoder(options)
  const out: Uint8Array[] = []
  for (let from = 0; from < body.length; from += step) {
    const piece = body.subarray(from, from + step)
    let at = 0
    while (at < piece.length) {
      const { next, data } = decoder.decode(piece, at)
      assert.ok(next > at)
      if (data !== undefined) {
        assert.equal(data.buffer, piece.buffer)
        out.push(data)
      }
      at = next
    }
  }
  decoder.end()
  return Buffer.concat(out)
}

const UNSIGNED = { hasTrailer: true, announced: ['x-amz-checksum-crc32'] }

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof S3Error, String(error))
    return `${error.status} ${error.code}`
  }
  return 'none'
}

test('the published chunked example has the published signatures', () => {
  const body = signChunks([new Uint8Array(65_536).fill(97), new Uint8Array(1024).fill(97)], REQUEST)
  const text = Buffer.concat(body).toString('latin1')
  assert.match(
    text,
    /^10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n/,
  )
  assert.match(
    text,
    /400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n/,
  )
  assert.match(
    text,
    /0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n/,
  )
})

test('bodies decode the same however they are cut', () => {
  const content = [Buffer.from('hello '), Buffer.from('world'), Buffer.alloc(3000, 1)]
  const whole = Buffer.concat(content)
  const plain = Buffer.concat(signChunks(content, REQUEST))
  const trailers = [['x-amz-checksum-crc32', 'abc=']] as const
  const trailing = Buffer.concat(signChunks(content, REQUEST, trailers))
  for (const step of [1, 2, 3, 7, 64, 1000, 100_000]) {
    assert.ok(whole.equals(decode(plain, { chain: CHAIN, hasTrailer: false, announced: [] }, step)))
    assert.ok(whole.equals(decode(trailing, { chain: CHAIN, ...UNSIGNED }, step)))
  }
})

test('trailers may end in a bare line feed, and names compare without case', () => {
  const decoder = new ChunkedDecoder(UNSIGNED)
  const body = Buffer.from('3\r\nabc\r\n0\r\nX-Amz-Checksum-CRC32:x=\n\r\n\r\n')
  let at = 0
  while (at < body.length) at = decoder.decode(body, at).next
  decoder.end()
  assert.deepEqual([...decoder.trailers], [['x-amz-checksum-crc32', 'x=']])
})

/** What, body, answer. */
const BAD: readonly (readonly [string, string, string])[] = [
  ['a size that is no number', 'xyz\r\nabc\r\n', '400 IncompleteBody'],
  ['an empty size', '\r\nabc\r\n', '400 IncompleteBody'],
  ['a signed size', '-3\r\nabc\r\n', '400 IncompleteBody'],
  ['a blank in the size', '3 \r\nabc\r\n', '400 IncompleteBody'],
  ['an extension', '3;a=b\r\nabc\r\n', '400 IncompleteBody'],
  ['a header without CR', '3\nabc\r\n', '400 IncompleteBody'],
  ['data longer than said', '3\r\nabcd\r\n0\r\n\r\n', '400 IncompleteBody'],
  ['data without CRLF', '3\r\nabc0\r\n\r\n', '400 IncompleteBody'],
  ['a chunk of 16 MiB and one', '1000001\r\n', '400 BadRequest'],
  ['a chunk of 2^70', '400000000000000000\r\n', '400 BadRequest'],
  ['a header of a megabyte', '0'.repeat(1_000_000), '400 IncompleteBody'],
  ['no end', '3\r\nabc\r\n', '400 IncompleteBody'],
  ['nothing', '', '400 IncompleteBody'],
  ['no trailer', '0\r\n\r\n', '400 MalformedTrailerError'],
  ['another trailer', '0\r\nx-amz-checksum-sha1:x\r\n\r\n', '400 MalformedTrailerError'],
  [
    'a trailer too many',
    '0\r\nx-amz-checksum-crc32:x\r\nother:y\r\n\r\n',
    '400 MalformedTrailerError',
  ],
  [
    'a trailer twice',
    '0\r\nx-amz-checksum-crc32:x\r\nx-amz-checksum-crc32:y\r\n\r\n',
    '400 MalformedTrailerError',
  ],
  ['a trailer without a colon', '0\r\nx-amz-checksum-crc32\r\n\r\n', '400 MalformedTrailerError'],
  ['endless trailers', `0\r\n${'a:b\r\n'.repeat(100_000)}`, '400 MalformedTrailerError'],
  ['trailers that stop', '0\r\nx-amz-checksum-crc32:x\r\n', '400 IncompleteBody'],
]

for (const [what, body, answer] of BAD) {
  test(`an unsigned body with ${what} is ${answer}`, () => {
    for (const step of [1, 5, body.length || 1]) {
      assert.equal(
        codeOf(() => decode(Buffer.from(body), UNSIGNED, step)),
        answer,
      )
    }
  })
}

test('a signed body without signatures, or with short ones, is malformed', () => {
  const options = { chain: CHAIN, hasTrailer: false, announced: [] }
  for (const body of ['3\r\nabc\r\n', '3;chunk-signature=abc\r\nabc\r\n', '3;sig=x\r\nabc\r\n']) {
    assert.equal(
      codeOf(() => decode(Buffer.from(body), options)),
      '400 IncompleteBody',
    )
  }
})
