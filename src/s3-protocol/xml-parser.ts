/** Parsing of request documents: no entities, no DTD, bounded depth; namespaces are ignored. */
import { createRequire } from 'node:module'
import type * as FastXmlParser from 'fast-xml-parser'
import { strictTextOf } from '#base/bytes'
import { S3Error } from './s3-error.ts'

const DEPTH_MAX = 32
const ELEMENTS_MAX = 200_000

/** An element of a parsed document. Names have no namespace prefix. */
export interface XmlElement {
  readonly name: string
  /** Text directly in the element, references decoded, as written (not trimmed). */
  readonly text: string
  /** All child elements, or those called `name`, in order. */
  children(name?: string): readonly XmlElement[]
  /** First child called `name`. */
  child(name: string): XmlElement | undefined
  /** Text of the first child called `name`. */
  childText(name: string): string | undefined
}

class Element implements XmlElement {
  readonly name: string
  readonly text: string
  readonly #children: readonly Element[]

  constructor(name: string, text: string, children: readonly Element[]) {
    this.name = name
    this.text = text
    this.#children = children
  }

  children(name?: string): readonly XmlElement[] {
    return name === undefined ? this.#children : this.#children.filter((c) => c.name === name)
  }

  child(name: string): XmlElement | undefined {
    return this.#children.find((c) => c.name === name)
  }

  childText(name: string): string | undefined {
    return this.child(name)?.text
  }
}

interface Library {
  readonly validator: typeof FastXmlParser.XMLValidator
  readonly parser: FastXmlParser.XMLParser
}

let loaded: Library | undefined

/** Loads the library with the first document: each thread would keep 3 MB of it, and few ever see a document. */
function library(): Library {
  if (loaded !== undefined) return loaded
  const require = createRequire(import.meta.url)
  // The border from an untyped function: these are the types of just this package.
  const { XMLParser, XMLValidator } = require('fast-xml-parser') as typeof FastXmlParser
  const parser = new XMLParser({
    preserveOrder: true,
    ignoreAttributes: true,
    removeNSPrefix: true,
    parseTagValue: false,
    trimValues: false,
    processEntities: false,
    htmlEntities: false,
    ignoreDeclaration: true,
    ignorePiTags: true,
    maxNestedTags: DEPTH_MAX,
    cdataPropName: '#cdata',
  })
  loaded = { parser, validator: XMLValidator }
  return loaded
}

/**
 * The root element of a document. Everything that is not well-formed, and document types, entities other than the five
 * of XML, invalid UTF-8, more than 32 levels or 200000 elements: `MalformedXML`. The caller limits the size.
 */
export function parseXml(bytes: Uint8Array): XmlElement {
  const text = strictTextOf(bytes)
  if (text === undefined) throw malformed('Document is not UTF-8')
  const body = text.startsWith('\ufeff') ? text.slice(1) : text
  if (/<!(?!--|\[CDATA\[)/.test(body)) throw malformed('Document has a type declaration')
  // oxlint-disable-next-line no-control-regex -- these are what must not be there
  if (/[\x00-\x08\x0b\x0c\x0e-\x1f]/.test(body)) throw malformed('Document has control characters')
  // The validator overlooks text behind a root that closes itself.
  if (!body.trimEnd().endsWith('>')) throw malformed('Document has text behind its root')
  checkSize(body)
  let tree: unknown
  try {
    const { parser, validator } = library()
    const validity = validator.validate(body)
    if (validity !== true) throw malformed(validity.err.msg)
    tree = parser.parse(body)
  } catch (error) {
    if (error instanceof S3Error) throw error
    throw new S3Error('MalformedXML', { cause: error })
  }
  const roots = elementsOf(tree)
  const [root] = roots
  if (root === undefined || roots.length !== 1) throw malformed('Document has not one root')
  return root
}

function malformed(cause: string): S3Error {
  return new S3Error('MalformedXML', { cause: new Error(cause) })
}

/** The parser recurses and builds objects: both are bounded before it runs. */
function checkSize(text: string): void {
  let count = 0
  for (let at = text.indexOf('<'); at >= 0; at = text.indexOf('<', at + 1)) count += 1
  if (count > 2 * ELEMENTS_MAX) throw malformed('Document has too many elements')
}

type ParsedNode = Readonly<Record<string, unknown>>

function isNode(value: unknown): value is ParsedNode {
  return typeof value === 'object' && value !== null
}

function elementsOf(nodes: unknown): Element[] {
  if (!Array.isArray(nodes)) return []
  const elements: Element[] = []
  for (const node of nodes) {
    if (!isNode(node)) continue
    for (const name of Object.keys(node)) {
      if (name.startsWith('#') || name.startsWith(':') || name.startsWith('?')) continue
      const content = node[name]
      elements.push(new Element(name, contentText(content), elementsOf(content)))
    }
  }
  return elements
}

function contentText(nodes: unknown): string {
  if (!Array.isArray(nodes)) return ''
  let text = ''
  for (const node of nodes) {
    if (!isNode(node)) continue
    const plain = node['#text']
    if (typeof plain === 'string') text += decodeReferences(plain)
    const cdata = node['#cdata']
    if (Array.isArray(cdata)) {
      for (const piece of cdata) {
        const raw = isNode(piece) ? piece['#text'] : undefined
        if (typeof raw === 'string') text += raw
      }
    }
  }
  return text
}

const NAMED: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
])

function decodeReferences(text: string): string {
  if (!text.includes('&')) return text
  return text.replace(/&([^;&]*)(;?)/g, (_, name: string, end: string) => {
    const named = end === '' ? undefined : NAMED.get(name)
    if (named !== undefined) return named
    const digits = end === '' ? null : /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(name)
    if (digits === null) throw malformed('Document has an unknown reference')
    const code = digits[1] === undefined ? Number(digits[2]) : Number.parseInt(digits[1], 16)
    if (code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
      throw malformed('Document refers to a character that does not exist')
    }
    return String.fromCodePoint(code)
  })
}
