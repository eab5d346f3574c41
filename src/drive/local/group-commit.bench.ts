/**
 * Small commits on a real drive: what flushing costs, and what sharing it saves.
 *
 *   UV_THREADPOOL_SIZE=20 BENCH_DIR=/mnt/d1 node src/drive/local/group-commit.bench.ts
 *
 * All ways alternate within a round; the median round counts. BENCH_ROUNDS sets how many.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '#base/clock'
import { systemRandom } from '#base/random'
import { createCodecSeed } from '#codec/arena'
import { Codec } from '#codec/codec'
import { putInline, valueOf } from '#testing/drive-samples'
import type { Durability } from '../drive.ts'
import type { FileSystem, FlushTarget } from './file-system.ts'
import { LocalDrive } from './local-drive.ts'
import { nodeFileSystem } from './node-file-system.ts'

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 7)
const SIZE = 2500
const BATCH_SIZES = [1, 8, 32, 128]
const content = new Uint8Array(SIZE)
const codec = new Codec(createCodecSeed({ regionSizesBytes: [0] }), 0)
const root = mkdtempSync(join(process.env['BENCH_DIR'] ?? tmpdir(), 'cairn-bench-'))
let counter = 0

interface Way {
  readonly name: string
  /** Makes `count` objects durable: each a directory with one file that came by rename. */
  run(count: number): Promise<void> | void
}

/** Makes the objects' directories, writes their files; `rename` puts these in place. */
function stage(
  fileSystem: FileSystem,
  count: number,
): { files: number[]; directories: string[]; rename: () => void } {
  const staged = Array.from({ length: count }, () => {
    const path = `${root}/staged-${counter}`
    const directory = `${root}/object-${counter++}`
    const file = fileSystem.open(path, 'create')
    fileSystem.write(file, [content])
    return { path, directory, file }
  })
  return {
    files: staged.map(({ file }) => file),
    directories: staged.map(({ directory }) => directory),
    rename: () => {
      for (const { path, directory, file } of staged) {
        fileSystem.makeDirectory(directory)
        fileSystem.rename(path, `${directory}/xl.meta`)
        fileSystem.close(file)
      }
    },
  }
}

function eachForItself(): Way {
  const fileSystem = nodeFileSystem()
  return {
    name: 'each for itself, synchronous',
    run: (count) => {
      for (let i = 0; i < count; i++) {
        const { files, directories, rename } = stage(fileSystem, 1)
        for (const file of files) fileSystem.flushNow({ file })
        rename()
        for (const directory of [...directories, root]) fileSystem.flushNow({ directory })
      }
    },
  }
}

function inPhases(): Way {
  const fileSystem = nodeFileSystem()
  return {
    name: 'in phases, synchronous',
    run: (count) => {
      const { files, directories, rename } = stage(fileSystem, count)
      for (const file of files) fileSystem.flushNow({ file })
      rename()
      for (const directory of [...directories, root]) fileSystem.flushNow({ directory })
    },
  }
}

function together(inFlight: number): Way {
  const fileSystem = nodeFileSystem(inFlight)
  return {
    name: `in phases, ${inFlight} flushes at once`,
    run: async (count) => {
      const { files, directories, rename } = stage(fileSystem, count)
      await fileSystem.flush(files.map((file): FlushTarget => ({ file })))
      rename()
      await fileSystem.flush([...directories, root].map((directory) => ({ directory })))
    },
  }
}

function withoutFlush(): Way {
  const fileSystem = nodeFileSystem()
  return {
    name: 'without flushing',
    run: (count) => stage(fileSystem, count).rename(),
  }
}

/** The drive itself, `count` commits of different keys at once. */
async function drive(durability: Durability, inFlight: number): Promise<Way> {
  const folder = `${root}/drive-${durability}-${inFlight}`
  mkdirSync(folder)
  const local = new LocalDrive({
    fileSystem: nodeFileSystem(inFlight),
    root: folder,
    clock: systemClock(),
    random: systemRandom(),
    hashes: codec,
    durability,
    mayHoldV1: false,
  })
  valueOf(await local.makeVolume('bucket'))
  const text = 'x'.repeat(SIZE)
  return {
    name: `LocalDrive ${durability}, ${inFlight} flushes at once`,
    run: async (count) => {
      const puts = Array.from({ length: count }, () =>
        putInline(local, codec, { path: `d${counter % 16}/k${counter++}`, text, modifiedNs: 1n }),
      )
      for (const result of await Promise.all(puts)) valueOf(result)
    },
  }
}

async function measure(ways: readonly Way[]): Promise<void> {
  console.log(`objects at once${BATCH_SIZES.map((size) => String(size).padStart(8)).join('')}`)
  const rates = new Map(ways.map((way) => [way, new Map<number, number[]>()]))
  for (let round = 0; round < ROUNDS; round++) {
    for (const size of BATCH_SIZES) {
      for (const way of ways) {
        const repeats = Math.max(1, Math.floor(32 / size))
        const start = performance.now()
        for (let i = 0; i < repeats; i++) await way.run(size)
        const rate = (1000 * repeats * size) / (performance.now() - start)
        const known = rates.get(way)
        known?.set(size, [...(known.get(size) ?? []), rate])
      }
    }
  }
  for (const [way, bySize] of rates) {
    const medians = BATCH_SIZES.map((size) => median(bySize.get(size) ?? []))
    const cells = medians.map((rate) => rate.toFixed(0).padStart(8)).join('')
    console.log(`${cells}  objects/s  ${way.name}`)
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}

try {
  await measure([
    eachForItself(),
    inPhases(),
    together(1),
    together(2),
    together(4),
    together(8),
    together(16),
    withoutFlush(),
  ])
  await measure([
    await drive('strict', 1),
    await drive('strict', 4),
    await drive('strict', 8),
    await drive('strict', 16),
    await drive('relaxed', 4),
  ])
} finally {
  rmSync(root, { recursive: true })
}
