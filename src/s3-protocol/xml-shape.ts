/** Shapes of request documents: which elements, how often, with which texts. What does not fit is `MalformedXML`. */
import { S3Error } from './s3-error.ts'
import { escapeXml, S3_NAMESPACE, XML_DECLARATION } from './xml-writer.ts'
import type { XmlElement } from './xml-parser.ts'

/** An element with text only, or one with child elements only. */
export type XmlShape =
  | { readonly text: RegExp }
  | { readonly fields: Readonly<Record<string, XmlFieldShape>> }

interface XmlFieldShape {
  readonly shape: XmlShape
  readonly min: number
  readonly max: number
}

/** Text that matches whole. */
export function text(pattern: RegExp = /^[\s\S]*$/): XmlShape {
  return { text: pattern }
}

export function oneOf(...words: readonly string[]): XmlShape {
  return { text: new RegExp(`^(?:${words.join('|')})$`) }
}

export function fields(children: Readonly<Record<string, XmlFieldShape>>): XmlShape {
  return { fields: children }
}

export function required(shape: XmlShape): XmlFieldShape {
  return { shape, min: 1, max: 1 }
}

export function optional(shape: XmlShape): XmlFieldShape {
  return { shape, min: 0, max: 1 }
}

export function many(shape: XmlShape, min = 0, max = Infinity): XmlFieldShape {
  return { shape, min, max }
}

/** Refuses a document whose root is not called `name` or that has another shape. */
export function checkDocument(root: XmlElement, name: string, shape: XmlShape): void {
  if (root.name !== name) throw malformed(`Root is <${root.name}>, not <${name}>`)
  checkElement(root, shape)
}

/** The depth of the document is bounded by its parser, and by the shape. */
function checkElement(element: XmlElement, shape: XmlShape): void {
  const children = element.children()
  if ('text' in shape) {
    if (children.length > 0 || !shape.text.test(element.text)) {
      throw malformed(`<${element.name}> has content that is not allowed`)
    }
    return
  }
  if (element.text.trim() !== '') throw malformed(`<${element.name}> has text beside elements`)
  const counts = new Map<string, number>()
  for (const child of children) {
    const field = Object.hasOwn(shape.fields, child.name) ? shape.fields[child.name] : undefined
    const count = (counts.get(child.name) ?? 0) + 1
    if (field === undefined || count > field.max) {
      throw malformed(`<${child.name}> is not allowed, or not as often, in <${element.name}>`)
    }
    counts.set(child.name, count)
    checkElement(child, field.shape)
  }
  for (const [name, { min }] of Object.entries(shape.fields)) {
    if ((counts.get(name) ?? 0) < min) throw malformed(`<${element.name}> lacks <${name}>`)
  }
}

function malformed(cause: string): S3Error {
  return new S3Error('MalformedXML', { cause: new Error(cause) })
}

/** A document again as text, in the S3 namespace, without comments, attributes and blanks between elements. */
export function documentText(root: XmlElement): string {
  const head = `<${root.name} xmlns="${S3_NAMESPACE}">`
  return `${XML_DECLARATION}${head}${contentText(root)}</${root.name}>`
}

/** One element as text. */
export function elementText(element: XmlElement): string {
  return `<${element.name}>${contentText(element)}</${element.name}>`
}

function contentText(element: XmlElement): string {
  const children = element.children()
  return children.length === 0 ? storedText(element.text) : children.map(elementText).join('')
}

/** Text of an element that is stored: MinIO must be able to read it, so characters that XML cannot hold are `MalformedXML`. */
export function storedText(value: string): string {
  // oxlint-disable-next-line no-control-regex -- these are what must not be there
  if (/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(value) || !value.isWellFormed()) {
    throw malformed('Text has characters that XML cannot hold')
  }
  return escapeXml(value)
}
