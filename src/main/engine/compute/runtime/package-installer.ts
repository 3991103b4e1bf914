import { rm } from 'node:fs/promises'
import path from 'node:path'
import { PhasemarkError } from '../../../../shared/errors.ts'
import type { RuntimeHost } from './host.ts'
import { lastLines, runTool } from './run-tool.ts'
import { packageAddon } from './variant.ts'

/**
 * Runs the installer that `@tensorflow/tfjs-node-gpu` brings, for platforms whose TensorFlow is not taken from a wheel. It
 * downloads an older TensorFlow into the package itself; npm did not run it, because install scripts are switched off.
 *
 * @returns absolute path of the addon
 * @throws `RuntimeUnavailable` with the installer's own words; `Cancelled`
 */
export async function runPackageInstaller(
  host: RuntimeHost,
  device: 'gpu' | 'cpu',
  signal?: AbortSignal,
): Promise<string> {
  const { code, endedBy, stdout, stderr } = await runTool(
    process.execPath,
    ['scripts/install.js', device, 'download'],
    { cwd: host.addonPackageFolder, env: { ...host.env, ...withBinFolders(host) }, signal },
  )
  const addon = await packageAddon(host)
  if (code === 0 && addon !== null) return addon
  await removePackageAddon(host)
  throw new PhasemarkError(
    'RuntimeUnavailable',
    `the installer of @tensorflow/tfjs-node-gpu did not deliver TensorFlow for ${host.platform} ${host.arch} (${endedBy ?? `exit code ${code}`}). It said:\n${lastLines(`${stdout}\n${stderr}`)}`,
    { remedy: 'check the network and run again: npm run setup' },
  )
}

/** Takes away an addon that does not work, so that it does not pass for a ready one. */
export async function removePackageAddon(host: RuntimeHost): Promise<void> {
  const addon = await packageAddon(host)
  if (addon !== null) await rm(addon, { force: true })
}

/** The installer calls other packages by name, as npm would let it: put their folders on the path. */
function withBinFolders(host: RuntimeHost): Record<string, string> {
  const folders: string[] = []
  for (let folder = host.addonPackageFolder; ; folder = path.dirname(folder)) {
    folders.push(path.join(folder, 'node_modules', '.bin'))
    if (folder === path.dirname(folder)) break
  }
  // Windows spells the variable as it likes.
  const name = Object.keys(host.env).find((key) => key.toUpperCase() === 'PATH') ?? 'PATH'
  return { [name]: [...folders, host.env[name] ?? ''].join(path.delimiter) }
}
