import { assert, AssertionError } from '#base/assert'
import {
  DriveError,
  type DeleteRequest,
  type Drive,
  type DriveReply,
  type DriveResult,
} from '#drive/drive'
import { encodeFolder, encodeKey } from '#drive/key-path'
import { encodeDeleteMarker, FormatError, XlMeta } from '#drive/xl-meta'
import { checkDeleteConditions } from './conditions.ts'
import { comparableInfo } from './shown-etag.ts'
import { DELETE_LOCK_MS, type EngineContext } from './context.ts'
import { checkWrite, noReadQuorum } from './errors.ts'
import { infoOf, storedVersionId, versionIdOf } from './object-info.ts'
import {
  ObjectError,
  type DeleteOptions,
  type DeleteOutcome,
  type ObjectInfo,
  type ObjectName,
} from './object.ts'
import { checkKey, deleteQuorumOf } from './placement.ts'
import { newestOf, type Located, type Pools } from './pools.ts'
import { newId } from './put.ts'
import { reduceOutcomes } from './quorum/reduce.ts'
import { checkVersionId } from './read.ts'
import type { ErasureSet } from './set/erasure-set.ts'
import { removeVersions } from './set/remove.ts'
import { NULL_VERSION, type Lookup } from './set/set.ts'

/**
 * Removing versions and adding delete markers.
 *
 *   request           bucket state   what happens
 *   with version id   any            that version goes, marker or not
 *   without           unversioned    the null version goes
 *   without           enabled        a marker with a new id comes on top, also over a marker, also for an absent key
 *   without           suspended      the null version goes, a null marker comes
 *
 * A version may lie in several pools and goes from all of them. What a lookup decided on is named to the drives with its
 * modification time, so that nothing newer is removed (D3.6).
 * Source: s3-api.md 4.4 (the Cairn choices), disk-format.md 6.3.
 */

/** Keys worked on at a time by one request for many. */
const KEYS_AT_ONCE = 16

export async function removeObject(
  context: EngineContext,
  pools: Pools,
  target: ObjectName,
  options: DeleteOptions,
): Promise<DeleteOutcome> {
  const [outcome] = await removeFromKey(context, pools, target, [options])
  assert(outcome !== undefined)
  if (outcome instanceof Error) throw outcome
  return outcome
}

/** Results in request order; never rejects for a single key. What a guard threw comes as it was. */
export async function removeObjects(
  context: EngineContext,
  pools: Pools,
  bucket: string,
  requests: readonly ({ readonly key: string } & DeleteOptions)[],
): Promise<readonly (DeleteOutcome | Error)[]> {
  const byKey = new Map<string, number[]>()
  requests.forEach(({ key }, index) => {
    const indexes = byKey.get(key)
    if (indexes === undefined) byKey.set(key, [index])
    else indexes.push(index)
  })
  const results: (DeleteOutcome | Error)[] = []
  const keys = [...byKey]
  let next = 0
  const work = async (): Promise<void> => {
    for (let entry = keys[next++]; entry !== undefined; entry = keys[next++]) {
      const [key, indexes] = entry
      const options = indexes.flatMap((index) => requests[index] ?? [])
      const outcomes = await removeFromKey(context, pools, { bucket, key }, options).catch(
        (error: unknown) => indexes.map(() => failureOf(error)),
      )
      for (const [i, index] of indexes.entries()) {
        const outcome = outcomes[i]
        assert(outcome !== undefined)
        results[index] = outcome
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(KEYS_AT_ONCE, keys.length) }, work))
  return results
}

/** All versions of every key below `prefix`, and of the key itself. Errors: `ObjectNameInvalid`, also where the directory of these may hold other keys. */
export async function removePrefix(
  context: EngineContext,
  pools: Pools,
  bucket: string,
  prefix: string,
): Promise<void> {
  const key = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix
  checkKey(bucket, key)
  const path = encodeKey(key)
  if (path !== encodeFolder(`${key}/`)) {
    throw new ObjectError('ObjectNameInvalid', `Keys below "${key}" go one by one only`, {
      bucket,
      key: prefix,
    })
  }
  using _lock = await context.locks.write(`${bucket}/${path}`, { timeoutMs: DELETE_LOCK_MS })
  const directoryObject = { bucket, path: encodeKey(`${key}/`) }
  const steps: readonly ((drive: Drive) => DriveReply<void>)[] = [
    (drive) => drive.trash(bucket, path),
    (drive) => dropVersions(context, drive, directoryObject),
  ]
  for (const set of pools.allSets()) {
    const quorum = deleteQuorumOf(set.size)
    for (const step of steps) {
      const { outcomes } = await set.patience.ask({ quorum, counts: isGone }, step)
      const gone = outcomes.map((outcome) => (isGone(outcome) ? undefined : outcome))
      checkWrite(reduceOutcomes(gone, quorum), { bucket, key: prefix })
    }
  }
}

/** All versions of a key on one drive, and nothing else: keys that begin with its name may lie in its directory. */
async function dropVersions(
  { codec }: EngineContext,
  drive: Drive,
  { bucket, path }: { readonly bucket: string; readonly path: string },
): DriveReply<void> {
  const bytes = await drive.readMetadata(bucket, path, { inline: false })
  if (bytes instanceof DriveError) return bytes
  let requests: readonly DeleteRequest[]
  try {
    const { versions } = XlMeta.parse(bytes, codec)
    requests = versions.map(({ header }) => ({ versionId: header.versionId }))
  } catch (error) {
    if (error instanceof FormatError) return drive.trash(bucket, `${path}/xl.meta`)
    throw error
  }
  const outcomes = await drive.deleteVersions(bucket, path, requests)
  if (outcomes instanceof DriveError) return outcomes
  return outcomes.find((outcome) => outcome instanceof DriveError)
}

function isGone(outcome: DriveResult<void>): boolean {
  return !(outcome instanceof DriveError) || outcome.code === 'FileNotFound'
}

/** What one request comes to: its outcome, and what the drives are asked for. */
interface Decision {
  readonly outcome: DeleteOutcome | Error
  readonly removals: readonly { readonly set: ErasureSet; readonly request: DeleteRequest }[]
}

/** All requests for one key, under its lock. Results in request order; of several for one version the first that is not refused is executed. */
async function removeFromKey(
  context: EngineContext,
  pools: Pools,
  target: ObjectName,
  requests: readonly DeleteOptions[],
): Promise<readonly (DeleteOutcome | Error)[]> {
  const { bucket, key } = target
  checkKey(bucket, key)
  const path = encodeKey(key)
  using _lock = await context.locks.write(`${bucket}/${path}`, { timeoutMs: DELETE_LOCK_MS })
  const state = await KeyState.read(pools, target, path, requests)
  /** By version: the first that was not refused. */
  const decisions = new Map<string, Decision>()
  const decided: { readonly name: string; readonly decision: Decision }[] = []
  for (const request of requests) {
    const name = request.versionId ?? ''
    let decision = decisions.get(name)
    if (decision === undefined || decision.outcome instanceof Error) {
      decision = await decide(context, pools, state, request)
      decisions.set(name, decision)
    }
    decided.push({ name, decision })
  }
  const failures = await execute(state, decisions)
  return decided.map(({ name, decision: { outcome } }) =>
    outcome instanceof Error ? outcome : (failures.get(name) ?? outcome),
  )
}

/** The versions of a key that some requests are about, in every pool. */
class KeyState {
  readonly target: ObjectName
  readonly path: string
  readonly #located: ReadonlyMap<string | undefined, readonly Located[]>

  private constructor(
    target: ObjectName,
    path: string,
    located: ReadonlyMap<string | undefined, readonly Located[]>,
  ) {
    this.target = target
    this.path = path
    this.#located = located
  }

  static async read(
    pools: Pools,
    target: ObjectName,
    path: string,
    requests: readonly DeleteOptions[],
  ): Promise<KeyState> {
    const ids = new Set<string | undefined>()
    for (const { versionId, versioning } of requests) {
      if (versionId !== undefined) ids.add(storedVersionId(versionId))
      else if (versioning !== 'enabled') ids.add(NULL_VERSION)
      if (versionId === undefined && versioning !== 'unversioned') ids.add(undefined)
    }
    const wanted = [...ids]
    const located = new Map<string | undefined, Located[]>(wanted.map((id) => [id, []]))
    for (const set of pools.setsOf(path)) {
      const lookups = await set.lookUpMany({ bucket: target.bucket, path }, wanted)
      wanted.forEach((id, i) => {
        const lookup = lookups[i]
        if (lookup !== undefined) located.get(id)?.push({ set, lookup })
      })
    }
    return new KeyState(target, path, located)
  }

  /** Of a stored version id, or of the latest version. */
  all(versionId: string | undefined): readonly Located[] {
    const located = this.#located.get(versionId)
    assert(located !== undefined && located.length > 0)
    return located
  }
}

async function decide(
  context: EngineContext,
  pools: Pools,
  state: KeyState,
  request: DeleteOptions,
): Promise<Decision> {
  const { target } = state
  try {
    if (request.versionId !== undefined) {
      checkVersionId(target, request.versionId)
      return await decideRemoval(context, state, storedVersionId(request.versionId), request)
    }
    if (request.versioning === 'unversioned') {
      return await decideRemoval(context, state, NULL_VERSION, request)
    }
    return await decideMarker(context, pools, state, request)
  } catch (error) {
    return { outcome: failureOf(error), removals: [] }
  }
}

async function decideRemoval(
  context: EngineContext,
  state: KeyState,
  versionId: string,
  request: DeleteOptions,
): Promise<Decision> {
  const located = state.all(versionId)
  const { lookup } = newestOf(located)
  const current = await checkCurrent(context, state.target, lookup, request)
  const removals = removalsOf(context, located, versionId)
  if (lookup.kind === 'absent') {
    return { outcome: { found: false, deleteMarker: false, markerCreated: false }, removals }
  }
  return {
    outcome: {
      found: true,
      versionId: versionIdOf(versionId),
      deleteMarker: current?.isDeleteMarker ?? false,
      markerCreated: false,
    },
    removals,
  }
}

/**
 * One removal for each pool that has the version, or where drives that are away may have enough of it to bring it back: a
 * delete may have been cut off before.
 */
function removalsOf(
  context: EngineContext,
  located: readonly Located[],
  versionId: string,
): { set: ErasureSet; request: DeleteRequest }[] {
  const removals: { set: ErasureSet; request: DeleteRequest }[] = []
  for (const { set, lookup } of located) {
    if (lookup.kind === 'absent' && lookup.isForGood) continue
    // Drives that disagree about a version can be asked to drop whatever they have of it: it is named by its id.
    let notNewerThanNs: bigint | undefined
    if (lookup.kind === 'found') notNewerThanNs = lookup.version.header.modifiedNs
    if (lookup.kind === 'absent') notNewerThanNs = timeAfter(context, lookup.latestNs)
    removals.push({ set, request: { versionId, notNewerThanNs } })
  }
  return removals
}

async function decideMarker(
  context: EngineContext,
  pools: Pools,
  state: KeyState,
  request: DeleteOptions,
): Promise<Decision> {
  const { target, path } = state
  const isSuspended = request.versioning === 'suspended'
  const latest = newestOf(state.all(undefined))
  const unguarded = { ...request, guard: undefined }
  const current = await checkCurrent(context, target, latest.lookup, unguarded)
  if (request.preconditions !== undefined && latest.lookup.kind === 'absent') {
    // Conditions name something that is there: nothing is, so there is nothing to hide.
    return { outcome: { found: false, deleteMarker: false, markerCreated: false }, removals: [] }
  }
  const removals = isSuspended ? removalsOf(context, state.all(NULL_VERSION), NULL_VERSION) : []
  // What is lost for good counts more than what is merely hidden.
  const replaced = isSuspended ? newestOf(state.all(NULL_VERSION)).lookup : undefined
  const endangered =
    replaced?.kind === 'found' ? infoOf(target.bucket, target.key, replaced.version) : current
  if (request.guard !== undefined && replaced?.kind === 'unreadable') {
    throw noReadQuorum(target, replaced.cause)
  }
  request.guard?.(endangered)
  const isKnown = latest.lookup.kind !== 'absent' || latest.lookup.hasOthers
  const set = isKnown ? latest.set : await pools.setForWrite(target.bucket, path, 0)
  const versionId = isSuspended ? NULL_VERSION : newId(context)
  const marker = encodeDeleteMarker(
    {
      versionId,
      modifiedNs: timeAfter(context, latest.lookup.latestNs),
      systemMetadata: new Map(),
    },
    context.codec,
  )
  const own = removals.findIndex((removal) => removal.set === set)
  const removal = removals[own]?.request
  if (own >= 0) removals.splice(own, 1)
  removals.unshift({ set, request: { ...removal, add: marker } })
  return {
    outcome: {
      found: current !== undefined,
      versionId: versionIdOf(versionId),
      deleteMarker: true,
      markerCreated: true,
    },
    removals,
  }
}

/** Now, but later than what is stored. */
function timeAfter(context: EngineContext, storedNs = 0n): bigint {
  const nowNs = context.clock.nowNs()
  return nowNs > storedNs ? nowNs : storedNs + 1n
}

/** Guard and conditions against the version addressed. */
async function checkCurrent(
  context: EngineContext,
  target: ObjectName,
  lookup: Lookup,
  request: DeleteOptions,
): Promise<ObjectInfo | undefined> {
  if (lookup.kind === 'unreadable') {
    // What cannot be read can still be removed, unless somebody must look at it first.
    if (request.guard === undefined && request.preconditions === undefined) return undefined
    throw noReadQuorum(target, lookup.cause)
  }
  if (lookup.kind === 'absent' && lookup.isBucketMissing) {
    throw new ObjectError('BucketNotFound', `Bucket "${target.bucket}" does not exist`, target)
  }
  const current =
    lookup.kind === 'found' ? infoOf(target.bucket, target.key, lookup.version) : undefined
  const { preconditions } = request
  checkDeleteConditions(preconditions, await comparableInfo(context, current, preconditions))
  request.guard?.(current)
  return current
}

/** Asks each set once for everything that was decided; answers what failed, by request. */
async function execute(
  state: KeyState,
  decisions: ReadonlyMap<string, Decision>,
): Promise<ReadonlyMap<string, Error>> {
  const bySet = new Map<ErasureSet, { name: string; request: DeleteRequest }[]>()
  for (const [name, { removals }] of decisions) {
    for (const { set, request } of removals) {
      const list = bySet.get(set)
      if (list === undefined) bySet.set(set, [{ name, request }])
      else list.push({ name, request })
    }
  }
  const { bucket, key } = state.target
  const failures = new Map<string, Error>()
  for (const [set, entries] of bySet) {
    const requests = entries.map((entry) => entry.request)
    const results = await removeVersions(set, { bucket, path: state.path }, requests)
    entries.forEach(({ name }, i) => {
      try {
        checkWrite(results[i], { bucket, key })
      } catch (error) {
        failures.set(name, failureOf(error))
      }
    })
  }
  return failures
}

function failureOf(error: unknown): Error {
  if (error instanceof AssertionError || !(error instanceof Error)) throw error
  return error
}
