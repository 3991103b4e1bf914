import { spawnSync } from 'node:child_process'

/** The Python that `PHASEMARK_PYTHON` names, else `python3`, when it can import `packages`; otherwise `null`: the caller skips. */
export function pythonWith(...packages: string[]): string | null {
  const python = process.env['PHASEMARK_PYTHON'] ?? 'python3'
  const { status } = spawnSync(python, ['-c', `import ${packages.join(', ')}`], { stdio: 'ignore' })
  return status === 0 ? python : null
}

/** Runs a script and returns what it prints as JSON. */
export function askPython(python: string, script: string, args: readonly string[]): unknown {
  const { status, stdout, stderr } = spawnSync(python, ['-c', script, ...args], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`python: ${stderr}`)
  return JSON.parse(stdout) as unknown
}
