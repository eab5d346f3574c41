import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalContext, contextBytes, parseContext } from './kms-context.ts'
import { utf8 } from './testing/vectors.ts'

test('the canonical text sorts by bytes and escapes as the specification says', () => {
  assert.equal(canonicalContext(new Map()), '{}')
  const client = new Map([
    ['dept', 'R&D <"x">'],
    ['a', '\u00e9\u2028'],
  ])
  assert.equal(
    utf8(canonicalContext(client)).toBase64(),
    'eyJhIjoiw6lcdTIwMjgiLCJkZXB0IjoiUlx1MDAyNkQgXHUwMDNjXCJ4XCJcdTAwM2UifQ==',
  )
  const added = new Map([...client, ['bucket', 'bucket/object'] as const])
  assert.equal(
    contextBytes(added).toHex(),
    '7b2261223a22c3a95c7532303238222c226275636b6574223a226275636b65742f6f626a656374222c2264657074223a22525c753030323644205c75303033635c22785c225c7530303365227d',
  )
})

test('controls, DEL and characters beyond the basic plane', () => {
  assert.equal(
    canonicalContext(new Map([['k', '\b\f\n\r\t\u0001\u007f\\']])),
    '{"k":"\\u0008\\u000c\\n\\r\\t\\u0001\u007f\\\\"}',
  )
  // U+FF5E sorts before U+1F600 by bytes, after it by UTF-16 units.
  assert.equal(
    canonicalContext(
      new Map([
        ['\u{1f600}', '1'],
        ['\uff5e', '2'],
      ]),
    ),
    '{"\uff5e":"2","\u{1f600}":"1"}',
  )
})

test('only objects of texts are contexts', () => {
  assert.deepEqual(parseContext('{"a":"b"}'), new Map([['a', 'b']]))
  assert.equal(parseContext('{}')?.size, 0)
  for (const wrong of ['', '[]', 'null', '"a"', '{"a":1}', '{"a":null}', '{"a":"b"']) {
    assert.equal(parseContext(wrong), undefined)
  }
  assert.deepEqual(parseContext('{"__proto__":"x"}'), new Map([['__proto__', 'x']]))
})
