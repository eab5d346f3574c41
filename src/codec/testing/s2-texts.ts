import { readdirSync, readFileSync } from 'node:fs'
import { utf8 } from '#base/bytes'
import { noise } from './s2-samples.ts'

/** Contents as people store them, the same each time; `code` is Cairn's own. */
export function sampleText(kind: 'code' | 'json' | 'log', size: number): Uint8Array {
  const source = sourceText()
  let text = ''
  if (kind === 'code') {
    while (text.length < size) text += source
    return utf8(text).slice(0, size)
  }
  const words = source.split(/\W+/).filter((word) => word.length > 2)
  const bytes = noise(size, 11)
  const pick = (at: number): string =>
    words[((bytes[at % size] ?? 0) * 256 + (bytes[(at + 1) % size] ?? 0)) % words.length] ?? ''
  for (let i = 0; text.length < size; i++) {
    const at = 20 * i
    const number = (bytes[at] ?? 0) * 65_536 + (bytes[at + 1] ?? 0) * 256 + (bytes[at + 2] ?? 0)
    text +=
      kind === 'json'
        ? `${JSON.stringify({
            id: number,
            name: pick(at + 3),
            address: `${pick(at + 5)}@example.com`,
            active: number % 3 === 0,
            created: `2026-0${1 + (number % 9)}-1${number % 10}T1${number % 10}:00:${10 + (number % 50)}Z`,
            tags: [pick(at + 7), pick(at + 9), pick(at + 11)],
            note: [12, 13, 14, 15, 16].map((step) => pick(at + step)).join(' '),
          })}\n`
        : `10.0.${number % 4}.${number % 256} - - [${1_760_000_000 + i}] "GET /${pick(at + 3)}/${pick(at + 5)} HTTP/1.1" ${[200, 200, 304, 404][number % 4]} ${number} "-" "aws-cli/2.15.0 Python/3.11.6"\n`
  }
  return utf8(text).slice(0, size)
}

function sourceText(): string {
  const folder = new URL('../../', import.meta.url)
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => readFileSync(new URL(name, folder), 'utf8'))
    .join('')
}
