/** A load process: runs one cell against one server and answers its latencies. Started by `main.ts` with IPC. */
import { randomBytes } from 'node:crypto'
import { type Cell, MULTIPART_PARTS, PART_BYTES } from './cells.ts'
import { type PayloadMode, S3Connection, type Target } from './s3-connection.ts'

export interface Job {
  readonly target: Target
  readonly cell: Cell
  readonly bucket: string
  /** Keys `<prefix><n>` exist for n below `prepared`. */
  readonly prefix: string
  readonly prepared: number
  readonly durationMs: number
  readonly operationsMax: number
  readonly payload: PayloadMode
  /** `prepare`: writes the keys; `run`: measures. */
  readonly phase: 'prepare' | 'run'
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
  const body = randomBytes(job.cell.sizeBytes)
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
        const done = await runOne(connection, job, number, body)
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
  await Promise.all(Array.from({ length: job.cell.concurrency }, worker))
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
  number: number,
  body: Buffer,
): Promise<Done> {
  const { operation } = job.cell
  const path = `/${job.bucket}/${job.prefix}`
  if (job.phase === 'prepare') return put(connection, `${path}${number}`, body, job.payload)
  switch (operation) {
    case 'PUT':
      return put(connection, `${path}new-${process.pid}-${number}`, body, job.payload)
    case 'GET':
      return get(connection, `${path}${number % job.prepared}`, body.length)
    case 'STAT': {
      await expect(connection.request('HEAD', `${path}${number % job.prepared}`, ''), 200)
      return { bytes: 0, items: 1 }
    }
    case 'DELETE': {
      await expect(connection.request('DELETE', `${path}${number}`, ''), 204)
      return { bytes: 0, items: 1 }
    }
    case 'LIST':
      return list(connection, job)
    case 'MIXED': {
      const choice = number % 10
      if (choice < 6) return get(connection, `${path}${number % job.prepared}`, body.length)
      if (choice < 9)
        return put(connection, `${path}mixed-${process.pid}-${number % 200}`, body, job.payload)
      await expect(connection.request('HEAD', `${path}${number % job.prepared}`, ''), 200)
      return { bytes: 0, items: 1 }
    }
    case 'MULTIPART':
      return multipart(connection, `${path}multi-${process.pid}-${number}`, body, job.payload)
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
  body: Buffer,
  payload: PayloadMode,
): Promise<Done> {
  await expect(connection.request('PUT', path, '', { body, payload }), 200)
  return { bytes: body.length, items: 1 }
}

async function get(connection: S3Connection, path: string, sizeBytes: number): Promise<Done> {
  const reply = await expect(connection.request('GET', path, ''), 200)
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

async function multipart(
  connection: S3Connection,
  path: string,
  body: Buffer,
  payload: PayloadMode,
): Promise<Done> {
  const created = await expect(
    connection.request('POST', path, 'uploads=', { keepBody: true }),
    200,
  )
  const uploadId = /<UploadId>([^<]+)</.exec(created.body)?.[1] ?? ''
  let document = '<CompleteMultipartUpload>'
  for (let number = 1; number <= MULTIPART_PARTS; number++) {
    const part = body.subarray((number - 1) * PART_BYTES, number * PART_BYTES)
    const query = `partNumber=${number}&uploadId=${encodeURIComponent(uploadId)}`
    const reply = await expect(connection.request('PUT', path, query, { body: part, payload }), 200)
    document += `<Part><PartNumber>${number}</PartNumber><ETag>${reply.headers.get('etag') ?? ''}</ETag></Part>`
  }
  const completion = Buffer.from(`${document}</CompleteMultipartUpload>`)
  await expect(
    connection.request('POST', path, `uploadId=${encodeURIComponent(uploadId)}`, {
      body: completion,
      keepBody: true,
    }),
    200,
  )
  return { bytes: body.length, items: 1 }
}

process.on('message', (job: Job) => {
  runJob(job).then(
    (outcome) => process.send?.(outcome),
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    },
  )
})
