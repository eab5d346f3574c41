/**
 * Who sent a request, and how its body must be checked (s3-api.md 2).
 * `authenticate-scheme.ts` tells the scheme, the file of each scheme verifies.
 *
 * Invariants
 * - An identity is answered only after a signature over the whole request was verified; no scheme and no payload mode
 *   takes credentials without.
 * - The payload mode is the one that was signed; nothing else of the request decides it.
 */
import type { Clock } from '#base/clock'
import type { HttpRequest } from '#http/http'
import type { ChunkChain } from '#s3-protocol/chunked'
import type { Query } from '#s3-protocol/query'
import { S3Error } from '#s3-protocol/s3-error'
import { SigningKeyCache, STREAMING_UNSIGNED_TRAILER, UNSIGNED_PAYLOAD } from '#s3-protocol/sigv4'
import { tokenOf } from './authenticate-credential.ts'
import { authenticateForm } from './authenticate-form.ts'
import { STREAMING, wholeBodyRule } from './authenticate-payload.ts'
import { authenticateHeaderV2, authenticatePresignedV2 } from './authenticate-v2.ts'
import { authenticateHeaderV4, authenticatePresignedV4 } from './authenticate-v4.ts'
import type { Identity } from './s3.ts'

export interface Credential {
  readonly accessKey: string
  readonly secretKey: string
  readonly isOwner: boolean
  /** Of temporary credentials: must come with every request. */
  readonly sessionToken?: string | undefined
  readonly isDisabled?: boolean | undefined
  readonly expiresMs?: number | undefined
}

/** Where secret keys come from. */
export interface CredentialSource {
  find(accessKey: string): Credential | undefined | Promise<Credential | undefined>
}

export type Scheme =
  | 'anonymous'
  | 'v4-header'
  | 'v4-presigned'
  | 'v2-header'
  | 'v2-presigned'
  | 'form'

/** How the body must be checked while it is read. */
export type PayloadRule =
  | { readonly kind: 'unchecked' }
  | { readonly kind: 'sha256'; readonly hex: string }
  | {
      readonly kind: 'chunked'
      readonly chain: ChunkChain | undefined
      readonly hasTrailer: boolean
    }

export interface Authentication {
  readonly identity: Identity
  readonly scheme: Scheme
  readonly payload: PayloadRule
  /** Of presigned V4 requests. */
  readonly signatureAgeMs?: number | undefined
}

/** The parts of a request that signatures cover. */
export interface SignedTarget {
  readonly request: HttpRequest
  /** Decoded path, without the query and without what a proxy took off. */
  readonly path: string
  /** The path as the client sent it; with `/bucket` in front for virtual hosts. */
  readonly resourcePath: string
  readonly query: Query
  /** True where any region of the scope is right: clients ask for the region there. */
  readonly anyRegion: boolean
}

export interface AuthenticatorOptions {
  readonly credentials: CredentialSource
  readonly clock: Clock
  /** Configured region, empty when none. */
  readonly region: string
}

/** What the schemes verify with. */
export interface SchemePorts extends AuthenticatorOptions {
  readonly keys: SigningKeyCache
}

/** Verifies signatures; one per thread, for its cache of keys. */
export class Authenticator {
  readonly #ports: SchemePorts

  constructor(options: AuthenticatorOptions) {
    this.#ports = { ...options, keys: new SigningKeyCache() }
  }

  /** Verifies the request as `scheme`. Throws the errors of 2.2 to 2.7. */
  async authenticate(target: SignedTarget, scheme: Scheme): Promise<Authentication> {
    switch (scheme) {
      case 'v4-header':
        return authenticateHeaderV4(this.#ports, target)
      case 'v4-presigned':
        return authenticatePresignedV4(this.#ports, target)
      case 'v2-header':
        return authenticateHeaderV2(this.#ports, target)
      case 'v2-presigned':
        return authenticatePresignedV2(this.#ports, target)
      case 'form':
      case 'anonymous':
        return anonymous(target, scheme)
    }
  }

  /**
   * Who signed the policy of a form: the fields by lower-case name. Anonymous when there is neither policy nor key.
   * Throws the errors of 6.1.2 and 2.2.
   */
  authenticateForm(fields: ReadonlyMap<string, string>): Promise<Authentication> {
    return authenticateForm(this.#ports, fields)
  }
}

function anonymous({ request, query }: SignedTarget, scheme: Scheme): Authentication {
  if (tokenOf(request, query) !== undefined) {
    throw new S3Error('AccessDenied', { message: 'No AWSAccessKey was presented' })
  }
  const declared = request.header('x-amz-content-sha256')
  const streaming = declared === undefined ? undefined : STREAMING.get(declared)
  // Without a key there is nothing that chunks could be signed with.
  if (streaming?.signed === true) {
    throw new S3Error('InvalidRequest', {
      message: `Anonymous requests don't support this x-amz-content-sha256 value. Please use ${UNSIGNED_PAYLOAD} or ${STREAMING_UNSIGNED_TRAILER}.`,
    })
  }
  return {
    identity: { accessKey: '', isOwner: false },
    scheme,
    payload:
      streaming === undefined
        ? wholeBodyRule(declared ?? UNSIGNED_PAYLOAD)
        : { kind: 'chunked', chain: undefined, hasTrailer: true },
  }
}
