/** CORS configuration of a bucket (s3-api.md 4.14.2); `cross-origin.ts` acts upon it. */
import { parseCors } from '#s3-protocol/cors'
import { deleteDocument, putDocument, storedDocument } from './bucket-config.ts'

export const getBucketCors = storedDocument('CorsConfigXML', { code: 'NoSuchCORSConfiguration' })
export const putBucketCors = putDocument('CorsConfigXML', (root) => void parseCors(root))
export const deleteBucketCors = deleteDocument('CorsConfigXML')
