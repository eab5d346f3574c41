/** What `mc admin` stored on the drives of a real MinIO counts for the server under test: configuration, pools being emptied. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { promisify } from 'node:util'
import { assertBytes } from '#testing/bytes'
import { mcProgram, minioProgram } from './lib/programs.ts'
import { S3Driver } from './lib/s3-driver.ts'
import { type RunningServer, type ServerKind, serverUnderTest, startServer } from './lib/server.ts'
import { TemporaryFolder } from './lib/temporary.ts'

const kind = serverUnderTest()
const programs = await Promise.all([minioProgram(), mcProgram()]).catch((error: unknown) =>
  String(error),
)
const skip = typeof programs === 'string' && `no MinIO programs: ${programs}`
const mc = typeof programs === 'string' ? '' : programs[1]
const credentials = { accessKey: 'storedstate', secretKey: 'storedstate-secret' }
const run = promisify(execFile)

class Deployment {
  readonly folder: string
  readonly #drives: readonly string[]

  constructor(folder: string, drives: readonly string[]) {
    this.folder = folder
    this.#drives = drives
  }

  start(server: ServerKind, environment: Readonly<Record<string, string>> = {}) {
    const { folder } = this
    return startServer({ kind: server, folder, drives: this.#drives, credentials, environment })
  }

  async admin(server: RunningServer, commands: readonly string[]): Promise<void> {
    const options = ['--config-dir', join(this.folder, '.mc'), '--quiet']
    const { accessKey, secretKey } = credentials
    await run(mc, [...options, 'alias', 'set', 'm', server.endpoint, accessKey, secretKey])
    for (const command of commands) await run(mc, [...options, 'admin', ...command.split(' ')])
  }

  /** Drives that have something under a key. */
  holders(bucket: string, key: string): readonly string[] {
    const drives = ['p1', 'p2'].flatMap((pool) =>
      [1, 2, 3, 4].map((number) => `${pool}/d${number}`),
    )
    return drives.filter((drive) => readdirSync(join(this.folder, drive, bucket)).includes(key))
  }
}

async function regionOf(client: S3Driver, bucket: string): Promise<string | undefined> {
  const { text } = await client.must({ method: 'GET', bucket, query: { location: '' } })
  return />([^<>]*)<\/LocationConstraint>/.exec(text)?.[1]
}

suite(`what MinIO stored counts for ${kind}`, { skip }, () => {
  test('the stored configuration counts where the environment says nothing', {
    timeout: 60_000,
  }, async () => {
    using temporary = new TemporaryFolder()
    const deployment = new Deployment(temporary.path, ['d{1...4}'])
    {
      await using minio = await deployment.start('minio')
      await deployment.admin(minio, [
        'config set m site region=eu-north-9',
        'config set m storage_class standard=EC:1',
        'config set m api requests_max=77 stale_uploads_expiry=48h',
      ])
      await minio.stop()
    }
    {
      await using server = await deployment.start(kind)
      const client = new S3Driver(server.endpoint, credentials, 'eu-north-9')
      await client.must({ method: 'PUT', bucket: 'bucket' })
      assert.equal(await regionOf(client, 'bucket'), 'eu-north-9')
      const body = Buffer.alloc(1_200_000, 'x')
      await client.must({ method: 'PUT', bucket: 'bucket', key: 'k', body })
      const object = join(temporary.path, 'd1/bucket/k')
      const [dataDir = ''] = readdirSync(object).filter((name) => name !== 'xl.meta')
      // A third of each of two blocks, and their hashes.
      const sizeBytes = Math.ceil(1_048_576 / 3) + Math.ceil((1_200_000 - 1_048_576) / 3) + 64
      assert.equal(statSync(join(object, dataDir, 'part.1')).size, sizeBytes)
      client.close()
      await server.stop()
    }
    await using server = await deployment.start(kind, { MINIO_REGION: 'us-west-7' })
    const client = new S3Driver(server.endpoint, credentials, 'us-west-7')
    assert.equal(await regionOf(client, 'bucket'), 'us-west-7')
    const { text } = await client.must({ method: 'GET', bucket: 'bucket', key: 'k' })
    assert.equal(text, 'x'.repeat(1_200_000))
    client.close()
    await server.stop()
  })

  test('objects are read that MinIO copied onto themselves, though it marked their compression wrongly', {
    skip: kind === 'minio' && 'MinIO cannot read them itself',
    timeout: 60_000,
  }, async () => {
    using temporary = new TemporaryFolder()
    const deployment = new Deployment(temporary.path, ['d{1...4}'])
    const environment = { MINIO_COMPRESSION_ENABLE: 'on' }
    const body = Buffer.from(Array.from({ length: 30_000 }, (_, i) => `line ${i}\n`).join(''))
    const types = ['text/plain', 'application/octet-stream'] as const
    {
      await using minio = await deployment.start('minio', environment)
      await minio.client.must({ method: 'PUT', bucket: 'bucket' })
      for (const [index, key] of ['compressed', 'plain'].entries()) {
        const target = { method: 'PUT', bucket: 'bucket', key }
        const headers = { 'content-type': types[index] ?? '' }
        await minio.client.must({ ...target, body, headers })
        await minio.client.must({
          ...target,
          headers: {
            'content-type': types[1 - index] ?? '',
            'x-amz-copy-source': `/bucket/${key}`,
            'x-amz-metadata-directive': 'REPLACE',
          },
        })
      }
      await minio.stop()
    }
    await using server = await deployment.start(kind, environment)
    for (const key of ['compressed', 'plain']) {
      const target = { bucket: 'bucket', key }
      const { headers } = await server.client.must({ ...target, method: 'HEAD' })
      assert.equal(headers['content-length'], String(body.length))
      assertBytes((await server.client.must({ ...target, method: 'GET' })).body, body)
      const range = { range: 'bytes=200000-200099' }
      const part = await server.client.must({ ...target, method: 'GET', headers: range })
      assertBytes(part.body, body.subarray(200_000, 200_100))
    }
    await server.stop()
  })

  test('a pool that is being emptied takes no new objects, and MinIO goes on with it', {
    timeout: 90_000,
  }, async () => {
    using temporary = new TemporaryFolder()
    const deployment = new Deployment(temporary.path, ['p1/d{1...4}', 'p2/d{1...4}'])
    {
      // The list of pools is written by whoever starts first.
      await using server = await deployment.start(kind)
      await server.client.must({ method: 'PUT', bucket: 'bucket' })
      for (let i = 0; i < 12; i++) {
        await server.client.must({ method: 'PUT', bucket: 'bucket', key: `old${i}`, body: 'old' })
      }
      await server.stop()
    }
    {
      await using minio = await deployment.start('minio')
      await deployment.admin(minio, ['decommission start m p1/d{1...4}'])
      await minio.stop()
    }
    await using server = await deployment.start(kind)
    for (let i = 0; i < 12; i++) {
      const { text } = await server.client.must({ method: 'GET', bucket: 'bucket', key: `old${i}` })
      assert.equal(text, 'old')
      for (const key of [`new${i}`, `old${i}`]) {
        await server.client.must({ method: 'PUT', bucket: 'bucket', key, body: 'new' })
        const { text: changed } = await server.client.must({ method: 'GET', bucket: 'bucket', key })
        assert.equal(changed, 'new')
        const holders = deployment.holders('bucket', key)
        assert.ok(holders.includes('p2/d1') && holders.includes('p2/d4'), key)
        if (key.startsWith('new')) assert.equal(holders.length, 4, key)
      }
    }
    await server.stop()
  })
})
