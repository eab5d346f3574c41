import { assert } from '#base/assert'

/**
 * A small WebAssembly assembler. Kernels are TypeScript that appends instructions, so there is no build step and no
 * binary in the repository. Engines keep the order of instructions, therefore a kernel decides its own schedule.
 *
 *   const f = new FunctionBuilder('double', [I32], [I32])
 *   f.push(i32.add(f.parameter(0), f.parameter(0)))
 *   const bytes = assembleModule([f])
 */

/** Instructions that leave one value on the stack, or none for stores. */
export type Code = readonly number[]

/** What an instruction can take: code that computes a value, or a local that holds one. */
export type Operand = Code | Local

export const I32 = 0x7f
export const I64 = 0x7e
const V128 = 0x7b
export type ValueType = typeof I32 | typeof I64 | typeof V128

const EMPTY_BLOCK_TYPE = 0x40
const MEMORY_PAGES_MAX = 65_536

/** A parameter or a local variable of one function. */
export class Local {
  readonly index: number
  /** Reads the variable. */
  readonly code: Code

  constructor(index: number) {
    this.index = index
    this.code = [0x20, ...unsignedLeb(index)]
  }
}

export function codeOf(operand: Operand): Code {
  return operand instanceof Local ? operand.code : operand
}

/** `items[index]`, which must exist: kernels index lists of locals whose length they fixed themselves. */
export function at<T>(items: readonly T[], index: number): T {
  const item = items[index]
  assert(item !== undefined)
  return item
}

/** Variable-length form of an unsigned 32-bit number. */
export function unsignedLeb(value: number): number[] {
  const out: number[] = []
  let rest = value >>> 0
  do {
    const low = rest & 0x7f
    rest >>>= 7
    out.push(rest === 0 ? low : low | 0x80)
  } while (rest !== 0)
  return out
}

/** Variable-length form of a signed number. */
export function signedLeb(value: bigint): number[] {
  const out: number[] = []
  let rest = value
  for (;;) {
    const low = Number(rest & 0x7fn)
    rest >>= 7n
    const signBit = (low & 0x40) !== 0
    if ((rest === 0n && !signBit) || (rest === -1n && signBit)) {
      out.push(low)
      return out
    }
    out.push(low | 0x80)
  }
}

/** Builds one exported function: declares locals, appends instructions. */
export class FunctionBuilder {
  readonly name: string
  readonly parameters: readonly ValueType[]
  readonly results: readonly ValueType[]
  readonly #locals: ValueType[] = []
  readonly #body: number[] = []
  #depth = 0

  constructor(name: string, parameters: readonly ValueType[], results: readonly ValueType[] = []) {
    this.name = name
    this.parameters = parameters
    this.results = results
  }

  parameter(index: number): Local {
    return new Local(index)
  }

  local(type: ValueType): Local {
    this.#locals.push(type)
    return new Local(this.parameters.length + this.#locals.length - 1)
  }

  i32(): Local {
    return this.local(I32)
  }

  i64(): Local {
    return this.local(I64)
  }

  v128(): Local {
    return this.local(V128)
  }

  /** `count` new vector variables. */
  vectors(count: number): Local[] {
    return Array.from({ length: count }, () => this.v128())
  }

  /** Appends code: a store, or the value the function returns. */
  push(operand: Operand): void {
    // One by one: spreading a long kernel would pass it as arguments on the stack.
    for (const byte of codeOf(operand)) this.#body.push(byte)
  }

  set(target: Local, value: Operand): void {
    this.push(value)
    this.#body.push(0x21, ...unsignedLeb(target.index))
  }

  /** A loop: branching to it starts it again, its end leaves it. */
  loop(body: () => void): void {
    this.#structure(0x03, body)
  }

  /** A block: branching to it leaves it. */
  block(body: () => void): void {
    this.#structure(0x02, body)
  }

  if(condition: Operand, then: () => void, otherwise?: () => void): void {
    this.push(condition)
    this.#body.push(0x04, EMPTY_BLOCK_TYPE)
    this.#depth++
    then()
    if (otherwise !== undefined) {
      this.#body.push(0x05)
      otherwise()
    }
    this.#depth--
    this.#body.push(0x0b)
  }

  /** Branches to the structure `depth` levels outwards (0 = innermost). */
  branch(depth: number): void {
    this.#body.push(0x0c, depth)
  }

  branchIf(condition: Operand, depth = 0): void {
    this.push(condition)
    this.#body.push(0x0d, depth)
  }

  /** How many structures surround the next instruction; noted inside one, it names that one for `branchTo`. */
  get depth(): number {
    return this.#depth
  }

  /** Branches to a surrounding structure, named by its depth. */
  branchTo(depth: number): void {
    assert(depth > 0 && depth <= this.#depth)
    this.branch(this.#depth - depth)
  }

  branchToIf(depth: number, condition: Operand): void {
    assert(depth > 0 && depth <= this.#depth)
    this.branchIf(condition, this.#depth - depth)
  }

  /** Repeats `body` until `leave` holds; tests first. */
  until(leave: Operand, body: () => void): void {
    this.block(() => {
      this.loop(() => {
        this.branchIf(leave, 1)
        body()
        this.branch(0)
      })
    })
  }

  /** Runs `body` once and again as long as `condition` holds. */
  repeatWhile(condition: () => Operand, body: () => void): void {
    this.loop(() => {
      body()
      this.branchIf(condition())
    })
  }

  #structure(opcode: number, body: () => void): void {
    this.#body.push(opcode, EMPTY_BLOCK_TYPE)
    this.#depth++
    body()
    this.#depth--
    this.#body.push(0x0b)
  }

  /** The entry of the code section. */
  assemble(): number[] {
    const locals = vectorOf(this.#locals.map((type) => [1, type]))
    const size = unsignedLeb(locals.length + this.#body.length + 1)
    return [...size, ...locals, ...this.#body, 0x0b]
  }
}

/** Bytes of a module that imports the shared memory `env.memory` and exports all `functions` by name. */
export function assembleModule(functions: readonly FunctionBuilder[]): Uint8Array<ArrayBuffer> {
  const types = functions.map((f) => [
    0x60,
    ...vectorOf(typesOf(f.parameters)),
    ...vectorOf(typesOf(f.results)),
  ])
  const sharedMemory = [
    ...text('env'),
    ...text('memory'),
    2,
    3,
    1,
    ...unsignedLeb(MEMORY_PAGES_MAX),
  ]
  const sections = [
    section(1, vectorOf(types)),
    section(2, vectorOf([sharedMemory])),
    section(3, vectorOf(functions.map((_, i) => unsignedLeb(i)))),
    section(7, vectorOf(functions.map((f, i) => [...text(f.name), 0, ...unsignedLeb(i)]))),
    section(10, vectorOf(functions.map((f) => f.assemble()))),
  ]
  return Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0].concat(...sections))
}

function typesOf(types: readonly ValueType[]): number[][] {
  return types.map((type) => [type])
}

function vectorOf(items: readonly (readonly number[])[]): number[] {
  return unsignedLeb(items.length).concat(...items)
}

function section(id: number, content: readonly number[]): number[] {
  return [id].concat(unsignedLeb(content.length), content)
}

function text(value: string): number[] {
  const bytes = Array.from(value, (character) => character.charCodeAt(0))
  return [...unsignedLeb(bytes.length), ...bytes]
}
