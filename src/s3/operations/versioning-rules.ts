import { textOf } from '#base/bytes'
import { parseVersioning, versioningStateOf } from '#object/bucket-versioning'
import type { BucketMetadata, VersioningState } from '#object/object'

/** The state that holds for one key: excluded keys of a versioned bucket behave as suspended. */
export function versioningOf(metadata: BucketMetadata, key: string): VersioningState {
  if (metadata.versioning !== 'enabled') return metadata.versioning
  const document = metadata.document('VersioningConfigXML')
  if (document === undefined) return 'enabled'
  // Exclusions are rare and writes are many: only a document that can hold one is parsed.
  const text = textOf(document)
  return text.includes('<Exclude') ? versioningStateOf(parseVersioning(text), key) : 'enabled'
}
