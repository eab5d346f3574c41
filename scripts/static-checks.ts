/** What is checked without running Cairn, in `npm run check` as in CI. */
export const STATIC_CHECKS = [
  { name: 'format', command: ['biome', 'format', '.'] },
  { name: 'lint', command: ['oxlint', '--type-aware', '--deny-warnings', '.'] },
  { name: 'types', command: ['tsc', '-p', '.'] },
] as const
