import assert from 'node:assert/strict'
import type { Random } from '#base/random'
import { fuzz } from '#testing/fuzz'
import { decodeKey, encodeKey } from './key-path.ts'

const PIECES = ['a', '/', '/', '~', '~~', '__XLDIR__', '~~more', 'é', '😀', '\uffff', '.']

fuzz('every key has one path, made of names that a file system takes', (random) => {
  const key = textOf(random)
  if (key === '') return
  const path = encodeKey(key)
  assert.equal(decodeKey(path), key)
  for (const name of path.split('/')) {
    assert.ok(name !== '' && Buffer.byteLength(name) <= 255, JSON.stringify({ key, path }))
  }
})

fuzz('every path that can be in use has one key, and only odd ones another spelling', (random) => {
  const path = textOf(random)
  const names = path.split('/')
  const isNamed = names.every((name) => name !== '' && Buffer.byteLength(name) <= 255)
  // `~~more` behind so long a name is of Cairn alone.
  const isPiece = (name: string): boolean =>
    Buffer.byteLength(name) > 240 && name.endsWith('~~more')
  if (!isNamed || names.some(isPiece)) return
  const key = decodeKey(path)
  assert.equal(encodeKey(key), path)
  if (!path.includes('~~') && !path.includes('__XLDIR__')) assert.equal(key, path)
})

function textOf(random: Random): string {
  let text = ''
  for (let i = random.below(12); i > 0; i--) {
    const piece = PIECES[random.below(PIECES.length)] ?? 'a'
    const isLong = piece.length < 3 && random.below(8) === 0
    text += isLong ? piece.repeat(50 + random.below(250)) : piece
  }
  return text
}
