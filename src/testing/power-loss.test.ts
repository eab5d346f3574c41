import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '#base/random'
import { createCodecSeed } from '#codec/arena'
import { Codec } from '#codec/codec'
import type { Durability } from '#drive/drive'
import type { FileSystem } from '#drive/local/file-system'
import { judgeImage, runTrial } from './power-loss.ts'

/** POWER_LOSS_SECONDS=600 looks at more images; POWER_LOSS_SEED=7 repeats one seed. */
const SECONDS = Number(process.env['POWER_LOSS_SECONDS'] ?? 12)
const ONLY_SEED = process.env['POWER_LOSS_SEED']
const ROUNDS = 12
const POSITIONS_PER_TRIAL = 40
const IMAGES_PER_POSITION = 12

const codec = new Codec(createCodecSeed({ regionSizesBytes: [0] }), 0)

/** What a judgement says, unlike errors of the workload or of the judge. */
const EXPECTED = /^Seed \d+, position \d+: .* expected/

interface Judgement {
  trials: number
  images: number
  readonly failures: string[]
}

/** Trials with ascending seeds until the time is up or `failuresMax` images were wrong. */
async function judge(options: {
  readonly durability: Durability
  readonly seconds: number
  readonly failuresMax: number
  readonly wrap?: (fileSystem: FileSystem) => FileSystem
}): Promise<Judgement> {
  const { durability, wrap } = options
  const judgement: Judgement = { trials: 0, images: 0, failures: [] }
  const end = performance.now() + options.seconds * 1000
  let seed = ONLY_SEED === undefined ? 1 : Number(ONLY_SEED)
  do {
    const trial = await runTrial({
      seed,
      hashes: codec,
      durability,
      rounds: ROUNDS,
      ...(wrap === undefined ? {} : { wrap }),
    })
    judgement.trials++
    const random = seededRandom(seed)
    for (let i = 0; i < POSITIONS_PER_TRIAL && performance.now() < end; i++) {
      const { begun, fileSystem } = trial
      const position = begun + random.below(fileSystem.position + 1 - begun)
      for (const image of fileSystem.crashImages(position, random, IMAGES_PER_POSITION)) {
        judgement.images++
        try {
          await judgeImage(trial, image, position, codec)
        } catch (error) {
          judgement.failures.push(error instanceof Error ? error.message : 'unknown error')
        }
        if (judgement.failures.length >= options.failuresMax) return judgement
      }
    }
    seed++
  } while (performance.now() < end && ONLY_SEED === undefined)
  return judgement
}

test('strict: after power loss at any moment all that was acknowledged is there, and nothing is torn', async (context) => {
  const { trials, images, failures } = await judge({
    durability: 'strict',
    seconds: SECONDS,
    failuresMax: 1,
  })
  context.diagnostic(`${images} images of ${trials} workloads`)
  assert.deepEqual(failures, [])
})

test('the judge notices directories that are not flushed', async () => {
  const { failures } = await judge({ durability: 'relaxed', seconds: 20, failuresMax: 1 })
  assert.match(failures[0] ?? '', EXPECTED)
})

test('the judge notices files that are not flushed', async () => {
  const { failures } = await judge({
    durability: 'strict',
    seconds: 20,
    failuresMax: 1,
    wrap: (fileSystem) => without(fileSystem, 'file'),
  })
  assert.match(failures[0] ?? '', EXPECTED)
})

/** The same file system without flushes of one kind. */
function without(fileSystem: FileSystem, kind: 'file' | 'directory'): FileSystem {
  return {
    open: (path, mode) => fileSystem.open(path, mode),
    close: (file) => fileSystem.close(file),
    read: (file, target, offset) => fileSystem.read(file, target, offset),
    write: (file, chunks) => fileSystem.write(file, chunks),
    readStart: (file, target) => fileSystem.readStart(file, target),
    statFile: (file) => fileSystem.statFile(file),
    stat: (path) => fileSystem.stat(path),
    kindOf: (path) => fileSystem.kindOf(path),
    list: (path, countMax) => fileSystem.list(path, countMax),
    makeDirectory: (path) => fileSystem.makeDirectory(path),
    rename: (from, to) => fileSystem.rename(from, to),
    link: (from, to) => fileSystem.link(from, to),
    unlink: (path) => fileSystem.unlink(path),
    removeDirectory: (path) => fileSystem.removeDirectory(path),
    space: (path) => fileSystem.space(path),
    flushNow: (target) => fileSystem.flushNow(target),
    flush: async (targets) => {
      await fileSystem.flush(targets.filter((target) => !(kind in target)))
      return targets.map(() => undefined)
    },
  }
}
