import { createHash } from 'node:crypto'

/** What both servers are started with; modes of one setting share a start. */
export const SETTINGS = ['plain', 'kms', 'compression', 'tls'] as const
export type ServerSetting = (typeof SETTINGS)[number]

/** How a body is framed and vouched for. */
export type BodyForm = 'unsigned' | 'sha256' | 'chunked' | 'crc32' | 'crc32c' | 'crc64nvme'

/** How the client sends and keeps its objects. */
export interface Mode {
  readonly setting: ServerSetting
  readonly form: BodyForm
  /** Sent when an object or an upload is made. */
  readonly creating: Readonly<Record<string, string>>
  /** Sent with every request for content. */
  readonly always: Readonly<Record<string, string>>
  /** Text, in keys that end with `.txt`; random bytes otherwise. */
  readonly isText: boolean
  /** True where the mode only says how bodies travel: it reads as any other. */
  readonly isOnlyUpload: boolean
}

const CLIENT_KEY = Buffer.alloc(32, 7)

const PLAIN: Mode = {
  setting: 'plain',
  form: 'unsigned',
  creating: {},
  always: {},
  isText: false,
  isOnlyUpload: false,
}

export const MODES = {
  plain: PLAIN,
  sha256: upload('sha256'),
  chunked: upload('chunked'),
  crc32: upload('crc32'),
  crc32c: upload('crc32c'),
  crc64nvme: upload('crc64nvme'),
  'sse-s3': { ...PLAIN, setting: 'kms', creating: { 'x-amz-server-side-encryption': 'AES256' } },
  compressed: { ...PLAIN, setting: 'compression', isText: true },
  tls: { ...PLAIN, setting: 'tls' },
  'sse-c': {
    ...PLAIN,
    setting: 'tls',
    always: {
      'x-amz-server-side-encryption-customer-algorithm': 'AES256',
      'x-amz-server-side-encryption-customer-key': CLIENT_KEY.toString('base64'),
      'x-amz-server-side-encryption-customer-key-md5': createHash('md5')
        .update(CLIENT_KEY)
        .digest('base64'),
    },
  },
} satisfies Readonly<Record<string, Mode>>

export type ModeName = keyof typeof MODES

export function isModeName(text: string): text is ModeName {
  return Object.hasOwn(MODES, text)
}

export function modeOf(name: ModeName): Mode {
  return MODES[name]
}

function upload(form: BodyForm): Mode {
  return { ...PLAIN, form, isOnlyUpload: true }
}
