import { SelectError } from '../select-error.ts'
import { calculate } from './arithmetic.ts'
import { orderNumbers } from './compare.ts'
import type { AggregateName } from './syntax.ts'
import { numberIn, type Value } from './values.ts'

/** What one aggregate function has seen. */
export interface Accumulator {
  /** Takes the argument of one more row; `COUNT(*)` gets any value but NULL. */
  add(value: Value): void
  /** Over all rows. */
  result(): Value
}

/** NULL and MISSING do not count. Without rows: COUNT and SUM 0, others NULL. Errors of `add`: `InvalidDataType`, `IntegerOverflow`. */
export function createAccumulator(name: AggregateName): Accumulator {
  switch (name) {
    case 'COUNT':
      return counter()
    case 'SUM':
      return adder((sum) => sum)
    case 'AVG':
      return adder((sum, count) => (count === 0 ? null : Number(sum) / count))
    case 'MIN':
      return extreme(-1)
    case 'MAX':
      return extreme(1)
  }
}

function counter(): Accumulator {
  let count = 0
  return {
    add: (value) => {
      if (value !== null && value !== undefined) count += 1
    },
    result: () => BigInt(count),
  }
}

function adder(finish: (sum: bigint | number, count: number) => Value): Accumulator {
  let sum: bigint | number = 0n
  let count = 0
  return {
    add: (value) => {
      const number = numberArgument(value)
      if (number === undefined) return
      const next = calculate('+', sum, number)
      if (typeof next === 'bigint' || typeof next === 'number') sum = next
      count += 1
    },
    result: () => finish(sum, count),
  }
}

function extreme(sign: 1 | -1): Accumulator {
  let best: bigint | number | undefined
  return {
    add: (value) => {
      const number = numberArgument(value)
      if (number === undefined) return
      if (best === undefined || orderNumbers(number, best) * sign > 0) best = number
    },
    result: () => best ?? null,
  }
}

function numberArgument(value: Value): bigint | number | undefined {
  if (value === null || value === undefined) return undefined
  const number = numberIn(value)
  if (number === undefined) throw new SelectError('InvalidDataType')
  return number
}
