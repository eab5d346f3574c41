import assert from 'node:assert/strict'
import { test } from 'node:test'
import { textOf, utf8 } from '#base/bytes'
import { seededRandom } from '#base/random'
import { SimFileSystem } from './sim-file-system.ts'

function makeFileSystem(): SimFileSystem {
  let now = 0n
  return new SimFileSystem({ nowNs: () => ++now })
}

/** Content by path, and directories with a trailing slash. */
function contentOf(files: SimFileSystem, path = ''): string {
  const found: string[] = []
  for (const { name, isDirectory } of files.list(path === '' ? '/' : path)) {
    const full = `${path}/${name}`
    if (isDirectory) {
      const below = contentOf(files, full)
      found.push(below === '' ? `${full}/` : below)
      continue
    }
    const file = files.open(full, 'read')
    const bytes = new Uint8Array(files.statFile(file).sizeBytes)
    files.read(file, bytes, 0)
    files.close(file)
    found.push(`${full}=${textOf(bytes)}`)
  }
  return found.toSorted().join(' ')
}

function imagesOf(files: SimFileSystem): string[] {
  const images = [...files.crashImages(files.position, seededRandom(1), 50)]
  return images.map((image) => contentOf(image)).toSorted()
}

test('unflushed names and content may survive or not, names in the order of their directory', () => {
  const files = makeFileSystem()
  files.makeDirectory('/a')
  files.makeDirectory('/b')
  assert.deepEqual(imagesOf(files), ['', '/a/', '/a/ /b/'])
})

test('a flushed directory keeps its names, not its own name', () => {
  const files = makeFileSystem()
  files.makeDirectory('/a')
  files.makeDirectory('/a/b')
  files.flushNow({ directory: '/a' })
  assert.deepEqual(imagesOf(files), ['', '/a/b/'])
  files.flushNow({ directory: '/' })
  assert.deepEqual(imagesOf(files), ['/a/b/'])
})

test('a rename happens or does not, and a flush of one of its directories keeps it whole', () => {
  const files = makeFileSystem()
  for (const path of ['/a', '/b']) files.makeDirectory(path)
  const file = files.open('/a/f', 'create')
  files.write(file, [utf8('x')])
  files.flushNow({ file })
  files.flushNow({ directory: '/a' })
  files.flushNow({ directory: '/' })
  files.rename('/a/f', '/b/g')
  assert.deepEqual(imagesOf(files), ['/a/ /b/g=x', '/a/f=x /b/'])
  files.flushNow({ directory: '/b' })
  assert.deepEqual(imagesOf(files), ['/a/ /b/g=x'])
})

test('what is written after a flush began is not covered by it', async () => {
  const files = makeFileSystem()
  const file = files.open('/f', 'append')
  files.flushNow({ directory: '/' })
  files.write(file, [utf8('a')])
  files.duringFlush = () => {
    files.write(file, [utf8('b'.repeat(1000))])
    return Promise.resolve()
  }
  await files.flush([{ file }])
  const images = imagesOf(files)
  assert.ok(images.every((image) => image.startsWith('/f=a')))
  assert.ok(images.some((image) => image.length < 1000))
})

test('a write that is lost may leave its beginning, and nothing of later ones', () => {
  const files = makeFileSystem()
  const file = files.open('/f', 'append')
  files.flushNow({ directory: '/' })
  for (let i = 0; i < 20; i++) files.write(file, [utf8(String.fromCharCode(97 + i).repeat(5))])
  const whole = contentOf(files)
  for (const image of imagesOf(files)) assert.ok(whole.startsWith(image), image)
})

test('errors are those of Linux', () => {
  const files = makeFileSystem()
  files.makeDirectory('/d')
  files.makeDirectory('/d/e')
  files.close(files.open('/f', 'create'))
  for (const [code, call] of [
    ['ENOENT', () => files.open('/none', 'read')],
    ['EEXIST', () => files.open('/f', 'create')],
    ['EEXIST', () => files.makeDirectory('/d')],
    ['ENOENT', () => files.makeDirectory('/none/x')],
    ['ENOTDIR', () => files.makeDirectory('/f/x')],
    ['ENOTDIR', () => files.stat('/f/x')],
    ['ENOTEMPTY', () => files.removeDirectory('/d')],
    ['ENOTDIR', () => files.removeDirectory('/f')],
    ['EISDIR', () => files.unlink('/d')],
    ['EISDIR', () => files.rename('/f', '/d')],
    ['ENOTDIR', () => files.rename('/d', '/f')],
    ['EINVAL', () => files.rename('/d', '/d/e/x')],
    ['ENAMETOOLONG', () => files.stat(`/${'é'.repeat(128)}`)],
  ] as const) {
    assert.throws(call, { code })
  }
  files.sizeBytesMax = 10_000
  const file = files.open('/g', 'create')
  assert.throws(() => files.write(file, [new Uint8Array(10_000)]), { code: 'ENOSPC' })
})
