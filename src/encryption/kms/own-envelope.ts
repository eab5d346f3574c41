import { strictTextOf, utf8 } from '#base/bytes'

/**
 * Data keys that Vault or AWS KMS sealed: a form that MinIO refuses cleanly, and that tells which service can open it.
 * Source: encryption.md 6.5.
 */

export type OwnProvider = 'vault-transit' | 'aws-kms'

export interface OwnEnvelope {
  readonly provider: OwnProvider
  /** Vault's text, or base64. */
  readonly ciphertext: string
  /** AWS got a digest of the context instead of the context. */
  readonly isContextHidden: boolean
}

export function encodeEnvelope(envelope: OwnEnvelope): Uint8Array {
  const { provider, ciphertext, isContextHidden } = envelope
  const hidden = isContextHidden ? { ctx: 'sha256' } : {}
  return utf8(JSON.stringify({ cairnkms: 1, provider, ...hidden, ct: ciphertext }))
}

/** Undefined: it is another form. */
export function parseOwnEnvelope(blob: Uint8Array): OwnEnvelope | undefined {
  if (blob[0] !== 0x7b || blob.at(-1) !== 0x7d) return undefined
  let parsed: unknown
  try {
    parsed = JSON.parse(strictTextOf(blob) ?? '')
  } catch {
    return undefined // then it is another form
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined
  const fields = new Map<string, unknown>(Object.entries(parsed))
  const provider = fields.get('provider')
  const ciphertext = fields.get('ct')
  if (fields.get('cairnkms') !== 1 || typeof ciphertext !== 'string') return undefined
  if (provider !== 'vault-transit' && provider !== 'aws-kms') return undefined
  return { provider, ciphertext, isContextHidden: fields.get('ctx') === 'sha256' }
}
