import { utf8 } from '#base/bytes'

/**
 * Keys as paths of directories. Source: disk-format.md 1.4; form and reasons: docs/formats/key-paths.md.
 *
 * Nearly every key is its own path, as in MinIO. What a file system cannot name is spelled otherwise:
 *
 *   a/        a__XLDIR__           a slash at the end: MinIO's form
 *   a//b      a/~~/b               an empty segment
 *   a/~~/b    a/~~~/b              two or more tildes alone, where more follows: one more
 *   a__XLDIR__  a__XLDIR__~        an end that would mean a slash: a tilde behind it
 *   <long>/b  <first>~~more/<rest>/b   a segment that is no file name: cut behind its first 240 bytes
 *
 * Invariants
 * - A key has one path, and no two keys have the same one.
 * - The first piece of a long segment is the shortest whole number of characters of at least 240 bytes: no such piece
 *   begins another one.
 */

const DIRECTORY_SUFFIX = '__XLDIR__'
const CONTINUED_SUFFIX = '~~more'
const EMPTY = '~~'
/** A file name has at most so many bytes. */
const NAME_BYTES_MAX = 255
/** Pieces of long segments have at least so many bytes, and three more at most. */
const PIECE_BYTES_MIN = 240
/** A UTF-16 unit has at most so many bytes in UTF-8. */
const UNIT_BYTES_MAX = 3

const TILDES = /^~~+$/
const LITERAL_SUFFIX = /.__XLDIR__~*$/su
const ESCAPED_SUFFIX = /.__XLDIR__~+$/su

/** The path of a key below its bucket. */
export function encodeKey(key: string): string {
  if (isOwnPath(key)) return key
  const isDirectoryObject = key.endsWith('/')
  const text = isDirectoryObject ? key.slice(0, -1) : key
  const start = text.lastIndexOf('/') + 1
  const last = cutToNames(text.slice(start), isDirectoryObject ? directoryObjectName : keyName)
  return start === 0 ? last : `${encodeFolder(text.slice(0, start))}/${last}`
}

/** The key under which MinIO shows and reads what is stored for `key`: the same, for all keys that MinIO can have. */
export function minioKey(key: string): string {
  const path = encodeKey(key)
  return key.endsWith('/') ? `${path.slice(0, -DIRECTORY_SUFFIX.length)}/` : path
}

/** The key of a path below its bucket. */
export function decodeKey(path: string): string {
  if (!path.includes('~~') && !path.includes(DIRECTORY_SUFFIX)) return path
  const names = path.split('/')
  const last = readName(names.pop() ?? '')
  let key = ''
  for (const name of names) {
    const { continued, below } = readName(name)
    key += continued ?? below ?? ''
  }
  return key + (last.directoryObject ?? last.key)
}

/**
 * The directory of everything whose key begins with `prefix`: one with a slash at its end, or one that ends with a whole
 * piece of a long segment. Empty: the bucket.
 */
export function encodeFolder(prefix: string): string {
  const start = prefix.lastIndexOf('/') + 1
  const names: string[] = []
  if (start > 0) {
    const folder = prefix.slice(0, start - 1)
    if (isOwnPath(folder)) names.push(folder)
    else for (const segment of folder.split('/')) names.push(cutToNames(segment, folderName))
  }
  for (let rest = prefix.slice(start); rest !== ''; ) {
    const piece = firstPieceOf(rest) ?? rest
    names.push(piece + CONTINUED_SUFFIX)
    rest = rest.slice(piece.length)
  }
  return names.join('/')
}

/** What a directory's name may stand for, relative to the directory it is in. */
export interface NameMeanings {
  /** The key, unless it is a directory object. */
  readonly key: string
  /** The key with a slash at its end. */
  readonly directoryObject: string | undefined
  /** What the keys below begin with, a slash at its end; undefined when the segment goes on. */
  readonly below: string | undefined
  /** The piece of a long segment that goes on below. */
  readonly continued: string | undefined
}

export function readName(name: string): NameMeanings {
  const below = `${unescapeTildes(name)}/`
  const plain = { key: name, directoryObject: undefined, below, continued: undefined }
  if (name.endsWith(CONTINUED_SUFFIX)) {
    const piece = name.slice(0, -CONTINUED_SUFFIX.length)
    return firstPieceOf(piece) === piece ? { ...plain, below: undefined, continued: piece } : plain
  }
  if (name.endsWith(DIRECTORY_SUFFIX) && name !== DIRECTORY_SUFFIX) {
    const directoryObject = `${unescapeTildes(name.slice(0, -DIRECTORY_SUFFIX.length))}/`
    return { ...plain, directoryObject }
  }
  return ESCAPED_SUFFIX.test(name) ? { ...plain, key: name.slice(0, -1) } : plain
}

/** Whether a name means itself as a key and itself with a slash for what is below: nearly all do. */
export function isPlainName(name: string): boolean {
  return !name.includes('~~') && !name.includes(DIRECTORY_SUFFIX)
}

/** The piece of a segment that is cut off when it is too long; undefined: it is shorter than a piece. */
export function firstPieceOf(segment: string): string | undefined {
  if (segment.length * UNIT_BYTES_MAX < PIECE_BYTES_MIN) return undefined
  let bytes = 0
  for (let index = 0; index < segment.length; ) {
    const point = segment.codePointAt(index) ?? 0
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x1_0000 ? 3 : 4
    index += point < 0x1_0000 ? 1 : 2
    if (bytes >= PIECE_BYTES_MIN) return segment.slice(0, index)
  }
  return undefined
}

/** False also for some keys that are their own path: those take the long way to it. */
function isOwnPath(key: string): boolean {
  if (key === '' || key.startsWith('/') || key.endsWith('/')) return false
  if (key.includes('//') || !isPlainName(key)) return false
  for (let start = 0; key.length - start > NAME_BYTES_MAX / UNIT_BYTES_MAX; ) {
    const slash = key.indexOf('/', start)
    const end = slash < 0 ? key.length : slash
    if (!isName(key.slice(start, end))) return false
    start = end + 1
  }
  return true
}

/** The names that one segment takes, joined; `nameOf` gives the one of a segment that needs no cut. */
function cutToNames(segment: string, nameOf: (segment: string) => string | undefined): string {
  let names = ''
  for (let rest = segment; ; ) {
    const name = nameOf(rest)
    if (name !== undefined && isName(name)) return names + name
    const piece = firstPieceOf(rest) ?? ''
    names += `${piece}${CONTINUED_SUFFIX}/`
    rest = rest.slice(piece.length)
  }
}

function isName(name: string): boolean {
  if (name.length * UNIT_BYTES_MAX <= NAME_BYTES_MAX) return true
  return name.length <= NAME_BYTES_MAX && utf8(name).length <= NAME_BYTES_MAX
}

function keyName(segment: string): string {
  return LITERAL_SUFFIX.test(segment) ? `${segment}~` : segment
}

function directoryObjectName(segment: string): string {
  return escapeTildes(segment) + DIRECTORY_SUFFIX
}

/** Undefined: it would be taken for a segment that goes on. */
function folderName(segment: string): string | undefined {
  const name = escapeTildes(segment)
  return readName(name).continued === undefined ? name : undefined
}

function escapeTildes(segment: string): string {
  if (segment === '') return EMPTY
  return TILDES.test(segment) ? `${segment}~` : segment
}

function unescapeTildes(name: string): string {
  if (name === EMPTY) return ''
  return TILDES.test(name) ? name.slice(1) : name
}
