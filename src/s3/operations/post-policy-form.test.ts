import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BodySource } from '#object/object'
import { readForm } from './post-policy-form.ts'

const TYPE = 'multipart/form-data; boundary=xyz'

/** A body that comes in pieces of `pieceSize`. */
function bodyOf(text: string, pieceSize = 7): BodySource {
  const bytes = Buffer.from(text, 'latin1')
  let offset = 0
  return {
    sizeBytes: undefined,
    read: (target) => {
      const piece = bytes.subarray(offset, offset + Math.min(pieceSize, target.length))
      target.set(piece)
      offset += piece.length
      return Promise.resolve(piece.length)
    },
  }
}

const field = (name: string, value: string): string =>
  `--xyz\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
const file = (content: string): string =>
  `--xyz\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\n${content}\r\n`

async function contentOf(source: BodySource): Promise<string> {
  const pieces: Buffer[] = []
  for (;;) {
    const piece = Buffer.alloc(5)
    const count = await source.read(piece)
    if (count === 0) return Buffer.concat(pieces).toString('latin1')
    pieces.push(piece.subarray(0, count))
  }
}

for (const pieceSize of [1, 7, 100_000]) {
  test(`a form in pieces of ${pieceSize} has its fields and its file`, async () => {
    const content = 'line\r\n--xy\r\n--not the end'.repeat(20)
    const text = `${field('Key', 'k')}${field('a', '1')}${field('a', '2')}${file(content)}--xyz--\r\n`
    const form = await readForm(bodyOf(text, pieceSize), TYPE)
    assert.deepEqual(
      [...form.fields],
      [
        ['key', 'k'],
        ['a', '1'],
      ],
    )
    assert.deepEqual([...form.repeated], ['a'])
    assert.equal(form.file.name, 'a.txt')
    assert.equal(await contentOf(form.file), content)
    await form.file.close()
  })
}

test('a file that ends without its boundary is malformed', async () => {
  const form = await readForm(bodyOf(`${field('key', 'k')}${file('content')}`), TYPE)
  await assert.rejects(contentOf(form.file), { code: 'MalformedPOSTRequest' })
  await form.file.close()
})

for (const [what, text, type] of [
  ['no file', `${field('key', 'k')}--xyz--\r\n`, TYPE],
  ['no boundary', 'x', 'multipart/form-data'],
  ['nothing', '', TYPE],
  ['no form', 'hello', TYPE],
  ['a field that is too large', field('a', 'x'.repeat(1_100_000)) + file(''), TYPE],
  ['fields that are too many', field('a', 'x').repeat(1001) + file(''), TYPE],
  [
    'a header that is too large',
    `--xyz\r\nContent-Disposition: form-data; name="${'n'.repeat(20_000)}"\r\n\r\n1\r\n--xyz--\r\n`,
    TYPE,
  ],
] as const) {
  test(`a body with ${what} is malformed`, async () => {
    await assert.rejects(readForm(bodyOf(text, 65_536), type), { code: 'MalformedPOSTRequest' })
  })
}

test('an error of the body reaches the reader of the file', async () => {
  const failing: BodySource = {
    sizeBytes: undefined,
    read: () => Promise.reject(new Error('the line went dead')),
  }
  await assert.rejects(readForm(failing, TYPE), /the line went dead/)
})

test('a form that is not read to its end can be closed', async () => {
  const text = `${field('key', 'k')}${file('x'.repeat(1_000_000))}--xyz--\r\n`
  const form = await readForm(bodyOf(text, 65_536), TYPE)
  assert.equal(await form.file.read(new Uint8Array(3)), 3)
  await form.file.close()
})
