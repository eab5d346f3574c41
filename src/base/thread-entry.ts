/** Program of a worker thread: the file `name` beside the module at `moduleUrl`, as source or bundled as that one is. */
export function threadEntry(moduleUrl: string, name: string): URL {
  return new URL(`./${name}.${moduleUrl.endsWith('.ts') ? 'ts' : 'js'}`, moduleUrl)
}
