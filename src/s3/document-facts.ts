/** What documents of requests say that policies may ask for. A malformed one says nothing; its handler refuses it. */
import { S3Error } from '#s3-protocol/s3-error'
import { parseTagXml } from '#s3-protocol/tagging'
import { parseXml, type XmlElement } from '#s3-protocol/xml-parser'
import { type RequestFacts, remainingDays, tagFacts } from './policy-values.ts'

const TAGS_MAX = 50

/** Tags of a `Tagging` document. */
export function taggingFacts(document: Uint8Array): RequestFacts {
  return orNothing(() => tagFacts(parseTagXml(document, TAGS_MAX)))
}

/** Mode and date of a `Retention`. */
export function retentionFacts(document: Uint8Array, nowMs: number): RequestFacts {
  return orNothing(() => {
    const root = parseXml(document)
    const until = root.childText('RetainUntilDate')
    return present([
      ['s3:object-lock-mode', textOf(root, 'Mode')],
      ['s3:object-lock-retain-until-date', until],
      ['s3:object-lock-remaining-retention-days', remainingDays(until, nowMs)?.[0]],
    ])
  })
}

/** Status of a `LegalHold`. */
export function legalHoldFacts(document: Uint8Array): RequestFacts {
  return orNothing(() =>
    present([['s3:object-lock-legal-hold', textOf(parseXml(document), 'Status')]]),
  )
}

/** Region of a `CreateBucketConfiguration`. */
export function locationFacts(document: Uint8Array): RequestFacts {
  return orNothing(() =>
    present([
      ['s3:LocationConstraint', parseXml(document).childText('LocationConstraint')?.trim()],
    ]),
  )
}

function textOf(root: XmlElement, name: string): string | undefined {
  return root.childText(name)?.toUpperCase()
}

function present(entries: readonly (readonly [string, string | undefined])[]): RequestFacts {
  const facts = new Map<string, readonly string[]>()
  for (const [key, value] of entries) if (value !== undefined) facts.set(key, [value])
  return facts
}

function orNothing(read: () => RequestFacts): RequestFacts {
  try {
    return read()
  } catch (error) {
    if (error instanceof S3Error) return new Map()
    throw error
  }
}
