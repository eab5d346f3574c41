import assert from 'node:assert/strict'
import { textOf } from '#base/bytes'
import type { Random } from '#base/random'
import { fuzz } from '#testing/fuzz'
import { matchesPattern, parseVersioning, versioningStateOf } from './bucket-versioning.ts'
import { ObjectError } from './object.ts'

const PIECES = [
  '<VersioningConfiguration>',
  '</VersioningConfiguration>',
  '<Status>Enabled</Status>',
  '<ExcludedPrefixes>',
  '</ExcludedPrefixes>',
  '<Prefix>a*b</Prefix>',
  '<ExcludeFolders>true</ExcludeFolders>',
  '<!DOCTYPE x>',
  '<![CDATA[x]]>',
  '&lt;',
  '&#x0;',
  '<!--',
  '-->',
  '<a b="c"/>',
]

fuzz('any document is read or refused', (random: Random) => {
  let document = ''
  for (let i = random.below(12); i > 0; i--) {
    document +=
      random.below(8) === 0 ? textOf(random.bytes(4)) : PIECES[random.below(PIECES.length)]
  }
  try {
    versioningStateOf(parseVersioning(document), 'key')
  } catch (error) {
    assert.ok(error instanceof ObjectError, String(error))
  }
})

fuzz('patterns match as the regular expression of the same meaning', (random: Random) => {
  const letters = (alphabet: string): string =>
    Array.from({ length: random.below(8) }, () => alphabet[random.below(alphabet.length)]).join('')
  const text = letters('ab')
  const pattern = letters('ab**')
  const meaning = new RegExp(`^${pattern.replaceAll('*', '.*')}$`)
  assert.equal(matchesPattern(text, pattern), meaning.test(text), `${text} ${pattern}`)
})
