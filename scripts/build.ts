/** `npm run build`, also part of `npm ci`: bundles the sources into `dist/`, one file for each kind of thread and what they share. Why: docs/decisions/0006-memory.md. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

const ROOT = join(import.meta.dirname, '..')

rmSync(join(ROOT, 'dist'), { recursive: true, force: true })
await build({
  absWorkingDir: ROOT,
  entryPoints: [
    'src/cli/cli.ts',
    'src/server/request-thread.ts',
    'src/drive/drive-host.ts',
    'src/drive/metadata-reader-host.ts',
    'src/codec/md5-helper-host.ts',
    'src/select/input/parquet-worker.ts',
  ],
  outdir: 'dist',
  // All in one folder: threads are started by the name of the file beside.
  entryNames: '[name]',
  chunkNames: '[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node26',
  packages: 'external',
  logLevel: 'warning',
})
