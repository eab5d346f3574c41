/**
 * TLS certificates from a directory in MinIO's layout:
 *
 *     public.crt, private.key      the default
 *     <host>/public.crt, ...       further ones, chosen by the names in them
 *     CAs/                         trusted by clients of this node; not served
 */
import { X509Certificate } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { SecureContext } from 'node:tls'
import type { Clock, Timer } from '#base/clock'
import type { Log } from '#observe/log'

const CERTIFICATE = 'public.crt'
const KEY = 'private.key'
const RELOAD_INTERVAL_MS = 10_000
const CERTIFICATES_MAX = 1000

export interface CertificateOptions {
  readonly directory: string
  /** Of encrypted private keys. */
  readonly passphrase?: string | undefined
  readonly clock: Clock
  readonly log: Log
}

interface Entry {
  readonly context: SecureContext
  readonly certificate: X509Certificate
}

/** The certificates of a directory, kept up to date. */
export class CertificateStore {
  readonly #options: CertificateOptions
  #entries: readonly Entry[]
  #stamp: string
  /** Of files that could not be used: they are complained of once. */
  #refusedStamp = ''
  #timer: Timer | undefined

  private constructor(options: CertificateOptions) {
    this.#options = options
    this.#stamp = stampOf(options.directory)
    this.#entries = load(options)
    this.#schedule()
  }

  /** Loads the certificates; undefined when the directory has none. Throws for files that are no certificate or do not belong together, and for one without the other. */
  static open(options: CertificateOptions): CertificateStore | undefined {
    const [hasCertificate, hasKey] = [CERTIFICATE, KEY].map((name) =>
      existsSync(join(options.directory, name)),
    )
    if (hasCertificate !== true && hasKey !== true) return undefined
    if (hasCertificate !== hasKey) {
      const [present, absent] = hasKey === true ? [KEY, CERTIFICATE] : [CERTIFICATE, KEY]
      throw new Error(`"${join(options.directory, present)}" is there without ${absent}`)
    }
    return new CertificateStore(options)
  }

  /** For `https.createServer`. Every handshake asks for the newest certificates. */
  serverOptions(): {
    readonly SNICallback: (
      name: string,
      done: (error: Error | null, context?: SecureContext) => void,
    ) => void
    readonly cert: Buffer
    readonly key: Buffer
    readonly passphrase?: string
    readonly minVersion: 'TLSv1.2'
    readonly ALPNProtocols: string[]
  } {
    const { directory, passphrase } = this.#options
    return {
      SNICallback: (name, done) => done(null, this.#find(name)),
      // Clients that name no host get what was there at the start, until `onReload` of the server replaces it.
      cert: readFileSync(join(directory, CERTIFICATE)),
      key: readFileSync(join(directory, KEY)),
      ...(passphrase === undefined ? {} : { passphrase }),
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['http/1.1'],
    }
  }

  /** Called after each reload. */
  onReload: (() => void) | undefined

  #find(name: string): SecureContext | undefined {
    const match = this.#entries.find((entry) => entry.certificate.checkHost(name) !== undefined)
    return (match ?? this.#entries[0])?.context
  }

  #schedule(): void {
    this.#timer = this.#options.clock.setTimer(RELOAD_INTERVAL_MS, () => {
      this.reloadIfChanged()
      this.#schedule()
    })
  }

  /** Reads the directory again when a file of it changed. Bad files leave the old certificates in use. */
  reloadIfChanged(): void {
    const { directory, log } = this.#options
    let stamp = 'unknown'
    try {
      stamp = stampOf(directory)
      if (stamp === this.#stamp || stamp === this.#refusedStamp) return
      this.#entries = load(this.#options)
      this.#stamp = stamp
      this.onReload?.()
      log.info('Certificates were reloaded', { directory })
    } catch (error) {
      if (stamp === this.#refusedStamp) return
      this.#refusedStamp = stamp
      log.error('Cannot reload certificates: the old ones stay in use', { directory, error })
    }
  }

  close(): void {
    this.#timer?.cancel()
  }
}

function folders(directory: string): readonly string[] {
  const names = readdirSync(directory).filter(
    (name) =>
      name !== 'CAs' &&
      !name.startsWith('..') && // where orchestrators keep what the links point to
      [CERTIFICATE, KEY].every((file) => existsSync(join(directory, name, file))),
  )
  return [
    directory,
    ...names
      .toSorted()
      .slice(0, CERTIFICATES_MAX)
      .map((n) => join(directory, n)),
  ]
}

/** Changes when any file does; follows links, since orchestrators swap those. */
function stampOf(directory: string): string {
  return folders(directory)
    .flatMap((folder) => [join(folder, CERTIFICATE), join(folder, KEY)])
    .map((path) => {
      const { mtimeMs, size, ino } = statSync(path)
      return `${path}:${mtimeMs}:${size}:${ino}`
    })
    .join('\n')
}

function load(options: CertificateOptions): readonly Entry[] {
  // Without certificates nothing of this is needed: it would take memory of each thread.
  const { createSecureContext } = process.getBuiltinModule('node:tls')
  return folders(options.directory).map((folder) => {
    const cert = readFileSync(join(folder, CERTIFICATE))
    const key = readFileSync(join(folder, KEY))
    const { passphrase } = options
    try {
      return {
        certificate: new X509Certificate(cert),
        context: createSecureContext({
          cert,
          key,
          minVersion: 'TLSv1.2',
          ...(passphrase === undefined ? {} : { passphrase }),
        }),
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'unknown error'
      const path = join(folder, CERTIFICATE)
      throw new Error(`Cannot use "${path}" with its ${KEY}: ${reason}`, { cause: error })
    }
  })
}
