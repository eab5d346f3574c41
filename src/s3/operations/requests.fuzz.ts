/** Documents and texts from clients: whatever they hold, the answer is a value within bounds or an S3 error. */
import assert from 'node:assert/strict'
import { utf8 } from '#base/bytes'
import type { Random } from '#base/random'
import { S3Error } from '#s3-protocol/s3-error'
import { parseXml } from '#s3-protocol/xml-parser'
import { fuzz } from '#testing/fuzz'
import { readEntries } from './delete-objects.ts'
import { encodeListed } from './list-encoding.ts'
import { readParts } from './multipart-complete.ts'
import { headerText, rawHeaderText } from './object-headers.ts'
import { parseVersionId } from './request-values.ts'

const PIECES = [
  '<Delete>',
  '</Delete>',
  '<Object>',
  '</Object>',
  '<Key>',
  '</Key>',
  '<VersionId>null</VersionId>',
  '<CompleteMultipartUpload>',
  '</CompleteMultipartUpload>',
  '<Part>',
  '</Part>',
  '<PartNumber>1</PartNumber>',
  '<PartNumber>2</PartNumber>',
  '<PartNumber>99999</PartNumber>',
  '<PartNumber>-1</PartNumber>',
  '<ETag>"a"</ETag>',
  '<ChecksumCRC32>AAAA</ChecksumCRC32>',
  'text',
  '&amp;',
  '&#0;',
  '&x;',
  '<![CDATA[',
  ']]>',
  '<!--',
  '-->',
  '<!DOCTYPE a>',
  '\u0000',
  'ü',
]

function documentOf(random: Random): Uint8Array {
  const body = Array.from({ length: random.below(24) }, () => PIECES[random.below(PIECES.length)])
  const text = body.join('')
  const wrapped = [
    text,
    `<Delete><Object><Key>k</Key>${text}</Object></Delete>`,
    `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>${text}</Part></CompleteMultipartUpload>`,
  ][random.below(3)]
  return utf8(wrapped ?? '')
}

function textFrom(random: Random): string {
  const limits = [0x80, 0x100, 0x800, 0x10000]
  const limit = limits[random.below(limits.length)] ?? 0x80
  return String.fromCharCode(
    ...Array.from({ length: random.below(200) }, () => random.below(limit)),
  )
}

/** Runs `read`; its refusal in the words of S3 is as good as a value. */
function readOrRefuse<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof S3Error) return undefined
    throw error
  }
}

fuzz('documents of keys and parts', (random) => {
  const document = documentOf(random)
  const entries = readOrRefuse(() => readEntries(parseXml(document)))
  if (entries !== undefined) assert.ok(entries.length >= 1 && entries.length <= 1000)
  let last = 0
  for (const part of readOrRefuse(() => readParts(document)) ?? []) {
    assert.ok(part.number > last && part.number <= 10_000)
    last = part.number
  }
})

fuzz('texts that become headers, names in lists and version ids', (random) => {
  const text = textFrom(random)
  assert.match(headerText(text), /^[\x20-\x7e\t]*$/)
  assert.match(rawHeaderText(text), /^[\x20-\x7e\x80-\xff\t]*$/)
  assert.equal(decodeURIComponent(encodeListed('url', text)), text.toWellFormed())
  const versionId = parseVersionId(text)
  if (versionId !== undefined) assert.match(versionId, /^(null|[0-9a-f-]{36})$/)
})
