/** Uploads by browser forms (s3-api.md 6.1). The file is stored as a PUT with the form's fields for headers. */
import { utf8 } from '#base/bytes'
import type { BodySource } from '#object/object'
import { contentTypeOf } from '#s3-protocol/content-types'
import {
  checkPostPolicy,
  malformedForm,
  parsePostPolicy,
  type PostPolicy,
} from '#s3-protocol/post-policy'
import { cleanKey } from '#s3-protocol/names'
import { headerValueText } from '#s3-protocol/percent'
import { Query } from '#s3-protocol/query'
import { S3Error } from '#s3-protocol/s3-error'
import { formatTags, parseTagXml } from '#s3-protocol/tagging'
import type { S3Call, S3Reply } from '../s3.ts'
import { innerWrite, type InnerWrite, requestWithin } from './inner-write.ts'
import { objectUrl } from './object-url.ts'
import { putObject } from './object-write.ts'
import { fanOut } from './post-policy-fan-out.ts'
import type { PostForm } from './post-policy-form.ts'
import { plainXmlDocument } from './xml-document.ts'

/** Fields that become headers of the write, beside all `x-amz-…` that are not parts of the signature. */
const HEADER_FIELDS = new Set([
  'content-type',
  'content-encoding',
  'content-disposition',
  'content-language',
  'content-md5',
  'cache-control',
  'expires',
])

const SIGNATURE_FIELDS = new Set([
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-signature',
  'x-amz-security-token',
  // Tags come as a document; the header form is not for forms.
  'x-amz-tagging',
])

const TAGS_MAX = 10
const FAN_OUT = 'x-minio-fanout-list'

/** `POST` of a form to a bucket. */
export async function postPolicyUpload(call: S3Call): Promise<S3Reply> {
  const { request } = call
  if (request.header('x-amz-server-side-encryption') === 'aws:kms') {
    throw new S3Error('NotImplemented')
  }
  if (request.contentLength === 0) throw new S3Error('EmptyRequestBody')
  // The parser is a package: threads load it with their first form.
  const { readForm } = await import('./post-policy-form.ts')
  const form = await readForm(call.body, request.header('content-type') ?? '')
  try {
    return await postForm(call, form)
  } finally {
    await form.file.close()
  }
}

async function postForm(call: S3Call, form: PostForm): Promise<S3Reply> {
  const { fields } = form
  const name = keyOf(form)
  const key = call.services.cleansKeys === true ? cleanKey(name) : name
  const redirect = redirectOf(fields)
  const signer = await call.signerOfForm(fields)
  const headers = headersOf(fields, key)
  const caller = { ...signer, isAllowed: askedOfForm(call, signer.isAllowed, headers) }
  const isFanOut = fields.has(FAN_OUT)
  const action = isFanOut ? 's3:PutObjectFanOut' : 's3:PutObject'
  if (!(await caller.isAllowed(action, call.bucket, key))) throw new S3Error('AccessDenied')
  const policy = policyOf(call, form, key)
  const write: InnerWrite = {
    key,
    headers,
    body: policy === undefined ? form.file : sized(form.file, policy),
    caller,
  }
  if (isFanOut) return fanOut(call, write, fields.get(FAN_OUT) ?? '')
  const stored = await putObject(innerWrite(call, write))
  return replyOf(call, { key, redirect, status: fields.get('success_action_status') }, stored)
}

/** The question for the form's fields: what is around them, anybody may write there. */
function askedOfForm(
  { request }: S3Call,
  isAllowed: S3Call['isAllowed'],
  headers: InnerWrite['headers'],
): S3Call['isAllowed'] {
  const ofClient = ['referer', 'user-agent'].flatMap((name): [string, string][] =>
    request.headerValues(name).map((value) => [name, headerValueText(value)]),
  )
  const about = { request: requestWithin(request, [...headers, ...ofClient]), query: Query.EMPTY }
  return (action, bucket, key, more) => isAllowed(action, bucket, key, { ...more, ...about })
}

/** The key to store, with the name of the file in it. */
function keyOf({ fields, file }: PostForm): string {
  const key = fields.get('key')
  if (key === undefined || key === '')
    throw malformedForm('The name of the uploaded key is missing')
  return key.replaceAll('${filename}', () => file.name)
}

function redirectOf(fields: ReadonlyMap<string, string>): URL | undefined {
  const text = fields.get('success_action_redirect') ?? fields.get('redirect') ?? ''
  if (text === '') return undefined
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol))
    throw malformedForm('The redirect is not a URL')
  return url
}

/** The policy that was signed, after the form was held against it; undefined for anonymous forms. */
function policyOf(call: S3Call, form: PostForm, key: string): PostPolicy | undefined {
  const text = form.fields.get('policy')
  if (text === undefined) return undefined
  const policy = parsePostPolicy(text)
  const fields = new Map(form.fields)
  fields.set('key', key).set('bucket', call.bucket)
  checkPostPolicy(policy, { fields, repeated: form.repeated }, call.services.clock.nowMs())
  return policy
}

function headersOf(
  fields: ReadonlyMap<string, string>,
  key: string,
): readonly (readonly [string, string])[] {
  const headers: (readonly [string, string])[] = []
  for (const [name, value] of fields) {
    const isHeader = name.startsWith('x-amz-')
      ? !SIGNATURE_FIELDS.has(name)
      : HEADER_FIELDS.has(name)
    if (isHeader) headers.push([name, value])
  }
  const guessed = (fields.get('content-type') ?? '') === '' ? contentTypeOf(key) : undefined
  if (guessed !== undefined) headers.push(['content-type', guessed])
  const acl = fields.get('acl')
  if (acl !== undefined) headers.push(['x-amz-acl', acl])
  const tagging = fields.get('tagging')
  if (tagging !== undefined && tagging !== '') headers.push(['x-amz-tagging', tagsOf(tagging)])
  return headers
}

function tagsOf(document: string): string {
  return formatTags(parseTagXml(utf8(document), TAGS_MAX))
}

/** A body whose size must lie in the range of the policy. */
function sized(body: BodySource, { sizeMinBytes, sizeMaxBytes }: PostPolicy): BodySource {
  let size = 0
  return {
    sizeBytes: undefined,
    read: async (target) => {
      const count = await body.read(target)
      size += count
      if (size > sizeMaxBytes) {
        // As far as it was read: what lies behind does not matter any more.
        throw outOfRange('EntityTooLarge', size, ['MaxSizeAllowed', sizeMaxBytes])
      }
      if (count < target.length && size < sizeMinBytes) {
        throw outOfRange('EntityTooSmall', size, ['MinSizeAllowed', sizeMinBytes])
      }
      return count
    },
  }
}

function outOfRange(
  code: 'EntityTooLarge' | 'EntityTooSmall',
  sizeBytes: number,
  [name, limitBytes]: readonly [string, number],
): S3Error {
  return new S3Error(code, {
    elements: [
      ['ProposedSize', String(sizeBytes)],
      [name, String(limitBytes)],
    ],
  })
}

function replyOf(
  call: S3Call,
  outcome: {
    readonly key: string
    readonly redirect: URL | undefined
    readonly status: string | undefined
  },
  stored: S3Reply,
): S3Reply {
  const { key, redirect, status } = outcome
  const headers = [...(stored.headers ?? [])]
  const etag = headers.find(([name]) => name === 'ETag')?.[1] ?? ''
  if (redirect !== undefined) {
    const query = [
      ['bucket', call.bucket],
      ['key', key],
      ['etag', etag],
    ].map(([name = '', value = '']) => `${name}=${encodeURIComponent(value)}`)
    const location = `${redirect.href.replace(/#.*$/, '')}${redirect.search === '' ? '?' : '&'}${query.join('&')}`
    return { status: 303, headers: [...headers, ['Location', location]] }
  }
  const location = objectUrl(call, key)
  headers.push(['Location', location])
  if (status === '200') return { status: 200, headers }
  if (status !== '201') return { status: 204, headers }
  const body = plainXmlDocument('PostResponse', [
    ['Bucket', call.bucket],
    ['Key', key],
    ['ETag', etag],
    ['Location', location],
  ])
  return { status: 201, headers, body }
}
