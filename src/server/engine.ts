import type { Clock } from '#base/clock'
import type { Random } from '#base/random'
import { Codec } from '#codec/codec'
import type { Drive } from '#drive/drive'
import { Engine } from '#object/engine'
import { NamespaceLocks } from '#object/locks'
import type { RepairSink } from '#object/repair-sink'
import type { Log } from '#observe/log'
import type { EngineSeed } from './thread-seed.ts'

export interface ThreadEngine {
  readonly engine: Engine
  readonly codec: Codec
}

/** The engine of one thread, over the memory that all threads share. `drives` by `stateIndex`. */
export function buildEngine(
  seed: EngineSeed,
  parts: {
    readonly codec: Codec
    readonly clock: Clock
    readonly random: Random
    readonly log: Log
    readonly drives: readonly Drive[]
    readonly repairs: RepairSink
  },
): Engine {
  const layouts = seed.pools.map(({ sets, distributionAlgorithm }) => ({
    distributionAlgorithm,
    sets: sets.map((set) => set.map(({ stateIndex }) => parts.drives[stateIndex])),
  }))
  const { codec, clock, random, log, repairs } = parts
  return new Engine({
    context: {
      codec,
      clock,
      random,
      log,
      repairs,
      locks: new NamespaceLocks(seed.lockMemory, clock),
      deploymentId: seed.deploymentId,
      storage: seed.storage,
    },
    layouts,
    bucketGeneration: seed.bucketGeneration,
  })
}
