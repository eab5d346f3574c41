import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { nodeFileSystem } from './node-file-system.ts'

/** A clock on which each group of flushes takes `stepMs`. */
function steppedClock(stepMs: () => number): { monotonicMs(): number } {
  let nowMs = 0
  return { monotonicMs: () => (nowMs += stepMs()) }
}

for (const [name, stepMs] of [
  ['fast', 0.5],
  ['slow', 50],
] as const) {
  test(`files and folders of a ${name} drive are flushed, a removed folder is none to flush`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cairn-flush-'))
    try {
      const fileSystem = nodeFileSystem(
        4,
        steppedClock(() => stepMs),
      )
      const file = fileSystem.open(join(folder, 'a'), 'createBulk')
      fileSystem.write(file, [new Uint8Array(5000).fill(7)])
      for (let round = 0; round < 20; round++) {
        assert.deepEqual(await fileSystem.flush([{ file }, { directory: folder }]), [
          undefined,
          undefined,
        ])
      }
      // The page that direct writes leave over is written when the file is flushed.
      assert.equal(readFileSync(join(folder, 'a')).length, 5000)
      const gone = { directory: join(folder, 'gone') }
      assert.deepEqual(await fileSystem.flush([gone]), [undefined])
      fileSystem.close(file)
      const [failure] = await fileSystem.flush([{ file: 999_999 }])
      assert.ok(failure instanceof Error)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
}
