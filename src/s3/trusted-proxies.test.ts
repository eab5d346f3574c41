import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryRequest } from '#testing/front-door-fixture'
import { TrustedProxies } from './trusted-proxies.ts'

const PROXIES = new TrustedProxies(['10.0.0.0/8', '::1'])

interface Seen {
  readonly address: string
  readonly isSecure: boolean
}

function seen(remoteAddress: string, headers: Readonly<Record<string, string>>): Seen {
  const request = memoryRequest({
    method: 'GET',
    target: '/',
    headers: Object.entries(headers),
    remoteAddress,
  })
  const unwrapped = PROXIES.unwrap(request)
  return { address: unwrapped.remoteAddress, isSecure: unwrapped.isSecure }
}

/** Peer, headers, client. */
const CLIENTS: readonly (readonly [string, Readonly<Record<string, string>>, string])[] = [
  ['9.9.9.9', { 'x-forwarded-for': '1.2.3.4' }, '9.9.9.9'],
  ['10.0.0.1', {}, '10.0.0.1'],
  ['10.0.0.1', { 'x-forwarded-for': '1.2.3.4' }, '1.2.3.4'],
  ['::ffff:10.0.0.1', { 'x-forwarded-for': '1.2.3.4' }, '1.2.3.4'],
  ['10.0.0.1', { 'x-forwarded-for': '6.6.6.6, 1.2.3.4' }, '1.2.3.4'],
  ['10.0.0.1', { 'x-forwarded-for': '6.6.6.6, 1.2.3.4, 10.0.0.7' }, '1.2.3.4'],
  ['10.0.0.1', { 'x-forwarded-for': '10.0.0.8,10.0.0.7' }, '10.0.0.8'],
  ['10.0.0.1', { 'x-forwarded-for': 'unknown' }, '10.0.0.1'],
  ['10.0.0.1', { 'x-forwarded-for': '6.6.6.6, unknown, 10.0.0.7' }, '10.0.0.7'],
  ['::1', { 'x-forwarded-for': '1.2.3.4:5678' }, '1.2.3.4'],
  ['::1', { 'x-real-ip': '2001:db8::1' }, '2001:db8::1'],
  ['::1', { forwarded: 'for=6.6.6.6;proto=https, for="[2001:db8::1]:80"' }, '2001:db8::1'],
]

for (const [peer, headers, client] of CLIENTS) {
  test(`behind ${peer} with ${JSON.stringify(headers)} the client is ${client}`, () => {
    assert.equal(seen(peer, headers).address, client)
  })
}

test('trusted proxies tell whether the client came by TLS', () => {
  assert.equal(seen('10.0.0.1', { 'x-forwarded-proto': 'https' }).isSecure, true)
  assert.equal(seen('10.0.0.1', { forwarded: 'for=1.2.3.4;proto=https' }).isSecure, true)
  assert.equal(seen('10.0.0.1', { 'x-forwarded-proto': 'http' }).isSecure, false)
  assert.equal(seen('9.9.9.9', { 'x-forwarded-proto': 'https' }).isSecure, false)
})

test('only from trusted proxies paths come shortened', () => {
  const proxies = new TrustedProxies(['10.0.0.0/8'], '/s3')
  const prefixFrom = (remoteAddress: string): string | undefined =>
    proxies.unwrap(memoryRequest({ method: 'GET', target: '/', headers: [], remoteAddress }))
      .pathPrefix
  assert.equal(prefixFrom('10.0.0.1'), '/s3')
  assert.equal(prefixFrom('9.9.9.9'), undefined)
})
