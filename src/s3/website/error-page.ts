/** The page of a website that has none for an error. */
import type { S3Error } from '#s3-protocol/s3-error'
import { escapeXml } from '#s3-protocol/xml-writer'

/** What went wrong with which key; empty where it has none. */
export interface PageError {
  readonly error: S3Error
  readonly key: string
}

const TITLES: ReadonlyMap<number, string> = new Map([
  [400, 'Bad Request'],
  [403, 'Forbidden'],
  [404, 'Not Found'],
  [405, 'Method Not Allowed'],
  [412, 'Precondition Failed'],
  [416, 'Requested Range Not Satisfiable'],
  [500, 'Internal Server Error'],
  [503, 'Service Unavailable'],
])

/** Headers that say what went wrong. */
export function errorPageHeaders(
  error: S3Error,
  key: string,
): readonly (readonly [string, string])[] {
  return [
    ...error.headers,
    ['x-amz-error-code', error.code],
    ['x-amz-error-message', asciiOf(error.message)],
    ...(error.status === 404 && key !== ''
      ? [['x-amz-error-detail-Key', asciiOf(key)] as const]
      : []),
  ]
}

function asciiOf(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, (run) => encodeURIComponent(run.toWellFormed()))
}

/** HTML; `second` is what went wrong with the site's own page. */
export function errorPage(
  page: PageError & { readonly requestId: string; readonly second: PageError | undefined },
): string {
  const { error, requestId, second } = page
  const title = `${error.status} ${TITLES.get(error.status) ?? error.code}`
  const items = [...itemsOf(page), item('RequestId', requestId)]
  const own =
    second === undefined
      ? ''
      : `<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n<ul>\n${itemsOf(second).join('')}</ul>\n`
  return `<html>\n<head><title>${title}</title></head>\n<body>\n<h1>${title}</h1>\n<ul>\n${items.join('')}</ul>\n${own}<hr/>\n</body>\n</html>\n`
}

function itemsOf({ error, key }: PageError): readonly string[] {
  return [
    item('Code', error.code),
    item('Message', error.message),
    ...(key === '' ? [] : [item('Key', key)]),
  ]
}

function item(name: string, value: string): string {
  return `<li>${name}: ${escapeXml(value)}</li>\n`
}
