import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folders = new Set<string>()
let isWatched = false

function removeAll(): void {
  if (process.env['CAIRN_TEST_KEEP'] !== undefined) return
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  folders.clear()
}

/** A fresh folder that is removed at the end of the process at the latest. */
export class TemporaryFolder implements Disposable {
  readonly path: string

  constructor() {
    if (!isWatched) process.once('exit', removeAll)
    isWatched = true
    this.path = mkdtempSync(join(tmpdir(), 'cairn-test-'))
    folders.add(this.path)
  }

  [Symbol.dispose](): void {
    // CAIRN_TEST_KEEP leaves the drives for a look after a failure.
    if (process.env['CAIRN_TEST_KEEP'] !== undefined) return
    rmSync(this.path, { recursive: true, force: true })
    folders.delete(this.path)
  }
}
