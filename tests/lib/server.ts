/** Starts and stops servers, MinIO or Cairn, on folders of the caller; never leaves one behind. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeCertificate } from '../../src/testing/certificate.ts'
import { minioProgram, REPOSITORY } from './programs.ts'
import { type Credentials, S3Driver } from './s3-driver.ts'

export type ServerKind = 'cairn' | 'minio'

/** Which server the tests speak to: env `CAIRN_TEST_SERVER`, default `cairn`. */
export function serverUnderTest(): ServerKind {
  const kind = process.env['CAIRN_TEST_SERVER'] ?? 'cairn'
  if (kind !== 'cairn' && kind !== 'minio') throw new Error(`Unknown CAIRN_TEST_SERVER="${kind}"`)
  return kind
}

export interface ServerOptions {
  readonly kind: ServerKind
  /** Working directory; drives may be named relative to it. */
  readonly folder: string
  readonly drives: readonly string[]
  readonly credentials: Credentials
  readonly environment?: Readonly<Record<string, string>>
  readonly readyTimeoutMs?: number
  /** HTTPS, with a certificate made for it: keys of clients travel no other way. */
  readonly tls?: boolean
}

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const free = await new Promise<boolean>((resolve) => {
      const probe = createServer()
      probe.once('error', () => resolve(false))
      probe.listen({ host: '127.0.0.1', port, exclusive: true }, () =>
        probe.close(() => resolve(true)),
      )
    })
    if (free) return port
  }
  throw new Error('Cannot find a free port')
}

export class RunningServer implements AsyncDisposable {
  readonly kind: ServerKind
  readonly endpoint: string
  readonly credentials: Credentials
  readonly client: S3Driver
  /** From the start of the process to the first answered request. */
  readyMs = 0
  readonly #child: ChildProcess
  readonly #exit: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  #log = ''
  #exited = false

  constructor(kind: ServerKind, endpoint: string, credentials: Credentials, child: ChildProcess) {
    this.kind = kind
    this.endpoint = endpoint
    this.credentials = credentials
    this.client = new S3Driver(endpoint, credentials)
    this.#child = child
    running.add(child)
    const keep = (chunk: Buffer): void => {
      this.#log = (this.#log + chunk.toString('utf8')).slice(-20_000)
    }
    child.stdout?.on('data', keep)
    child.stderr?.on('data', keep)
    this.#exit = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code, signal) => {
        this.#exited = true
        running.delete(child)
        resolve({ code, signal })
      })
    })
    // A program that cannot be started is reported by whoever waits for it.
    this.#exit.catch(() => running.delete(child))
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** The end of what the server printed. */
  get log(): string {
    return this.#log
  }

  get hasExited(): boolean {
    return this.#exited
  }

  /** Waits until a signed request is answered. Rejects with the log when the process ends or the time is up. */
  async waitUntilReady(timeoutMs: number): Promise<void> {
    const began = performance.now()
    while (performance.now() - began < timeoutMs) {
      if (this.#exited) {
        const { code, signal } = await this.#exit
        throw new Error(`The ${this.kind} server ended (${code ?? signal}) at start:\n${this.#log}`)
      }
      try {
        const reply = await this.client.send({ method: 'GET', path: '/', timeoutMs: 5000 })
        if (reply.status === 200) {
          this.readyMs = Math.round(performance.now() - began)
          return
        }
      } catch {
        // Not listening yet.
      }
      await sleep(25)
    }
    await this.kill()
    throw new Error(`The ${this.kind} server was not ready after ${timeoutMs} ms:\n${this.#log}`)
  }

  /** SIGTERM and the wait for the end. Rejects when it takes longer than 30 s or the exit code is not 0. */
  async stop(): Promise<void> {
    this.client.close()
    if (this.#exited) throw new Error(`The ${this.kind} server had ended before:\n${this.#log}`)
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 30_000)
    const { code, signal } = await this.#exit
    clearTimeout(timer)
    if (code !== 0) {
      throw new Error(
        `The ${this.kind} server did not stop cleanly (${code ?? signal}):\n${this.#log}`,
      )
    }
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(): Promise<void> {
    this.client.close()
    if (!this.#exited) this.#child.kill('SIGKILL')
    await this.#exit
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}

/** The certificate of a server that was started with `tls` in that folder. */
export function certificateFile(folder: string): string {
  return join(folder, '.home/certs/public.crt')
}

/** Starts a server and waits until it answers. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const address = `127.0.0.1:${await freePort()}`
  const home = join(options.folder, '.home')
  mkdirSync(home, { recursive: true })
  const [program, first] =
    options.kind === 'minio'
      ? [await minioProgram(), []]
      : [process.execPath, [join(REPOSITORY, 'scripts/cairn.js')]]
  const flags = ['--address', address]
  if (options.tls === true) {
    const certificates = join(home, 'certs')
    makeCertificate(certificates, 'IP:127.0.0.1')
    flags.push('--certs-dir', certificates)
  }
  const child = spawn(program, [...first, 'server', ...flags, ...options.drives], {
    cwd: options.folder,
    env: {
      PATH: process.env['PATH'],
      HOME: home,
      // Temporary folders are on the root file system, which both servers refuse otherwise.
      MINIO_CI_CD: 'on',
      MINIO_BROWSER: 'off',
      MINIO_UPDATE: 'off',
      ...options.environment,
      MINIO_ROOT_USER: options.credentials.accessKey,
      MINIO_ROOT_PASSWORD: options.credentials.secretKey,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const scheme = options.tls === true ? 'https' : 'http'
  const endpoint = `${scheme}://${address}`
  const server = new RunningServer(options.kind, endpoint, options.credentials, child)
  await server.waitUntilReady(options.readyTimeoutMs ?? 30_000)
  return server
}
