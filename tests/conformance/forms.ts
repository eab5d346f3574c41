/** Browser forms: policies, their signatures, and multipart bodies. */
import { createHmac } from 'node:crypto'
import type { Trial } from './trial.ts'
import { amzDate } from './wire.ts'

export type Field = readonly [name: string, value: string]

export interface Form {
  readonly bucket: string
  readonly key: string
  /** Beside `bucket` and `key`. */
  readonly conditions?: readonly unknown[]
  /** Fields named here are in the form, and in the policy too. */
  readonly fields?: readonly Field[]
  /** Fields that the policy does not name. */
  readonly unnamed?: readonly Field[]
  readonly file?: string | Uint8Array
  readonly fileName?: string
  readonly filePart?: string
  /** Replaces the whole policy. */
  readonly policy?: unknown
  readonly expiresMs?: number
  readonly signing?: 'v4' | 'v2' | 'none'
  readonly accessKey?: string
  readonly secretKey?: string
  readonly forge?: (fields: Field[]) => Field[]
}

function hmac(key: string | Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

/** Fields of a signed form, file excluded. */
export function formFields(t: Trial, form: Form): Field[] {
  const { fields = [], unnamed = [], conditions = [] } = form
  const { credentials, region } = t.wire
  const accessKey = form.accessKey ?? credentials.accessKey
  const secretKey = form.secretKey ?? credentials.secretKey
  const date = amzDate(Date.now())
  const scope = `${date.slice(0, 8)}/${region}/s3/aws4_request`
  const signing = form.signing ?? 'v4'
  const ownFields: Field[] =
    signing === 'v4'
      ? [
          ['x-amz-algorithm', 'AWS4-HMAC-SHA256'],
          ['x-amz-credential', `${accessKey}/${scope}`],
          ['x-amz-date', date],
        ]
      : signing === 'v2'
        ? [['AWSAccessKeyId', accessKey]]
        : []
  const base: Field[] = [['key', form.key], ...ownFields, ...fields]
  if (signing === 'none') return [...base, ...unnamed]
  const named = (signing === 'v4' ? [...ownFields, ...fields] : fields).map(([name, value]) => ({
    [name]: value,
  }))
  const policy = form.policy ?? {
    expiration: new Date(Date.now() + (form.expiresMs ?? 600_000)).toISOString(),
    conditions: [{ bucket: form.bucket }, ['starts-with', '$key', ''], ...named, ...conditions],
  }
  const text = Buffer.from(typeof policy === 'string' ? policy : JSON.stringify(policy)).toString(
    'base64',
  )
  const signature: Field =
    signing === 'v4'
      ? [
          'x-amz-signature',
          hmac(
            hmac(
              hmac(hmac(hmac(`AWS4${secretKey}`, date.slice(0, 8)), region), 's3'),
              'aws4_request',
            ),
            text,
          ).toString('hex'),
        ]
      : ['signature', createHmac('sha1', secretKey).update(text).digest('base64')]
  return [...base, ...unnamed, ['policy', text], signature]
}

const BOUNDARY = 'conformance-form-boundary'

/** A multipart body of fields and the file. */
export function formBody(
  fields: readonly Field[],
  file?: {
    readonly data: string | Uint8Array
    readonly name?: string | undefined
    readonly part?: string | undefined
  },
): Buffer {
  const pieces = fields.map(([name, value]) =>
    Buffer.from(
      `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
    ),
  )
  if (file !== undefined) {
    const named = file.name === undefined ? '' : `; filename="${file.name}"`
    pieces.push(
      Buffer.from(
        `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${file.part ?? 'file'}"${named}\r\nContent-Type: text/plain\r\n\r\n`,
      ),
      Buffer.from(file.data),
      Buffer.from('\r\n'),
    )
  }
  return Buffer.concat([...pieces, Buffer.from(`--${BOUNDARY}--\r\n`)])
}

export const FORM_TYPE = `multipart/form-data; boundary=${BOUNDARY}`

/** Sends a form. */
export function post(t: Trial, form: Form): ReturnType<Trial['send']> {
  const fields = (form.forge ?? ((all: Field[]) => all))(formFields(t, form))
  const file = { data: form.file ?? 'data', name: form.fileName ?? 'file.txt', part: form.filePart }
  return postRaw(t, form.bucket, formBody(fields, file))
}

export function postRaw(
  t: Trial,
  bucket: string,
  body: Uint8Array,
  headers: Record<string, string> = {},
): ReturnType<Trial['send']> {
  return t.send({
    method: 'POST',
    path: `/${bucket}`,
    body,
    headers: { 'content-type': FORM_TYPE, ...headers },
    auth: 'anonymous',
  })
}
