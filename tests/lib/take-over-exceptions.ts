import type { Exception } from './checks.ts'
import type { ServerKind } from './server.ts'
import * as specified from './specified.ts'

/** Departures from the reference that s3-api.md chooses (marks **C**), in MinIO's replies to the same requests. */
export const CHOICES: readonly Exception[] = [
  {
    match: /\/config\/acl$/,
    reason: 'owner and grantee are named (4.16)',
    instead: specified.ownedAcl,
  },
  {
    match: /\/attributes$/,
    reason:
      'ObjectParts of multipart objects only, MaxParts 1000, exact IsTruncated, size 0 shown, sizes of parts as clients see them (4.2.6)',
    instead: (expected, check) => {
      const chosen = specified.attributes(expected)
      return check.specified?.(chosen) ?? chosen
    },
  },
  {
    match: /\/key\/.*\/(head|get)$/,
    reason: 'what is asked of a delete marker is answered with Allow, as AWS does',
    instead: specified.allowedDelete,
  },
  {
    match: /(^|\/)suspended\/key\/[^#]*#null\/(head|get)$/,
    reason: 'the null version is named where versioning is suspended (3.6)',
    instead: specified.namedNullVersion,
  },
  {
    match: /\/key\/(s3|kms[^/]*)\/(dir-with-content|empty-dir)\/#null\/head$/,
    reason:
      'the entity tag of a folder is shown as in lists, not as it is stored (encryption.md 3.2)',
    instead: (expected, check) => check.specified?.(expected),
  },
  {
    match: /\/ranges\/bytes=-1$/,
    reason:
      'an empty object has no range to name: Content-Range of the reference ends before its start (3.9)',
    instead: specified.rangeOfNothing,
  },
]

/**
 * Known exceptions of a take-over, matched against `<scenario>/<check id>`. Each must be needed wherever it matches: one
 * whose checks all pass fails the run, so that the table shrinks with every feature.
 */
export const TAKE_OVER_EXCEPTIONS: Readonly<Record<ServerKind, readonly Exception[]>> = {
  minio: [],
  cairn: [
    ...CHOICES,
    {
      match: /\/config\/policyStatus$/,
      reason: 'lower-case, as SDKs read it, and by the definition of AWS (4.17 (4))',
      instead: (expected, check) => check.specified?.(expected),
    },
    {
      match: /\/list(V2|Versions)\?/,
      reason:
        'keys below keys are listed (3.1), pages are full, nothing is listed twice (4.3.2 (4)), no prefix of deleted keys only (4.3.2 (12))',
      instead: (expected, check) => check.specified?.(expected) ?? expected,
    },
    {
      match: /\/listParts$/,
      reason: 'pages of 1000 parts (4.6.6); storage class and checksum algorithm as AWS shows them',
      instead: (expected, check) => check.specified?.(expected),
    },
    {
      match: /\/key\/.*\/(retention|legal-hold)$/,
      reason: 'a version without lock is 404 (4.9)',
      instead: specified.refusedWith(404, 'NoSuchObjectLockConfiguration'),
    },
    {
      match: /^ec4-versions\/locked\/probe\/DELETE /,
      reason: 'a protected version refuses its deletion with 403 (4.9)',
      instead: specified.refusedWith(403, 'AccessDenied'),
    },
    {
      match: /\/refusedKey\/(\/\/|a\/\/b|x+)$/,
      reason: 'keys are flat: empty and long segments are stored (3.1)',
      instead: () => ({ status: 200, code: null }),
    },
    {
      match:
        /\/key\/(multipart\/gaps in numbers|mp\/(c|kms|s3-three-small-number))#null\/(partsCount|parts\/[13])$/,
      reason:
        'parts are named by number; the reference takes some by position (README of the fixtures)',
    },
    {
      match: /^old-2021-02[^/]*\/sealed\/key\/sse-s3\/[^#]+#null\/(head|get|attributes)$/,
      reason:
        'data keys of that time are opened, which the reference refuses (encryption.md 6.2): tags and contents are shown',
    },
  ],
}
