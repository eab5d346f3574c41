/** Website documents of buckets (s3-api.md 4.15.1). */
import { S3Error } from './s3-error.ts'
import type { XmlElement } from './xml-parser.ts'
import { checkDocument, fields, many, optional, required, text } from './xml-shape.ts'

export interface WebsiteRedirect {
  readonly hostName: string | undefined
  readonly protocol: string | undefined
  /** 301 to 308. */
  readonly status: number
  readonly replaceKey: string | undefined
  readonly replacePrefix: string | undefined
}

export interface RoutingRule {
  readonly keyPrefix: string | undefined
  /** The error that the rule is for; undefined: it is looked at before the object. */
  readonly errorStatus: number | undefined
  readonly redirect: WebsiteRedirect
}

export type Website =
  | { readonly kind: 'redirect'; readonly hostName: string; readonly protocol: string | undefined }
  | {
      readonly kind: 'pages'
      readonly indexSuffix: string
      readonly errorKey: string | undefined
      readonly rules: readonly RoutingRule[]
    }

const RULES_MAX = 50
/** Those that HTTP gives a meaning: a browser follows no others. */
const REDIRECT_CODES = new Set([301, 302, 303, 305, 307, 308])
const ERROR_CODES = new Set([
  400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 500,
  501, 502, 503, 504, 505,
])
const KEY_MAX = 1024
const DEFAULT_STATUS = 301
const PROTOCOL = text()
/** Into a header it goes: a name or an address, with a port at most. */
const HOST = text(/^[A-Za-z0-9._:[\]-]{1,255}$/)
// oxlint-disable-next-line no-control-regex -- these are what must not be there
const KEY = text(new RegExp(`^[^\\x00-\\x1f\\x7f]{0,${KEY_MAX}}$`))
const SHAPE = fields({
  RedirectAllRequestsTo: optional(
    fields({ HostName: required(HOST), Protocol: optional(PROTOCOL) }),
  ),
  IndexDocument: optional(fields({ Suffix: required(text()) })),
  ErrorDocument: optional(fields({ Key: required(KEY) })),
  RoutingRules: optional(
    fields({
      RoutingRule: many(
        fields({
          Condition: optional(
            fields({
              KeyPrefixEquals: optional(KEY),
              HttpErrorCodeReturnedEquals: optional(text()),
            }),
          ),
          Redirect: required(
            fields({
              HostName: optional(HOST),
              HttpRedirectCode: optional(text()),
              Protocol: optional(PROTOCOL),
              ReplaceKeyPrefixWith: optional(KEY),
              ReplaceKeyWith: optional(KEY),
            }),
          ),
        }),
      ),
    }),
  ),
})

function invalid(message: string): S3Error {
  return new S3Error('InvalidArgument', { message })
}

/** Reads and judges a document. `MalformedXML`, `InvalidArgument`, `InvalidRequest`. */
export function parseWebsite(root: XmlElement): Website {
  checkDocument(root, 'WebsiteConfiguration', SHAPE)
  const all = root.child('RedirectAllRequestsTo')
  if (all !== undefined) {
    if (root.children().length > 1) throw new S3Error('MalformedXML')
    checkProtocol(all.childText('Protocol'))
    return {
      kind: 'redirect',
      hostName: all.childText('HostName') ?? '',
      protocol: all.childText('Protocol'),
    }
  }
  const indexSuffix = root.child('IndexDocument')?.childText('Suffix')
  if (indexSuffix === undefined) {
    throw invalid(
      'A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty',
    )
  }
  // oxlint-disable-next-line no-control-regex -- these are what must not be there
  if (!/^[^/\x00-\x1f\x7f]{1,1024}$/.test(indexSuffix)) {
    throw invalid('The IndexDocument Suffix is not well formed')
  }
  const errorKey = root.child('ErrorDocument')?.childText('Key')
  if (errorKey === '') throw invalid('The ErrorDocument Key is not well formed')
  const rules = root.child('RoutingRules')?.children() ?? []
  if (rules.length > RULES_MAX) {
    throw new S3Error('InvalidRequest', {
      message: `${rules.length} routing rules provided, the number of routing rules in a website configuration is limited to ${RULES_MAX}.`,
    })
  }
  return { kind: 'pages', indexSuffix, errorKey, rules: rules.map(parseRule) }
}

function parseRule(rule: XmlElement): RoutingRule {
  const condition = rule.child('Condition')
  if (condition?.children().length === 0) throw new S3Error('MalformedXML')
  const error = condition?.childText('HttpErrorCodeReturnedEquals')
  if (error !== undefined && !/^\d{1,9}$/.test(error)) throw new S3Error('MalformedXML')
  if (error !== undefined && !ERROR_CODES.has(Number(error))) {
    throw new S3Error('InvalidRequest', {
      message: `The provided HTTP error code (${error}) is not valid. Valid codes are 4XX or 5XX.`,
    })
  }
  return {
    keyPrefix: condition?.childText('KeyPrefixEquals'),
    errorStatus: error === undefined ? undefined : Number(error),
    redirect: parseRedirect(rule.child('Redirect')),
  }
}

function checkProtocol(protocol: string | undefined): void {
  if (protocol === undefined || protocol === 'http' || protocol === 'https') return
  throw new S3Error('InvalidRequest', {
    message:
      'Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically.',
  })
}

function parseRedirect(redirect: XmlElement | undefined): WebsiteRedirect {
  if (redirect === undefined || redirect.children().length === 0) throw new S3Error('MalformedXML')
  const replaceKey = redirect.childText('ReplaceKeyWith')
  const replacePrefix = redirect.childText('ReplaceKeyPrefixWith')
  if (replaceKey !== undefined && replacePrefix !== undefined) {
    throw new S3Error('InvalidRequest', {
      message: 'You can only define ReplaceKeyPrefix or ReplaceKey but not both.',
    })
  }
  const code = redirect.childText('HttpRedirectCode')
  checkProtocol(redirect.childText('Protocol'))
  if (code !== undefined && !/^\d{1,9}$/.test(code)) throw new S3Error('MalformedXML')
  if (code !== undefined && !REDIRECT_CODES.has(Number(code))) {
    throw new S3Error('InvalidRequest', {
      message: `The provided HTTP redirect code (${code}) is not valid. Valid codes are 3XX except 300.`,
    })
  }
  return {
    hostName: redirect.childText('HostName'),
    protocol: redirect.childText('Protocol'),
    status: code === undefined ? DEFAULT_STATUS : Number(code),
    replaceKey,
    replacePrefix,
  }
}

/** The key that a rule without error code sends `key` to, or one with `status` after that error. First rule that fits. */
export function ruleFor(
  rules: readonly RoutingRule[],
  key: string,
  status: number | undefined,
): RoutingRule | undefined {
  return rules.find(
    (rule) =>
      rule.errorStatus === status &&
      (rule.keyPrefix === undefined || key.startsWith(rule.keyPrefix)),
  )
}

/** The key after a rule's redirect. */
export function redirectedKey({ keyPrefix = '', redirect }: RoutingRule, key: string): string {
  if (redirect.replaceKey !== undefined) return redirect.replaceKey
  if (redirect.replacePrefix === undefined) return key
  return redirect.replacePrefix + key.slice(keyPrefix.length)
}
