import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '#base/random'
import {
  checkLinearizable,
  checkListed,
  checkRegister,
  type HistoryOperation,
  KEY_MODEL,
  type KeyInput,
  type KeyOutput,
  type RegisterOperation,
} from './history.ts'

const U = Infinity

/** Compact form: `w a 0 10`, `r a 5 6`, `r - 0 1` (absent). */
function register(text: string): RegisterOperation[] {
  return text.split(',').map((word) => {
    const [kind, value = '', begin, end] = word.trim().split(' ')
    const times = { begin: Number(begin), end: end === 'U' ? U : Number(end) }
    return kind === 'w'
      ? { kind: 'write', value, ...times }
      : { kind: 'read', value: value === '-' ? undefined : value, ...times }
  })
}

const GOOD_REGISTERS = [
  'w a 0 1, r a 2 3',
  'r - 0 1, w a 2 3, r a 4 5',
  'w a 0 10, r - 1 2, r a 3 4',
  'w a 0 10, r a 1 2, r a 3 4',
  'w a 0 1, w b 2 3, r b 4 5',
  'w a 0 5, w b 0 5, r a 6 7, r a 8 9',
  'w a 0 5, w b 0 5, r b 6 7, r b 8 9',
  'w a 0 1, w b 2 U, r a 3 4, r b 5 6',
  'w a 0 1, w b 2 U, r a 3 4, r a 500 600',
  'w a 0 U',
  'w a 0 U, r - 1 2',
  'w a 0 1, r a 2 3, w b 4 5, r b 6 7, w c 8 9, r c 10 11',
  'w a 0 10, w b 1 9, w c 2 8, r b 20 21',
  'w a 0 1, w b 2 10, r a 3 4, r b 5 6, r b 11 12',
]

const BAD_REGISTERS = [
  'w a 0 1, r - 2 3',
  'w a 0 1, w b 2 3, r a 4 5',
  'r a 0 1, w a 2 3',
  'w a 0 10, r a 1 2, r - 3 4',
  'w a 0 1, w b 2 10, r b 3 4, r a 5 6',
  'w a 0 5, w b 0 5, r a 6 7, r b 8 9',
  'w a 0 5, w b 0 5, r b 6 7, r a 8 9, r b 10 11',
  'w a 0 1, w b 2 U, r b 3 4, r a 5 6',
  'w a 0 1, w b 2 3, w c 4 5, r b 6 7',
  'w a 0 1, r c 2 3',
  'w a 0 1, r a 2 3, w b 4 5, r a 6 7, r b 8 9',
  'w a 0 U, r a 1 2, r - 3 4',
]

for (const text of GOOD_REGISTERS) {
  test(`register accepts ${text}`, () => {
    assert.deepEqual(checkRegister(register(text)), { kind: 'linearizable' })
  })
}

for (const text of BAD_REGISTERS) {
  test(`register refuses ${text}`, () => {
    assert.equal(checkRegister(register(text)).kind, 'violation')
  })
}

type KeyHistory = HistoryOperation<KeyInput, KeyOutput>[]

/** `p a`, `c a` (create only), `m a b` (b if a), `g a`, `g -`, `d`, then begin, end; a `!` behind the kind: refused. */
function keyHistory(text: string): KeyHistory {
  return text.split(',').map((word, client) => {
    const [kind = '', ...rest] = word.trim().split(' ')
    const end = rest.pop() === 'U' ? U : Number(word.trim().split(' ').at(-1))
    const begin = Number(rest.pop())
    const refused = kind.endsWith('!')
    const [first = '', second = ''] = rest
    const input: KeyInput =
      kind[0] === 'p'
        ? { kind: 'put', value: first }
        : kind[0] === 'c'
          ? { kind: 'put', value: first, ifNoneMatch: true }
          : kind[0] === 'm'
            ? { kind: 'put', value: second, ifMatch: first }
            : kind[0] === 'g'
              ? { kind: 'get' }
              : { kind: 'delete' }
    const output: KeyOutput =
      input.kind === 'get' ? { value: first === '-' ? null : first } : { refused }
    return { client, begin, end, input, output: end === U ? undefined : output }
  })
}

const GOOD_KEYS = [
  'p a 0 1, g a 2 3, d 4 5, g - 6 7',
  'p a 0 10, d 0 10, g - 11 12',
  'p a 0 10, d 0 10, g a 11 12',
  'c a 0 1, c! b 2 3, g a 4 5',
  'c a 0 10, c! b 0 10, g a 11 12',
  'c! a 0 10, c b 0 10, g b 11 12',
  'p a 0 1, m a b 2 3, g b 4 5',
  'p a 0 1, m a b 2 10, m! a c 2 10, g b 11 12',
  'p a 0 1, d 2 U, g a 3 4, g - 5 6',
  'p a 0 1, d 2 U, g a 3 4, g a 50 60',
  'p a 0 1, m! x b 2 3, g a 4 5',
  'd 0 1, g - 2 3, c a 4 5, g a 6 7',
  'p a 0 1, p b 2 U, c! c 3 4, g b 5 6',
]

const BAD_KEYS = [
  'p a 0 1, d 2 3, g a 4 5',
  'p a 0 1, g - 2 3',
  'c a 0 10, c b 0 10',
  'c! a 0 1',
  'p a 0 1, m! a b 2 3',
  'p a 0 1, m a b 2 10, m a c 2 10',
  'p a 0 1, d 2 3, c! b 4 5',
  'p a 0 1, d 2 U, g - 3 4, g a 5 6',
  'p a 0 1, c b 2 3, g b 4 5',
  'p a 0 1, p b 2 U, g b 3 4, g a 5 6',
  'p a 0 1, m x b 2 3',
  'd 0 1, g a 2 3, p a 4 5',
]

for (const text of GOOD_KEYS) {
  test(`key model accepts ${text}`, () => {
    assert.deepEqual(checkLinearizable(keyHistory(text), KEY_MODEL), { kind: 'linearizable' })
  })
}

for (const text of BAD_KEYS) {
  test(`key model refuses ${text}`, () => {
    assert.equal(checkLinearizable(keyHistory(text), KEY_MODEL).kind, 'violation')
  })
}

test('both checkers agree on random register histories', () => {
  const random = seededRandom(7)
  let violations = 0
  for (let round = 0; round < 400; round++) {
    const operations: RegisterOperation[] = []
    const written: string[] = []
    for (let i = 0; i < 7; i++) {
      const begin = random.below(30)
      const end = begin + 1 + random.below(10)
      if (random.below(2) === 0) {
        operations.push({ kind: 'write', value: `v${i}`, begin, end })
        written.push(`v${i}`)
      } else {
        const value = written[random.below(written.length + 1)]
        operations.push({ kind: 'read', value, begin, end })
      }
    }
    const general = checkLinearizable(
      operations.map(
        (one, client): HistoryOperation<KeyInput, KeyOutput> =>
          one.kind === 'write'
            ? {
                client,
                begin: one.begin,
                end: one.end,
                input: { kind: 'put', value: one.value },
                output: { refused: false },
              }
            : {
                client,
                begin: one.begin,
                end: one.end,
                input: { kind: 'get' },
                output: { value: one.value ?? null },
              },
      ),
      KEY_MODEL,
    )
    assert.equal(checkRegister(operations).kind, general.kind, JSON.stringify(operations))
    if (general.kind === 'violation') violations += 1
  }
  assert.ok(violations > 20 && violations < 380)
})

test('a search that is too large is undecided, not passed', () => {
  const history = keyHistory(
    Array.from({ length: 18 }, (_, i) => `p v${i} 0 100`).join(',') + ',g x 200 201',
  )
  assert.equal(checkLinearizable(history, KEY_MODEL, 5000).kind, 'undecided')
})

test('listing: present throughout must be listed, absent throughout must not', () => {
  const put = { kind: 'put', begin: 0, end: 1 } as const
  const gone = { kind: 'delete', begin: 2, end: 3 } as const
  const page = { begin: 10, end: 20 }
  assert.equal(checkListed('k', [put], { ...page, keys: new Set(['k']) }).kind, 'linearizable')
  assert.equal(checkListed('k', [put], { ...page, keys: new Set() }).kind, 'violation')
  assert.equal(checkListed('k', [put, gone], { ...page, keys: new Set(['k']) }).kind, 'violation')
  assert.equal(checkListed('k', [put, gone], { ...page, keys: new Set() }).kind, 'linearizable')
  const during = { kind: 'delete', begin: 12, end: 13 } as const
  assert.equal(checkListed('k', [put, during], { ...page, keys: new Set() }).kind, 'linearizable')
})
