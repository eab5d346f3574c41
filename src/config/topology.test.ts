import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from './config.ts'
import { expandEllipses, parityFor, poolsFrom, setSizeFor } from './topology.ts'

const resolve = (path: string): string => path

/** layout, set count, set size; a layout `a x b` has two patterns. */
const LAYOUTS: readonly (readonly [string, number, number] | readonly [string, 'error'])[] = [
  ['1', 1, 1],
  ['2', 1, 2],
  ['3', 1, 3],
  ['4', 1, 4],
  ['5', 1, 5],
  ['6', 1, 6],
  ['7', 1, 7],
  ['8', 1, 8],
  ['9', 1, 9],
  ['10', 1, 10],
  ['11', 1, 11],
  ['12', 1, 12],
  ['13', 1, 13],
  ['14', 1, 14],
  ['15', 1, 15],
  ['16', 1, 16],
  ['17', 'error'],
  ['18', 2, 9],
  ['19', 'error'],
  ['20', 2, 10],
  ['21', 3, 7],
  ['22', 2, 11],
  ['23', 'error'],
  ['24', 2, 12],
  ['25', 5, 5],
  ['26', 2, 13],
  ['27', 3, 9],
  ['28', 2, 14],
  ['30', 2, 15],
  ['32', 2, 16],
  ['33', 3, 11],
  ['34', 17, 2],
  ['36', 3, 12],
  ['40', 4, 10],
  ['48', 3, 16],
  ['60', 4, 15],
  ['64', 4, 16],
  ['128', 8, 16],
  ['256', 16, 16],
  ['4x4', 1, 16],
  ['4x8', 2, 16],
  ['8x4', 2, 16],
  ['5x4', 2, 10],
  ['6x4', 2, 12],
  ['3x4', 1, 12],
  ['3x8', 2, 12],
  ['7x2', 1, 14],
  ['2x16', 2, 16],
  ['3x180', 36, 15],
  ['2x180', 30, 12],
  ['11x8', 8, 11],
  ['10x10', 10, 10],
  ['10x3', 3, 10],
  ['12x12', 12, 12],
  ['13x10', 10, 13],
  ['16x52', 52, 16],
  ['17x16', 'error'],
  ['17x52', 'error'],
  ['18x3', 6, 9],
  ['19x2', 'error'],
  ['2x4x180', 90, 16],
]

for (const layout of LAYOUTS) {
  const [text, setCount, setSize] = layout
  test(`layout ${text} gives ${setCount === 'error' ? 'an error' : `${setCount} sets of ${setSize}`}`, () => {
    const counts = text.split('x').map(Number)
    const words = counts.map((count, index) => `/m${index}-{1...${count}}`).join('')
    if (setCount === 'error') {
      assert.throws(() => poolsFrom([words], { resolve }), ConfigError)
      return
    }
    const [pool] = poolsFrom([words], { resolve })
    assert.equal(pool?.setSize, setSize)
    assert.equal((pool?.endpoints.length ?? 0) / setSize, setCount)
  })
}

test('the leftmost pattern varies fastest', () => {
  assert.deepEqual(expandEllipses('/h{1...2}/d{1...2}'), ['/h1/d1', '/h2/d1', '/h1/d2', '/h2/d2'])
})

test('bounds are padded and hexadecimal as written', () => {
  assert.deepEqual(expandEllipses('/d{08...11}'), ['/d08', '/d09', '/d10', '/d11'])
  assert.deepEqual(expandEllipses('/d{1...12}').slice(0, 2), ['/d1', '/d2'])
  assert.deepEqual(expandEllipses('/d{9...b}'), ['/d9', '/da', '/db'])
  assert.equal(expandEllipses('/d{10...1f}').length, 0x1f - 10 + 1)
})

test('the same pattern twice expands to all pairs', () => {
  assert.equal(expandEllipses('/a{1...2}/b{1...2}').length, 4)
})

test('wrong patterns are refused', () => {
  for (const word of ['/d{4...1}', '/d{1..4}', '/d{a...}', '/d{1...4', '/d...', '/d{1...99999}']) {
    assert.throws(() => expandEllipses(word), ConfigError, word)
  }
})

test('a set size can be prescribed when it divides the drives', () => {
  assert.equal(setSizeFor(24, 24, 4), 4)
  assert.throws(() => setSizeFor(24, 24, 5), ConfigError)
})

test('words without ellipses are one pool, with ellipses one pool each, mixed refused', () => {
  const [one] = poolsFrom(['/a', '/b', '/c', '/d'], { resolve })
  assert.equal(one?.commandLine, '/a /b /c /d')
  assert.equal(one?.setSize, 4)
  assert.equal(poolsFrom(['/p1/d{1...4}', '/p2/d{1...4}'], { resolve }).length, 2)
  assert.throws(() => poolsFrom(['/p1/d{1...4}', '/d9'], { resolve }), {
    name: 'ConfigError',
    message: 'Cannot mix "/d9" with "/p1/d{1...4}": write every pool with {N...M}, or none',
  })
  assert.throws(() => poolsFrom(['/p1/d{1...4}', '/p1/d{4...7}'], { resolve }), ConfigError)
})

test('URLs, the root folder and bare addresses are refused with a reason', () => {
  for (const word of ['http://h{1...4}/d', '/', '10.0.0.1:9000/d']) {
    assert.throws(() => poolsFrom([word], { resolve }), ConfigError, word)
  }
})

test('a word that is no folder of its own is told with what to write', () => {
  for (const word of ['', '/', '//']) {
    assert.throws(() => poolsFrom([word], { resolve }), {
      message: `Cannot use "${word}" as a drive: name a folder of its own, such as "/mnt/d1"`,
    })
  }
})

test('parity follows set size and configuration', () => {
  assert.deepEqual(parityFor([4], {}), { standard: 2, reduced: 1 })
  assert.deepEqual(parityFor([1], {}), { standard: 0, reduced: 0 })
  assert.deepEqual(parityFor([16, 8], { standardParity: 4 }), { standard: 4, reduced: 1 })
  assert.throws(() => parityFor([16, 4], { standardParity: 4 }), ConfigError)
  assert.throws(() => parityFor([8], { standardParity: 2, reducedParity: 3 }), ConfigError)
})
