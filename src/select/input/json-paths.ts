/** Paths into JSON values (s3-api.md 6.2.3, 7). */
import { SelectError } from '../select-error.ts'
import type { Name, Step } from '../sql/syntax.ts'
import { isArray, JsonObject, type Value } from '../sql/values.ts'

/** The value of a member; MISSING where there is none. Bare names match in any case if no member has the very name. */
export function member(value: Value, name: Name): Value {
  if (!(value instanceof JsonObject)) return undefined
  const exact = value.names.indexOf(name.text)
  if (exact >= 0) return value.values[exact]
  if (name.isQuoted) return undefined
  const lower = name.text.toLowerCase()
  const found = value.names.findIndex((other) => other.toLowerCase() === lower)
  return found < 0 ? undefined : value.values[found]
}

/** What the steps lead to. Errors: `InvalidKeyPath` for an index or `[*]` of what is no array. */
export function follow(value: Value, steps: readonly Step[], from = 0): Value {
  let current = value
  for (let i = from; i < steps.length; i++) {
    const step = steps[i]
    if (step === undefined || current === undefined || current === null) return undefined
    switch (step.kind) {
      case 'name':
        current = member(current, step.name)
        break
      case 'index':
        if (!isArray(current)) throw new SelectError('InvalidKeyPath')
        current = step.index < current.length ? current[step.index] : null
        break
      case 'elements': {
        if (!isArray(current)) throw new SelectError('InvalidKeyPath')
        const next = i + 1
        return current.map((element) => follow(element, steps, next))
      }
      case 'members':
        return current
    }
  }
  return current
}

/** The records that the path of a table makes of one: elements of arrays, else what the path leads to; MISSING as an empty record. */
export function recordsBelow(value: Value, steps: readonly Step[], from = 0): readonly Value[] {
  const at = steps.findIndex((step, i) => i >= from && step.kind === 'elements')
  const end = at < 0 ? steps.length : at
  const found = follow(value, steps.slice(from, end))
  if (at < 0) return isArray(found) ? found : [found]
  if (found === undefined || found === null) return [undefined]
  if (!isArray(found)) throw new SelectError('InvalidKeyPath')
  if (at === steps.length - 1) return found
  return found.flatMap((element) => recordsBelow(element, steps, at + 1))
}
