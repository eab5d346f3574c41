/**
 * What a client may expect of a server that was killed: per key, the states that acknowledged and unanswered requests
 * allow. Each key has one writer, so its history is a sequence with at most one unanswered request at its end.
 */
import assert from 'node:assert/strict'

/** SHA-256 of the content; null when there is no object. */
export type State = string | null

/** A key of an unversioned bucket. */
export class KeyModel {
  #allowed: readonly State[] = [null]
  /** What became of each earlier state, to tell a lost write from one that comes back. */
  readonly #past = new Map<State, string>()

  get allowed(): readonly State[] {
    return this.#allowed
  }

  /** A write is on its way: old and new are possible until it is answered. */
  begin(next: State): void {
    this.#allowed = [...this.#allowed, next]
  }

  /** The write was acknowledged: nothing else is possible. */
  acknowledge(next: State): void {
    for (const state of this.#allowed) this.#past.set(state, 'replaced by an acknowledged write')
    this.#allowed = [next]
  }

  /** A read after a restart decides what an unanswered write became; it may not change its mind later. */
  observe(key: string, actual: State): void {
    assert.ok(
      this.#allowed.includes(actual),
      `"${key}" reads as ${actual} (${this.#past.get(actual) ?? 'never written'}), allowed: ${this.#allowed.join(', ')}`,
    )
    for (const state of this.#allowed) {
      if (state !== actual) this.#past.set(state, 'not there after an earlier restart')
    }
    this.#allowed = [actual]
  }
}

export interface ModelVersion {
  readonly versionId: string
  /** Null: a delete marker. */
  readonly sha256: State
}

type PendingChange =
  | { readonly kind: 'add'; readonly sha256: State }
  | { readonly kind: 'remove'; readonly versionId: string }

/** A key of a versioned bucket; versions newest first. */
export class VersionsModel {
  #versions: readonly ModelVersion[] = []
  #pending: PendingChange | undefined

  get versions(): readonly ModelVersion[] {
    return this.#versions
  }

  begin(change: PendingChange): void {
    this.#pending = change
  }

  acknowledgeAdded(version: ModelVersion): void {
    this.#versions = [version, ...this.#versions]
    this.#pending = undefined
  }

  acknowledgeRemoved(versionId: string): void {
    this.#versions = this.#versions.filter((version) => version.versionId !== versionId)
    this.#pending = undefined
  }

  /** Judges the versions that the server lists after a restart, newest first. */
  observe(key: string, actual: readonly ModelVersion[]): void {
    const pending = this.#pending
    const allowed = [this.#versions]
    if (pending?.kind === 'remove') {
      allowed.push(this.#versions.filter((version) => version.versionId !== pending.versionId))
    }
    const [newest] = actual
    if (pending?.kind === 'add' && newest?.sha256 === pending.sha256) {
      allowed.push([newest, ...this.#versions])
    }
    const text = describe(actual)
    assert.ok(
      allowed.some((versions) => describe(versions) === text),
      `"${key}" has versions ${text}, allowed: ${allowed.map(describe).join(' or ')}; unanswered: ${JSON.stringify(pending)}`,
    )
    this.#versions = actual
    this.#pending = undefined
  }
}

function describe(versions: readonly ModelVersion[]): string {
  const short = versions.map(
    ({ versionId, sha256 }) => `${versionId.slice(0, 8)}=${sha256?.slice(0, 12) ?? 'marker'}`,
  )
  return `[${short.join(' ')}]`
}
