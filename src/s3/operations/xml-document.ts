/** Reply documents: a tree of names and values, written in order. */
import { escapeXml, S3_NAMESPACE, XML_DECLARATION } from '#s3-protocol/xml-writer'

/** Name, content, attributes. */
export type XmlField = readonly [
  name: string,
  value: string | number | boolean | XmlFields,
  attributes?: Readonly<Record<string, string>>,
]

/** Children in order; `false` stands for one left out. */
export type XmlFields = readonly (XmlField | false)[]

/** A whole document in the S3 namespace. */
export function xmlDocument(root: string, content: string | XmlFields): string {
  return XML_DECLARATION + writeElement([root, content, { xmlns: S3_NAMESPACE }])
}

/** A document without a namespace. */
export function plainXmlDocument(root: string, content: XmlFields): string {
  return XML_DECLARATION + writeElement([root, content])
}

function writeElement([name, value, attributes]: XmlField): string {
  const head = attributes === undefined ? name : name + writeAttributes(attributes)
  return `<${head}>${writeContent(value)}</${name}>`
}

function writeAttributes(attributes: Readonly<Record<string, string>>): string {
  let text = ''
  for (const [key, value] of Object.entries(attributes)) text += ` ${key}="${escapeXml(value)}"`
  return text
}

function writeContent(value: XmlField[1]): string {
  if (typeof value === 'string') return escapeXml(value)
  if (typeof value !== 'object') return String(value)
  let text = ''
  for (const field of value) if (field !== false) text += writeElement(field)
  return text
}
