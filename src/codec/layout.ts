/**
 * Where things lie in the shared memory of a process.
 *
 *   0                     SHARED_SIZE               region 0            region 1
 *   +---------------------+-------------------------+-------------------+---- - -
 *   | constants, written  | workspace of thread 0   | arena of thread 0 | workspace of thread 1 ...
 *   | once by the seed    |       (WORKSPACE_SIZE)  |                   |
 *   +---------------------+-------------------------+-------------------+---- - -
 *
 * Workspaces are touched as they are used, so that an idle thread costs no memory.
 */

export const WASM_PAGE_SIZE = 65_536

/** Absolute addresses of constants, which kernels use as immediates. Address 0 stays unused. */
export const SHARED_LAYOUT = {
  highwayKey: 64,
  highwayZipper: 96,
  xxh3Secret: 128,
  s2Steps: 512,
  md5Constants: 1024,
  s2Tags: 2048,
  crc32Table: 4096,
  crc32cTable: 4096 + 16_384,
  crc64nvmeTable: 4096 + 32_768,
} as const

export const SHARED_SIZE = 2 * WASM_PAGE_SIZE

/** Room in front of the CRC folding window for the bytes that the largest tap reaches back, and behind it. */
export const CRC_HISTORY_SIZE = 5632
export const CRC_SEGMENT_SIZE = 32_768
export const MD5_LANES_MAX = 12
export const MD5_LANE_WINDOW_SIZE = 16_384
export const COPY_WINDOW_SIZE = 131_072
export const CODING_TABLES_SIZE = 65_536
/** The largest block of an S2 stream, and of its compressed form: 32 bytes and a sixth more. */
export const S2_BLOCK_SIZE_MAX = 4_194_304
export const S2_ENCODED_SIZE_MAX = S2_BLOCK_SIZE_MAX + S2_BLOCK_SIZE_MAX / 4
const S2_TABLE_SIZE = 262_144
/** Behind each window of S2: its kernels read and write a little more than they use. */
const S2_GAP_SIZE = 64

/** Offsets inside the workspace of a thread. */
export const WORKSPACE_LAYOUT = {
  /** State of the streaming hash at work. */
  state: 0,
  /** A key given by the caller. */
  key: 256,
  /** A digest. */
  digest: 320,
  /** Padded last packets of HighwayHash. */
  packets: 384,
  /** Lists of shard addresses. */
  inputList: 512,
  outputList: 1024,
  md5State: 1536,
  /** Of the thread's helper, which writes nowhere else. */
  md5HelperState: 1568,
  md5LaneStates: 1600,
  md5LaneAddresses: 1856,
  md5Message: 2048,
  codingTables: 4096,
  copyWindow: 4096 + CODING_TABLES_SIZE,
  crcTail: 4096 + CODING_TABLES_SIZE + COPY_WINDOW_SIZE,
  crcHistory: 4096 + CODING_TABLES_SIZE + COPY_WINDOW_SIZE + 8192,
  md5LaneWindows: 4096 + CODING_TABLES_SIZE + COPY_WINDOW_SIZE + 8192 + 49_152,
  ...s2Layout(
    4096 +
      CODING_TABLES_SIZE +
      COPY_WINDOW_SIZE +
      8192 +
      49_152 +
      MD5_LANES_MAX * MD5_LANE_WINDOW_SIZE,
  ),
} as const

function s2Layout(start: number): Readonly<Record<'s2Table' | 's2Plain' | 's2Encoded', number>> {
  const s2Plain = start + S2_TABLE_SIZE
  return { s2Table: start, s2Plain, s2Encoded: s2Plain + S2_BLOCK_SIZE_MAX + S2_GAP_SIZE }
}

export const WORKSPACE_SIZE =
  Math.ceil((WORKSPACE_LAYOUT.s2Encoded + S2_ENCODED_SIZE_MAX + S2_GAP_SIZE) / WASM_PAGE_SIZE) *
  WASM_PAGE_SIZE
