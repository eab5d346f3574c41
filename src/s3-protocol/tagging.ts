/** Tags as header and as document (s3-api.md 4.7). */
import { decodePercent, encodeForm } from './percent.ts'
import { S3Error } from './s3-error.ts'
import { parseXml, type XmlElement } from './xml-parser.ts'

export interface Tag {
  readonly key: string
  readonly value: string
}

const OBJECT_TAGS_MAX = 10
const KEY_LENGTH_MAX = 128
const VALUE_LENGTH_MAX = 256
const ALLOWED = /^[\p{L}\p{N}\p{Z}+\-=._:/@]*$/u

/** Tags of `k1=v1&k2=v2`, URL-encoded: `X-Amz-Tagging` and its stored form. Checked as object tags. */
export function parseTagQuery(text: string): readonly Tag[] {
  const tags: Tag[] = []
  for (const item of text.split('&')) {
    if (item === '') continue
    const at = item.indexOf('=')
    tags.push({
      key: decodePart(at < 0 ? item : item.slice(0, at)),
      value: at < 0 ? '' : decodePart(item.slice(at + 1)),
    })
    if (tags.length > OBJECT_TAGS_MAX) break
  }
  const keys = new Set(tags.map((tag) => tag.key))
  if (keys.size < tags.length || keys.has('')) throw badQuery()
  checkTags(tags, OBJECT_TAGS_MAX)
  return tags
}

/** Tags of a `Tagging` document, in its order. At most `max`. `MalformedXML`, `BadRequest`, `InvalidTag`. */
export function parseTagXml(document: Uint8Array, max: number): readonly Tag[] {
  const root = parseXml(document)
  const sets = root.children('TagSet')
  const [set] = sets
  if (root.name !== 'Tagging' || set === undefined || sets.length !== 1) {
    throw new S3Error('MalformedXML')
  }
  return tagsIn(set, max)
}

/** The `Tag` children of an element, checked. At most `max`. `MalformedXML`, `BadRequest`, `InvalidTag`. */
export function tagsIn(set: XmlElement, max: number): readonly Tag[] {
  const tags = set.children().map((element): Tag => {
    const key = element.childText('Key')
    const value = element.childText('Value')
    if (element.name !== 'Tag' || key === undefined || value === undefined) {
      throw new S3Error('MalformedXML')
    }
    return { key, value }
  })
  checkTags(tags, max)
  return tags
}

/** Tags that a client sends: `InvalidTag` for Amazon's own. What is stored may have them. */
export function sentTags(tags: readonly Tag[]): readonly Tag[] {
  if (tags.some(({ key }) => key.startsWith('aws:'))) {
    throw new S3Error('InvalidTag', { message: 'Your TagKey cannot be prefixed with aws:' })
  }
  return tags
}

/** The stored and header form: keys in order, URL-encoded. */
export function formatTags(tags: readonly Tag[]): string {
  return tags
    .toSorted((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ key, value }) => `${encodeForm(key)}=${encodeForm(value)}`)
    .join('&')
}

/** Refuses too many tags, bad characters or lengths, and repeated keys. */
function checkTags(tags: readonly Tag[], max: number): void {
  if (tags.length > max) {
    throw new S3Error('BadRequest', {
      message:
        max === 50
          ? 'Bucket tag count cannot be greater than 50'
          : `Object tags cannot be greater than ${max}`,
    })
  }
  const keys = new Set<string>()
  for (const { key, value } of tags) {
    if (key === '' || !isTagText(key, KEY_LENGTH_MAX)) {
      throw new S3Error('InvalidTag', { message: 'The TagKey you have provided is invalid' })
    }
    if (!isTagText(value, VALUE_LENGTH_MAX)) {
      throw new S3Error('InvalidTag', { message: 'The TagValue you have provided is invalid' })
    }
    if (keys.has(key)) {
      throw new S3Error('InvalidTag', {
        message: 'Cannot provide multiple Tags with the same key',
      })
    }
    keys.add(key)
  }
}

/** Lengths count characters, not units of UTF-16. */
function isTagText(text: string, lengthMax: number): boolean {
  if (text.length > 2 * lengthMax || !ALLOWED.test(text)) return false
  return text.length <= lengthMax || Array.from(text).length <= lengthMax
}

function decodePart(text: string): string {
  const decoded = decodePercent(text, { plusIsBlank: true })
  if (decoded.ok) return decoded.text
  throw badQuery()
}

function badQuery(): S3Error {
  return new S3Error('InvalidArgument', {
    message:
      "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
  })
}
