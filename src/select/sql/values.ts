/** Values of a query and their texts (s3-api.md 6.2.3). */
import { Timestamp } from './timestamp.ts'

/** A CSV field: it has no type until something asks for one. */
export class Untyped {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** A JSON object: members in the order of the text, names may repeat. */
export class JsonObject {
  readonly names: readonly string[]
  readonly values: readonly Value[]
  constructor(names: readonly string[], values: readonly Value[]) {
    this.names = names
    this.values = values
  }
}

/** NULL is `null`, MISSING `undefined`, INT `bigint`, FLOAT `number`. Ints of data that do not fit 64 bits pass as they are, and count as floats. */
export type Value =
  | null
  | undefined
  | boolean
  | bigint
  | number
  | string
  | Untyped
  | Timestamp
  | JsonObject
  | readonly Value[]

export const INT_MIN = -(2n ** 63n)
export const INT_MAX = 2n ** 63n - 1n

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/
/** Longer ones are not worth exact arithmetic, whose cost grows with their square. */
export const INT_DIGITS_MAX = 40
const INTEGER = /^[+-]?\d+$/

export function isArray(value: Value): value is readonly Value[] {
  return Array.isArray(value)
}

/** Text of a STRING or an untyped field; undefined for other types. */
export function textIn(value: Value): string | undefined {
  if (typeof value === 'string') return value
  return value instanceof Untyped ? value.text : undefined
}

/** The number that a value is or, as text, stands for: int if it can be, else float; undefined for anything else. */
export function numberIn(value: Value): bigint | number | undefined {
  if (typeof value === 'bigint') return isInt64(value) ? value : Number(value)
  if (typeof value === 'number') return value
  const text = textIn(value)
  return text === undefined ? undefined : parseNumber(text)
}

/** The number that a whole text stands for, blanks around it ignored. */
export function parseNumber(text: string): bigint | number | undefined {
  const trimmed = text.trim()
  if (trimmed.length <= INT_DIGITS_MAX && INTEGER.test(trimmed)) {
    const value = BigInt(trimmed.startsWith('+') ? trimmed.slice(1) : trimmed)
    return isInt64(value) ? value : Number(trimmed)
  }
  if (!NUMBER.test(trimmed)) return undefined
  const value = Number(trimmed)
  return Number.isFinite(value) ? value : undefined
}

export function isInt64(value: bigint): boolean {
  return value >= INT_MIN && value <= INT_MAX
}

/** A value as text, as CSV output and CAST show it; NULL and MISSING are empty. */
export function textFor(value: Value): string {
  switch (typeof value) {
    case 'string':
      return value
    case 'undefined':
      return ''
    case 'boolean':
    case 'bigint':
    case 'number':
      return String(value)
    default:
      if (value === null) return ''
      if (value instanceof Untyped) return value.text
      return value instanceof Timestamp ? value.toString() : jsonFor(value)
  }
}

/** A value as JSON; MISSING is `null`. */
export function jsonFor(value: Value): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value)
    case 'undefined':
      return 'null'
    case 'boolean':
    case 'bigint':
    case 'number':
      return String(value)
    default:
      if (value === null) return 'null'
      if (value instanceof Untyped) return JSON.stringify(value.text)
      if (value instanceof Timestamp) return `"${value.toString()}"`
      if (value instanceof JsonObject) return objectJson(value)
      return `[${value.map(jsonFor).join(',')}]`
  }
}

function objectJson({ names, values }: JsonObject): string {
  let text = '{'
  for (let i = 0; i < names.length; i++) {
    if (i > 0) text += ','
    text += `${JSON.stringify(names[i])}:${jsonFor(values[i])}`
  }
  return `${text}}`
}
