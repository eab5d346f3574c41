import type { Exception } from './checks.ts'
import type { ServerKind } from './server.ts'

/**
 * Known exceptions of a take-over, matched against `<scenario>/<check id>`. Each must be needed wherever it matches: one
 * whose checks all pass fails the run, so that the table shrinks with every feature.
 */
export const TAKE_OVER_EXCEPTIONS: Readonly<Record<ServerKind, readonly Exception[]>> = {
  minio: [],
  cairn: [
    {
      match: /^old-[^/]+\/sealed\/(key|listV2|listVersions)/,
      reason: 'server-side encryption is not built',
    },
    {
      match: /^multipart-pending\/uploads\/upload\/(s3|kms)\/encrypted#.*\/complete$/,
      reason: 'server-side encryption is not built',
    },
    {
      match:
        /^old-(2019|2021)[^/]+\/plain\/key\/squeezed\/.*\/(get|recovered|parts\/.*|ranges\/.*)$/,
      reason: 'compression is not built',
    },
    {
      match:
        /^old-2022-05-upgraded\/plain\/key\/squeezed\/middle\.txt#15be4dd3-.*\/(get|parts\/.*|ranges\/.*)$/,
      reason: 'compression is not built',
    },
  ],
}
