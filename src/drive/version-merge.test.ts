import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeHeader } from './format/version-header.ts'
import {
  chooseReadable,
  type MergeEntry,
  mergeVersions,
  shardIndexesOf,
  type VersionCopy,
} from './version-merge.ts'
import { NULL_VERSION_ID, type ObjectVersion, type VersionHeader } from './xl-meta.ts'

const OBJECT: ObjectVersion = {
  versionId: NULL_VERSION_ID,
  dataDir: '9f6c3be2463f4771a6c71204baaa3ff2',
  dataShards: 2,
  parityShards: 2,
  blockSizeBytes: 1_048_576,
  shardIndex: 3,
  distribution: [3, 4, 1, 2],
  parts: [{ number: 1, sizeBytes: 12, actualSizeBytes: 12 }],
  sizeBytes: 12,
  modifiedNs: 100n,
  systemMetadata: new Map(),
  userMetadata: new Map([['etag', 'e']]),
}

function hexId(digit: string): string {
  return digit.repeat(32)
}

describe('merging version lists', () => {
  function entry(id: string, ns: number, changes: Partial<VersionHeader> = {}): MergeEntry {
    const header: VersionHeader = {
      versionId: hexId(id),
      modifiedNs: BigInt(ns),
      signature: new Uint8Array(4),
      kind: 'object',
      flags: 2,
      parityShards: 2,
      dataShards: 2,
      ...changes,
    }
    return { header, headerBytes: encodeHeader(header) }
  }
  function merged(
    lists: readonly (readonly MergeEntry[])[],
    options: { quorum?: number; strict?: boolean; requested?: number } = {},
  ): string {
    const all = { quorum: 2, strict: false, requested: 0, ...options }
    return mergeVersions(lists, all)
      .map(({ header }) => `${header.versionId[0]}${header.modifiedNs}`)
      .join(' ')
  }
  const a = entry('a', 30)
  const b = entry('b', 20)
  const c = entry('c', 10)

  test('equal lists give that list', () => {
    assert.equal(
      merged([
        [a, b, c],
        [a, b, c],
        [a, b, c],
      ]),
      'a30 b20 c10',
    )
  })

  test('too few lists give nothing, a single one is taken as it is', () => {
    assert.equal(merged([[a]], { quorum: 2 }), '')
    assert.equal(merged([[a, b]], { quorum: 1 }), 'a30 b20')
    assert.equal(merged([], { quorum: 0 }), '')
  })

  test('a version on too few drives is left out', () => {
    assert.equal(merged([[a, b], [b], [b]]), 'b20')
    assert.equal(
      merged([
        [a, c],
        [a, b, c],
        [a, c],
      ]),
      'a30 c10',
    )
  })

  test('a version missed by one drive is kept', () => {
    assert.equal(
      merged([
        [b, c],
        [a, b, c],
        [a, b, c],
      ]),
      'a30 b20 c10',
    )
  })

  test('different times of one id count together unless strict', () => {
    const late = entry('a', 31)
    assert.equal(merged([[a], [late], [a]], { quorum: 3 }), 'a31')
    assert.equal(merged([[a], [late], [a]], { quorum: 3, strict: true }), '')
  })

  test('the null version must have one time', () => {
    const old = entry('0', 10)
    const young = entry('0', 20)
    assert.equal(merged([[young], [old], [old]]), '010')
    assert.equal(merged([[young], [old]], { quorum: 2 }), '')
  })

  test('an overwrite that reached one drive hides nothing, wherever that drive is', () => {
    const old = entry('0', 10)
    for (const young of [entry('0', 20), entry('0', 20, { dataShards: 3, parityShards: 1 })]) {
      assert.equal(merged([[young], [old], [old]]), '010')
      assert.equal(merged([[old], [young], [old]]), '010')
      assert.equal(merged([[old], [old], [young]]), '010')
    }
  })

  test('missing shard counts of old headers do not matter', () => {
    const bare = entry('a', 30, { dataShards: 0, parityShards: 0 })
    assert.equal(merged([[a], [bare]]), 'a30')
    const other = entry('a', 30, { dataShards: 3, parityShards: 1 })
    assert.equal(merged([[a], [other]]), '')
  })

  test('after the requested versions the first list follows unverified', () => {
    assert.equal(merged([[a, b, c], [a], [a]], { requested: 1 }), 'a30 b20 c10')
    const free = entry('f', 40, { kind: 'deleteMarker', flags: 1 })
    assert.equal(
      merged(
        [
          [free, a, b],
          [free, a],
        ],
        { requested: 1 },
      ),
      'f40 a30 b20',
    )
  })
})

describe('choosing a readable version', () => {
  function copy(changes: Partial<ObjectVersion> = {}): VersionCopy {
    const object = { ...OBJECT, ...changes }
    const { versionId, modifiedNs } = object
    return { object, versionId, modifiedNs, isLegacy: false }
  }
  const options = { defaultParity: 2 }

  test('copies that agree are usable', () => {
    const result = chooseReadable([copy(), copy(), undefined, copy()], options)
    assert.deepEqual(result, {
      kind: 'readable',
      usable: [true, true, false, true],
      readQuorum: 2,
      writeQuorum: 3,
      modifiedNs: 100n,
    })
  })

  test('copies of another time or shape are not usable', () => {
    const result = chooseReadable(
      [copy(), copy({ modifiedNs: 99n }), copy({ blockSizeBytes: 5 }), copy()],
      options,
    )
    assert.ok(result.kind === 'readable')
    assert.deepEqual(result.usable, [true, false, false, true])
  })

  test('the data directory may differ', () => {
    const result = chooseReadable(
      [copy(), copy({ dataDir: hexId('1') }), undefined, undefined],
      options,
    )
    assert.equal(result.kind, 'readable')
  })

  test('too few copies give no quorum, contradicting ones are inconsistent', () => {
    const one = chooseReadable([copy(), undefined, undefined, undefined], options)
    assert.equal(one.kind, 'noQuorum')
    const parts = [{ number: 2, sizeBytes: 12, actualSizeBytes: 12 }]
    assert.equal(chooseReadable([copy(), copy({ parts })], { defaultParity: 1 }).kind, 'noQuorum')
    const split = chooseReadable([copy(), copy({ parts }), undefined, undefined], options)
    assert.equal(split.kind, 'inconsistent')
  })

  test('markers and empty objects need half of the drives', () => {
    const marker = { object: undefined, versionId: hexId('1'), modifiedNs: 5n, isLegacy: false }
    const markers = chooseReadable([marker, marker, marker, undefined, undefined], options)
    assert.ok(markers.kind === 'readable')
    assert.equal(markers.readQuorum, 3)
  })

  test('the etag stands in when times differ', () => {
    const copies = [copy(), copy({ modifiedNs: 99n }), copy({ modifiedNs: 98n })]
    const result = chooseReadable([...copies, undefined], options)
    assert.ok(result.kind === 'readable')
    assert.deepEqual(result.usable, [true, true, true, false])
  })

  test('without parity all drives are needed', () => {
    const none = { dataShards: 2, parityShards: 0, distribution: [1, 2] }
    const all = chooseReadable([copy(none), copy(none)], { defaultParity: 0 })
    assert.ok(all.kind === 'readable')
    assert.deepEqual([all.readQuorum, all.writeQuorum], [2, 2])
    const some = chooseReadable([copy(none), undefined], { defaultParity: 0 })
    assert.equal(some.kind, 'noQuorum')
  })
})

describe('misplaced shards', () => {
  const distribution = [3, 4, 1, 2]
  const at = (...indexes: number[]): (number | undefined)[] =>
    shardIndexesOf(indexes.map((shardIndex) => ({ shardIndex, distribution, parityShards: 2 })))

  test('fewer misplaced drives than parity are believed', () => {
    assert.deepEqual(at(3, 4, 1, 2), [3, 4, 1, 2])
    assert.deepEqual(at(3, 4, 1, 1), [3, 4, 1, 1])
  })

  test('more of them are not: the distribution counts', () => {
    assert.deepEqual(at(1, 2, 3, 4), distribution)
    assert.deepEqual(at(4, 3, 1, 2), distribution)
  })
})
