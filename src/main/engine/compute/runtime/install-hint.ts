import { findProgram } from './run-tool.ts'
import type { RuntimeHost } from './host.ts'

/** What setup may find missing on a machine. */
export type MissingPart = 'compiler' | 'python' | 'pip'

/** Package names by package manager; the first manager found on the machine is used. */
const packages: Record<string, { install: string; names: Record<MissingPart, string> }> = {
  'apt-get': {
    install: 'apt-get install -y',
    names: { compiler: 'g++', python: 'python3 python3-pip', pip: 'python3-pip' },
  },
  dnf: {
    install: 'dnf install -y',
    names: { compiler: 'gcc-c++', python: 'python3 python3-pip', pip: 'python3-pip' },
  },
  yum: {
    install: 'yum install -y',
    names: { compiler: 'gcc-c++', python: 'python3 python3-pip', pip: 'python3-pip' },
  },
  zypper: {
    install: 'zypper install -y',
    names: { compiler: 'gcc-c++', python: 'python3 python3-pip', pip: 'python3-pip' },
  },
  pacman: {
    install: 'pacman -S --needed',
    names: { compiler: 'gcc', python: 'python python-pip', pip: 'python-pip' },
  },
}

/** The command that installs a missing part on this machine, ready to be pasted. */
export function installCommand(host: RuntimeHost, part: MissingPart): string {
  const manager = Object.keys(packages).find((name) => findProgram([name], host.env) !== null) ?? 'apt-get'
  const { install, names } = packages[manager]
  return `${host.isRoot ? '' : 'sudo '}${install} ${names[part]}`
}
