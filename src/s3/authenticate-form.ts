import { parseAmzDate } from '#s3-protocol/dates'
import { invalidArgument, S3Error } from '#s3-protocol/s3-error'
import { signTextV2 } from '#s3-protocol/sigv2'
import { ALGORITHM_V4, equalSignatures } from '#s3-protocol/sigv4'
import { parseCredential } from '#s3-protocol/sigv4-parse'
import type { Authentication, SchemePorts } from './authenticate.ts'
import { credentialOf, identityOf } from './authenticate-credential.ts'

/** Forms of browsers, whose fields sign their policy (s3-api.md 6.1.2). */

/** Fields of a form that only its signer has. */
const SIGNER_FIELDS = ['signature', 'awsaccesskeyid', 'x-amz-credential', 'x-amz-signature']

/**
 * Who signed the policy of a form: the fields by lower-case name. Anonymous when there is neither policy nor key.
 * Throws the errors of 6.1.2 and 2.2.
 */
export async function authenticateForm(
  ports: SchemePorts,
  fields: ReadonlyMap<string, string>,
): Promise<Authentication> {
  const policy = fields.get('policy')
  const signatureV2 = fields.get('signature')
  const token = fields.get('x-amz-security-token')
  const payload = { kind: 'unchecked' } as const
  if (policy === undefined && !SIGNER_FIELDS.some((name) => fields.has(name))) {
    if (token !== undefined) {
      throw new S3Error('AccessDenied', { message: 'No AWSAccessKey was presented' })
    }
    return { identity: { accessKey: '', isOwner: false }, scheme: 'form', payload }
  }
  const text = policy ?? ''
  if (signatureV2 !== undefined) {
    const credential = await credentialOf(ports, fields.get('awsaccesskeyid') ?? '', token)
    if (!equalSignatures(signTextV2(credential.secretKey, text), signatureV2)) {
      throw new S3Error('SignatureDoesNotMatch')
    }
    return { identity: identityOf(credential), scheme: 'form', payload }
  }
  checkFormFields(fields)
  const named = fields.get('x-amz-credential') ?? ''
  const { accessKey, scope } = parseCredential(
    named,
    { region: ports.region, anyRegion: false },
    (what) => invalidArgument('x-amz-credential', named, what),
  )
  const credential = await credentialOf(ports, accessKey, token)
  const key = ports.keys.keyOf(credential.accessKey, credential.secretKey, scope)
  const signature = fields.get('x-amz-signature') ?? ''
  if (!equalSignatures(key.sign(text), signature)) {
    throw new S3Error('SignatureDoesNotMatch', {
      elements: [
        ['AWSAccessKeyId', accessKey],
        ['StringToSign', text],
        ['SignatureProvided', signature],
        ['StringToSignBytes', spacedHex(text)],
      ],
    })
  }
  return { identity: identityOf(credential), scheme: 'form', payload }
}

const FORM_FIELDS = [
  'policy',
  'x-amz-signature',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-algorithm',
]

/** What a form that is signed must say of its signature. */
function checkFormFields(fields: ReadonlyMap<string, string>): void {
  for (const name of FORM_FIELDS) {
    // An empty policy is judged as one.
    if (name === 'policy' ? fields.has(name) : (fields.get(name) ?? '') !== '') continue
    throw invalidArgument(
      name,
      '',
      `Bucket POST must contain a field named '${name}'.  If it is specified, please check the order of the fields.`,
    )
  }
  const algorithm = fields.get('x-amz-algorithm') ?? ''
  if (algorithm !== ALGORITHM_V4) {
    throw invalidArgument('X-Amz-Algorithm', algorithm, `Only ${ALGORITHM_V4} is supported`)
  }
  const date = fields.get('x-amz-date') ?? ''
  if (parseAmzDate(date) !== undefined) return
  throw invalidArgument('X-Amz-Date', date, 'X-Amz-Date must be formated via ISO8601 Long format')
}

function spacedHex(text: string): string {
  return Array.from(Buffer.from(text), (byte) => byte.toString(16).padStart(2, '0')).join(' ')
}
