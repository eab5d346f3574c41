import { XMLParser } from 'fast-xml-parser'

/** An element: its name without prefix, then its text, or its child elements in order. */
export type XmlElement = readonly [name: string, content: string | readonly XmlElement[]]

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: true,
  ignoreDeclaration: true,
  ignorePiTags: true,
  parseTagValue: false,
  trimValues: false,
  removeNSPrefix: true,
  htmlEntities: true,
})

function convert(nodes: unknown): string | readonly XmlElement[] {
  if (!Array.isArray(nodes)) return ''
  const elements: XmlElement[] = []
  let text = ''
  for (const node of nodes as readonly Record<string, unknown>[]) {
    for (const [name, content] of Object.entries(node)) {
      if (name === '#text') text += String(content)
      else if (name !== ':@') elements.push([name, convert(content)])
    }
  }
  return elements.length > 0 ? elements : text
}

/** Parses a document into its root element; namespaces and attributes are left out. Throws on broken XML. */
export function parseXml(text: string): XmlElement {
  const root = convert(parser.parse(text))
  const first = typeof root === 'string' ? undefined : root[0]
  if (first === undefined) throw new Error(`Not an XML document: ${text.slice(0, 200)}`)
  return first
}

/** Children named `name`. */
export function children(element: XmlElement | undefined, name: string): readonly XmlElement[] {
  const content = element?.[1]
  return content === undefined || typeof content === 'string'
    ? []
    : content.filter((child) => child[0] === name)
}

/** Text of the first child named `name`; undefined when there is none. */
export function textOf(element: XmlElement | undefined, name: string): string | undefined {
  const child = children(element, name)[0]
  return child === undefined ? undefined : typeof child[1] === 'string' ? child[1] : ''
}

export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
