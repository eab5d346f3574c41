/** A load process: runs one cell against one server and answers its latencies. Started by `main.ts` with IPC. */
import { createHash, randomBytes } from 'node:crypto'
import { type Cell, MULTIPART_PARTS, PART_BYTES } from './cells.ts'
import { modeOf, type Mode } from './modes.ts'
import { type Payload, preparePayload, textOf } from './payload.ts'
import { S3Connection, type Target } from './s3-connection.ts'

export interface Job {
  readonly target: Target
  readonly cell: Cell
  readonly bucket: string
  /** Keys `<prefix><n>` exist for n below `prepared`. */
  readonly prefix: string
  readonly prepared: number
  readonly durationMs: number
  readonly operationsMax: number
  /** `prepare`: writes the keys; `run`: measures; `remove`: empties the bucket. */
  readonly phase: 'prepare' | 'run' | 'remove'
}

export interface Outcome {
  readonly operations: number
  readonly failures: number
  readonly firstFailure: string
  readonly bytes: number
  /** Objects listed or handled, for LIST. */
  readonly items: number
  readonly elapsedMs: number
  readonly latenciesMs: readonly number[]
}

async function runJob(job: Job): Promise<Outcome> {
  const { cell } = job
  const mode = modeOf(cell.mode)
  const sizeBytes = cell.operation === 'MULTIPART' ? PART_BYTES : cell.sizeBytes
  const content = mode.isText ? textOf(sizeBytes) : randomBytes(sizeBytes)
  const body = preparePayload(mode.form, content)
  const latenciesMs: number[] = []
  let started = 0
  let failures = 0
  let firstFailure = ''
  let bytes = 0
  let items = 0
  const begin = performance.now()
  const limit = job.phase === 'prepare' ? job.prepared : job.operationsMax
  const worker = async (): Promise<void> => {
    const connection = new S3Connection(job.target)
    while (
      started < limit &&
      (job.phase === 'prepare' || performance.now() - begin < job.durationMs)
    ) {
      const number = started++
      const from = performance.now()
      try {
        const done = await runOne(connection, job, mode, number, body)
        bytes += done.bytes
        items += done.items
      } catch (error) {
        failures += 1
        firstFailure ||= String(error)
      }
      latenciesMs.push(performance.now() - from)
    }
    connection.close()
  }
  await Promise.all(Array.from({ length: cell.concurrency }, worker))
  return {
    operations: latenciesMs.length,
    failures,
    firstFailure,
    bytes,
    items,
    elapsedMs: performance.now() - begin,
    latenciesMs,
  }
}

interface Done {
  readonly bytes: number
  readonly items: number
}

async function runOne(
  connection: S3Connection,
  job: Job,
  mode: Mode,
  number: number,
  body: Payload,
): Promise<Done> {
  const { operation } = job.cell
  const end = mode.isText ? '.txt' : ''
  const pathOf = (name: string | number): string => `/${job.bucket}/${job.prefix}${name}${end}`
  const prepared = pathOf(number % job.prepared)
  if (job.phase === 'prepare') return put(connection, pathOf(number), body, mode)
  switch (operation) {
    case 'PUT':
      return put(connection, pathOf(`new-${process.pid}-${number}`), body, mode)
    case 'GET':
      return get(connection, prepared, body.sizeBytes, mode)
    case 'STAT': {
      await expect(connection.request('HEAD', prepared, '', { headers: mode.always }), 200)
      return { bytes: 0, items: 1 }
    }
    case 'DELETE': {
      await expect(connection.request('DELETE', pathOf(number), ''), 204)
      return { bytes: 0, items: 1 }
    }
    case 'LIST':
      return list(connection, job)
    case 'MIXED': {
      const choice = number % 10
      if (choice < 6) return get(connection, prepared, body.sizeBytes, mode)
      if (choice < 9)
        return put(connection, pathOf(`mixed-${process.pid}-${number % 200}`), body, mode)
      await expect(connection.request('HEAD', prepared, '', { headers: mode.always }), 200)
      return { bytes: 0, items: 1 }
    }
    case 'MULTIPART':
      return multipart(connection, pathOf(`multi-${process.pid}-${number}`), body, mode)
  }
}

async function expect(
  reply: ReturnType<S3Connection['request']>,
  status: number,
): ReturnType<S3Connection['request']> {
  const got = await reply
  if (got.status !== status)
    throw new Error(`Status ${got.status}, expected ${status}: ${got.body.slice(0, 300)}`)
  return got
}

async function put(
  connection: S3Connection,
  path: string,
  body: Payload,
  mode: Mode,
): Promise<Done> {
  const headers = { ...mode.creating, ...mode.always }
  await expect(connection.request('PUT', path, '', { body, headers }), 200)
  return { bytes: body.sizeBytes, items: 1 }
}

async function get(
  connection: S3Connection,
  path: string,
  sizeBytes: number,
  mode: Mode,
): Promise<Done> {
  const reply = await expect(connection.request('GET', path, '', { headers: mode.always }), 200)
  if (reply.bodyBytes !== sizeBytes) throw new Error(`Got ${reply.bodyBytes} of ${sizeBytes} bytes`)
  return { bytes: reply.bodyBytes, items: 1 }
}

/** One full listing, page by page. */
async function list(connection: S3Connection, job: Job): Promise<Done> {
  let token = ''
  let items = 0
  for (;;) {
    const query = `${token === '' ? '' : `continuation-token=${encodeURIComponent(token)}&`}list-type=2&prefix=${encodeURIComponent(job.prefix)}`
    const reply = await expect(
      connection.request('GET', `/${job.bucket}`, query, { keepBody: true }),
      200,
    )
    items += reply.body.split('<Key>').length - 1
    token = /<NextContinuationToken>([^<]+)</.exec(reply.body)?.[1] ?? ''
    if (token === '') break
  }
  if (items < job.prepared) throw new Error(`Listed ${items} of ${job.prepared} keys`)
  return { bytes: 0, items }
}

async function removeAll(job: Job): Promise<void> {
  const connection = new S3Connection(job.target)
  for (;;) {
    const page = await expect(
      connection.request('GET', `/${job.bucket}`, 'list-type=2', { keepBody: true }),
      200,
    )
    const keys = [...page.body.matchAll(/<Key>[^<]+<\/Key>/g)].map(([key]) => key)
    if (keys.length === 0) break
    const objects = keys.map((key) => `<Object>${key}</Object>`).join('')
    const document = Buffer.from(`<Delete><Quiet>true</Quiet>${objects}</Delete>`)
    const reply = await expect(
      connection.request('POST', `/${job.bucket}`, 'delete=', {
        body: preparePayload('unsigned', document),
        keepBody: true,
        headers: { 'content-md5': createHash('md5').update(document).digest('base64') },
      }),
      200,
    )
    if (reply.body.includes('<Error>')) throw new Error(`Cannot delete: ${reply.body}`)
  }
  connection.close()
}

async function multipart(
  connection: S3Connection,
  path: string,
  part: Payload,
  mode: Mode,
): Promise<Done> {
  const headers = { ...mode.creating, ...mode.always }
  const created = await expect(
    connection.request('POST', path, 'uploads=', { keepBody: true, headers }),
    200,
  )
  const uploadId = /<UploadId>([^<]+)</.exec(created.body)?.[1] ?? ''
  let document = '<CompleteMultipartUpload>'
  for (let number = 1; number <= MULTIPART_PARTS; number++) {
    const query = `partNumber=${number}&uploadId=${encodeURIComponent(uploadId)}`
    const options = { body: part, headers: mode.always }
    const reply = await expect(connection.request('PUT', path, query, options), 200)
    document += `<Part><PartNumber>${number}</PartNumber><ETag>${reply.headers.get('etag') ?? ''}</ETag></Part>`
  }
  const completion = Buffer.from(`${document}</CompleteMultipartUpload>`)
  await expect(
    connection.request('POST', path, `uploadId=${encodeURIComponent(uploadId)}`, {
      body: preparePayload('unsigned', completion),
      keepBody: true,
    }),
    200,
  )
  return { bytes: MULTIPART_PARTS * part.sizeBytes, items: 1 }
}

process.on('message', (job: Job) => {
  const done = job.phase === 'remove' ? removeAll(job) : runJob(job)
  done.then(
    (outcome) => process.send?.(outcome ?? 'removed'),
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    },
  )
})
