import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { seededRandom } from '#base/random'
import { nodeFileSystem } from './node-file-system.ts'

function directory(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'cairn-bulk-'))
  context.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

test('bulk files hold what was written, whatever the sizes of the chunks', async (context) => {
  const base = directory(context)
  const random = seededRandom(5)
  const files = nodeFileSystem()
  for (let round = 0; round < 30; round++) {
    const path = join(base, `f${round}`)
    const file = files.open(path, 'createBulk')
    const chunks: Uint8Array[] = []
    for (let call = 0; call <= random.below(4); call++) {
      const own = Array.from({ length: random.below(4) }, () => {
        const chunk = new Uint8Array(random.below(round % 3 === 0 ? 1_500_000 : 9000))
        return chunk.fill(random.below(256))
      })
      files.write(file, own)
      chunks.push(...own)
      if (random.below(3) === 0) assert.deepEqual(await files.flush([{ file }]), [undefined])
    }
    assert.deepEqual(await files.flush([{ file }]), [undefined])
    files.close(file)
    assert.ok(readFileSync(path).equals(Buffer.concat(chunks)), `round ${round}`)
  }
})

test('several bulk files are written in turns', async (context) => {
  const base = directory(context)
  const files = nodeFileSystem()
  const open = [1, 2, 3].map((value) => ({
    value,
    path: join(base, `f${value}`),
    file: files.open(join(base, `f${value}`), 'createBulk'),
  }))
  for (let call = 0; call < 5; call++) {
    for (const { file, value } of open) files.write(file, [new Uint8Array(5000).fill(value)])
  }
  for (const { file } of open) files.flushNow({ file })
  for (const { file, path, value } of open) {
    files.close(file)
    assert.ok(readFileSync(path).equals(Buffer.alloc(25_000, value)))
  }
})

test('a bulk file must not exist before', (context) => {
  const path = join(directory(context), 'f')
  const files = nodeFileSystem()
  files.close(files.open(path, 'createBulk'))
  assert.throws(() => files.open(path, 'createBulk'), { code: 'EEXIST' })
})
