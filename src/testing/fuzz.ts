import { type Random, seededRandom, systemRandom } from '#base/random'

/**
 * Runs a property on random input until the time is up. Meant for `x.fuzz.ts` files, which are programs:
 *
 *   FUZZ_SECONDS=60 node src/codec/hash.fuzz.ts
 *   FUZZ_SEED=123 node src/codec/hash.fuzz.ts     repeats one failing round
 *   FUZZ_ONLY='^CRC' node src/codec/hash.fuzz.ts   runs the properties whose names match
 */

const SECONDS_DEFAULT = 2
const SEED_LIMIT = 2 ** 32

/** Calls `round` with fresh randomness again and again; whatever it throws fails the run, and the seed is printed. */
export function fuzz(name: string, round: (random: Random) => void): void {
  if (!isWanted(name)) return
  const fixedSeed = process.env['FUZZ_SEED']
  if (fixedSeed !== undefined) {
    runRound(name, round, Number(fixedSeed))
    console.log(`${name}: seed ${fixedSeed} passes`)
    return
  }
  const seconds = Number(process.env['FUZZ_SECONDS'] ?? SECONDS_DEFAULT)
  const end = performance.now() + seconds * 1000
  const seeds = systemRandom()
  let count = 0
  do {
    runRound(name, round, seeds.below(SEED_LIMIT))
    count++
  } while (performance.now() < end)
  console.log(`${name}: ${count} rounds pass`)
}

/** As `fuzz`, one round after the other, for rounds that wait. */
export async function fuzzAsync(
  name: string,
  round: (random: Random) => Promise<void>,
): Promise<void> {
  if (!isWanted(name)) return
  const fixedSeed = process.env['FUZZ_SEED']
  const seconds = Number(process.env['FUZZ_SECONDS'] ?? SECONDS_DEFAULT)
  const end = performance.now() + (fixedSeed === undefined ? seconds * 1000 : 0)
  const seeds = systemRandom()
  let count = 0
  do {
    const seed = fixedSeed === undefined ? seeds.below(SEED_LIMIT) : Number(fixedSeed)
    try {
      await round(seededRandom(seed))
    } catch (error) {
      console.error(`${name}: fails with FUZZ_SEED=${seed}`)
      throw error
    }
    count++
  } while (performance.now() < end)
  console.log(`${name}: ${count} rounds pass`)
}

function isWanted(name: string): boolean {
  return new RegExp(process.env['FUZZ_ONLY'] ?? '').test(name)
}

function runRound(name: string, round: (random: Random) => void, seed: number): void {
  try {
    round(seededRandom(seed))
  } catch (error) {
    console.error(`${name}: fails with FUZZ_SEED=${seed}`)
    throw error
  }
}
