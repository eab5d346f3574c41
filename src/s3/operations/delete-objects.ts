/** DeleteObjects: up to 1000 keys or versions in one request (s3-api.md 4.4). */
import {
  type BucketMetadata,
  type DeleteOptions,
  type DeleteOutcome,
  ObjectError,
} from '#object/object'
import { cleanKey } from '#s3-protocol/names'
import { S3Error } from '#s3-protocol/s3-error'
import { parseXml, type XmlElement } from '#s3-protocol/xml-parser'
import { errorOf } from '../errors.ts'
import type { S3Call, S3Reply } from '../s3.ts'
import { conditionsOf, deletionStateFor } from './delete-object.ts'
import { mayBypassGovernance, refuseProtected } from './object-lock.ts'
import { isForeignVersionId, parseVersionId, requireIntegrity } from './request-values.ts'

import { type XmlFields, xmlDocument } from './xml-document.ts'

const ENTRIES_MAX = 1000

interface Entry {
  readonly key: string
  /** As sent; empty for none. */
  readonly versionText: string
  readonly element: XmlElement
}

type Outcome = DeleteOutcome | S3Error

/** `POST ?delete`: every entry is authorized, executed and reported on its own. */
export async function deleteObjects(call: S3Call): Promise<S3Reply> {
  requireIntegrity(call)
  const root = parseXml(call.document)
  const entries = readEntries(root, call.services)
  const outcomes = await execute(call, entries)
  if (call.identity.accessKey === '' && outcomes.every(isDenied)) throw new S3Error('AccessDenied')
  const isQuiet = root.childText('Quiet')?.trim().toLowerCase() === 'true'
  const deleted: XmlFields[] = []
  const failed: XmlFields[] = []
  for (const [i, entry] of entries.entries()) {
    const outcome = outcomes[i]
    if (outcome instanceof S3Error) failed.push(errorFields(entry, outcome))
    else if (outcome !== undefined && !isQuiet) deleted.push(deletedFields(entry, outcome))
  }
  return {
    status: 200,
    body: xmlDocument('DeleteResult', [
      ...deleted.map((fields) => ['Deleted', fields] as const),
      ...failed.map((fields) => ['Error', fields] as const),
    ]),
  }
}

/** As with Amazon, whoever nobody knows and may delete none of them is refused as a whole. */
function isDenied(outcome: Outcome): boolean {
  return outcome instanceof S3Error && outcome.code === 'AccessDenied'
}

/** The distinct entries in request order. `MalformedXML` for anything else than 1 to 1000 of them. */
export function readEntries(
  root: XmlElement,
  options: { readonly cleansKeys?: boolean | undefined } = {},
): readonly Entry[] {
  const elements = root.children('Object')
  if (root.name !== 'Delete' || elements.length < 1 || elements.length > ENTRIES_MAX) {
    throw new S3Error('MalformedXML')
  }
  const seen = new Set<string>()
  const entries: Entry[] = []
  for (const element of elements) {
    const named = element.childText('Key')
    if (named === undefined || named === '') throw new S3Error('MalformedXML')
    const key = options.cleansKeys === true ? cleanKey(named) : named
    const versionText = element.childText('VersionId') ?? ''
    const identity = `${versionText}\n${key}`
    if (seen.has(identity)) continue
    seen.add(identity)
    entries.push({ key, versionText, element })
  }
  return entries
}

async function execute(call: S3Call, entries: readonly Entry[]): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = []
  const requests: ({ readonly key: string } & DeleteOptions)[] = []
  const positions: number[] = []
  const metadata = await call.services.engine.bucketMetadata(call.bucket)
  for (const [i, entry] of entries.entries()) {
    try {
      const options = await deleteOptions(call, entry, metadata)
      requests.push({ key: entry.key, ...options })
      positions.push(i)
    } catch (error) {
      outcomes[i] = error instanceof ObjectError ? entryOutcome(error) : entryError(error)
    }
  }
  if (requests.length === 0) return outcomes
  const results = await call.services.engine.deleteObjects(call.bucket, requests)
  for (const [position, i] of positions.entries()) {
    const result = results[position]
    outcomes[i] =
      result instanceof Error ? entryOutcome(result) : (result ?? new S3Error('InternalError'))
  }
  return outcomes
}

async function deleteOptions(
  call: S3Call,
  entry: Entry,
  metadata: BucketMetadata,
): Promise<DeleteOptions> {
  if (!(await isAuthorized(call, entry))) throw new S3Error('AccessDenied')
  const versionId = entry.versionText === '' ? undefined : parseVersionId(entry.versionText)
  if (isForeignVersionId(entry.versionText)) {
    throw new ObjectError('VersionNotFound', 'The version id is of another server')
  }
  if (entry.versionText !== '' && versionId === undefined) throw new S3Error('NoSuchVersion')
  const versioning = deletionStateFor(metadata, entry.key)
  const guarded = versionId !== undefined || (metadata.objectLock && versioning !== 'enabled')
  const bypassGovernance = guarded && (await mayBypassGovernance(call, entry.key))
  const { clock } = call.services
  return {
    versionId,
    versioning,
    preconditions: conditionsOf({
      ifMatch: entry.element.childText('ETag'),
      time: entry.element.childText('LastModifiedTime'),
      size: entry.element.childText('Size'),
    }),
    guard: guarded
      ? (current) => refuseProtected(current, { nowMs: clock.nowMs(), bypassGovernance })
      : undefined,
  }
}

function isAuthorized(call: S3Call, entry: Entry): Promise<boolean> {
  const { versionText: versionId } = entry
  return call.isAllowed('s3:DeleteObject', call.bucket, entry.key, { versionId })
}

/** Absent keys and versions count as deleted. */
function entryOutcome(error: Error): Outcome {
  const code = error instanceof ObjectError ? error.code : undefined
  if (code === 'ObjectNotFound' || code === 'VersionNotFound') {
    return { found: false, deleteMarker: false, markerCreated: false }
  }
  return errorOf(error)
}

/** Only errors of the entry itself are its own; anything else is a failure of the whole request. */
function entryError(error: unknown): S3Error {
  if (error instanceof S3Error) return errorOf(error)
  throw error
}

function deletedFields(entry: Entry, outcome: DeleteOutcome): XmlFields {
  const marker = outcome.deleteMarker
  const markerVersionId = outcome.versionId ?? (entry.versionText || undefined)
  return [
    marker && ['DeleteMarker', true],
    marker && markerVersionId !== undefined && ['DeleteMarkerVersionId', markerVersionId],
    ['Key', entry.key],
    entry.versionText !== '' && ['VersionId', entry.versionText],
  ]
}

function errorFields(entry: Entry, error: S3Error): XmlFields {
  return [
    ['Code', error.code],
    ['Message', error.message],
    ['Key', entry.key],
    ['VersionId', entry.versionText],
  ]
}
