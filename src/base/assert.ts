/** A failed assertion: a bug in Cairn, never bad input. It is logged; the request that met it is answered 500, and a thread that met it elsewhere ends. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** States what only a bug can break. Stays on in production; keep `message` constant, since a template costs even when the condition holds. */
export function assert(condition: boolean, message?: string): asserts condition {
  if (!condition) throw new AssertionError(message ?? 'Assertion failed')
}

/** Closes a switch over a closed union: the compiler refuses an unhandled member. */
export function assertNever(value: never): never {
  throw new AssertionError(`Unexpected value: ${JSON.stringify(value)}`)
}
