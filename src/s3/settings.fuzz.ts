/** What is stored beside buckets and what proxies and documents say, of any shape: read, or refused in the known way. */
import assert from 'node:assert/strict'
import { utf8 } from '#base/bytes'
import type { Random } from '#base/random'
import { quotaLimit } from '#object/bucket-quota'
import { encodeExtras, parseExtras } from '#object/bucket-extras'
import { ObjectError } from '#object/object'
import { S3Error } from '#s3-protocol/s3-error'
import { fuzz } from '#testing/fuzz'
import { memoryRequest } from '#testing/front-door-fixture'
import { legalHoldFacts, locationFacts, retentionFacts, taggingFacts } from './document-facts.ts'
import { parsePublicAccessBlock, storedPublicAccessBlock } from './public-access.ts'
import { TrustedProxies } from './trusted-proxies.ts'

const PIECES = [
  '{"version":1,"bucket":"box","created":"1","documents":{}}',
  '"documents":{"CorsConfigXML":{"updated":"1","content":"x"}}',
  '"originals":{"PolicyConfigJSON":{"content":"a","standIn":"b"}}',
  '<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>',
  '<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate></Retention>',
  '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>',
  '{"quota":5,"quotatype":"hard"}',
  'for=1.2.3.4;proto=https',
  '10.0.0.1',
  '[::1]:80',
  ',',
  ';',
  '"',
  '}',
  '</',
  '%eth0',
]

function piece(random: Random): string {
  const whole = PIECES[random.below(PIECES.length)] ?? ''
  return random.below(3) === 0 ? whole.slice(0, random.below(whole.length + 1)) : whole
}

function text(random: Random): string {
  return Array.from({ length: 1 + random.below(4) }, () => piece(random)).join('')
}

fuzz('settings beside buckets', (random) => {
  const content = utf8(text(random))
  try {
    const extras = parseExtras(content, 'box', 1n)
    assert.deepEqual(parseExtras(encodeExtras(extras, 'box', 1n), 'box', 1n), extras)
  } catch (error) {
    if (!(error instanceof ObjectError)) throw error
  }
  assert.ok(quotaLimit(content) >= 0)
})

fuzz('documents that say facts', (random) => {
  const content = utf8(text(random))
  for (const read of [legalHoldFacts, locationFacts, taggingFacts]) read(content)
  retentionFacts(content, 0)
  const stored = storedPublicAccessBlock(content)
  try {
    assert.deepEqual(parsePublicAccessBlock(content), stored)
  } catch (error) {
    if (!(error instanceof S3Error)) throw error
    assert.ok(stored.restrictPublicBuckets)
  }
})

const PROXIES = new TrustedProxies(['10.0.0.0/8'])

fuzz('headers of proxies', (random) => {
  const names = ['x-forwarded-for', 'x-real-ip', 'forwarded', 'x-forwarded-proto']
  const headers = names.map((name) => [name, text(random)] as const)
  const request = memoryRequest({
    method: 'GET',
    target: '/',
    headers: headers.filter(() => random.below(2) === 0),
    remoteAddress: random.below(2) === 0 ? '10.0.0.1' : '9.9.9.9',
  })
  const seen = PROXIES.unwrap(request)
  if (request.remoteAddress === '9.9.9.9') assert.equal(seen, request)
  assert.match(seen.remoteAddress, /^[0-9a-f.:]+$/i)
})
