import type { Random } from '#base/random'

/**
 * Names and contents of a simulated file system as a fold over operations, so that power loss is a fold over fewer of them.
 *
 * Model (distributed.md 10.3). After power loss there is
 * - of each file's writes: all that a finished flush of the file covered, and any number of the next ones, the last perhaps torn;
 * - of the changes of names: all that finished flushes of their directories covered, and any subset of the others that keeps
 *   each directory's changes in order. A rename is one change in both its directories: it happens or does not.
 *
 *   log      mkdir a   create a/f   write f   flush f, a   write f   rename a/f b/f
 *   durable  -         yes          yes                    -         -
 *
 * A flush of `a` keeps the names in `a`, not the name of `a` in its parent.
 */

export const ROOT_ID = 1

export interface FileNode {
  readonly kind: 'file'
  readonly id: number
  /** `sizeBytes` of them count. */
  content: Uint8Array
  sizeBytes: number
  /** Names that lead here. */
  links: number
  modifiedNs: bigint
}

export interface DirectoryNode {
  readonly kind: 'directory'
  readonly id: number
  readonly names: Map<string, number>
  modifiedNs: bigint
}

export type SimNode = FileNode | DirectoryNode

/** Sets a name, or (`node` undefined) removes it. */
export interface NameEffect {
  readonly directory: number
  readonly name: string
  readonly node: number | undefined
}

export interface NameChange {
  readonly kind: 'names'
  readonly modifiedNs: bigint
  /** Nodes in whose order of changes this one stands: the directories named, and a directory that goes. */
  readonly orders: readonly number[]
  readonly effects: readonly NameEffect[]
  readonly makes?: { readonly id: number; readonly kind: SimNode['kind'] }
}

export interface FileWrite {
  readonly kind: 'write'
  readonly modifiedNs: bigint
  readonly orders: readonly [number]
  readonly bytes: Uint8Array
}

/** The end of a flush: what is in the order of `nodes` and happened before position `begun` is durable. */
export interface FlushEnd {
  readonly kind: 'flushed'
  readonly nodes: readonly number[]
  readonly begun: number
}

export type Operation = NameChange | FileWrite | FlushEnd

export class SimTree {
  readonly #nodes = new Map<number, SimNode>()

  constructor() {
    this.#nodes.set(ROOT_ID, {
      kind: 'directory',
      id: ROOT_ID,
      names: new Map(),
      modifiedNs: 0n,
    })
  }

  node(id: number): SimNode | undefined {
    return this.#nodes.get(id)
  }

  apply(operation: NameChange | FileWrite): void {
    if (operation.kind === 'write') {
      this.append(operation.orders[0], operation.bytes, operation.modifiedNs)
      return
    }
    this.make(operation)
    for (const { directory, name, node } of operation.effects) {
      const parent = this.#nodes.get(directory)
      if (parent?.kind !== 'directory') continue
      this.#count(parent.names.get(name), -1)
      this.#count(node, 1)
      if (node === undefined) parent.names.delete(name)
      else parent.names.set(name, node)
      parent.modifiedNs = operation.modifiedNs
    }
  }

  /** The node that a change makes, also when its name is lost: flushed content without a name. */
  make({ makes, modifiedNs }: NameChange): void {
    if (makes === undefined || this.#nodes.has(makes.id)) return
    const { id, kind } = makes
    this.#nodes.set(
      id,
      kind === 'directory'
        ? { kind, id, names: new Map(), modifiedNs }
        : { kind, id, content: new Uint8Array(0), sizeBytes: 0, links: 0, modifiedNs },
    )
  }

  append(id: number, bytes: Uint8Array, modifiedNs: bigint): void {
    const file = this.#nodes.get(id)
    if (file?.kind !== 'file') return
    const sizeBytes = file.sizeBytes + bytes.length
    if (sizeBytes > file.content.length) {
      const grown = new Uint8Array(Math.max(sizeBytes, file.content.length * 2))
      grown.set(file.content.subarray(0, file.sizeBytes))
      file.content = grown
    }
    file.content.set(bytes, file.sizeBytes)
    file.sizeBytes = sizeBytes
    file.modifiedNs = modifiedNs
  }

  /** An own copy of everything that a name leads to. */
  copy(): SimTree {
    const copy = new SimTree()
    const visit = (id: number): void => {
      const node = this.#nodes.get(id)
      if (node === undefined || (copy.#nodes.has(id) && id !== ROOT_ID)) return
      if (node.kind === 'file') {
        copy.#nodes.set(id, { ...node, content: node.content.slice(0, node.sizeBytes) })
        return
      }
      copy.#nodes.set(id, { ...node, names: new Map(node.names) })
      for (const child of node.names.values()) visit(child)
    }
    visit(ROOT_ID)
    return copy
  }

  /** Everything that a name leads to. */
  usedBytes(directoryBytes: number): number {
    let used = 0
    for (const node of this.copy().#nodes.values()) {
      used += node.kind === 'file' ? node.sizeBytes : directoryBytes
    }
    return used
  }

  get lastId(): number {
    return Math.max(...this.#nodes.keys())
  }

  #count(id: number | undefined, change: number): void {
    const node = id === undefined ? undefined : this.#nodes.get(id)
    if (node?.kind === 'file') node.links += change
  }
}

/** Positions of operations before `position` that are durable there. */
export function durableAt(log: readonly Operation[], position: number): ReadonlySet<number> {
  const coveredBefore = new Map<number, number>()
  const cover = (node: number, before: number): void => {
    coveredBefore.set(node, Math.max(coveredBefore.get(node) ?? 0, before))
  }
  for (const operation of log.slice(0, position)) {
    if (operation.kind !== 'flushed') continue
    for (const node of operation.nodes) cover(node, operation.begun)
  }
  const durable = new Set<number>()
  for (let i = position - 1; i >= 0; i--) {
    const operation = log[i]
    if (operation === undefined || operation.kind === 'flushed') continue
    if (!operation.orders.some((node) => i < (coveredBefore.get(node) ?? 0))) continue
    durable.add(i)
    // Order is kept: a durable change brings the earlier ones of all its directories with it.
    for (const node of operation.orders) cover(node, i)
  }
  return durable
}

/**
 * What is left after power loss at `position`, where `durable` is of `durableAt`. `keeps` decides about each operation that is neither durable nor forbidden,
 * in order; a lost write may leave its first bytes.
 */
export function crashImage(
  initial: SimTree,
  log: readonly Operation[],
  position: number,
  options: {
    readonly durable: ReadonlySet<number>
    readonly keeps: (position: number) => boolean
    readonly random: Random
  },
): SimTree {
  const image = initial.copy()
  const ended = new Set<number>()
  for (let i = 0; i < position; i++) {
    const operation = log[i]
    if (operation === undefined || operation.kind === 'flushed') continue
    const isPossible = !operation.orders.some((node) => ended.has(node))
    if (options.durable.has(i) || (isPossible && options.keeps(i))) {
      image.apply(operation)
      continue
    }
    if (operation.kind === 'names') image.make(operation)
    else if (isPossible) {
      const size = options.random.below(operation.bytes.length + 1)
      image.append(operation.orders[0], operation.bytes.subarray(0, size), operation.modifiedNs)
    }
    for (const node of operation.orders) ended.add(node)
  }
  return image.copy()
}
