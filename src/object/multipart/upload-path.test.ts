import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { utf8 } from '#base/bytes'
import { seededRandom } from '#base/random'
import {
  decodeUploadId,
  encodeUploadId,
  keyFolder,
  newUpload,
  uploadCreatedNs,
} from './upload-path.ts'

const DEPLOYMENT = '4a0a3d2e-7c5b-4b53-9b7c-1c0e6f2d8a11'
const UPLOAD = '0b6c0f6e-54f1-4d6d-9a57-7c1f3a2b9c10x1735689600123456789'
const ID =
  'NGEwYTNkMmUtN2M1Yi00YjUzLTliN2MtMWMwZTZmMmQ4YTExLjBiNmMwZjZlLTU0ZjEtNGQ2ZC05YTU3LTdjMWYzYTJiOWMxMHgxNzM1Njg5NjAwMTIzNDU2Nzg5'

test('ids have the known form', () => {
  assert.equal(encodeUploadId(DEPLOYMENT, UPLOAD), ID)
  assert.equal(decodeUploadId(ID), UPLOAD)
  assert.equal(
    newUpload('0b6c0f6e-54f1-4d6d-9a57-7c1f3a2b9c10', 1_735_689_600_123_456_789n),
    UPLOAD,
  )
  assert.equal(uploadCreatedNs(UPLOAD), 1_735_689_600_123_456_789n)
})

test('ids of old releases are the upload itself', () => {
  const old = '0b6c0f6e-54f1-4d6d-9a57-7c1f3a2b9c10'
  assert.equal(decodeUploadId(old), old)
  assert.equal(uploadCreatedNs(old), undefined)
})

test('ids that could lead elsewhere name no upload', () => {
  const hostile = [
    '',
    '.',
    '..',
    '../../etc',
    `${ID}=`,
    'a'.repeat(300),
    encodeUploadId(DEPLOYMENT, '../x'),
    encodeUploadId(DEPLOYMENT, ''),
    encodeUploadId(DEPLOYMENT, `${UPLOAD}/..`),
    encodeUploadId('', 'x'),
    utf8('a.b.c').toBase64({ alphabet: 'base64url' }),
  ]
  for (const id of hostile) assert.equal(decodeUploadId(id), undefined, id)
  const random = seededRandom(3)
  for (let i = 0; i < 2000; i++) {
    const id = random.bytes(random.below(60)).toBase64({ alphabet: 'base64url' })
    assert.equal(decodeUploadId(id), undefined)
  }
})

test('the folder of a key is the hash of its path', () => {
  const codec = {
    checksum: () => {
      const hash = createHash('sha256')
      return {
        update: (data: Uint8Array): void => void hash.update(data),
        digest: () => new Uint8Array(hash.digest()),
      }
    },
  }
  assert.equal(
    keyFolder(codec, 'mybucket', 'photos/big.bin'),
    '92642aab736310391b194d99d60bc72e0d87541561318e5776595c1ad6c8b543',
  )
})
