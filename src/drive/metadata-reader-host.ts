/** Entry of the thread behind `MetadataReader`. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { assert } from '#base/assert'
import type { DriveResult } from './drive.ts'
import { Outbox, TRACE_FRAMES } from './drive-messages.ts'
import { toDriveError } from './local/drive-paths.ts'
import { type MetadataPlace, readMetadataFile } from './local/metadata-file.ts'
import { nodeFileSystem } from './local/node-file-system.ts'
import type { ReaderCall, ReaderData, ReaderReply } from './metadata-reader.ts'

function serve(data: ReaderData, parent: MessagePort): void {
  Error.stackTraceLimit = TRACE_FRAMES
  const fileSystem = nodeFileSystem()
  const drives = data.drives.map((drive): MetadataPlace => ({ ...drive, fileSystem }))
  const outbox = new Outbox<ReaderReply>(new ArrayBuffer(0))
  parent.on('message', (call: ReaderCall) => {
    const beganMs = performance.now()
    const results = call.drives.map((index) => readOne(drives[index], call))
    const elapsedMs = performance.now() - beganMs
    outbox.push({ elapsedMs, results: outbox.pack(results) })
    outbox.post(parent)
  })
  parent.postMessage({ items: [], bytes: undefined })
}

function readOne(drive: MetadataPlace | undefined, call: ReaderCall): DriveResult<Uint8Array> {
  assert(drive !== undefined)
  try {
    return readMetadataFile(drive, call.volume, call.path, call)
  } catch (error) {
    return toDriveError(error, 'read metadata')
  }
}

function dataOf(data: unknown): ReaderData {
  assert(
    typeof data === 'object' && data !== null && Reflect.get(data, 'kind') === 'metadata-reader',
  )
  return data as ReaderData
}

assert(parentPort !== null, 'The metadata reader is started as a worker')
serve(dataOf(workerData), parentPort)
