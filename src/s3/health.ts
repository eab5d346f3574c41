/** Health endpoints for load balancers and orchestrators (distributed.md 1.9). No authentication. */
import type { ObjectEngine, SetHealth } from '#object/object'
import type { Query } from '#s3-protocol/query'

export interface HealthReply {
  readonly status: number
  readonly headers: readonly (readonly [string, string])[]
}

const PREFIX = '/minio/health/'

/** True for paths that this module answers. */
export function isHealthPath(path: string): boolean {
  return path.startsWith(PREFIX)
}

/** The reply to GET or HEAD; undefined for a path that is none of the four. */
export function healthReply(
  path: string,
  query: Query,
  engine: ObjectEngine,
): HealthReply | undefined {
  switch (path.slice(PREFIX.length).replace(/\/$/, '')) {
    case 'live':
    case 'ready':
      return { status: 200, headers: [] }
    case 'cluster':
      return clusterReply(engine.health(), 'write', query)
    case 'cluster/read':
      return clusterReply(engine.health(), 'read', query)
    default:
      return undefined
  }
}

function clusterReply(
  sets: readonly SetHealth[],
  access: 'read' | 'write',
  query: Query,
): HealthReply {
  const quorum = (set: SetHealth): number => (access === 'read' ? set.readQuorum : set.writeQuorum)
  const isMaintenance = query.get('maintenance') === 'true'
  // All drives are on this node: without it no set has any.
  const isHealthy = !isMaintenance && sets.every((set) => set.online >= quorum(set))
  return {
    status: isHealthy ? 200 : isMaintenance ? 412 : 503,
    headers: [[`x-minio-${access}-quorum`, String(Math.max(0, ...sets.map(quorum)))]],
  }
}
