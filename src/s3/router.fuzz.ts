/** Any request line and host is addressed or refused with an `S3Error`; what is let through names nothing outside of its bucket. */
import assert from 'node:assert/strict'
import type { Random } from '#base/random'
import { S3Error } from '#s3-protocol/s3-error'
import { memoryRequest } from '#testing/front-door-fixture'
import { fuzz } from '#testing/fuzz'
import { classify, checkDate, checkSingleScheme } from './authenticate-scheme.ts'
import { OPERATIONS } from './operations.ts'
import { checkAddress, checkHeaders } from './request-checks.ts'
import { parseAddress, Router, scopeOf } from './router.ts'

const PIECES = [
  '/',
  '//',
  '..',
  '.',
  '%2e',
  '%2F',
  '%5c',
  '%00',
  '%ff',
  '%',
  '%zz',
  '?',
  '&',
  '=',
  '#',
  'box',
  'minio',
  '.minio.sys',
  'http://',
  'key',
  'uploads',
  'uploadId',
  'partNumber',
  'list-type=2',
  'delete',
  'policy',
  'é',
  '\xff',
  ' ',
  '*',
]
const HOSTS = [
  'localhost',
  'box.s3.example',
  '..s3.example',
  's3.example',
  'a b',
  '[::1]:9',
  '',
  'x:y',
]
const METHODS = ['GET', 'PUT', 'POST', 'DELETE', 'HEAD', 'PATCH', 'OPTIONS']
const HEADERS = [
  'authorization',
  'date',
  'x-amz-date',
  'x-amz-copy-source',
  'content-type',
  'x-amz-meta-a',
]

function pick(random: Random, list: readonly string[]): string {
  return list[random.below(list.length)] ?? ''
}

function text(random: Random, pieces: readonly string[]): string {
  let out = ''
  for (let i = random.below(10); i > 0; i--) out += pick(random, pieces)
  return out
}

const router = new Router(OPERATIONS)

fuzz('request lines, hosts and headers', (random) => {
  const request = memoryRequest({
    method: pick(random, METHODS),
    target: `${random.below(8) === 0 ? '' : '/'}${text(random, PIECES)}`,
    headers: [
      ['host', pick(random, HOSTS)],
      [
        pick(random, HEADERS),
        text(random, ['AWS', '4-HMAC-SHA256', ' ', ':', 'Bearer', '2024', '\xff']),
      ],
    ],
  })
  try {
    const address = parseAddress(request, ['s3.example'])
    const { query, bucket, key } = address
    if (query === undefined) return
    checkDate(request, classify(request, query), 0)
    checkHeaders(request)
    checkSingleScheme(request, query)
    checkAddress(request, address, { allowsClientKeysOverHttp: false })
    assert.ok(!key.includes('\0') && Buffer.byteLength(key) <= 1024)
    assert.ok(!key.split(/[/\\]/).some((segment) => segment === '..' || segment === '.'))
    assert.ok(bucket === '' || /^[a-z0-9][a-z0-9.-]+$/.test(bucket))
    const operation = router.match(request, address, query)
    assert.equal(operation.method, request.method)
    assert.equal(operation.scope, scopeOf(address))
    // What a row asks for is there: a sub-resource is never taken for the whole.
    for (const name of Object.keys(operation.query ?? {})) assert.ok(query.has(name))
  } catch (error) {
    if (!(error instanceof S3Error)) throw error
  }
})
