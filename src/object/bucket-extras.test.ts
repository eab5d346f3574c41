import assert from 'node:assert/strict'
import { test } from 'node:test'
import { textOf, utf8 } from '#base/bytes'
import { type BucketExtras, encodeExtras, NO_EXTRAS, parseExtras } from './bucket-extras.ts'
import { ObjectError } from './object.ts'

const EXTRAS: BucketExtras = {
  documents: new Map([['CorsConfigXML', { content: utf8('<c>ü</c>'), updatedNs: 7n }]]),
  originals: new Map([['PolicyConfigJSON', { content: utf8('{"a"}'), standIn: utf8('') }]]),
}

test('settings come back as they were written', () => {
  const encoded = encodeExtras(EXTRAS, 'box', 12n)
  assert.deepEqual(parseExtras(encoded, 'box', 12n), EXTRAS)
  assert.deepEqual(parseExtras(encodeExtras(NO_EXTRAS, 'box', 12n), 'box', 12n), NO_EXTRAS)
})

test('another bucket and a later one of the same name do not inherit', () => {
  const encoded = encodeExtras(EXTRAS, 'box', 12n)
  assert.equal(parseExtras(encoded, 'box', 13n), NO_EXTRAS)
  assert.equal(parseExtras(encoded, 'other', 12n), NO_EXTRAS)
})

test('documents of a later release are passed over', () => {
  const text = textOf(encodeExtras(EXTRAS, 'box', 12n)).replace('CorsConfigXML', '__proto__')
  assert.equal(parseExtras(utf8(text), 'box', 12n).documents.size, 0)
})

const BROKEN = [
  '',
  '[]',
  'null',
  '{"version":2,"bucket":"box","created":"12","documents":{}}',
  '{"version":1,"bucket":"box","created":"12","documents":[]}',
  '{"version":1,"bucket":"box","created":"12"}',
  '{"version":1,"bucket":"box","created":"12","documents":{"CorsConfigXML":{"content":"x"}}}',
  '{"version":1,"bucket":"box","created":"12","documents":{"CorsConfigXML":{"content":1,"updated":"1"}}}',
  '{"version":1,"bucket":"box","created":"12","documents":{},"originals":{"PolicyConfigJSON":{"content":"x"}}}',
]

for (const text of BROKEN) {
  test(`${text || 'nothing'} is not such a file`, () => {
    assert.throws(() => parseExtras(utf8(text), 'box', 12n), ObjectError)
  })
}
