/** The part of the WebAssembly API that Cairn uses; neither `lib.esnext` nor the types of Node.js declare it. */
declare namespace WebAssembly {
  class Memory {
    constructor(descriptor: { initial: number; maximum: number; shared?: boolean })
    /** An ordinary `ArrayBuffer` when it is not shared; nobody looks at the difference. */
    readonly buffer: SharedArrayBuffer
  }

  class Module {
    constructor(bytes: Uint8Array<ArrayBuffer>)
  }

  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, Memory>>)
    readonly exports: Record<string, unknown>
  }

  function validate(bytes: Uint8Array<ArrayBuffer>): boolean
}
