import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareUtf8 } from '#base/bytes'
import { seededRandom, type Random } from '#base/random'
import type {
  ListedName,
  ListedVersion,
  NameCursor,
  NameRequest,
  NameSource,
} from './name-source.ts'
import { RolledNames, type RollRequest } from './rolled-names.ts'

/** A key of the model: visible to the list, or there but hidden (a delete marker). */
type Keys = ReadonlyMap<string, boolean>

const VISIBLE: readonly ListedVersion[] = [versionOf('object')]
const HIDDEN: readonly ListedVersion[] = [versionOf('deleteMarker')]

function versionOf(kind: 'object' | 'deleteMarker'): ListedVersion {
  const header = {
    versionId: '0'.repeat(32),
    modifiedNs: 1n,
    signature: new Uint8Array(4),
    kind,
    flags: 0,
    parityShards: 0,
    dataShards: 0,
  }
  return {
    header,
    decode: () => {
      throw new Error('not decoded here')
    },
  }
}

/** Names of a plain list, in the two shapes that a walk has. */
class ModelSource implements NameSource {
  opened = 0
  taken = 0
  readonly #keys: Keys
  constructor(keys: Keys) {
    this.#keys = keys
  }

  open(request: NameRequest): NameCursor {
    this.opened++
    const names = new Map<string, ListedName>()
    const base = request.prefix.lastIndexOf('/') + 1
    for (const [key, isVisible] of this.#keys) {
      if (!key.startsWith(request.prefix)) continue
      const slash = request.recursive ? -1 : key.indexOf('/', base)
      // A directory object lies beside the folder of its name.
      if (slash >= 0 && slash < key.length - 1) {
        const name = key.slice(0, slash + 1)
        names.set(`${name}\0folder`, { name, isFolder: true, versions: [], isUnanimous: true })
      } else {
        const versions = isVisible ? VISIBLE : HIDDEN
        names.set(key, { name: key, isFolder: false, versions, isUnanimous: false })
      }
    }
    const sorted = [...names.values()].sort(
      (a, b) => compareUtf8(a.name, b.name) || Number(a.isFolder) - Number(b.isFolder),
    )
    let position = request.startAfter
    let index = 0
    return {
      seek: (name) => {
        if (compareUtf8(name, position) > 0) position = name
      },
      next: () => {
        for (;;) {
          const entry = sorted[index++]
          if (entry === undefined) return Promise.resolve(undefined)
          if (compareUtf8(entry.name, position) <= 0) continue
          this.taken++
          return Promise.resolve(entry)
        }
      },
    }
  }
}

/** What a list shows, by sorting everything in memory. */
function modelOf(
  keys: Keys,
  request: Pick<RollRequest, 'prefix' | 'delimiter' | 'startAfter'>,
): string[] {
  const { prefix, delimiter, startAfter } = request
  const shown = new Set<string>()
  const rolled = (key: string): string | undefined => {
    const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    return at < 0 ? undefined : `${key.slice(0, at + delimiter.length)}`
  }
  const skipped =
    startAfter.startsWith(prefix) && rolled(startAfter) === startAfter ? startAfter : undefined
  for (const [key, isVisible] of keys) {
    if (!isVisible || !key.startsWith(prefix) || compareUtf8(key, startAfter) <= 0) continue
    const group = rolled(key)
    if (group !== undefined && group === skipped) continue
    shown.add(group === undefined ? `key ${key}` : `prefix ${group}`)
  }
  const nameOf = (entry: string): string => entry.slice(entry.indexOf(' ') + 1)
  return [...shown].sort((a, b) => compareUtf8(nameOf(a), nameOf(b)))
}

async function listAll(source: NameSource, request: RollRequest): Promise<string[]> {
  const names = new RolledNames(source, request)
  const shown: string[] = []
  for (;;) {
    const entry = await names.next()
    if (entry === undefined) return shown
    shown.push(`${entry.kind} ${entry.name}`)
  }
}

function requestOf(
  request: Pick<RollRequest, 'prefix' | 'delimiter' | 'startAfter'>,
  trustsFolders = false,
): RollRequest {
  return {
    bucket: 'bucket',
    expected: 5,
    isVisible: (versions) => versions[0]?.header.kind === 'object',
    trustsFolders,
    ...request,
  }
}

const PIECES = ['a', 'b', '/', '/', '-', '0', 'ab', '\u{10ffff}', 'é', '\u{ffff}', '//', 'a/']

function randomText(random: Random, piecesMax: number): string {
  let text = ''
  for (let i = random.below(piecesMax + 1); i > 0; i--) text += PIECES[random.below(PIECES.length)]
  return text
}

function randomKeys(random: Random, hiddenShare: number): Keys {
  const keys = new Map<string, boolean>()
  for (let i = random.below(60); i > 0; i--) {
    const key = randomText(random, 6)
      .replace(/^\/+/, '')
      .replaceAll(/\/{2,}/g, '/')
    if (key !== '') keys.set(key, random.below(100) >= hiddenShare)
  }
  return keys
}

test('rolled names equal a sorted list for random keys, prefixes, delimiters and markers', async () => {
  const random = seededRandom(7)
  for (let round = 0; round < 1500; round++) {
    const hiddenShare = round % 2 === 0 ? 0 : 40
    const keys = randomKeys(random, hiddenShare)
    const request = {
      prefix: randomText(random, 2),
      delimiter: ['', '/', '/', '-', 'b', 'a/', 'é'][random.below(7)] ?? '',
      startAfter: random.below(3) === 0 ? '' : randomText(random, 4),
    }
    const shown = await listAll(new ModelSource(keys), requestOf(request, hiddenShare === 0))
    assert.deepEqual(
      shown,
      modelOf(keys, request),
      JSON.stringify({ round, request, keys: [...keys] }),
    )
  }
})

test('every entry taken as a marker continues the list', async () => {
  const random = seededRandom(8)
  for (let round = 0; round < 100; round++) {
    const keys = randomKeys(random, 30)
    const request = { prefix: randomText(random, 1), delimiter: ['', '/', 'b'][round % 3] ?? '' }
    const whole = await listAll(new ModelSource(keys), requestOf({ ...request, startAfter: '' }))
    for (const [i, entry] of whole.entries()) {
      const startAfter = entry.slice(entry.indexOf(' ') + 1)
      const rest = await listAll(new ModelSource(keys), requestOf({ ...request, startAfter }))
      assert.deepEqual(rest, whole.slice(i + 1), JSON.stringify({ round, request, startAfter }))
    }
  }
})

test('a folder that holds only delete markers is no common prefix', async () => {
  const keys = new Map([
    ['a/1', false],
    ['a/2', false],
    ['b/1', false],
    ['b/2', true],
    ['c/', false],
    ['c/x', true],
    ['d/', false],
  ])
  const request = requestOf({ prefix: '', delimiter: '/', startAfter: '' })
  assert.deepEqual(await listAll(new ModelSource(keys), request), ['prefix b/', 'prefix c/'])
})

test('the delimiter / takes one name from each folder', async () => {
  const keys = new Map<string, boolean>()
  for (let i = 0; i < 50; i++) {
    for (let j = 0; j < 50; j++) keys.set(`${String(i).padStart(3, '0')}/${j}`, true)
  }
  const source = new ModelSource(keys)
  const shown = await listAll(source, requestOf({ prefix: '', delimiter: '/', startAfter: '' }))
  assert.equal(shown.length, 50)
  assert.ok(source.taken <= 100, `${source.taken} names taken`)
})
