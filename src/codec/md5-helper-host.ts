/** Entry of the thread behind `Md5Helper`. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { assert } from '#base/assert'
import type { Md5HelperData, Md5Work } from './md5-helper.ts'
import { Workspace } from './workspace.ts'

function serve({ seed, region }: Md5HelperData, parent: MessagePort): void {
  const { kernels, words, at } = new Workspace(seed, region)
  parent.on('message', ({ state, address, blocks }: Md5Work) => {
    words.set(state, at.md5HelperState / 4)
    kernels.md5(at.md5HelperState, address, blocks)
    parent.postMessage(words.slice(at.md5HelperState / 4, at.md5HelperState / 4 + state.length))
  })
  parent.postMessage(undefined)
}

function dataOf(data: unknown): Md5HelperData {
  assert(typeof data === 'object' && data !== null && Reflect.get(data, 'kind') === 'md5-helper')
  return data as Md5HelperData
}

assert(parentPort !== null, 'The MD5 helper is started as a worker')
serve(dataOf(workerData), parentPort)
