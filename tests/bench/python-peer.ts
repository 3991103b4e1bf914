import { execFile, spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const peersFolder = path.join(path.dirname(fileURLToPath(import.meta.url)), 'peers')

/** A peer that this machine cannot run, and why; shown instead of its numbers. */
export interface SkippedPeer {
  skipped: string
}

export interface PeerOptions {
  /** For people, and for `--peers`. */
  name: string
  /** Script in `peers/`, without extension. */
  script: string
  /** Python packages without which it cannot run. */
  packages: readonly string[]
  /** Hides graphics cards from the peer, so that it computes where the product computes. */
  cpuOnly: boolean
}

/** A Python process that answers requests one at a time; see `peers/peer_protocol.py`. */
export interface PythonPeer {
  /** Throws when the peer reports an error or ends. */
  ask<Answer>(command: string, fields?: Record<string, unknown>): Promise<Answer>
  close(): Promise<void>
}

/** Peers that were asked for by name, or `null` for all. */
export type PeerChoice = readonly string[] | null

/**
 * Starts a peer with the Python that `PHASEMARK_PYTHON` names, else `python3`. A missing Python or package is no failure:
 * the comparison is skipped with the reason.
 */
export async function startPeer(options: PeerOptions, choice: PeerChoice): Promise<PythonPeer | SkippedPeer> {
  if (choice !== null && !choice.includes(options.name)) return { skipped: 'not among --peers' }
  const python = process.env['PHASEMARK_PYTHON'] ?? 'python3'
  const missing = await missingPackages(python, options.packages)
  if (missing === null) {
    return {
      skipped: `${python} does not run; PHASEMARK_PYTHON names a Python with ${options.packages.join(', ')}`,
    }
  }
  if (missing.length > 0) {
    return {
      skipped: `${python} has no ${missing.join(', ')}; install it there, or let PHASEMARK_PYTHON name a Python that has it`,
    }
  }
  const environment = options.cpuOnly ? { ...process.env, CUDA_VISIBLE_DEVICES: '-1' } : process.env
  const child = spawn(python, [path.join(peersFolder, `${options.script}.py`)], {
    env: { ...environment, PYTHONDONTWRITEBYTECODE: '1' },
  })
  return converse(options.script, child)
}

/** Names of `packages` that cannot be imported; `null` when there is no such Python. */
async function missingPackages(python: string, packages: readonly string[]): Promise<string[] | null> {
  const script = `import importlib.util, sys
print(*(name for name in sys.argv[1:] if importlib.util.find_spec(name) is None), sep="\\n")`
  try {
    const { stdout } = await promisify(execFile)(python, ['-c', script, ...packages])
    return stdout.split(/\s+/).filter((name) => name !== '')
  } catch {
    return null
  }
}

function converse(name: string, child: ChildProcessWithoutNullStreams): PythonPeer {
  const waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = []
  let lastWords = ''
  let ended = false
  child.stderr.on('data', (chunk: Buffer) => {
    lastWords = (lastWords + chunk.toString()).slice(-4000)
  })
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (line) => waiting.shift()?.resolve(line))
  const closed = new Promise<void>((resolve) => {
    const end = (reason: string) => {
      ended = true
      for (const { reject } of waiting.splice(0)) reject(new Error(`${name}: ${reason}\n${lastWords}`))
      resolve()
    }
    child.on('error', (error) => end(error.message))
    child.on('close', (code, signal) => end(`ended with ${signal ?? `exit code ${code ?? 'unknown'}`}`))
  })
  // A peer that dies between two requests is noticed by the next one, not by a broken pipe.
  child.stdin.on('error', () => undefined)
  return {
    async ask<Answer>(command: string, fields: Record<string, unknown> = {}): Promise<Answer> {
      if (ended) throw new Error(`${name}: has ended\n${lastWords}`)
      const line = await new Promise<string>((resolve, reject) => {
        waiting.push({ resolve, reject })
        child.stdin.write(`${JSON.stringify({ cmd: command, ...fields })}\n`)
      })
      const answer = JSON.parse(line) as Answer | { error: string }
      if (typeof answer === 'object' && answer !== null && 'error' in answer) {
        throw new Error(`${name}: ${answer.error}\n${lastWords}`)
      }
      return answer
    },
    async close() {
      child.stdin.end()
      await closed
    },
  }
}
