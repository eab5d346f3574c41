/** Asks the real MinIO whether it finds anything to repair, through its admin API (admin-api.md 2.4). */
import { setTimeout as sleep } from 'node:timers/promises'
import type { S3Driver } from './s3-driver.ts'

interface HealItem {
  readonly type: string
  readonly bucket: string
  readonly object: string
  readonly versionId?: string
  readonly detail?: string
  readonly before?: { readonly drives?: readonly { readonly state: string }[] }
}

interface HealStatus {
  readonly Summary: string
  readonly Detail?: string
  readonly Items?: readonly HealItem[]
}

export interface HealReport {
  readonly itemCount: number
  /** Items that are not in order on every drive. */
  readonly wounds: readonly string[]
}

/** A deep dry run over one bucket. Rejects when it does not finish in a minute. */
export async function dryRunHeal(client: S3Driver, bucket: string): Promise<HealReport> {
  const path = `/minio/admin/v3/heal/${bucket}`
  const options = JSON.stringify({ recursive: true, dryRun: true, remove: false, scanMode: 2 })
  const query = { forceStart: 'true' }
  const start = await client.must({ method: 'POST', path, query, body: options })
  // The real MinIO answers these requests, in the form that admin-api.md B.4 gives.
  const { clientToken } = JSON.parse(start.text) as { readonly clientToken: string }
  const items: HealItem[] = []
  for (let attempt = 0; attempt < 240; attempt++) {
    const reply = await client.must({ method: 'POST', path, query: { clientToken } })
    const status = JSON.parse(reply.text) as HealStatus
    items.push(...(status.Items ?? []))
    if (status.Summary === 'stopped')
      throw new Error(`The heal of "${bucket}" stopped: ${status.Detail}`)
    if (status.Summary === 'finished') return report(items)
    await sleep(250)
  }
  throw new Error(`The heal of "${bucket}" did not finish`)
}

function report(items: readonly HealItem[]): HealReport {
  const wounds = items
    .filter((item) => {
      const drives = item.before?.drives ?? []
      // Buckets are listed without drives.
      const isSeen = item.type !== 'object' || drives.length > 0
      return !isSeen || drives.some((drive) => drive.state !== 'ok')
    })
    .map((item) => {
      const states = (item.before?.drives ?? []).map((drive) => drive.state).join(',')
      return `${item.type} ${item.bucket}/${item.object}#${item.versionId ?? ''} [${states}] ${item.detail ?? ''}`
    })
  return { itemCount: items.length, wounds }
}
