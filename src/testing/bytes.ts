import assert from 'node:assert/strict'

/** Bytes of each side that an error shows. */
const SHOWN_BYTES = 24

/**
 * For contents: to tell the difference of long ones `assert.deepEqual` takes memory that grows with the product of their
 * sizes.
 */
export function assertBytes(
  actual: Uint8Array | undefined,
  expected: Uint8Array,
  message?: string,
): void {
  if (actual === undefined) assert.fail(message ?? 'no bytes')
  if (Buffer.compare(actual, expected) === 0) return
  let at = 0
  while (at < expected.length && actual[at] === expected[at]) at++
  const show = (bytes: Uint8Array): string =>
    Buffer.from(bytes.subarray(at, at + SHOWN_BYTES)).toString('hex')
  assert.fail(
    `${message === undefined ? '' : `${message}: `}${actual.length} bytes instead of ${expected.length}, ` +
      `from byte ${at} on ${show(actual)} instead of ${show(expected)}`,
  )
}
