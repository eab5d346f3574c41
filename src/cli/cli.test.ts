import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

const COMMAND = fileURLToPath(new URL('../../scripts/cairn.js', import.meta.url))

function folderOf(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-cli-'))
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

test('a server lives through SIGHUP without a terminal, ends cleanly by SIGQUIT, and tells all in JSON', async (context) => {
  const drive = join(folderOf(context), 'drive')
  const words = ['server', '--json', '--address', '127.0.0.1:0', drive]
  const child = spawn(process.execPath, [COMMAND, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
  context.after(() => child.kill('SIGKILL'))
  let output = ''
  const started = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString()
        if (output.includes('"Started"')) resolve()
      })
    }
    child.once('exit', () => resolve())
  })
  await started
  const url = /"url":"([^"]+)"/.exec(output)?.[1]
  assert.ok(url !== undefined, output)
  child.kill('SIGHUP')
  assert.equal((await fetch(`${url}/minio/health/live`)).status, 200)
  const ended = once(child, 'exit')
  child.kill('SIGQUIT')
  assert.deepEqual(await ended, [0, null])
  for (const line of output.trim().split('\n')) {
    const entry: unknown = JSON.parse(line)
    assert.ok(typeof entry === 'object' && entry !== null && 'message' in entry, line)
  }
})

test('wrong words end with a hint and an exit code', () => {
  for (const [words, hint] of [
    [['serve', '/d'], /Did you mean server/],
    [['server', '--addres', ':1', '/d'], /Did you mean --address/],
    [['--address', ':1', '/d'], /Usage: cairn server/],
    [['server', '--address', 'nine', '/d'], /Invalid --address="nine": expected HOST:PORT/],
    // As service files of MinIO have it: flags before the command, and with one dash.
    [['--compat', '-S', '/c', 'server', '-address', 'nine', '/d'], /Invalid --address="nine"/],
    [['-quiet', '--certs-dir=/c', 'server', '-address=nine', '/d'], /Invalid --address="nine"/],
  ] as const) {
    const run = spawnSync(process.execPath, [COMMAND, ...words], { encoding: 'utf8' })
    assert.equal(run.status, 1)
    assert.match(run.stderr, hint)
  }
})

test('a port that another program uses ends the start with what to do', async (context) => {
  const other = createServer()
  other.listen(0, '127.0.0.1')
  await once(other, 'listening')
  context.after(() => other.close())
  const address = other.address()
  assert.ok(typeof address === 'object' && address !== null)
  const words = ['server', '--address', `127.0.0.1:${address.port}`, folderOf(context)]
  const run = spawnSync(process.execPath, [COMMAND, ...words], { encoding: 'utf8' })
  assert.equal(run.status, 1)
  assert.match(run.stderr, /Cannot listen on 127\.0\.0\.1:\d+: a program uses this port already/)
})
