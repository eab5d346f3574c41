/** Drives whose configuration MinIO sealed with a KMS: Cairn starts with that KMS, and refuses to start without. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { driveArguments, fixturesFolder, readManifest, unpackDrives } from './lib/manifest.ts'
import { startServer } from './lib/server.ts'
import { TemporaryFolder } from './lib/temporary.ts'

const fixtures = fixturesFolder()

async function start(environment: Readonly<Record<string, string>>): Promise<string> {
  const manifest = readManifest(fixtures ?? '', 'iam-encrypted')
  using drives = new TemporaryFolder()
  await unpackDrives(fixtures ?? '', 'iam-encrypted', drives.path)
  await using server = await startServer({
    kind: 'cairn',
    folder: drives.path,
    drives: driveArguments(manifest),
    credentials: manifest.server.credentials,
    environment,
  })
  await server.stop()
  return server.log
}

const OTHER = 'other-key:OSMM+vkKUTCvQs9YL/CVMIMt43HFhkUpqJxTmGl6rYw='

suite('sealed configuration', {
  skip: fixtures === undefined && 'the golden drives are not here',
}, () => {
  test('its own KMS opens it', async () => {
    const { environment } = readManifest(fixtures ?? '', 'iam-encrypted').start
    const log = await start(environment)
    const [, key = ''] = (environment['MINIO_KMS_SECRET_KEY'] ?? '').split(':')
    assert.ok(key.length === 44 && !log.includes(key), 'the log shows the key')
  })

  test('without a KMS, or with another one, the server does not start', async () => {
    await assert.rejects(start({}), /is sealed with the key "fixture-key" of a KMS/)
    await assert.rejects(start({ MINIO_KMS_SECRET_KEY: OTHER }), /Key "fixture-key" does not exist/)
    await assert.rejects(start({ MINIO_KMS_SECRET_KEY: 'short:AAAA' }), /key of 32 bytes in base64/)
  })
})
