import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { textOf, utf8 } from '#base/bytes'
import { seededRandom } from '#base/random'
import { FormatError } from '#codec/msgpack'
import {
  checkPlace,
  checkShape,
  chooseReference,
  encodeFormat,
  formatForSlot,
  migrateFormats,
  newFormats,
  parseFormat,
  repairDriveId,
} from './format-json.ts'

const random = seededRandom(7)
const SHAPE = { setCount: 2, setSize: 4 }
const FORMATS = newFormats(SHAPE, random)
const FIRST = firstOf(FORMATS)

function firstOf<T>(list: readonly T[]): T {
  const [first] = list
  assert.ok(first !== undefined)
  return first
}

function drives(count: number): string[] {
  return Array.from({ length: count }, () => random.uuid())
}

describe('new formats', () => {
  test('every drive of a new pool gets its own id and the same sets', () => {
    assert.equal(FORMATS.length, 8)
    assert.deepEqual(
      FORMATS.map(({ driveId }) => driveId),
      FIRST.sets.flat(),
    )
    assert.equal(new Set(FORMATS.map(({ deploymentId }) => deploymentId)).size, 1)
  })

  test('a new pool takes the deployment id of an earlier one', () => {
    const id = random.uuid()
    assert.ok(newFormats(SHAPE, random, id).every(({ deploymentId }) => deploymentId === id))
  })

  test('the file has the fields in MinIO’s order and no spaces', () => {
    const [format] = newFormats({ setCount: 1, setSize: 1 }, random)
    assert.ok(format !== undefined)
    const { deploymentId: id, driveId } = format
    assert.equal(
      textOf(encodeFormat(format)),
      `{"version":"1","format":"xl-single","id":"${id}","xl":{"version":"3","this":"${driveId}","sets":[["${driveId}"]],"distributionAlgo":"SIPMOD+PARITY"}}`,
    )
    assert.ok(textOf(encodeFormat(FIRST)).includes('"format":"xl",'))
    assert.deepEqual(parseFormat(encodeFormat(FIRST)), FIRST)
  })
})

describe('parsing', () => {
  function altered(from: string, to: string): Uint8Array {
    const text = textOf(encodeFormat(FIRST))
    assert.ok(text.includes(from))
    return utf8(text.replace(from, to))
  }

  test('other versions, formats, algorithms and damaged sets are refused', () => {
    const [a = '', b = ''] = FIRST.sets.flat()
    for (const bytes of [
      altered('"version":"1"', '"version":"2"'),
      altered('"format":"xl"', '"format":"fs"'),
      altered('"format":"xl"', '"format":"zfs"'),
      altered('"version":"3"', '"version":"4"'),
      altered('SIPMOD+PARITY', 'MODMOD'),
      altered(`"${a}","${b}"`, `"${b}"`),
      altered(`["${a}"`, `["${b}"`),
      altered(`["${a}"`, `["ffffffff-ffff-ffff-ffff-ffffffffffff"`),
      altered(`["${a}"`, `["x"`),
      altered('"sets":[', '"sets":7,"x":['),
      altered(FIRST.deploymentId, 'somewhere'),
      utf8('[]'),
      utf8(''),
      new Uint8Array([0xff]),
    ]) {
      assert.throws(() => parseFormat(bytes), FormatError)
    }
  })

  test('layout 1 is read with either name of its drive', () => {
    const jbod = drives(4)
    for (const name of ['drive', 'disk']) {
      const format = parseFormat(
        utf8(
          JSON.stringify({
            version: '1',
            format: 'xl',
            xl: { version: '1', [name]: jbod[2], jbod },
          }),
        ),
      )
      assert.deepEqual(format, {
        deploymentId: '',
        driveId: jbod[2],
        sets: [jbod],
        distributionAlgorithm: 'CRCMOD',
        layoutVersion: 1,
      })
    }
  })
})

describe('reference format', () => {
  test('the format of most drives is chosen, whatever comes first', () => {
    const foreign = newFormats(SHAPE, random)
    const reference = chooseReference([foreign[0], ...FORMATS.slice(1)])
    assert.deepEqual(reference, { ...FIRST, driveId: '' })
  })

  test('half of the endpoints are enough, fewer are not', () => {
    assert.ok(chooseReference([...FORMATS.slice(0, 4), ...drives(4).map(() => undefined)]))
    const fewer = [...FORMATS.slice(0, 3), ...drives(5).map(() => undefined)]
    assert.equal(chooseReference(fewer), undefined)
  })

  test('formats without a deployment id do not count', () => {
    assert.equal(
      chooseReference(FORMATS.map((format) => ({ ...format, deploymentId: '' }))),
      undefined,
    )
  })

  test('a replaced drive gets the id of its slot', () => {
    const slot = formatForSlot({ ...FIRST, driveId: '' }, { set: 1, position: 2 })
    assert.deepEqual(slot, FORMATS[6])
  })
})

describe('places', () => {
  test('another number of drives or another set size is named', () => {
    assert.equal(checkShape(FIRST, SHAPE, 0), undefined)
    assert.equal(
      checkShape(FIRST, { setCount: 1, setSize: 4 }, 2),
      "drive is already being used in another erasure deployment. (Number of drives specified: 4 but the number of drives found in the 3rd drive's format.json: 8)",
    )
    assert.equal(
      checkShape(FIRST, { setCount: 1, setSize: 8 }, 2),
      'drive is already formatted with 4 drives per erasure set. This cannot be changed to 8',
    )
  })

  test('a swapped drive is named with both places', () => {
    const fifth = FORMATS[4]
    assert.ok(fifth !== undefined)
    const place = { pool: 0, set: 0, position: 0, endpoint: '/mnt/d1' }
    assert.equal(checkPlace(FIRST, FIRST, place), undefined)
    assert.equal(
      checkPlace(fifth, FIRST, place),
      `unexpected drive ordering on pool: 1st: found drive at (set=2nd, drive=1st), expected at (set=1st, drive=1st): /mnt/d1(${fifth.driveId})`,
    )
  })

  test('foreign drives are refused', () => {
    const [foreign] = newFormats(SHAPE, random)
    assert.ok(foreign !== undefined)
    const place = { pool: 0, set: 0, position: 0, endpoint: '/mnt/d1' }
    assert.match(checkPlace(foreign, FIRST, place) ?? '', /another deployment/)
    const stranger = { ...FIRST, driveId: random.uuid() }
    assert.match(checkPlace(stranger, FIRST, place) ?? '', /not part of this deployment/)
  })

  test('a missing drive id is taken from the endpoint in a single set', () => {
    const [, second] = newFormats({ setCount: 1, setSize: 4 }, random)
    assert.ok(second !== undefined)
    assert.deepEqual(repairDriveId({ ...second, driveId: '' }, 1), second)
    assert.equal(repairDriveId({ ...FIRST, driveId: '' }, 1).driveId, '')
  })
})

describe('migration', () => {
  const jbod = drives(4)
  const old = jbod.map((drive) =>
    parseFormat(
      utf8(JSON.stringify({ version: '1', format: 'xl', xl: { version: '1', disk: drive, jbod } })),
    ),
  )

  test('old layouts get one new deployment id', () => {
    const migrated = migrateFormats([...old.slice(1), undefined], random)
    const ids = new Set(migrated.map((format) => format?.deploymentId))
    assert.equal(ids.size, 2) // the id, and undefined of the missing drive
    assert.ok(migrated.every((format) => format === undefined || format.layoutVersion === 3))
    assert.ok(chooseReference(migrated) !== undefined)
  })

  test('an id that some drive has is kept', () => {
    const id = random.uuid()
    const migrated = migrateFormats(
      old.map((format, i) => (i === 2 ? { ...format, deploymentId: id } : format)),
      random,
    )
    assert.ok(migrated.every((format) => format?.deploymentId === id))
  })

  test('current formats stay untouched', () => {
    assert.equal(migrateFormats(FORMATS, random), FORMATS)
  })
})
