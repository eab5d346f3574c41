import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DriveError, type DriveErrorCode, type DriveResult } from '#drive/drive'
import { reduceOutcomes } from './reduce.ts'

function outcomesOf(codes: readonly (DriveErrorCode | 'ok')[]): DriveResult<string>[] {
  return codes.map((code) => (code === 'ok' ? 'value' : new DriveError(code, 'Set by the test')))
}

function reduced(codes: readonly (DriveErrorCode | 'ok')[], quorum: number): string {
  const result = reduceOutcomes(outcomesOf(codes), quorum)
  return result === undefined ? 'ok' : result === 'NoQuorum' ? result : result.code
}

test('the most frequent outcome counts, if it is frequent enough', () => {
  assert.equal(reduced(['ok', 'ok', 'ok', 'ok'], 3), 'ok')
  assert.equal(reduced(['ok', 'ok', 'ok', 'FileNotFound'], 3), 'ok')
  assert.equal(reduced(['ok', 'ok', 'FileNotFound', 'FileNotFound'], 2), 'ok')
  assert.equal(reduced(['ok', 'ok', 'FileNotFound', 'FileNotFound'], 3), 'NoQuorum')
  assert.equal(reduced(['ok', 'FileNotFound', 'FileNotFound', 'FileNotFound'], 3), 'FileNotFound')
  assert.equal(reduced([], 1), 'NoQuorum')
})

test('drives that say nothing count neither for nor against', () => {
  const silent: DriveErrorCode[] = ['DriveNotFound', 'DriveFaulty', 'DriveTimeout']
  assert.equal(reduced([...silent, 'FileNotFound'], 1), 'FileNotFound')
  assert.equal(reduced([...silent, 'FileNotFound'], 2), 'NoQuorum')
  assert.equal(reduced(['DriveFull', 'DriveFull', 'ok', 'ok', 'DriveFull'], 3), 'DriveFull')
})
