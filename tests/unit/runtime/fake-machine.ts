import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { strToU8, zipSync } from 'fflate'
import type { RuntimeHost } from '../../../src/main/engine/compute/runtime/host.ts'
import type { RuntimeRoute } from '../../../src/main/engine/compute/runtime/variant.ts'
import { variantOf } from '../../../src/main/engine/compute/runtime/variant.ts'
import type { MemberRule, Wheel } from '../../../src/main/engine/compute/runtime/wheels.ts'
import { wheelsFor } from '../../../src/main/engine/compute/runtime/wheels.ts'

/** The rules that real wheels are unpacked by; the fakes below are laid out like real ones. */
export const tensorflowRules: readonly MemberRule[] = wheelsFor('cpu', 'linux', 'x64')![0].take
export const cudaRules: readonly MemberRule[] = wheelsFor('gpu', 'linux', 'x64')!.at(-1)!.take

/** Members of a TensorFlow wheel, most of which setup must leave where they are. */
export const tensorflowMembers: Record<string, string> = {
  'tensorflow/__init__.py': 'raise RuntimeError',
  'tensorflow/libtensorflow_cc.so.2': 'C'.repeat(50_000),
  'tensorflow/libtensorflow_framework.so.2': 'F'.repeat(20_000),
  'tensorflow/python/_pywrap.so': 'not wanted',
  'tensorflow/include/tensorflow/c/c_api.h': '// C API',
  'tensorflow/include/tensorflow/c/eager/c_api.h': '// eager',
  'tensorflow/include/tensorflow/core/platform/ctstring.h': '// strings',
  'tensorflow/include/tensorflow/core/framework/op.h': '// not wanted',
  'tensorflow/include/tsl/platform/ctstring_internal.h': '// strings',
  'tensorflow/include/xla/tsl/c/tsl_status.h': '// status',
  'tensorflow_cpu-2.21.0.dist-info/METADATA': 'Name: tensorflow_cpu',
}

/**
 * A machine of its own in a temporary folder: a cache, the addon's package, and programs named `python3` and `g++` that record how they
 * were called and do what the real ones would.
 */
export interface FakeMachine {
  folder: string
  cache: string
  host: RuntimeHost
  /** Puts a wheel on the index that the fake pip serves, and returns its description. */
  addWheel: (project: string, members: Record<string, string>, take?: readonly MemberRule[]) => Wheel
  route: (device: 'gpu' | 'cpu', wheels: readonly Wheel[]) => Extract<RuntimeRoute, { kind: 'wheels' }>
  /** Replaces a program by a shell script; `null` removes it. */
  program: (name: string, script: string | null) => void
  /** One line per call of a program: its name and arguments. */
  calls: (name: string) => string[]
  remove: () => void
}

export function createFakeMachine(overrides: Partial<RuntimeHost> = {}): FakeMachine {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'phasemark-runtime-'))
  const at = (...names: string[]) => path.join(folder, ...names)
  const addonPackageFolder = at('package')
  for (const name of ['bin', 'index', 'package/binding', 'root', 'home'])
    mkdirSync(at(name), { recursive: true })
  writeFileSync(at('package/package.json'), JSON.stringify({ version: '4.22.0' }))
  writeFileSync(at('package/binding/tfjs_backend.cc'), '// addon')
  writeFileSync(at('package/binding/tfjs_backend.h'), '// addon')

  const program = (name: string, script: string | null) => {
    const file = at('bin', name)
    rmSync(file, { force: true })
    if (script === null) return
    const text = `#!/bin/bash\nwords="$*"\necho "\${words//$'\\n'/ }" >> '${at(`${name}.calls`)}'\nPATH=/usr/bin:/bin\n${script}\n`
    writeFileSync(file, text)
    chmodSync(file, 0o755)
  }
  program('python3', fakePip(at('index')))
  program('g++', fakeCompiler)
  program('apt-get', 'exit 1')

  const host: RuntimeHost = {
    platform: 'linux',
    arch: 'x64',
    env: { PATH: at('bin'), PHASEMARK_CACHE: at('cache') },
    homeFolder: at('home'),
    glibcVersion: () => '2.36',
    addonPackageFolder,
    rootFolder: at('root'),
    isRoot: true,
    ...overrides,
  }
  return {
    folder,
    cache: at('cache'),
    host,
    addWheel: (project, members, take = tensorflowRules) => {
      const fileName = `${project.replaceAll('-', '_')}-1.0-py3-none-any.whl`
      const bytes = zipSync(
        Object.fromEntries(Object.entries(members).map(([name, text]) => [name, strToU8(text)])),
      )
      writeFileSync(at('index', fileName), bytes)
      const taken = Object.entries(members).filter(([name]) => take.some(({ pattern }) => pattern.test(name)))
      return {
        project,
        version: '1.0',
        fileName,
        sha256: createHash('sha256').update(bytes).digest('hex'),
        sizeBytes: bytes.length,
        unpackedBytes: taken.reduce((total, [, text]) => total + strToU8(text).length, 0),
        platforms: ['any'],
        take,
      }
    },
    route: (device, wheels) => ({ kind: 'wheels', variant: variantOf(host, device, wheels) }),
    program,
    calls: (name) =>
      existsSync(at(`${name}.calls`))
        ? readFileSync(at(`${name}.calls`), 'utf8')
            .split('\n')
            .filter((line) => line !== '')
        : [],
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** Understands `-m pip --version` and `… download … --dest=FOLDER PROJECT==VERSION`. */
export function fakePip(index: string, delaySeconds = 0): string {
  return `
if [ "$1" = -m ]; then echo 'pip 25.0'; exit 0; fi
for word in "$@"; do
  case "$word" in --dest=*) dest="\${word#--dest=}";; *==*) project="\${word%%==*}";; esac
done
wheel="${index}/$(echo "$project" | tr - _)-1.0-py3-none-any.whl"
[ -f "$wheel" ] || { echo "ERROR: No matching distribution found for $project" >&2; exit 1; }
head -c 100 "$wheel" > "$TMPDIR/unfinished"
sleep ${delaySeconds}
cp "$wheel" "$dest/"`
}

const fakeCompiler = `
if [ "$1" = --version ]; then echo 'g++ (fake) 1.0'; exit 0; fi
while [ $# -gt 0 ]; do [ "$1" = -o ] && out="$2"; shift; done
echo compiled > "$out"`
