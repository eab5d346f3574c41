import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { concatBytes, utf8 } from '#base/bytes'
import { FormatError, MsgpackWriter } from '#codec/msgpack'
import {
  type BucketDocumentName,
  type BucketMetadataFile,
  encodeBucketMetadata,
  newBucketMetadata,
  parseBucketMetadata,
} from './bucket-metadata-file.ts'

const CREATED_NS = 1_735_689_600_123_456_789n
const NAMES: readonly BucketDocumentName[] = [
  'PolicyConfigJSON',
  'NotificationConfigXML',
  'LifecycleConfigXML',
  'ObjectLockConfigXML',
  'VersioningConfigXML',
  'EncryptionConfigXML',
  'TaggingConfigXML',
  'QuotaConfigJSON',
  'ReplicationConfigXML',
  'BucketTargetsConfigJSON',
  'BucketTargetsConfigMetaJSON',
]
const PHOTOS: BucketMetadataFile = {
  ...newBucketMetadata('photos', CREATED_NS),
  updatedNs: new Map(NAMES.map((name) => [name, CREATED_NS])),
}

test('an empty bucket encodes to the bytes of the specification', () => {
  const bytes = encodeBucketMetadata(PHOTOS)
  assert.equal(bytes.length, 753)
  assert.equal(
    createHash('sha256').update(bytes).digest('hex'),
    'fb1f74af85206737e6c99f86f7f675f4024089a5068edbcda1a285faeb2ecedd',
  )
  assert.deepEqual(parseBucketMetadata(bytes), { ...PHOTOS, kept: undefined })
})

test('documents, legacy lock, missing times and unknown fields survive', () => {
  const extra = new MsgpackWriter()
  extra.text('Future')
  extra.signed(5)
  const file: BucketMetadataFile = {
    ...newBucketMetadata('b', 0n),
    lockEnabled: true,
    documents: new Map([['QuotaConfigJSON', utf8('{"quota":1}')]]),
    updatedNs: new Map([['QuotaConfigJSON', 5n]]),
    kept: { count: 1, fields: extra.copy() },
  }
  assert.deepEqual(parseBucketMetadata(encodeBucketMetadata(file)), file)
})

test('a file of an older release gets defaults for the fields it lacks', () => {
  const writer = new MsgpackWriter()
  writer.mapHeader(2)
  writer.text('Name')
  writer.text('old')
  writer.text('Created')
  writer.timeNs(CREATED_NS)
  const bytes = concatBytes([new Uint8Array([1, 0, 1, 0]), writer.copy()])
  const file = newBucketMetadata('old', CREATED_NS)
  assert.deepEqual(parseBucketMetadata(bytes), { ...file, kept: undefined })
})

test('other versions and truncated files are refused', () => {
  const bytes = encodeBucketMetadata(PHOTOS)
  for (let size = 0; size < bytes.length; size++) {
    assert.throws(() => parseBucketMetadata(bytes.subarray(0, size)), FormatError)
  }
  for (let i = 0; i < 4; i++) {
    const other = bytes.slice()
    other[i] = 7
    assert.throws(() => parseBucketMetadata(other), FormatError)
  }
})
