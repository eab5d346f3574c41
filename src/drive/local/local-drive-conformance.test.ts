import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '#base/clock'
import { seededRandom, systemRandom } from '#base/random'
import { createCodecSeed } from '#codec/arena'
import { Codec } from '#codec/codec'
import { driveConformance } from '#testing/drive-conformance'
import { SimFileSystem } from '#testing/sim-file-system'
import { LocalDrive } from './local-drive.ts'
import { nodeFileSystem } from './node-file-system.ts'

const codec = new Codec(createCodecSeed({ regionSizesBytes: [0] }), 0)
const clock = systemClock()

for (const durability of ['strict', 'relaxed'] as const) {
  driveConformance(`local, ${durability}`, (context) => {
    const root = mkdtempSync(join(tmpdir(), 'cairn-drive-'))
    context.after(() => rmSync(root, { recursive: true }))
    return new LocalDrive({
      fileSystem: nodeFileSystem(),
      root,
      clock,
      random: systemRandom(),
      hashes: codec,
      durability,
      mayHoldV1: false,
    })
  })
}

driveConformance('local on a simulated file system', () => {
  const fileSystem = new SimFileSystem({ nowNs: () => clock.nowNs() })
  fileSystem.makeDirectory('/drive')
  return new LocalDrive({
    fileSystem,
    root: '/drive',
    clock,
    random: seededRandom(1),
    hashes: codec,
    durability: 'strict',
    mayHoldV1: true,
  })
})
