import { compareUtf8 } from '#base/bytes'
import { decodePercent, encodePercent } from './percent.ts'

/** A decoded query string. Lookups answer the first value. */
export class Query {
  static readonly EMPTY: Query = new Query([])
  /** In the order of the request. */
  readonly entries: readonly (readonly [string, string])[]

  constructor(entries: readonly (readonly [string, string])[]) {
    this.entries = entries
  }

  has(name: string): boolean {
    for (const entry of this.entries) if (entry[0] === name) return true
    return false
  }

  get(name: string): string | undefined {
    for (const entry of this.entries) if (entry[0] === name) return entry[1]
    return undefined
  }
}

/** Decodes what follows `?`; undefined when an escape is malformed or the text is not UTF-8. */
export function parseQuery(raw: string): Query | undefined {
  if (raw === '') return Query.EMPTY
  const entries: (readonly [string, string])[] = []
  for (const item of raw.split('&')) {
    if (item === '') continue
    const at = item.indexOf('=')
    const name = decodePercent(at < 0 ? item : item.slice(0, at), { plusIsBlank: true })
    const value = decodePercent(at < 0 ? '' : item.slice(at + 1), { plusIsBlank: true })
    if (!name.ok || !value.ok) return undefined
    entries.push([name.text, value.text])
  }
  return new Query(entries)
}

/** The query as SigV4 signs it: sorted by name, values of one name in their order, without `except`. */
export function canonicalQuery(query: Query, except?: string): string {
  const { entries } = query
  if (entries.length === 0) return ''
  const sorted =
    entries.length === 1 ? entries : entries.toSorted((a, b) => compareUtf8(a[0], b[0]))
  let text = ''
  for (const [name, value] of sorted) {
    if (name === except) continue
    if (text !== '') text += '&'
    text += `${encodePercent(name, { keepSlash: false })}=${encodePercent(value, { keepSlash: false })}`
  }
  return text
}
