/** Small zip and tar archives for tests, also malformed ones. */
import { crc32, deflateRawSync } from 'node:zlib'

export interface ZipEntry {
  readonly name: string
  readonly data: string | Uint8Array
  readonly stored?: boolean
  /** What the directory says instead of the truth. */
  readonly claimedSize?: number
}

/** A zip archive without data descriptors. */
export function zipOf(entries: readonly ZipEntry[]): Buffer {
  const pieces: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const entry of entries) {
    const name = Buffer.from(entry.name)
    const data = Buffer.from(entry.data)
    const packed = entry.stored === true ? data : deflateRawSync(data)
    const fields = Buffer.alloc(26)
    fields.writeUInt16LE(20, 0)
    fields.writeUInt16LE(0x800, 2)
    fields.writeUInt16LE(entry.stored === true ? 0 : 8, 4)
    fields.writeUInt32LE(0x21_0000, 6)
    fields.writeUInt32LE(crc32(data), 10)
    fields.writeUInt32LE(packed.length, 14)
    fields.writeUInt32LE(entry.claimedSize ?? data.length, 18)
    fields.writeUInt16LE(name.length, 22)
    pieces.push(Buffer.from('PK\x03\x04', 'latin1'), fields, name, packed)
    const tail = Buffer.alloc(14)
    tail.writeUInt32LE(offset, 10)
    directory.push(Buffer.from('PK\x01\x02\x14\x03', 'latin1'), fields, tail, name)
    offset += 30 + name.length + packed.length
  }
  const index = Buffer.concat(directory)
  const end = Buffer.alloc(18)
  end.writeUInt16LE(entries.length, 4)
  end.writeUInt16LE(entries.length, 6)
  end.writeUInt32LE(index.length, 8)
  end.writeUInt32LE(offset, 12)
  return Buffer.concat([...pieces, index, Buffer.from('PK\x05\x06', 'latin1'), end])
}

export interface TarEntry {
  readonly name: string
  readonly data?: string | Uint8Array
  /** `0` file, `5` folder, `2` link ... */
  readonly type?: string
  readonly modifiedSeconds?: number
  /** Extended header before the entry. */
  readonly pax?: Readonly<Record<string, string>>
}

/** A tar archive with its end marker. */
export function tarOf(entries: readonly TarEntry[]): Buffer {
  const pieces: Buffer[] = []
  for (const entry of entries) {
    if (entry.pax !== undefined) {
      const records = Object.entries(entry.pax).map(([key, value]) => paxRecord(key, value))
      pieces.push(...tarFile({ name: 'PaxHeaders/x', type: 'x', data: records.join('') }))
    }
    pieces.push(...tarFile(entry))
  }
  return Buffer.concat([...pieces, Buffer.alloc(1024)])
}

function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  let size = Buffer.byteLength(rest)
  size += String(size).length
  if (String(size).length + Buffer.byteLength(rest) !== size) size += 1
  return `${size}${rest}`
}

function tarFile(entry: TarEntry): Buffer[] {
  const data = Buffer.from(entry.data ?? '')
  const header = Buffer.alloc(512)
  header.write(entry.name, 0, 100)
  header.write('0000644\0' + '0000000\0'.repeat(2), 100)
  header.write(`${data.length.toString(8).padStart(11, '0')}\0`, 124)
  header.write(`${(entry.modifiedSeconds ?? 1_700_000_000).toString(8).padStart(11, '0')}\0`, 136)
  header.write(`        ${entry.type ?? '0'}`, 148)
  header.write('ustar\x0000', 257, 'latin1')
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  const padding = Buffer.alloc((512 - (data.length % 512)) % 512)
  return [header, data, padding]
}
