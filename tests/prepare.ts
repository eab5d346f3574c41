/**
 * Installs the programs that tests of running servers need into their cache: MinIO and `mc`, services of keys, clients.
 * What cannot be had is named; the tests that need it say what follows.
 */
import { CLIENTS } from './clients/clients.ts'
import { kmsPrograms, mcProgram, minioProgram } from './lib/programs.ts'

type Installation = readonly [name: string, install: () => Promise<unknown>]

async function installAll(installations: readonly Installation[]): Promise<void> {
  for (const [name, install] of installations) {
    const began = performance.now()
    const outcome = await install().then(
      () => 'ready',
      (error: unknown) => `not to be had: ${String(error).slice(0, 500).replaceAll('\n', ' ')}`,
    )
    const seconds = ((performance.now() - began) / 1000).toFixed(0)
    process.stdout.write(`${name}: ${outcome}, ${seconds} s\n`)
  }
}

const clients = CLIENTS.filter(({ isSlow }) => isSlow !== true)
// Compilers beside downloads.
await Promise.all([
  installAll([
    ['minio', minioProgram],
    ['mc', mcProgram],
  ]),
  installAll([
    ['services of keys', kmsPrograms],
    ...clients.map((client): Installation => [client.name, () => client.prepare()]),
  ]),
])
