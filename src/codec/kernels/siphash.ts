import { FunctionBuilder, I32, I64, type Local } from '../wasm/emitter.ts'
import { i32, i64 } from '../wasm/instructions.ts'

const INITIAL = [
  0x736f6d6570736575n,
  0x646f72616e646f6dn,
  0x6c7967656e657261n,
  0x7465646279746573n,
] as const

/** sipHash24(key, address, size) -> i64; the key is 16 bytes. */
export function sipHashKernel(): FunctionBuilder {
  const f = new FunctionBuilder('sipHash24', [I32, I32, I32], [I64])
  const [key, address, size] = [f.parameter(0), f.parameter(1), f.parameter(2)]
  const [v0, v1, v2, v3] = [f.i64(), f.i64(), f.i64(), f.i64()]
  const word = f.i64()
  const last = f.i64()
  const position = f.i32()

  const halfRound = (a: Local, b: Local, rotation: number): void => {
    f.set(a, i64.add(a, b))
    f.set(b, i64.xor(i64.rotateLeft(b, rotation), a))
  }
  const rounds = (count: number): void => {
    for (let i = 0; i < count; i++) {
      halfRound(v0, v1, 13)
      f.set(v0, i64.rotateLeft(v0, 32))
      halfRound(v2, v3, 16)
      halfRound(v0, v3, 21)
      halfRound(v2, v1, 17)
      f.set(v2, i64.rotateLeft(v2, 32))
    }
  }
  const absorb = (value: Local): void => {
    f.set(v3, i64.xor(v3, value))
    rounds(2)
    f.set(v0, i64.xor(v0, value))
  }

  f.set(v0, i64.xor(i64.load(key, 0), i64.const(INITIAL[0])))
  f.set(v1, i64.xor(i64.load(key, 8), i64.const(INITIAL[1])))
  f.set(v2, i64.xor(i64.load(key, 0), i64.const(INITIAL[2])))
  f.set(v3, i64.xor(i64.load(key, 8), i64.const(INITIAL[3])))
  f.set(last, i64.shiftLeft(i64.extend(size), 56))
  f.until(i32.lessUnsigned(size, i32.const(8)), () => {
    f.set(word, i64.load(address))
    absorb(word)
    f.set(address, i32.add(address, i32.const(8)))
    f.set(size, i32.subtract(size, i32.const(8)))
  })
  f.set(position, i32.const(0))
  f.until(i32.greaterOrEqualUnsigned(position, size), () => {
    const byte = i64.extend(i32.load8(i32.add(address, position)))
    const bits = i64.extend(i32.shiftLeft(position, i32.const(3)))
    f.set(last, i64.or(last, i64.shiftLeftBy(byte, bits)))
    f.set(position, i32.add(position, i32.const(1)))
  })
  absorb(last)
  f.set(v2, i64.xor(v2, i64.const(0xffn)))
  rounds(4)
  f.push(i64.xor(i64.xor(v0, v1), i64.xor(v2, v3)))
  return f
}
