import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fixturesFolder, readManifest } from './manifest.ts'
import { digestOf, makeContent } from './recipe.ts'

const fixtures = fixturesFolder()

test('recipes give the contents that the golden drives hold', {
  skip: fixtures === undefined && 'the golden drives are not here',
}, () => {
  const kinds = new Map<string, number>()
  for (const scenario of ['ec4', 'compressed', 'old-2019-10', 'old-2021-05-upgraded']) {
    for (const bucket of readManifest(fixtures ?? '', scenario).buckets ?? []) {
      for (const { key, recipe, content } of bucket.versions) {
        const parts = recipe?.parts
        if (parts === undefined || content === undefined || content.size > 3_000_000) continue
        assert.deepEqual(digestOf(makeContent(parts)), content, `${scenario} ${bucket.name}/${key}`)
        for (const { kind } of parts) kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
      }
    }
  }
  assert.deepEqual([...kinds.keys()].toSorted(), ['lines', 'random', 'sparse', 'zero'])
})
