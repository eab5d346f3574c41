import { fuzzAsync } from '#testing/fuzz'
import { zipOf } from '#testing/archives'
import { ZipArchive } from './zip-archive.ts'

/** Errors that mean that the archive was refused. */
const REFUSED = new Set(['ZipError', 'Error', 'RangeError'])

await fuzzAsync(
  'archives are read or refused, and never send more than they promise',
  async (random) => {
    const bytes = zipOf(
      Array.from({ length: random.below(4) }, (_, i) => ({
        name: `n${i}${'/..'.repeat(random.below(2))}`,
        data: random.bytes(random.below(2000)),
        stored: random.below(2) === 0,
      })),
    )
    for (let flips = random.below(8); flips > 0; flips--)
      bytes[random.below(bytes.length)] = random.below(256)
    const source = {
      sizeBytes: bytes.length,
      async *stream(start: number, end: number) {
        yield bytes.slice(start, end)
      },
    }
    try {
      const archive = await ZipArchive.open(source)
      for await (const member of archive.members()) {
        let size = 0
        for await (const piece of await archive.content(member)) size += piece.length
        if (size > member.sizeBytes) throw new TypeError('More came than was promised')
      }
    } catch (error) {
      if (!(error instanceof Error) || !REFUSED.has(error.name)) throw error
    }
  },
)
