import type { Random } from '#base/random'
import { parsePostPolicy } from '#s3-protocol/post-policy'
import { S3Error } from '#s3-protocol/s3-error'
import { fuzz, fuzzAsync } from '#testing/fuzz'
import { readForm } from './post-policy-form.ts'

function pick(random: Random, choices: readonly string[]): string {
  return choices[random.below(choices.length)] ?? ''
}

const TOKENS = [
  '--xyz',
  '\r\n',
  '--',
  '\n',
  'Content-Disposition: form-data; name="file"; filename="a"',
  'name="key"',
  'Content-Disposition: form-data; name="key"',
  '\r\n\r\n',
  'Content-Type: text/plain; charset=utf-16',
  '"',
  '\\',
  ';',
  '\0',
  'ü',
  'x'.repeat(3000),
  "filename*=UTF-8''%41",
  'Content-Transfer-Encoding: base64',
  '=',
  ': ',
]

await fuzzAsync('forms are read or refused, and always end', async (random) => {
  let text = '--xyz\r\n'
  for (let count = random.below(30); count > 0; count--) text += pick(random, TOKENS)
  const bytes = Buffer.from(text)
  let offset = 0
  try {
    const form = await readForm(
      {
        sizeBytes: undefined,
        read: (target) => {
          const end = Math.min(bytes.length, offset + 1 + random.below(50))
          const piece = bytes.subarray(offset, Math.min(end, offset + target.length))
          target.set(piece)
          offset += piece.length
          return Promise.resolve(piece.length)
        },
      },
      'multipart/form-data; boundary=xyz',
    )
    while ((await form.file.read(new Uint8Array(64))) > 0);
    await form.file.close()
  } catch (error) {
    if (!(error instanceof S3Error)) throw error
  }
})

const JSON_TOKENS = [
  '{',
  '}',
  '[',
  ']',
  '"expiration"',
  '"conditions"',
  ':',
  ',',
  '"2030-01-01T00:00:00Z"',
  '"eq"',
  '"$key"',
  '1',
  '-5',
  'null',
  '"content-length-range"',
  '"\\u0000"',
]

fuzz('policies are read or refused', (random) => {
  let text = ''
  for (let count = random.below(25); count > 0; count--) text += pick(random, JSON_TOKENS)
  try {
    parsePostPolicy(Buffer.from(text).toString('base64'))
  } catch (error) {
    if (!(error instanceof S3Error)) throw error
  }
})
