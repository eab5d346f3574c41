import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '#base/clock'
import { SILENT_LOG } from '#observe/log'
import { DriveError, type DriveResult } from './drive.ts'
import { MetadataReader } from './metadata-reader.ts'

type Results = readonly DriveResult<Uint8Array>[] | undefined

function readerFor(
  context: TestContext,
  more: { readonly count?: number; readonly entry?: URL; readonly isAlone?: () => boolean } = {},
): { readonly roots: readonly string[]; readonly reader: MetadataReader } {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-reader-'))
  const roots = Array.from({ length: more.count ?? 2 }, (_, i) => join(folder, `d${i}`))
  for (const root of roots) mkdirSync(join(root, 'bucket'), { recursive: true })
  const { entry } = more
  const reader = new MetadataReader({
    drives: roots.map((root) => ({ root, mayHoldV1: false })),
    clock: systemClock(),
    log: SILENT_LOG,
    isAlone: more.isAlone ?? (() => true),
    ...(entry === undefined ? {} : { entry }),
  })
  context.after(() => {
    reader.close()
    rmSync(folder, { recursive: true })
  })
  return { roots, reader }
}

function write(root: string | undefined, key: string, text: string): void {
  const folder = join(root ?? '', 'bucket', key)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'xl.meta'), text)
}

function read(
  reader: MetadataReader,
  path: string,
  drives = [0, 1],
  volume = 'bucket',
): Promise<Results> {
  return reader.read(drives, { volume, path, inline: true })
}

/** Texts and codes, in the order of the drives. */
function shown(results: Results): readonly string[] | undefined {
  return results?.map((result) =>
    result instanceof DriveError ? result.code : Buffer.from(result).toString(),
  )
}

/** The first answer that there is. */
async function first(ask: () => Promise<Results>): Promise<Results> {
  const deadlineMs = performance.now() + 10_000
  for (;;) {
    const results = await ask()
    if (results !== undefined || performance.now() > deadlineMs) return results
    await sleep(5)
  }
}

test('the metadata of a key comes from the drives asked, in their order', async (context) => {
  const { roots, reader } = readerFor(context, { count: 3 })
  for (const [i, root] of roots.entries()) write(root, 'a/b', `copy ${i}`)
  write(roots[1], 'big', 'x'.repeat(200_000))
  assert.deepEqual(shown(await first(() => read(reader, 'a/b'))), ['copy 0', 'copy 1'])
  assert.deepEqual(shown(await first(() => read(reader, 'a/b', [2, 0]))), ['copy 2', 'copy 0'])
  const big = await first(() => read(reader, 'big', [0, 1]))
  assert.deepEqual(shown(big), ['FileNotFound', 'x'.repeat(200_000)])
  const nowhere = await first(() => read(reader, 'a', [0, 1], 'none'))
  assert.deepEqual(shown(nowhere), ['VolumeNotFound', 'VolumeNotFound'])
})

test('with other requests about there is no answer', async (context) => {
  let others = 0
  const { roots, reader } = readerFor(context, { isAlone: () => others === 0 })
  for (const root of roots) write(root, 'a', 'x')
  assert.deepEqual(shown(await first(() => read(reader, 'a'))), ['x', 'x'])
  others = 1
  assert.equal(await read(reader, 'a'), undefined)
  others = 0
  // A gap among many requests does not count yet.
  assert.equal(await read(reader, 'a'), undefined)
  assert.deepEqual(shown(await first(() => read(reader, 'a'))), ['x', 'x'])
})

test('failures are left to the drives', async (context) => {
  const { roots, reader } = readerFor(context)
  for (const root of roots) write(root, 'good', 'x')
  write(roots[0], 'bad', 'x')
  mkdirSync(join(roots[1] ?? '', 'bucket/bad/xl.meta'), { recursive: true })
  assert.deepEqual(shown(await first(() => read(reader, 'good'))), ['x', 'x'])
  assert.equal(await read(reader, 'bad'), undefined)
  assert.equal(await read(reader, '../bucket/good'), undefined)
  assert.deepEqual(shown(await read(reader, 'good')), ['x', 'x'])
})

test('while a drive hangs there is no answer, and nobody waits for one', async (context) => {
  const { roots, reader } = readerFor(context)
  for (const root of roots) write(root, 'good', 'x')
  write(roots[0], 'stuck', 'x')
  mkdirSync(join(roots[1] ?? '', 'bucket/stuck'))
  // To open a pipe waits for a writer.
  const pipe = join(roots[1] ?? '', 'bucket/stuck/xl.meta')
  execFileSync('mkfifo', [pipe])
  assert.deepEqual(shown(await first(() => read(reader, 'good'))), ['x', 'x'])
  assert.equal(await read(reader, 'stuck'), undefined)
  assert.equal(await read(reader, 'good'), undefined)
  writeFileSync(pipe, '')
  assert.deepEqual(shown(await first(() => read(reader, 'good'))), ['x', 'x'])
})

test('where reading takes long the drives are asked for a while', async (context) => {
  const host = `
    import { parentPort } from 'node:worker_threads'
    parentPort.on('message', () => {
      parentPort.postMessage({ items: [{ elapsedMs: 20, results: [] }], bytes: undefined })
    })
    parentPort.postMessage({ items: [], bytes: undefined })`
  const entry = new URL(`data:text/javascript,${encodeURIComponent(host)}`)
  const { reader } = readerFor(context, { entry })
  assert.deepEqual(await first(() => read(reader, 'a')), [])
  assert.equal(await read(reader, 'a'), undefined)
  assert.equal(await read(reader, 'a'), undefined)
  assert.deepEqual(await first(() => read(reader, 'a')), [])
})

test('without its thread there is no answer', async (context) => {
  const program = encodeURIComponent("throw new Error('a bug')")
  for (const entry of [new URL(`data:text/javascript,${program}`), new URL('http://localhost/')]) {
    const { reader } = readerFor(context, { entry })
    for (let i = 0; i < 20; i++) assert.equal(await read(reader, 'a'), undefined)
    await sleep(200)
    assert.equal(await read(reader, 'a'), undefined)
  }
  const { roots, reader: closed } = readerFor(context)
  for (const root of roots) write(root, 'good', 'x')
  assert.deepEqual(shown(await first(() => read(closed, 'good'))), ['x', 'x'])
  const pending = read(closed, 'good')
  closed.close()
  assert.equal(await pending, undefined)
  assert.equal(await read(closed, 'good'), undefined)
})
