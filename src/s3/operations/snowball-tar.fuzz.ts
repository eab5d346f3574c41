import { fuzzAsync } from '#testing/fuzz'
import { tarOf } from '#testing/archives'
import { TarReader } from './snowball-tar.ts'
import { TarError } from './tar-values.ts'

const TYPES = ['0', '5', '2', 'L', 'K', 'x', 'g', 'S', '7', '\0']

const PAX = [
  { size: '700', path: '../x' },
  { 'GNU.sparse.size': '5000', 'GNU.sparse.map': '0,3,700,20' },
  { 'GNU.sparse.major': '1', 'GNU.sparse.realsize': '4000', 'GNU.sparse.name': 'y' },
]

await fuzzAsync('archives are read or refused, within their size', async (random) => {
  const entries = Array.from({ length: random.below(5) }, () => ({
    name: 'n'.repeat(random.below(100)),
    type: TYPES[random.below(TYPES.length)] ?? '0',
    data: random.bytes(random.below(1500)),
    ...(random.below(3) === 0 ? { pax: PAX[random.below(PAX.length)] ?? {} } : {}),
  }))
  const archive = tarOf(entries)
  for (let flips = random.below(6); flips > 0; flips--) {
    archive[random.below(archive.length)] = random.below(256)
  }
  const cut = archive.subarray(0, random.below(3) === 0 ? random.below(archive.length) : undefined)
  let at = 0
  const reader = new TarReader({
    next: () => {
      const piece = cut.subarray(at, at + 1 + random.below(700))
      at += piece.length
      return Promise.resolve(piece.length === 0 ? undefined : piece)
    },
  })
  try {
    for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
      if (random.below(2) === 0) while ((await entry.body.read(new Uint8Array(97))) > 0);
    }
  } catch (error) {
    if (!(error instanceof TarError)) throw error
  }
})
