import { Command } from 'commander'
import type { VoxelSize } from '../../../../shared/volume.ts'
import { info, type InfoResult } from '../../../engine/volume/info.ts'
import { volumeOptions, withVolumeOptions, type VolumeFlags } from '../common-options.ts'
import { runCommand, withCommonOptions } from '../reporting.ts'

interface InfoFlags extends VolumeFlags {
  json?: true
  full?: true
}

/** `phasemark info`: what a volume is and which values it holds. */
export function infoCommand(): Command {
  const command = new Command('info')
    .description('describe a volume: format, size, type, voxel size and grey values')
    .argument('<volume>', 'folder of TIFF or PNG slices, TIFF or BigTIFF file, or a raw file with --raw')
    .option('--full', 'take the statistics from every slice instead of a sample of up to 32')
    .action(async (volume: string, flags: InfoFlags) => {
      await runCommand(
        'info',
        flags,
        ({ signal, onProgress }) =>
          info(volume, { ...volumeOptions(flags), full: flags.full === true, signal, onProgress }),
        summariseInfo,
      )
    })
  return withCommonOptions(withVolumeOptions(command))
}

function summariseInfo(result: InfoResult): string {
  const [depth, height, width] = result.shape
  const from =
    result.statistics === 'full'
      ? 'all slices'
      : `a sample of ${result.statisticsSlices} slices; --full reads all`
  const lines = [
    result.path,
    `  format      ${result.format}`,
    `  shape       ${depth} × ${height} × ${width} (z, y, x)`,
    `  type        ${result.dtype}, ${formatBytes(result.bytes)}`,
    `  voxel size  ${describeVoxelSize(result.voxelSize)}`,
    `  values      ${formatNumber(result.min)} to ${formatNumber(result.max)}, mean ${formatNumber(result.mean)} (${from})`,
    ...result.warnings.map(({ message }) => `  warning     ${message}`),
  ]
  return lines.join('\n')
}

function describeVoxelSize(voxelSize: VoxelSize | null): string {
  if (voxelSize === null) return 'unknown; give it with --voxel-size z,y,x,unit'
  const { z, y, x, unit } = voxelSize
  const edges = [z, y, x].map((edge) => (edge === null ? 'unknown' : formatNumber(edge)))
  return `${edges.join(' × ')} ${unit === 'um' ? 'µm' : unit} (z, y, x)`
}

function formatNumber(value: number): string {
  return String(Number(value.toPrecision(6)))
}

function formatBytes(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB']
  const step = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3))
  return `${Number((bytes / 1000 ** step).toPrecision(3))} ${units[step]}`
}
