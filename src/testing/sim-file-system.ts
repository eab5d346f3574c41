import type { Random } from '#base/random'
import type {
  DirectoryEntry,
  FileKind,
  FileStat,
  FileSystem,
  FlushTarget,
  OpenMode,
  SpaceInfo,
} from '#drive/local/file-system'
import {
  crashImage,
  type DirectoryNode,
  durableAt,
  type FileNode,
  type NameChange,
  type NameEffect,
  type Operation,
  ROOT_ID,
  type SimNode,
  SimTree,
} from './sim-tree.ts'

/**
 * A file system in memory that records every operation and shows what power loss would leave of it (`sim-tree.ts` has the
 * model). It also fails on demand: `fault`, `sizeBytesMax`.
 */

export interface SimCall {
  readonly operation:
    | 'open'
    | 'read'
    | 'write'
    | 'stat'
    | 'list'
    | 'makeDirectory'
    | 'rename'
    | 'link'
    | 'unlink'
    | 'removeDirectory'
    | 'space'
    | 'flush'
  readonly path: string
}

export interface SimOptions {
  /** Wall clock of modification times, nanoseconds. */
  readonly nowNs: () => bigint
}

const BLOCK_BYTES = 4096
const NAME_BYTES_MAX = 255
const INODES = 1_048_576
/** Up to this many open operations all subsets are tried, beyond it random ones. Source: distributed.md 10.3. */
const EXHAUSTIVE_MAX = 12

/** As node:fs throws it. */
class SimError extends Error {
  readonly code: string
  constructor(code: string, call: string, path: string) {
    super(`${code}: ${call} "${path}"`)
    this.code = code
  }
}

interface OpenFile {
  readonly node: FileNode
  readonly path: string
  readonly mode: OpenMode
}

export class SimFileSystem implements FileSystem {
  /** Asked before each call: an error name (`EIO`) makes it fail. */
  fault: ((call: SimCall) => string | undefined) | undefined
  /** Waited for by each flush between its beginning and its end. */
  duringFlush: () => Promise<void> = () => new Promise((resolve) => setImmediate(resolve))
  /** Directories count as one block. More is ENOSPC. */
  sizeBytesMax = Number.POSITIVE_INFINITY
  /** Files and directories flushed so far. */
  flushedCount = 0
  readonly #nowNs: () => bigint
  readonly #initial: SimTree
  readonly #tree: SimTree
  readonly #log: Operation[] = []
  readonly #open = new Map<number, OpenFile>()
  #nextId: number
  #nextFile = 10

  /** `initial` is durable. */
  constructor(options: SimOptions, initial: SimTree = new SimTree()) {
    this.#nowNs = options.nowNs
    this.#initial = initial
    this.#tree = initial.copy()
    this.#nextId = initial.lastId + 1
  }

  get openFileCount(): number {
    return this.#open.size
  }

  // Calls of a drive ---------------------------------------------------------------------------

  open(path: string, mode: OpenMode): number {
    this.#check('open', path)
    let node = this.#find(path)
    if (node === undefined) {
      if (mode === 'read') throw new SimError('ENOENT', 'open', path)
      node = this.#make(path, 'file')
    } else if (mode === 'create' || mode === 'createBulk')
      throw new SimError('EEXIST', 'open', path)
    if (node.kind === 'directory') throw new SimError('EISDIR', 'open', path)
    const file = this.#nextFile++
    this.#open.set(file, { node, path, mode })
    return file
  }

  close(file: number): void {
    this.#fileOf(file)
    this.#open.delete(file)
  }

  read(file: number, target: Uint8Array, offset: number): number {
    const { node, path } = this.#fileOf(file)
    this.#check('read', path)
    const count = Math.max(0, Math.min(target.length, node.sizeBytes - offset))
    target.set(node.content.subarray(offset, offset + count))
    return count
  }

  /** At most half of the bytes there are, as a system call may. */
  readStart(file: number, target: Uint8Array): number {
    const { node } = this.#fileOf(file)
    return this.read(file, target.subarray(0, Math.ceil(node.sizeBytes / 2)), 0)
  }

  write(file: number, chunks: readonly Uint8Array[]): void {
    const { node, path, mode } = this.#fileOf(file)
    if (mode === 'read') throw new SimError('EBADF', 'write', path)
    this.#check('write', path)
    for (const chunk of chunks) {
      if (chunk.length === 0) continue
      this.#requireSpace(chunk.length, 'write', path)
      const operation = {
        kind: 'write',
        modifiedNs: this.#nowNs(),
        orders: [node.id],
        bytes: chunk.slice(),
      } as const
      this.#log.push(operation)
      this.#tree.apply(operation)
    }
  }

  statFile(file: number): FileStat {
    return this.#statOf(this.#fileOf(file).node)
  }

  stat(path: string): FileStat | undefined {
    this.#check('stat', path)
    const node = this.#find(path)
    return node === undefined ? undefined : this.#statOf(node)
  }

  kindOf(path: string): FileKind | undefined {
    return this.stat(path)
  }

  list(path: string, countMax?: number): readonly DirectoryEntry[] {
    this.#check('list', path)
    return [...this.#directoryAt(path, 'list').names].slice(0, countMax).map(([name, id]) => {
      const isDirectory = this.#tree.node(id)?.kind === 'directory'
      return { name, isDirectory, isFile: !isDirectory }
    })
  }

  makeDirectory(path: string): void {
    this.#check('makeDirectory', path)
    const { parent, name } = this.#placeOf(path, 'mkdir')
    if (parent.names.has(name)) throw new SimError('EEXIST', 'mkdir', path)
    this.#requireSpace(BLOCK_BYTES, 'mkdir', path)
    this.#make(path, 'directory')
  }

  rename(from: string, to: string): void {
    this.#check('rename', from)
    this.#check('rename', to)
    const source = this.#placeOf(from, 'rename')
    const node = this.#childOf(source.parent, source.name)
    if (node === undefined) throw new SimError('ENOENT', 'rename', from)
    const target = this.#placeOf(to, 'rename')
    const replaced = this.#childOf(target.parent, target.name)
    if (replaced === node) return
    if (to.startsWith(`${from}/`)) throw new SimError('EINVAL', 'rename', to)
    const orders = [source.parent.id, target.parent.id]
    if (replaced !== undefined) {
      if (replaced.kind !== node.kind) {
        throw new SimError(replaced.kind === 'file' ? 'ENOTDIR' : 'EISDIR', 'rename', to)
      }
      if (replaced.kind === 'directory') {
        if (replaced.names.size > 0) throw new SimError('ENOTEMPTY', 'rename', to)
        orders.push(replaced.id)
      }
    }
    this.#change(orders, [
      { directory: source.parent.id, name: source.name, node: undefined },
      { directory: target.parent.id, name: target.name, node: node.id },
    ])
  }

  link(from: string, to: string): void {
    this.#check('link', to)
    const node = this.#find(from)
    if (node === undefined) throw new SimError('ENOENT', 'link', from)
    if (node.kind === 'directory') throw new SimError('EPERM', 'link', from)
    const { parent, name } = this.#placeOf(to, 'link')
    if (parent.names.has(name)) throw new SimError('EEXIST', 'link', to)
    this.#change([parent.id], [{ directory: parent.id, name, node: node.id }])
  }

  unlink(path: string): void {
    this.#check('unlink', path)
    const { parent, name } = this.#placeOf(path, 'unlink')
    const node = this.#childOf(parent, name)
    if (node === undefined) throw new SimError('ENOENT', 'unlink', path)
    if (node.kind === 'directory') throw new SimError('EISDIR', 'unlink', path)
    this.#change([parent.id], [{ directory: parent.id, name, node: undefined }])
  }

  removeDirectory(path: string): void {
    this.#check('removeDirectory', path)
    const { parent, name } = this.#placeOf(path, 'rmdir')
    const node = this.#childOf(parent, name)
    if (node === undefined) throw new SimError('ENOENT', 'rmdir', path)
    if (node.kind === 'file') throw new SimError('ENOTDIR', 'rmdir', path)
    if (node.names.size > 0) throw new SimError('ENOTEMPTY', 'rmdir', path)
    this.#change([parent.id, node.id], [{ directory: parent.id, name, node: undefined }])
  }

  space(path: string): SpaceInfo {
    this.#check('space', path)
    const totalBytes = Number.isFinite(this.sizeBytesMax) ? this.sizeBytesMax : 2 ** 40
    return {
      totalBytes,
      freeBytes: Math.max(0, totalBytes - this.#tree.usedBytes(BLOCK_BYTES)),
      totalInodes: INODES,
      freeInodes: INODES - this.#nextId,
      type: '5141',
    }
  }

  async flush(targets: readonly FlushTarget[]): Promise<readonly (Error | undefined)[]> {
    const begun = this.#log.length
    const outcomes = targets.map((target) => this.#flushOne(target))
    await this.duringFlush()
    const nodes = outcomes.filter((outcome) => typeof outcome === 'number')
    this.#log.push({ kind: 'flushed', nodes, begun })
    return outcomes.map((outcome) => (typeof outcome === 'number' ? undefined : outcome))
  }

  flushNow(target: FlushTarget): void {
    const outcome = this.#flushOne(target)
    if (outcome instanceof Error) throw outcome
    if (outcome === undefined) return
    this.#log.push({ kind: 'flushed', nodes: [outcome], begun: this.#log.length })
  }

  // Power loss ---------------------------------------------------------------------------------

  /** How many operations happened so far; each number up to it is a moment at which power can fail. */
  get position(): number {
    return this.#log.length
  }

  /**
   * At most `countMax` images of power loss at `position`: all there can be when there are no more than that, else everything
   * kept (which is what a killed process leaves), nothing kept, and random ones. Torn writes are random in either case.
   */
  *crashImages(position: number, random: Random, countMax: number): Generator<SimFileSystem> {
    const durable = durableAt(this.#log, position)
    const open: number[] = []
    for (const [i, { kind }] of this.#log.slice(0, position).entries()) {
      if (kind !== 'flushed' && !durable.has(i)) open.push(i)
    }
    if (open.length > EXHAUSTIVE_MAX || 2 ** open.length > countMax) {
      for (let i = 0; i < countMax; i++) {
        // An even coin would hardly ever keep nearly all or nearly nothing.
        const keptPercent = i === 0 ? 100 : i === 1 ? 0 : 10 + random.below(9) * 10
        yield this.#image(position, durable, random, () => random.below(100) < keptPercent)
      }
      return
    }
    const seen = new Set<number>()
    for (let wanted = 0; wanted < 2 ** open.length; wanted++) {
      let kept = 0
      const image = this.#image(position, durable, random, (i) => {
        const bit = 1 << open.indexOf(i)
        kept |= wanted & bit
        return (wanted & bit) !== 0
      })
      // Order forbids some wishes: they give the image of a smaller wish.
      if (!seen.has(kept)) yield image
      seen.add(kept)
    }
  }

  #image(
    position: number,
    durable: ReadonlySet<number>,
    random: Random,
    keeps: (position: number) => boolean,
  ): SimFileSystem {
    const tree = crashImage(this.#initial, this.#log, position, { durable, keeps, random })
    return new SimFileSystem({ nowNs: this.#nowNs }, tree)
  }

  // Inside -------------------------------------------------------------------------------------

  #check(operation: SimCall['operation'], path: string): void {
    const code = this.fault?.({ operation, path })
    if (code !== undefined) throw new SimError(code, operation, path)
  }

  #requireSpace(sizeBytes: number, call: string, path: string): void {
    if (!Number.isFinite(this.sizeBytesMax)) return
    if (this.#tree.usedBytes(BLOCK_BYTES) + sizeBytes > this.sizeBytesMax) {
      throw new SimError('ENOSPC', call, path)
    }
  }

  #make(path: string, kind: SimNode['kind']): SimNode {
    const { parent, name } = this.#placeOf(path, 'make')
    const id = this.#nextId++
    this.#change([parent.id], [{ directory: parent.id, name, node: id }], { id, kind })
    const node = this.#tree.node(id)
    if (node === undefined) throw new SimError('EIO', 'make', path)
    return node
  }

  #change(
    orders: readonly number[],
    effects: readonly NameEffect[],
    makes?: NameChange['makes'],
  ): void {
    const operation: NameChange = {
      kind: 'names',
      modifiedNs: this.#nowNs(),
      orders,
      effects,
      ...(makes === undefined ? {} : { makes }),
    }
    this.#log.push(operation)
    this.#tree.apply(operation)
  }

  /** The node that is flushed; undefined when a directory is gone. */
  #flushOne(target: FlushTarget): number | Error | undefined {
    this.flushedCount++
    try {
      if ('file' in target) {
        const { node, path } = this.#fileOf(target.file)
        this.#check('flush', path)
        return node.id
      }
      this.#check('flush', target.directory)
      return this.#find(target.directory)?.id
    } catch (error) {
      if (error instanceof SimError) return error
      throw error
    }
  }

  #fileOf(file: number): OpenFile {
    const open = this.#open.get(file)
    if (open === undefined) throw new SimError('EBADF', 'file', String(file))
    return open
  }

  #childOf(directory: DirectoryNode, name: string): SimNode | undefined {
    const id = directory.names.get(name)
    return id === undefined ? undefined : this.#tree.node(id)
  }

  #find(path: string): SimNode | undefined {
    let current = this.#tree.node(ROOT_ID)
    for (const name of path.split('/')) {
      if (name === '') continue
      if (current?.kind !== 'directory') throw new SimError('ENOTDIR', 'look up', path)
      current = this.#childOf(current, checkedName(name, path))
      if (current === undefined) return undefined
    }
    return current
  }

  #directoryAt(path: string, call: string): DirectoryNode {
    const node = this.#find(path)
    if (node === undefined) throw new SimError('ENOENT', call, path)
    if (node.kind === 'file') throw new SimError('ENOTDIR', call, path)
    return node
  }

  #placeOf(path: string, call: string): { readonly parent: DirectoryNode; readonly name: string } {
    const slash = path.lastIndexOf('/')
    const name = checkedName(path.slice(slash + 1), path)
    return { parent: this.#directoryAt(path.slice(0, slash), call), name }
  }

  #statOf(node: SimNode): FileStat {
    const isDirectory = node.kind === 'directory'
    return {
      isDirectory,
      isFile: !isDirectory,
      sizeBytes: isDirectory ? BLOCK_BYTES : node.sizeBytes,
      modifiedNs: node.modifiedNs,
      inode: BigInt(node.id),
      device: 1n,
      links: isDirectory ? 2 + this.#directoriesIn(node) : node.links,
    }
  }

  #directoriesIn(directory: DirectoryNode): number {
    let count = 0
    for (const id of directory.names.values()) {
      if (this.#tree.node(id)?.kind === 'directory') count++
    }
    return count
  }
}

function checkedName(name: string, path: string): string {
  if (Buffer.byteLength(name) > NAME_BYTES_MAX) throw new SimError('ENAMETOOLONG', 'look up', path)
  return name
}
