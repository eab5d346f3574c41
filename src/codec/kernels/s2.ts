import type { FunctionBuilder, Local, Operand } from '../wasm/emitter.ts'
import { i32, v128 } from '../wasm/instructions.ts'

/**
 * What the kernels for blocks of S2 share; see s2-decoder.ts and s2-encoder.ts. S2 is a superset of Snappy: literals,
 * and copies of what came before. Source: encryption.md 8.4;
 * https://github.com/google/snappy/blob/main/format_description.txt.
 *
 * Bytes move 16 at a time: both kernels may read and write up to S2_SLACK_SIZE bytes behind their ranges, and never any
 * further, whatever the input is.
 */
export const S2_SLACK_SIZE = 32
export const VECTOR_SIZE = 16
/** Longer runs are moved by one instruction. */
export const BULK_COPY_SIZE_MIN = 256

/** Copies `size` > 0 bytes in vectors, up to 15 bytes too many; `target` ends behind them. */
export function copyVectors(
  f: FunctionBuilder,
  range: { readonly target: Local; readonly source: Operand; readonly size: Local },
  scratch: { readonly from: Local; readonly end: Local },
): void {
  const { from, end } = scratch
  const { target } = range
  f.set(from, range.source)
  f.set(end, i32.add(target, range.size))
  f.repeatWhile(
    () => i32.lessUnsigned(target, end),
    () => {
      f.push(v128.store(target, v128.load(from)))
      f.set(from, i32.add(from, i32.const(VECTOR_SIZE)))
      f.set(target, i32.add(target, i32.const(VECTOR_SIZE)))
    },
  )
  f.set(target, end)
}
