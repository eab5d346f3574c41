/** Archives that become objects: `X-Amz-Meta-Snowball-Auto-Extract` (s3-api.md 4.2.9). */
import { bodyOfBytes, collectBody } from '#object/body'
import { headerValueText } from '#s3-protocol/percent'
import { S3Error } from '#s3-protocol/s3-error'
import type { S3Call, S3Reply } from '../s3.ts'
import { bodyChecks } from './checksums.ts'
import { DigestedBody } from './digested-body.ts'
import { innerWrite } from './inner-write.ts'
import { quotedEtag } from './object-headers.ts'
import { putObject } from './object-write.ts'
import { checkBodySize } from './request-values.ts'
import { Expansion } from './snowball-expansion.ts'
import { type TarEntry, TarReader } from './snowball-tar.ts'
import { TarError } from './tar-values.ts'

const PIECE_BYTES = 64 * 1024
/** Entries up to this size are written several at a time. */
const SMALL_BYTES = 256 * 1024
const WRITES_AT_ONCE = 8
const META = 'x-amz-meta-'
const METADATA_RECORD = 'minio.metadata.'

/** Headers of the archive that are not those of its entries. */
const ARCHIVE_HEADERS =
  /^(x-amz-meta-(minio-)?snowball-|x-amz-checksum-|x-amz-sdk-checksum|x-amz-trailer$|x-amz-decoded|x-amz-content-sha256$|x-amz-date$|x-amz-security-token$)/
const ENTRY_HEADERS = /^(x-amz-|cache-control$|content-(type|disposition|language)$|expires$)/

interface Options {
  /** Empty, or with a slash at its end. */
  readonly prefix: string
  readonly ignoresFolders: boolean
  readonly ignoresErrors: boolean
  readonly headers: readonly (readonly [string, string])[]
}

/** `PUT` of an archive. Without the option to ignore them the first fault ends it; what was written stays. */
export async function putExtract(call: S3Call): Promise<S3Reply> {
  checkBodySize(call)
  if (call.request.header('x-amz-server-side-encryption') === 'aws:kms') {
    throw new S3Error('NotImplemented')
  }
  await call.services.engine.getBucket(call.bucket)
  const checks = bodyChecks(call, undefined)
  const body = new DigestedBody(call, checks.digests)
  await extract(call, body, optionsOf(call))
  const digests = body.digests()
  checks.verify(digests)
  return { status: 200, headers: [['ETag', quotedEtag(digests.get('md5')?.toHex() ?? '')]] }
}

function optionsOf(call: S3Call): Options {
  const option = (name: string): string =>
    headerValueText(call.request.header(`${META}minio-snowball-${name}`) ?? '')
  const prefix = option('prefix').replace(/^\/+/, '')
  const headers = call.request.rawHeaders.flatMap(([name, value]) => {
    const lower = name.toLowerCase()
    const isKept = ENTRY_HEADERS.test(lower) && !ARCHIVE_HEADERS.test(lower)
    return isKept ? [[lower, headerValueText(value)] as const] : []
  })
  return {
    prefix: prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`,
    ignoresFolders: option('ignore-dirs').toLowerCase() === 'true',
    ignoresErrors: option('ignore-errors').toLowerCase() === 'true',
    headers,
  }
}

async function extract(call: S3Call, body: DigestedBody, options: Options): Promise<void> {
  const piece = new Uint8Array(PIECE_BYTES)
  const expansion = new Expansion()
  const raw = {
    next: async () => {
      const count = await body.read(piece)
      expansion.take(count)
      return count === 0 ? undefined : piece.subarray(0, count)
    },
    close: () => undefined,
  }
  const writes = new Writes(options.ignoresErrors)
  // Decoders are loaded with the first archive.
  const { plainContent } = await import('#select/compressed-content')
  const plain = await plainContent(raw, call.services)
  const content = expansion.counted(plain)
  try {
    const reader = new TarReader(content, (size) => expansion.make(size))
    for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
      await writeEntry(call, entry, { options, writes })
    }
    await writes.end()
    // The whole body counts for its checksums, also what lies behind the archive's end.
    while ((await content.next()) !== undefined);
    while ((await raw.next()) !== undefined);
  } catch (error) {
    await writes.settle()
    throw archiveError(error)
  } finally {
    plain.close()
  }
}

function archiveError(error: unknown): unknown {
  const isOfArchive =
    error instanceof TarError || (error instanceof Error && error.name === 'SelectError')
  if (!isOfArchive) return error
  return new S3Error('BadRequest', { message: `tar file error: ${error.message}`, cause: error })
}

async function writeEntry(
  call: S3Call,
  entry: TarEntry,
  { options, writes }: { readonly options: Options; readonly writes: Writes },
): Promise<void> {
  if (entry.kind === 'link' || entry.kind === 'other') return
  if (entry.kind === 'folder' && options.ignoresFolders) return
  const key = keyOf(entry, options.prefix)
  if (key === options.prefix && entry.name !== '') return
  const isSmall = entry.body.sizeBytes <= SMALL_BYTES
  const body = isSmall ? bodyOfBytes(await collectBody(entry.body)) : entry.body
  const write = async (): Promise<void> => {
    if (entry.name === '') throw new S3Error('XMinioInvalidObjectName')
    if (!(await call.isAllowed('s3:PutObject', call.bucket, key))) throw new S3Error('AccessDenied')
    if ((entry.records.get('minio.versionId') ?? '') !== '') {
      throw new S3Error('NotImplemented', {
        message: 'Prescribed version ids belong to replication',
      })
    }
    const headers = headersOf(entry, options.headers)
    await putObject(innerWrite(call, { key, headers, body }), { modifiedNs: entry.modifiedNs })
  }
  await (isSmall ? writes.start(key, write) : writes.run(key, write))
}

/** The entry's name below the prefix; leading slashes and `.` segments are cleaned away, `..` is refused by the write. */
function keyOf(entry: TarEntry, prefix: string): string {
  const segments = entry.name.split('/').filter((part) => part !== '' && part !== '.')
  const name = segments.join('/')
  return name !== '' && entry.kind === 'folder' ? `${prefix}${name}/` : `${prefix}${name}`
}

function headersOf(
  entry: TarEntry,
  common: Options['headers'],
): readonly (readonly [string, string])[] {
  const own = new Map<string, string>()
  for (const [key, value] of entry.records) {
    if (!key.startsWith(METADATA_RECORD)) continue
    const name = key.slice(METADATA_RECORD.length).toLowerCase()
    if (ENTRY_HEADERS.test(name) || name === 'content-encoding') own.set(name, value)
  }
  return [...common.filter(([name]) => !own.has(name)), ...own]
}

/** Writes under way, a few at a time. Of entries with the same key the last one stays. */
class Writes {
  readonly #ignoresErrors: boolean
  readonly #running = new Map<string, Promise<void>>()
  #failure: Error | undefined

  constructor(ignoresErrors: boolean) {
    this.#ignoresErrors = ignoresErrors
  }

  /** Begins a write as soon as there is room. Throws what an earlier one failed with. */
  async start(key: string, write: () => Promise<void>): Promise<void> {
    await this.#running.get(key)
    while (this.#running.size >= WRITES_AT_ONCE) await Promise.race(this.#running.values())
    this.#check()
    const running = this.#guarded(write).finally(() => this.#running.delete(key))
    this.#running.set(key, running)
  }

  /** Does a write alone. */
  async run(key: string, write: () => Promise<void>): Promise<void> {
    await this.#running.get(key)
    await this.#guarded(write)
    this.#check()
  }

  async end(): Promise<void> {
    await this.settle()
    this.#check()
  }

  async settle(): Promise<void> {
    await Promise.all(this.#running.values())
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  async #guarded(write: () => Promise<void>): Promise<void> {
    try {
      await write()
    } catch (error) {
      // Ignored faults are the client's wish; what it sees is which objects are there.
      if (!this.#ignoresErrors) {
        this.#failure ??= error instanceof Error ? error : new Error(String(error))
      }
    }
  }
}
