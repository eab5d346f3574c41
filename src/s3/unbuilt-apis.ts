/** APIs of MinIO beside S3 that are not built yet: temporary credentials and metrics (s3-api.md 1.1). */
import type { HttpRequest } from '#http/http'
import type { Address } from './router.ts'

const METRICS_PATTERN = /^\/minio\/(?:v2\/metrics|prometheus\/metrics|metrics\/v3)(?:\/|$)/
const FORM_TYPE = 'application/x-www-form-urlencoded'

/** True for requests that no bucket is meant by, however they are signed. */
export function isUnbuiltApi(request: HttpRequest, { path, query, virtualHost }: Address): boolean {
  if (virtualHost) return false
  if (METRICS_PATTERN.test(path)) return true
  if (request.method !== 'POST' || path !== '/') return false
  return (
    query?.has('Action') === true || request.header('content-type')?.startsWith(FORM_TYPE) === true
  )
}
