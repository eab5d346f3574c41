/** Opens the encryption of versions and uploads for handlers, and makes that of new ones. */
import { EncryptionError, type EncryptionRequest } from '#encryption/encryption'
import { encryptionKindOf } from '#encryption/key-metadata'
import { ObjectSeal, openSeal } from '#object/object-seal'
import type { BucketMetadata, ObjectInfo, Unseal, UploadInfo } from '#object/object'
import { sealedPlace } from '#object/sealed-place'
import type { Seal } from '#object/transform'
import { S3Error } from '#s3-protocol/s3-error'
import type { S3Call } from '../s3.ts'
import {
  type ClientKey,
  clientKeyOf,
  needsParameters,
  notApplicable,
  requestedEncryption,
} from './encryption-headers.ts'

/** The encryption of something that is being written, until the end of the block. */
export interface WriteSeal extends Disposable {
  readonly seal: Seal | undefined
  /** Goes into the system metadata of the version or upload. */
  readonly metadata: ReadonlyMap<string, Uint8Array>
}

const PLAIN: WriteSeal = { seal: undefined, metadata: new Map(), [Symbol.dispose]: () => undefined }

/** A new key for what `call` writes, where the request or a default asks for encryption. */
export async function newSeal(
  call: S3Call,
  metadata: BucketMetadata,
  options: { readonly isMultipart: boolean },
): Promise<WriteSeal> {
  return sealFor(call, requestedEncryption(call, metadata), options)
}

/** As `newSeal`, for what was asked. The client's key is wiped. */
export async function sealFor(
  call: S3Call,
  request: EncryptionRequest | undefined,
  options: { readonly isMultipart: boolean },
): Promise<WriteSeal> {
  if (request === undefined) return PLAIN
  const { encryption } = call.services
  const { kind } = request
  try {
    const made = await encryption.create(request, sealedPlace(call), options)
    const isInParts = options.isMultipart
    const seal = new ObjectSeal(made.objectKey, encryption.random, { kind, isInParts })
    return { seal, metadata: made.metadata, [Symbol.dispose]: () => seal.close() }
  } finally {
    if (request.kind === 'sse-c') request.clientKey.fill(0)
  }
}

/** Decrypts what `call` reads, with the key that came with it. `needsKey`: whether a read without content needs the key at all. */
export function unsealFor(
  call: S3Call,
  options: { readonly needsKey: (info: ObjectInfo) => boolean } = { needsKey: () => true },
): Unseal {
  return unsealWith(call, () => clientKeyOf(call), options)
}

/** As `unsealFor`, with a key from elsewhere: of the source of a copy. The engine may ask twice. */
export function unsealWith(
  call: S3Call,
  keyOf: () => ClientKey | undefined,
  options: { readonly needsKey: (info: ObjectInfo) => boolean } = { needsKey: () => true },
): Unseal {
  return async (info) => {
    const clientKey = keyOf()
    try {
      const kind = encryptionKindOf(info.systemMetadata)
      if (kind === undefined) {
        if (clientKey !== undefined) throw notApplicable()
        return undefined
      }
      if ((kind === 'sse-c') !== (clientKey !== undefined)) throw needsParameters()
      if (kind !== 'sse-c' && !options.needsKey(info)) return undefined
      return await openSeal(call.services.encryption, info, clientKey?.key)
    } finally {
      clientKey?.key.fill(0)
    }
  }
}

/** Encrypts a part of an upload, with the key of the client where the upload was begun with one. */
export async function partSeal(call: S3Call, upload: UploadInfo): Promise<Seal | undefined> {
  const clientKey = clientKeyOf(call)
  try {
    const kind = encryptionKindOf(upload.systemMetadata)
    if (kind === undefined && clientKey !== undefined) throw notApplicable()
    if (kind === 'sse-c' && clientKey === undefined) {
      throw new S3Error('InvalidRequest', {
        message:
          'The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.',
      })
    }
    return await openUpload(call, upload, clientKey)
  } finally {
    clientKey?.key.fill(0)
  }
}

/** A key that is not that of the upload is a mistake in the request: what it opens is the caller's own. */
async function openUpload(
  call: S3Call,
  version: UploadInfo | ObjectInfo,
  clientKey: ClientKey | undefined,
): Promise<Seal | undefined> {
  try {
    return await openSeal(call.services.encryption, version, clientKey?.key)
  } catch (error) {
    if (!(error instanceof EncryptionError) || error.code !== 'KeyMismatch') throw error
    throw new S3Error('InvalidArgument', {
      message: 'The provided encryption parameters did not match the ones used originally.',
    })
  }
}

/** For the end of an upload, also told again: its checksums are sealed. Without any the key of the client is not needed. */
export async function completeSeal(
  call: S3Call,
  version: UploadInfo | ObjectInfo,
  options: { readonly hasChecksum: boolean },
): Promise<Seal | undefined> {
  const kind = encryptionKindOf(version.systemMetadata)
  if (kind === undefined || !options.hasChecksum) return undefined
  const clientKey = clientKeyOf(call)
  try {
    if (kind === 'sse-c' && clientKey === undefined) {
      throw new S3Error('InvalidArgument', {
        message:
          'Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.',
      })
    }
    return await openUpload(call, version, clientKey)
  } finally {
    clientKey?.key.fill(0)
  }
}
