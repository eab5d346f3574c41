import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { get as getOverTls } from 'node:https'
import { join } from 'node:path'
import { makeCertificate } from '#testing/certificate'
import type { ServerSetting } from './modes.ts'
import type { Target } from './s3-connection.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const CREDENTIALS = { accessKey: 'benchroot', secretKey: 'benchroot-secret' }
const START_TIMEOUT_MS = 60_000
/** A static master key: what is measured is worth nothing to anybody. */
const BENCH_KEY = 'bench-key:OSMM+vkKUTCvQs9YL/CVMIMt43HFhkUpqJxTmGl6rYw='
const ENVIRONMENTS: Readonly<Record<ServerSetting, Readonly<Record<string, string>>>> = {
  plain: {},
  kms: { MINIO_KMS_SECRET_KEY: BENCH_KEY },
  compression: { MINIO_COMPRESSION_ENABLE: 'on' },
  tls: {},
}

/** A server under measurement. */
export interface Contestant {
  readonly name: string
  readonly target: Target
  readonly pid: number
  /** Time from spawn to the first good health answer; undefined for servers that ran already. */
  readonly startMs: number | undefined
  stop(): Promise<void>
}

/** Starts `cairn` or a MinIO program on fresh drive folders below `base`. */
export async function startContestant(
  kind: 'cairn' | 'minio',
  options: {
    readonly program: string
    readonly base: string
    readonly drives: number
    readonly port: number
    readonly setting: ServerSetting
    readonly environment: Readonly<Record<string, string>>
  },
): Promise<Contestant> {
  const folder = mkdtempSync(join(options.base, `bench-${kind}-`))
  const drives = Array.from({ length: options.drives }, (_, index) => join(folder, `d${index + 1}`))
  for (const drive of drives) mkdirSync(drive)
  const address = `127.0.0.1:${options.port}`
  const certificates = join(folder, 'certs')
  if (options.setting === 'tls') makeCertificate(certificates, 'IP:127.0.0.1')
  const flags = ['--quiet', '--address', address, '--certs-dir', certificates]
  const begin = performance.now()
  const words =
    kind === 'cairn'
      ? [join(ROOT, 'scripts/cairn.js'), 'server', ...flags, ...drives]
      : ['server', ...flags, '--console-address', `127.0.0.1:${options.port + 1}`, ...drives]
  const child = spawn(kind === 'cairn' ? process.execPath : options.program, words, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      ...ENVIRONMENTS[options.setting],
      ...options.environment,
      MINIO_ROOT_USER: CREDENTIALS.accessKey,
      MINIO_ROOT_PASSWORD: CREDENTIALS.secretKey,
      MINIO_CI_CD: 'on',
    },
  })
  const target: Target = {
    host: '127.0.0.1',
    port: options.port,
    ...CREDENTIALS,
    ...(options.setting === 'tls'
      ? { certificate: readFileSync(join(certificates, 'public.crt'), 'utf8') }
      : {}),
  }
  await waitUntilReady(child, target)
  return {
    name: kind,
    target,
    pid: child.pid ?? 0,
    startMs: performance.now() - begin,
    stop: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), 20_000)
      await ended
      clearTimeout(timer)
    },
  }
}

async function waitUntilReady(child: ChildProcess, target: Target): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS
  while (performance.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`Server ended with ${child.exitCode}`)
    if (await isReady(target)) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  child.kill('SIGKILL')
  throw new Error('Server did not become ready')
}

function isReady({ host, port, certificate }: Target): Promise<boolean> {
  return new Promise((resolve) => {
    const options = { host, port, path: '/minio/health/cluster', timeout: 1000 }
    const onReply = (reply: IncomingMessage): void => {
      reply.resume()
      resolve(reply.statusCode === 200)
    }
    const request =
      certificate === undefined
        ? get(options, onReply)
        : getOverTls({ ...options, ca: certificate }, onReply)
    request.on('error', () => resolve(false))
    request.on('timeout', () => request.destroy())
  })
}

/** Processor time of a process and its threads so far, in seconds. */
export function processorSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Resident memory now and its peak since the last `resetPeak`, in bytes. */
export function residentBytes(pid: number): { readonly now: number; readonly peak: number } {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8')
  const field = (name: string): number =>
    1024 * Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0)
  return { now: field('VmRSS'), peak: field('VmHWM') }
}

/** Sets the peak back to the present value; ignored where the kernel refuses. */
export function resetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5')
  } catch {
    // Not ours to reset: the peak then counts from the start of the process.
  }
}
