import { bench } from '#testing/bench'
import { createCodecSeed } from './arena.ts'
import { decodeS2Block, encodeS2Block } from './s2-block.ts'
import { noise } from './testing/s2-samples.ts'
import { sampleText } from './testing/s2-texts.ts'
import { Workspace } from './workspace.ts'

/** S2 on blocks of 1 MiB, as objects have them. */

const MIB = 2 ** 20
const workspace = new Workspace(createCodecSeed({ regionSizesBytes: [4 * MIB] }), 0)

for (const [name, plain] of [
  ['code', sampleText('code', MIB)],
  ['JSON', sampleText('json', MIB)],
  ['log', sampleText('log', MIB)],
  ['noise', noise(MIB, 1)],
] as const) {
  const encoded = encodeS2Block(workspace, plain)?.slice()
  const ratio = ((100 * (encoded?.length ?? plain.length)) / plain.length).toFixed(1)
  bench(`S2 encode, ${name}, to ${ratio} %`, plain.length, [
    { name: 'cairn', run: () => void encodeS2Block(workspace, plain) },
  ])
  if (encoded === undefined) continue
  bench(`S2 decode, ${name}`, plain.length, [
    { name: 'cairn', run: () => void decodeS2Block(workspace, encoded, MIB) },
  ])
}
