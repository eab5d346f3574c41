/** TLS with certificates made for the test; skipped where `openssl` is not installed. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { connect } from 'node:tls'
import { systemClock } from '#base/clock'
import { type Log, SILENT_LOG } from '#observe/log'
import { CertificateStore } from './certificates.ts'
import { makeCertificate } from '#testing/certificate'
import { startHttpServer } from './server.ts'

const FOLDER = mkdtempSync(join(tmpdir(), 'cairn-certificates-'))
after(() => rmSync(FOLDER, { recursive: true, force: true }))

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const skip = !hasOpenssl() && 'openssl is not installed'

/** Writes a certificate for `name` into `folder`. */
function make(folder: string, name: string): void {
  makeCertificate(folder, `DNS:${name}`, name)
}

/** The name in the certificate that a client gets, and the status of a GET. */
function ask(port: number, servername: string): Promise<{ name: string; text: string }> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false })
    let text = ''
    socket.on('secureConnect', () =>
      socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
    )
    const name = (): string => String(socket.getPeerCertificate().subject.CN)
    let found = ''
    socket.once('data', () => {
      found = name()
    })
    socket.on('data', (data) => {
      text += data.toString()
    })
    socket.on('end', () => resolve({ name: found, text }))
    socket.on('error', reject)
  })
}

test('a directory without certificates means no TLS', () => {
  const options = { directory: join(FOLDER, 'none'), clock: systemClock(), log: SILENT_LOG }
  assert.equal(CertificateStore.open(options), undefined)
})

test('a pair that cannot be used is refused by name', { skip }, () => {
  const open = (directory: string): unknown =>
    CertificateStore.open({ directory, clock: systemClock(), log: SILENT_LOG })
  const half = join(FOLDER, 'half')
  make(half, 'half.example')
  writeFileSync(join(half, 'public.crt'), 'no certificate')
  assert.throws(() => open(half), /Cannot use ".*half\/public.crt" with its private.key/)
  rmSync(join(half, 'public.crt'))
  assert.throws(() => open(half), /half\/private.key" is there without public.crt/)
  make(half, 'half.example')
  rmSync(join(half, 'private.key'))
  assert.throws(() => open(half), /half\/public.crt" is there without private.key/)
})

test('keys may be sealed with a passphrase', { skip }, () => {
  const directory = join(FOLDER, 'sealed')
  make(directory, 'sealed.example')
  const key = join(directory, 'private.key')
  execFileSync('openssl', ['pkey', '-in', key, '-out', `${key}.2`, '-aes256', '-passout', 'pass:x'])
  renameSync(`${key}.2`, key)
  const options = { directory, clock: systemClock(), log: SILENT_LOG }
  assert.throws(() => CertificateStore.open(options), /Cannot use/)
  const certificates = CertificateStore.open({ ...options, passphrase: 'x' })
  assert.ok(certificates !== undefined)
  certificates.close()
})

test('certificates are chosen by host, and replaced while the server runs', { skip }, async () => {
  const directory = join(FOLDER, 'some')
  make(directory, 'default.example')
  make(join(directory, 'other.example'), 'other.example')
  make(join(directory, 'CAs'), 'ca.example')
  const errors: string[] = []
  const log: Log = { ...SILENT_LOG, error: (message) => errors.push(message) }
  const certificates = CertificateStore.open({ directory, clock: systemClock(), log })
  assert.ok(certificates !== undefined)
  const server = await startHttpServer({
    handler: async (request, response) => {
      response.head(200, [['Content-Length', '4']])
      await response.write(new Uint8Array(new SharedArrayBuffer(4)).fill(65))
      response.end()
      assert.ok(request.isSecure)
    },
    clock: systemClock(),
    log: SILENT_LOG,
    host: '127.0.0.1',
    port: 0,
    certificates,
  })
  assert.match((await ask(server.port, 'default.example')).text, /200[\s\S]*AAAA/)
  assert.equal((await ask(server.port, 'other.example')).name, 'other.example')
  assert.equal((await ask(server.port, 'unknown.example')).name, 'default.example')
  assert.equal((await ask(server.port, 'ca.example')).name, 'default.example')
  assert.equal((await ask(server.port, '')).name, 'default.example')

  writeFileSync(join(directory, 'public.crt'), 'no certificate')
  certificates.reloadIfChanged()
  certificates.reloadIfChanged()
  assert.deepEqual(errors, ['Cannot reload certificates: the old ones stay in use'])
  assert.equal((await ask(server.port, 'default.example')).name, 'default.example')

  make(join(FOLDER, 'new'), 'new.example')
  cpSync(join(FOLDER, 'new'), directory, { recursive: true })
  certificates.reloadIfChanged()
  assert.equal((await ask(server.port, 'new.example')).name, 'new.example')
  assert.equal((await ask(server.port, '')).name, 'new.example')
  certificates.close()
  await server.stop(100)
})
