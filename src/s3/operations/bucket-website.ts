/** Website configuration of a bucket (s3-api.md 4.15.1); `website.ts` serves by it. */
import { parseWebsite } from '#s3-protocol/website'
import { deleteDocument, putDocument, storedDocument } from './bucket-config.ts'

export const getBucketWebsite = storedDocument('WebsiteConfigXML', {
  code: 'NoSuchWebsiteConfiguration',
})
export const putBucketWebsite = putDocument('WebsiteConfigXML', (root) => void parseWebsite(root))
export const deleteBucketWebsite = deleteDocument('WebsiteConfigXML')
