import { compareUtf8 } from '#base/bytes'
import type {
  ListRequest,
  ListResult,
  ListVersionsRequest,
  ListVersionsResult,
  ObjectInfo,
} from '../object.ts'
import { versionIdOf } from '../object-info.ts'
import type { ListedVersion, NameSource } from './name-source.ts'
import { infoOfListed, isDeleted, isReadable } from './resolve.ts'
import { RolledNames, type RolledEntry } from './rolled-names.ts'

/**
 * Pages of keys and of versions. Source: s3-api.md 4.3.
 *
 * Each page is a live list that seeks to its marker and looks one entry further, so that `isTruncated` is exact and a
 * key written before the page was asked for is in it.
 */

export interface ListOptions {
  /** The bucket never had versioning: it holds no delete markers. */
  readonly isUnversioned: boolean
}

/** Keys whose latest version is an object, as ListObjects shows them. Errors: `BucketNotFound`, `ReadQuorum`. */
export async function listObjects(
  source: NameSource,
  bucket: string,
  request: ListRequest,
  options: ListOptions,
): Promise<ListResult> {
  const objects: ObjectInfo[] = []
  const commonPrefixes: string[] = []
  const names = new RolledNames(source, {
    ...request,
    bucket,
    expected: request.limit + 1,
    isVisible: ([latest]) => latest !== undefined && isReadable(latest) && !isDeleted(latest),
    trustsFolders: options.isUnversioned,
  })
  let last = ''
  for (;;) {
    const entry = await names.next()
    if (entry === undefined) return { objects, commonPrefixes, isTruncated: false, nextMarker: '' }
    if (objects.length + commonPrefixes.length === request.limit) {
      return { objects, commonPrefixes, isTruncated: true, nextMarker: last }
    }
    last = entry.name
    if (entry.kind === 'prefix') commonPrefixes.push(entry.name)
    else objects.push(infoOfListed(bucket, entry.name, entry.versions, 0))
  }
}

/** All versions and delete markers. Errors: `BucketNotFound`, `ReadQuorum`. */
export async function listVersions(
  source: NameSource,
  bucket: string,
  request: ListVersionsRequest,
  options: ListOptions,
): Promise<ListVersionsResult> {
  const versions: ObjectInfo[] = []
  const commonPrefixes: string[] = []
  const names = new RolledNames(source, {
    ...request,
    bucket,
    expected: request.limit + 1,
    isVisible: (found) => found.some(isShown),
    trustsFolders: options.isUnversioned,
  })
  let nextKeyMarker = ''
  let nextVersionIdMarker = ''
  let entry: RolledEntry | undefined = await resumedKey(source, bucket, request)
  let start = entry?.kind === 'key' ? indexAfter(entry.versions, request.versionIdMarker) : 0
  entry ??= await names.next()
  for (; entry !== undefined; entry = await names.next(), start = 0) {
    const count = entry.kind === 'prefix' ? 1 : entry.versions.length
    for (let i = start; i < count; i++) {
      if (entry.kind === 'key' && !isShown(entry.versions[i])) continue
      if (versions.length + commonPrefixes.length === request.limit) {
        return { versions, commonPrefixes, isTruncated: true, nextKeyMarker, nextVersionIdMarker }
      }
      nextKeyMarker = entry.name
      if (entry.kind === 'prefix') {
        commonPrefixes.push(entry.name)
        nextVersionIdMarker = ''
      } else {
        const info = infoOfListed(bucket, entry.name, entry.versions, i)
        versions.push(info)
        nextVersionIdMarker = info.versionId
      }
    }
  }
  return {
    versions,
    commonPrefixes,
    isTruncated: false,
    nextKeyMarker: '',
    nextVersionIdMarker: '',
  }
}

function isShown(version: ListedVersion | undefined): boolean {
  return version !== undefined && isReadable(version)
}

/** The key that the page before ended in, when it has versions left to show. */
async function resumedKey(
  source: NameSource,
  bucket: string,
  request: ListVersionsRequest,
): Promise<RolledEntry | undefined> {
  const { startAfter: name, prefix, delimiter } = request
  if (request.versionIdMarker === undefined || name === '') return undefined
  if (!name.startsWith(prefix)) return undefined
  if (delimiter !== '' && name.includes(delimiter, prefix.length)) return undefined
  // A key is the first of all names that begin with it.
  const cursor = source.open({ bucket, prefix: name, startAfter: '', recursive: true, expected: 1 })
  const listed = await cursor.next()
  if (listed === undefined || compareUtf8(listed.name, name) !== 0) return undefined
  return { kind: 'key', name, versions: listed.versions }
}

/**
 * Index of the version after the marker. A marker that is gone was deleted since the last page, like all before it when
 * a client deletes what it lists: all that are left come again rather than none.
 */
function indexAfter(versions: readonly ListedVersion[], marker: string | undefined): number {
  return 1 + versions.findIndex((version) => versionIdOf(version.header.versionId) === marker)
}
