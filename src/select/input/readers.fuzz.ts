/** The readers of CSV and JSON against plain ones, and on bytes of any kind. */
import assert from 'node:assert/strict'
import { utf8 } from '#base/bytes'
import type { Random } from '#base/random'
import { fuzz, fuzzAsync } from '#testing/fuzz'
import type { CsvInput } from '../select.ts'
import { SelectError } from '../select-error.ts'
import { WorkMeter } from '../sql/meter.ts'
import { jsonFor, textFor } from '../sql/values.ts'
import { CSV } from '../testing/run-select.ts'
import { CsvSource } from './csv-source.ts'
import { JsonExtent } from './json-extent.ts'
import { JsonParser } from './json-parser.ts'
import { TextWindow } from './text-window.ts'

const INPUT: CsvInput = { ...CSV, header: 'NONE' }
const CHARACTERS = 'ab,"\n\r #é😀\\'

function textOf(random: Random, count: number, characters = CHARACTERS): string {
  const all = Array.from(characters)
  return Array.from({ length: count }, () => all[random.below(all.length)]).join('')
}

/** All records of a text that is here at once. */
function recordsOf(text: string): string[][] {
  const window = new TextWindow({ next: async () => undefined, close: () => undefined })
  window.text = text
  window.isComplete = true
  const meter = new WorkMeter()
  const source = new CsvSource({
    input: INPUT,
    window,
    meter,
    skipsPartial: false,
    stop: () => undefined,
  })
  const records: string[][] = []
  while (source.next()) {
    const fields: string[] = []
    source.columns((_, value) => fields.push(textFor(value)))
    records.push(fields)
  }
  return records
}

fuzz('select: CSV of any text is read or refused', (random) => {
  const text = textOf(random, random.below(80))
  try {
    const records = recordsOf(text)
    assert.ok(records.length <= text.length)
  } catch (error) {
    assert.ok(error instanceof SelectError, JSON.stringify(text))
  }
})

fuzz('select: fields written with quotes are read as they were', (random) => {
  const rows = Array.from({ length: 1 + random.below(5) }, () =>
    Array.from({ length: 1 + random.below(5) }, () => textOf(random, random.below(6))),
  )
  const text = rows
    .map((row) => row.map((field) => `"${field.replaceAll('"', '""')}"`).join(','))
    .join('\n')
  assert.deepEqual(recordsOf(`${text}\n`), rows)
})

fuzz('select: fields without specials are read as they were', (random) => {
  const rows = Array.from({ length: 1 + random.below(5) }, () =>
    Array.from(
      { length: 1 + random.below(5) },
      () => `x${textOf(random, random.below(6), 'ab é😀"')}`,
    ),
  )
  const text = rows.map((row) => row.join(',')).join('\r\n')
  assert.deepEqual(recordsOf(text), rows)
})

function valueOf(random: Random, depth: number): unknown {
  switch (random.below(depth > 0 ? 7 : 5)) {
    case 0:
      return random.below(2 ** 31) - 2 ** 30
    case 1:
      return (random.below(2 ** 31) - 2 ** 30) / 1024
    case 2:
      return textOf(random, random.below(5), `${CHARACTERS}\u0001\t/{}[]:`)
    case 3:
      return random.below(2) === 0
    case 4:
      return null
    case 5:
      return Array.from({ length: random.below(4) }, () => valueOf(random, depth - 1))
    default:
      return Object.fromEntries(
        Array.from({ length: random.below(4) }, (_, i) => [
          `${textOf(random, random.below(3), 'k"\\é')}${i}_`,
          valueOf(random, depth - 1),
        ]),
      )
  }
}

fuzz('select: JSON is read as JSON.parse reads it', (random) => {
  const value = valueOf(random, 4)
  const text = JSON.stringify(value, undefined, random.below(3))
  const parser = new JsonParser(text, { at: 0, end: text.length })
  assert.equal(jsonFor(parser.value()), JSON.stringify(value))
  assert.equal(parser.skipBlanks(), text.length)
  // Its end is found from pieces of any size.
  const extent = new JsonExtent()
  const all = `${text} 1`
  let size = 0
  let end: number | undefined
  while (end === undefined) {
    size = Math.min(all.length, size + 1 + random.below(9))
    end = extent.find(all.slice(0, size), 0, size === all.length)
  }
  assert.equal(all.slice(0, end).trim(), text)
})

fuzz('select: damaged JSON is read or refused', (random) => {
  const text = JSON.stringify(valueOf(random, 4))
  const at = random.below(text.length)
  const changed =
    text.slice(0, at) + textOf(random, random.below(3), '{}[]",:\\0eE-+.tfn') + text.slice(at + 1)
  let expected: unknown
  try {
    expected = JSON.parse(changed)
  } catch {
    expected = undefined // not JSON: the parser must say so too, or stop before the end
  }
  const parser = new JsonParser(changed, { at: 0, end: changed.length })
  try {
    const value = parser.value()
    const isWhole = parser.skipBlanks() === changed.length
    if (isWhole) assert.notEqual(expected, undefined, changed)
    else assert.equal(expected, undefined, changed)
    assert.notEqual(value, undefined)
  } catch (error) {
    assert.ok(error instanceof SelectError, changed)
    assert.equal(expected, undefined, changed)
  }
})

await fuzzAsync('select: text from pieces of bytes is the whole text', async (random) => {
  const bytes = utf8(textOf(random, random.below(40)))
  const limitBytes = random.below(bytes.length + 2)
  let at = 0
  const window = new TextWindow(
    {
      next: async () => {
        const piece = bytes.slice(at, at + 1 + random.below(5))
        at += piece.length
        return piece.length === 0 ? undefined : piece
      },
      close: () => undefined,
    },
    { limitBytes },
  )
  await window.fill()
  const whole = new TextDecoder().decode(bytes)
  assert.equal(window.text, whole)
  if (window.limit !== Number.POSITIVE_INFINITY) {
    const before = utf8(whole.slice(0, window.limit)).length
    assert.ok(before >= limitBytes && before < limitBytes + 4)
  }
})
