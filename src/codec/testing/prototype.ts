import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { assert } from '#base/assert'
import type { Candidate } from '#testing/bench'

/** An earlier implementation of the kernels, kept outside the repository, for comparison in benchmarks. */
export interface Prototype {
  readonly memory: Uint8Array
  alloc(size: number): number
  /** Encodes `data` shards of `size` bytes at `offset`; parity follows. */
  encoder(data: number, parity: number): (offset: number, size: number) => void
  highway(offset: number, stride: number, count: number, size: number, out: number): void
  md5Lanes(lanes: 8 | 12, states: number, addresses: number, blocks: number): void
  md5(state: number, address: number, blocks: number): void
  crc32(name: 'crc32' | 'crc32c', address: number, size: number): void
  crc64(address: number, size: number): void
  xxh64(address: number, size: number): void
  sipHash(address: number, size: number): void
}

/** What is used of the prototype's modules. */
interface Kern {
  alloc(size: number): number
  code(
    coder: unknown,
    inputs: number,
    inputStride: number,
    outputs: number,
    outputStride: number,
    size: number,
  ): void
  hh256(offset: number, stride: number, count: number, size: number, out: number): void
  md5(lanes: 8 | 12, states: number, addresses: number, blocks: number): void
  crc32(name: 'crc32' | 'crc32c', crc: number, address: number, size: number): number
  crc64(crc: bigint, address: number, size: number): bigint
  readonly x: {
    md5_x1(state: number, address: number, blocks: number): void
    xxh64(address: number, size: number, seed: bigint): bigint
    siphash(key0: bigint, key1: bigint, address: number, size: number): bigint
  }
}

interface KernModule {
  readonly Kern: new (memory: WebAssembly.Memory, module: WebAssembly.Module) => Kern
  compile(shared: boolean, maxPages: number): WebAssembly.Module
  encoder(kern: Kern, data: number, parity: number): unknown
}

/** The prototype of `--against DIRECTORY`, or undefined without that option. */
export async function loadPrototype(): Promise<Prototype | undefined> {
  const option = process.argv.indexOf('--against')
  const directory = process.argv[option + 1]
  if (option < 0 || directory === undefined) return undefined
  const url = pathToFileURL(path.resolve(directory, 'lib/kern.ts')).href
  const loaded: unknown = await import(url)
  assert(isKernModule(loaded))
  const memory = new WebAssembly.Memory({ initial: 1024, maximum: 1024, shared: true })
  const kern = new loaded.Kern(memory, loaded.compile(true, 1024))
  return {
    memory: new Uint8Array(memory.buffer),
    alloc: (size) => kern.alloc(size),
    encoder: (data, parity) => {
      const coder = loaded.encoder(kern, data, parity)
      return (offset, size) => kern.code(coder, offset, size, offset + data * size, size, size)
    },
    highway: (offset, stride, count, size, out) => kern.hh256(offset, stride, count, size, out),
    md5Lanes: (lanes, states, addresses, blocks) => kern.md5(lanes, states, addresses, blocks),
    md5: (state, address, blocks) => kern.x.md5_x1(state, address, blocks),
    crc32: (name, address, size) => void kern.crc32(name, 0, address, size),
    crc64: (address, size) => void kern.crc64(0n, address, size),
    xxh64: (address, size) => void kern.x.xxh64(address, size, 0n),
    sipHash: (address, size) => void kern.x.siphash(1n, 2n, address, size),
  }
}

function isKernModule(loaded: unknown): loaded is KernModule {
  return typeof loaded === 'object' && loaded !== null && 'Kern' in loaded && 'encoder' in loaded
}

/** The first candidate, and the other one if there is one. */
export function candidates(run: () => void, other: (() => void) | undefined): Candidate[] {
  const cairn = { name: 'cairn', run }
  return other === undefined ? [cairn] : [cairn, { name: 'prototype', run: other }]
}
