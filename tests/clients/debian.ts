/** Programs of Debian packages, unpacked beside the system, so that no rights are needed. */
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../lib/programs.ts'

const DOWNLOAD_TIMEOUT_MS = 240_000

/** Unpacks a package into `folder`, with those it depends on that this machine lacks. */
export async function unpackDebian(name: string, folder: string): Promise<void> {
  const archives = join(folder, 'archives')
  mkdirSync(join(archives, 'partial'), { recursive: true })
  const options = ['--download-only', '--reinstall', '--yes', '--no-install-recommends']
  const places = ['-o', `Dir::Cache::archives=${archives}`, '-o', 'Debug::NoLocking=1']
  const download = (): Promise<string> =>
    run('apt-get', ['install', ...options, ...places, name], { timeoutMs: DOWNLOAD_TIMEOUT_MS })
  try {
    await download()
  } catch {
    // A new machine knows no packages yet, and one that waited for long knows old ones.
    await run('apt-get', ['update'], { timeoutMs: DOWNLOAD_TIMEOUT_MS })
    await download()
  }
  const packages = readdirSync(archives).filter((file) => file.endsWith('.deb'))
  if (packages.length === 0) throw new Error(`apt-get left no package of ${name}`)
  for (const file of packages) {
    await run('dpkg', ['-x', join(archives, file), folder], { timeoutMs: 60_000 })
  }
  rmSync(archives, { recursive: true })
}

/** Value of `LD_LIBRARY_PATH` for programs that were unpacked into `folder`. */
export function libraryPath(folder: string): string {
  const below = readdirSync(folder, { recursive: true, withFileTypes: true })
  const libraries = below.filter(({ name }) => /\.so(?:\.|$)/.test(name))
  return [...new Set(libraries.map(({ parentPath }) => parentPath))].join(':')
}
