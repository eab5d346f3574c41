/** Everything that parses what clients send: it answers or throws an `S3Error`, and what it accepts it writes back. */
import assert from 'node:assert/strict'
import type { Random } from '#base/random'
import { fuzz } from '#testing/fuzz'
import { ChunkedDecoder } from './chunked.ts'
import { parseEtags, parseHttpDate } from './conditions.ts'
import { parseCopySource } from './copy-source.ts'
import { parseAmzDate } from './dates.ts'
import { requestMetadata } from './object-metadata.ts'
import { decodePercent, encodePercent } from './percent.ts'
import { canonicalQuery, parseQuery, Query } from './query.ts'
import { parseRange } from './ranges.ts'
import { S3Error } from './s3-error.ts'
import { deriveSigningKey } from './sigv4.ts'
import { signChunks } from './sigv4-client.ts'
import { parseAuthorizationV4, parsePresignedV4 } from './sigv4-parse.ts'
import { formatTags, parseTagQuery, parseTagXml } from './tagging.ts'
import { parseXml } from './xml-parser.ts'
import { escapeXml } from './xml-writer.ts'

/** Runs a parser: any error but its own is a bug. */
function tolerate(run: () => void): void {
  try {
    run()
  } catch (error) {
    if (!(error instanceof S3Error)) throw error
  }
}

function pick<T>(random: Random, list: readonly T[]): T {
  const item = list[random.below(list.length)]
  assert.ok(item !== undefined)
  return item
}

const FRAGMENTS = [
  '%',
  '%2',
  '%2F',
  '%zz',
  '%ff',
  '+',
  '&',
  '=',
  ';',
  '/',
  '//',
  '..',
  '.',
  ',',
  '"',
  '*',
  '\0',
  ' ',
  'a',
  'key',
  'é',
  '€',
  '😀',
  '\ud800',
  '\xff',
  'x-amz-',
  'bytes=',
  '-',
  '0',
  '9999999999999999999',
  'AWS4-HMAC-SHA256 ',
  'Credential=',
  'SignedHeaders=',
  'Signature=',
  '/s3/aws4_request',
  '20240101',
  '<',
  '>',
  '</',
  '/>',
  '<a>',
  '</a>',
  '<![CDATA[',
  ']]>',
  '<!--',
  '-->',
  '&amp;',
  '&#65;',
  '<?xml',
  '?>',
  '<Tagging>',
  '<TagSet>',
  '<Tag>',
  '<Key>',
  '</Key>',
  '<Value>',
  '</Value>',
  '</Tag>',
  '</TagSet>',
  '?versionId=',
  'box',
  'GMT',
  'Sun, 06 Nov 1994 08:49:37 ',
  'T',
  'Z',
  ':',
  'constructor',
  '__proto__',
]

function text(random: Random): string {
  let out = ''
  for (let i = random.below(20); i > 0; i--) {
    out += random.below(4) === 0 ? String.fromCharCode(random.below(256)) : pick(random, FRAGMENTS)
  }
  return out
}

fuzz('percent and query', (random) => {
  const raw = text(random)
  const decoded = decodePercent(raw, { plusIsBlank: random.below(2) === 0 })
  if (decoded.ok) {
    const again = decodePercent(encodePercent(decoded.text, { keepSlash: true }), {
      plusIsBlank: false,
    })
    if (decoded.text.isWellFormed()) assert.deepEqual(again, { ok: true, text: decoded.text })
  }
  const query = parseQuery(raw)
  if (query !== undefined) assert.equal(parseQuery(canonicalQuery(query)) === undefined, false)
})

fuzz('headers', (random) => {
  const raw = text(random)
  const rules = { region: pick(random, ['', 'us-east-1']), anyRegion: random.below(2) === 0 }
  tolerate(() => parseAuthorizationV4(`AWS4-HMAC-SHA256${raw}`, rules))
  const names = ['Algorithm', 'Credential', 'Signature', 'Date', 'SignedHeaders', 'Expires']
  const entries = names.map((name) => [`X-Amz-${name}`, text(random)] as const)
  tolerate(() => parsePresignedV4(new Query(entries), rules))
  tolerate(() => parseRange(raw))
  tolerate(() => parseCopySource(raw))
  tolerate(() => parseTagQuery(raw))
  parseEtags(raw)
  parseHttpDate(raw)
  parseAmzDate(raw)
  requestMetadata({ rawHeaders: [[text(random), raw]] }, new Query(entries))
})

fuzz('tags come back from their stored form', (random) => {
  tolerate(() => {
    const tags = parseTagQuery(text(random))
    const again = parseTagQuery(formatTags(tags))
    assert.equal(formatTags(again), formatTags(tags))
  })
})

fuzz('documents', (random) => {
  const raw = new TextEncoder().encode(text(random))
  if (raw.length > 0 && random.below(4) === 0) raw[random.below(raw.length)] = random.below(256)
  tolerate(() => parseXml(raw))
  tolerate(() => parseTagXml(raw, 10))
  const content = text(random).toWellFormed().replaceAll('\0', '')
  // The writer refers to what XML cannot hold; two characters it may not even refer to.
  const readable = content.replace(/[\ufffe\uffff]/g, '')
  assert.equal(parseXml(new TextEncoder().encode(`<a>${escapeXml(readable)}</a>`)).text, readable)
})

const SCOPE = { date: '20240101', region: 'r', service: 's3' }
const KEY = deriveSigningKey('secret', SCOPE)
const SEED = '0'.repeat(64)
const DATE = '20240101T000000Z'

/** Decodes in random pieces; undefined when refused. */
function decodeRandomly(random: Random, body: Uint8Array, isSigned: boolean): Buffer | undefined {
  const decoder = new ChunkedDecoder({
    chain: isSigned ? { key: KEY, date: DATE, scope: SCOPE, seedSignature: SEED } : undefined,
    hasTrailer: true,
    announced: ['x-a'],
  })
  const out: Uint8Array[] = []
  try {
    for (let from = 0; from < body.length; ) {
      const piece = body.subarray(from, from + 1 + random.below(200))
      from += piece.length
      for (let at = 0; at < piece.length; ) {
        const step = decoder.decode(piece, at)
        assert.ok(step.next > at && step.next <= piece.length)
        at = step.next
        if (step.data !== undefined) out.push(step.data)
      }
    }
    decoder.end()
  } catch (error) {
    if (error instanceof S3Error) return undefined
    throw error
  }
  return Buffer.concat(out)
}

fuzz('chunked bodies', (random) => {
  const chunks = Array.from({ length: random.below(4) }, () => random.bytes(1 + random.below(300)))
  const content = Buffer.concat(chunks)
  const request = { signature: SEED, date: DATE, scope: SCOPE, key: KEY }
  const body = Buffer.concat(signChunks(chunks, request, [['x-a', 'v']]))
  assert.ok(decodeRandomly(random, body, true)?.equals(content))
  // One changed byte is refused, or changes nothing (letter case of a size, the end behind the signature).
  const changed = Buffer.from(body)
  const at = random.below(changed.length)
  changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8))
  const decoded = decodeRandomly(random, changed, true)
  assert.ok(decoded === undefined || decoded.equals(content))
  decodeRandomly(random, changed, false)
  decodeRandomly(random, Buffer.from(text(random), 'latin1'), random.below(2) === 0)
})
