// Run by `npm ci`: builds, then starts and stops a server on temporary folders, so that `node_modules/.cache` holds the
// compiled code, and the first real start is as quick and small as the later ones. Its failure harms nothing: without
// `dist/` the sources run.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const COMMAND = fileURLToPath(new URL('cairn.js', import.meta.url))
const LIMIT_MS = 30_000

const folder = mkdtempSync(join(tmpdir(), 'cairn-prepare-'))
try {
  await import('./build.ts')
  await startAndStop()
} catch {
  // The first start will be slower, no more.
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** The banner says that the server is ready. */
function startAndStop(): Promise<void> {
  const settings = Object.entries(process.env).filter(([name]) => !/^(MINIO|CAIRN)_/.test(name))
  const server = spawn(
    process.execPath,
    [COMMAND, 'server', '--address', '127.0.0.1:0', join(folder, 'd{1...4}')],
    // CI mode: the temporary folder may be on the root drive.
    {
      env: { ...Object.fromEntries(settings), MINIO_CI_CD: 'on' },
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: LIMIT_MS,
      killSignal: 'SIGKILL',
    },
  )
  server.stdout.once('data', () => server.kill('SIGTERM'))
  server.stdout.resume()
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.once('close', () => resolve())
  })
}
