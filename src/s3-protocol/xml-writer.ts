/** Namespace of all S3 documents except errors. */
export const S3_NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/'

/** First line of every document. */
export const XML_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

const SPECIAL =
  // oxlint-disable-next-line no-control-regex -- control characters are what must be found
  /[&<>"'\x00-\x1f\x7f-\x9f\u2028\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

/**
 * Text as element or attribute content. Control characters become numeric references: XML 1.0 has no other form, clients
 * know it, and keys may hold them. Half surrogates become U+FFFD.
 */
export function escapeXml(text: string): string {
  // Most texts have nothing to escape; the search is cheaper than the replacement.
  if (text.search(SPECIAL) < 0) return text
  return text.replace(SPECIAL, (character) => {
    switch (character) {
      case '&':
        return '&amp;'
      case '<':
        return '&lt;'
      case '>':
        return '&gt;'
      case '"':
        return '&#34;'
      case "'":
        return '&#39;'
      default: {
        const code = character.charCodeAt(0)
        return code >= 0xd800 && code <= 0xdfff
          ? '\ufffd'
          : `&#x${code.toString(16).toUpperCase()};`
      }
    }
  })
}

// oxlint-disable-next-line no-control-regex -- everything but the unreserved characters
const URL_RESERVED = /[^A-Za-z0-9\-_.~/*]+/g

/** A name in a list with `encoding-type=url`: UTF-8 percent-escapes, `/` and `*` kept, blanks as `+`. */
export function encodeNameForUrl(text: string): string {
  return text.replace(URL_RESERVED, (run) =>
    encodeURIComponent(run.toWellFormed())
      .replace(/[!'()]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
      .replaceAll('%20', '+'),
  )
}
