/** Fan-out: one file of a form stored under many keys (s3-api.md 6.1.4). */
import { bodyOfBytes } from '#object/body'
import type { BodySource } from '#object/object'
import { cleanKey } from '#s3-protocol/names'
import { malformedForm } from '#s3-protocol/post-policy'
import { S3Error } from '#s3-protocol/s3-error'
import { formatTags } from '#s3-protocol/tagging'
import { errorOf } from '../errors.ts'
import type { S3Call, S3Reply } from '../s3.ts'
import { innerWrite, type InnerWrite } from './inner-write.ts'
import { putObject } from './object-write.ts'

const CONTENT_MAX_BYTES = 16 * 1024 * 1024
const ENTRIES_MAX = 10_000
const WRITES_AT_ONCE = 8

/** What an entry may say, and the header it becomes. */
const HEADERS: Readonly<Record<string, string>> = {
  contentType: 'content-type',
  contentEncoding: 'content-encoding',
  contentDisposition: 'content-disposition',
  contentLanguage: 'content-language',
  cacheControl: 'cache-control',
  retention: 'x-amz-object-lock-mode',
  retainUntil: 'x-amz-object-lock-retain-until-date',
}

interface Entry {
  readonly key: string
  readonly headers: readonly (readonly [string, string])[]
}

/** Stores the content of `write` under each key of `list`; each is allowed, and fails, on its own. */
export async function fanOut(call: S3Call, write: InnerWrite, list: string): Promise<S3Reply> {
  const entries = entriesOf(list).map(({ key, headers }) => ({
    key: call.services.cleansKeys === true ? cleanKey(key) : key,
    headers,
  }))
  const content = await contentOf(write.body)
  const lines: string[] = []
  for (let from = 0; from < entries.length; from += WRITES_AT_ONCE) {
    const batch = entries.slice(from, from + WRITES_AT_ONCE)
    lines.push(...(await Promise.all(batch.map((entry) => store(call, write, entry, content)))))
  }
  return { status: 200, body: lines.join(''), contentType: 'application/json' }
}

async function contentOf(body: BodySource): Promise<Uint8Array> {
  let content = Buffer.alloc(64 * 1024)
  let size = 0
  for (;;) {
    const count = await body.read(content.subarray(size))
    size += count
    if (size > CONTENT_MAX_BYTES) throw new S3Error('EntityTooLarge')
    if (count === 0) return content.subarray(0, size)
    if (size === content.length) content = Buffer.concat([content, Buffer.alloc(content.length)])
  }
}

async function store(
  call: S3Call,
  write: InnerWrite,
  entry: Entry,
  content: Uint8Array,
): Promise<string> {
  const { key } = entry
  const names = new Set(entry.headers.map(([name]) => name))
  const headers = [...write.headers.filter(([name]) => !names.has(name)), ...entry.headers]
  try {
    const caller = write.caller ?? call
    if (!(await caller.isAllowed('s3:PutObjectFanOut', call.bucket, key))) {
      throw new S3Error('AccessDenied')
    }
    const inner = innerWrite(call, { ...write, key, headers, body: bodyOfBytes(content) })
    const stored = new Map(Array.from((await putObject(inner)).headers ?? []))
    return line({
      key,
      etag: stored.get('ETag')?.replaceAll('"', ''),
      versionId: stored.get('x-amz-version-id'),
      lastModified: new Date(call.services.clock.nowMs()).toISOString(),
    })
  } catch (error) {
    return line({ key, error: errorOf(error).message })
  }
}

function line(value: object): string {
  return `${JSON.stringify(value)}\n`
}

/** A run of JSON objects, with or without blanks between them. */
function entriesOf(list: string): readonly Entry[] {
  const entries: Entry[] = []
  for (const text of objectTexts(list)) {
    if (entries.length === ENTRIES_MAX) throw malformedForm('The fan-out list is too long')
    entries.push(entryOf(text))
  }
  if (entries.length === 0) throw malformedForm('The fan-out list is empty')
  return entries
}

function objectTexts(list: string): readonly string[] {
  const texts: string[] = []
  let [depth, start] = [0, 0]
  for (const match of list.matchAll(/"(?:[^"\\]|\\.)*"|[{}]/gs)) {
    if (match[0] === '{') {
      if (depth === 0) start = match.index
      depth += 1
    } else if (match[0] === '}') {
      depth -= 1
      if (depth === 0) texts.push(list.slice(start, match.index + 1))
    }
  }
  return texts
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function entryOf(text: string): Entry {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // Told below, like an entry without a key.
  }
  if (!isRecord(value) || typeof value['key'] !== 'string' || value['key'] === '') {
    throw malformedForm('The fan-out list has a malformed entry')
  }
  const headers: (readonly [string, string])[] = []
  for (const [name, header] of Object.entries(HEADERS)) {
    const content = value[name]
    if (typeof content === 'string' && content !== '') headers.push([header, content])
  }
  for (const [name, content] of textsOf(value['metadata'])) {
    const lower = name.toLowerCase()
    headers.push([lower.startsWith('x-amz-meta-') ? lower : `x-amz-meta-${lower}`, content])
  }
  const tags = textsOf(value['tags']).map(([key, content]) => ({ key, value: content }))
  if (tags.length > 0) headers.push(['x-amz-tagging', formatTags(tags)])
  return { key: value['key'], headers }
}

function textsOf(value: unknown): readonly (readonly [string, string])[] {
  if (!isRecord(value)) return []
  return Object.entries(value).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  )
}
