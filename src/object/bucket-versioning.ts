import { createRequire } from 'node:module'
import type * as FastXmlParser from 'fast-xml-parser'
import { ObjectError, type VersioningState } from './object.ts'

/**
 * What a bucket's versioning and object lock documents mean to the engine. Source: s3-api.md 4.5.
 *
 * The API checks documents before they are stored; here they are read again, also those that MinIO stored.
 */

export interface VersioningRules {
  readonly state: VersioningState
  /** Keys that match `<prefix>*` behave as suspended; `*` inside is a wildcard. */
  readonly excludedPrefixes: readonly string[]
  /** Directory objects behave as suspended. */
  readonly excludesFolders: boolean
}

export const UNVERSIONED: VersioningRules = {
  state: 'unversioned',
  excludedPrefixes: [],
  excludesFolders: false,
}

/** Reads a `VersioningConfiguration`. Errors: `Internal` for a document that is not one. */
export function parseVersioning(document: string): VersioningRules {
  const root = rootOf(document, 'VersioningConfiguration')
  const status = textIn(root, 'Status')
  const state =
    status === 'Enabled' ? 'enabled' : status === 'Suspended' ? 'suspended' : 'unversioned'
  return {
    state,
    excludedPrefixes: childrenOf(root, 'ExcludedPrefixes')
      .map((child) => textIn(child, 'Prefix'))
      .filter((prefix) => prefix !== ''),
    excludesFolders: textIn(root, 'ExcludeFolders').toLowerCase() === 'true',
  }
}

/** Whether an `ObjectLockConfiguration` turns object lock on. Errors: `Internal`. */
export function parseObjectLock(document: string): boolean {
  return textIn(rootOf(document, 'ObjectLockConfiguration'), 'ObjectLockEnabled') === 'Enabled'
}

/** The state that counts for one key, exclusions considered. */
export function versioningStateOf(rules: VersioningRules, key: string): VersioningState {
  if (rules.state !== 'enabled') return rules.state
  if (rules.excludesFolders && key.endsWith('/')) return 'suspended'
  const isExcluded = rules.excludedPrefixes.some((prefix) => matchesPattern(key, `${prefix}*`))
  return isExcluded ? 'suspended' : 'enabled'
}

/** Whether all of `text` matches a pattern in which `*` stands for any run of characters. Linear in both but for one step back to the last `*`. */
export function matchesPattern(text: string, pattern: string): boolean {
  let textIndex = 0
  let patternIndex = 0
  let starIndex = -1
  let starTextIndex = 0
  while (textIndex < text.length) {
    if (pattern[patternIndex] === '*') {
      starIndex = patternIndex++
      starTextIndex = textIndex
    } else if (patternIndex < pattern.length && pattern[patternIndex] === text[textIndex]) {
      patternIndex++
      textIndex++
    } else if (starIndex >= 0) {
      patternIndex = starIndex + 1
      textIndex = ++starTextIndex
    } else {
      return false
    }
  }
  while (pattern[patternIndex] === '*') patternIndex++
  return patternIndex === pattern.length
}

type XmlNode = Readonly<Record<string, unknown>>

function rootOf(document: string, name: string): XmlNode {
  const parsed = parseXml(document)
  const root = isNode(parsed) ? parsed[name] : undefined
  if (root === '') return {}
  if (isNode(root)) return root
  throw new ObjectError('Internal', `Stored document is not a ${name}`)
}

function parseXml(document: string): unknown {
  // Only here: each thread would keep 3 MB of the library, and few servers have such buckets.
  const require = createRequire(import.meta.url)
  // The border from an untyped function: these are the types of just this package.
  const { XMLParser, XMLValidator } = require('fast-xml-parser') as typeof FastXmlParser
  if (document.includes('<!DOCTYPE') || XMLValidator.validate(document) !== true) return undefined
  const parser = new XMLParser({
    ignoreAttributes: true,
    ignoreDeclaration: true,
    ignorePiTags: true,
    parseTagValue: false,
    removeNSPrefix: true,
    trimValues: true,
  })
  try {
    return parser.parse(document)
  } catch {
    return undefined // the validator is the more lenient of the two: what only it accepts is malformed as well
  }
}

function isNode(value: unknown): value is XmlNode {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** All children of one name; a text child counts as empty. */
function childrenOf(node: XmlNode, name: string): readonly XmlNode[] {
  const value = node[name]
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  return list.filter(isNode)
}

function textIn(node: XmlNode, name: string): string {
  const value = node[name]
  return typeof value === 'string' ? value : ''
}
