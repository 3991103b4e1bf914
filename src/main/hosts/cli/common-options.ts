import { InvalidArgumentError, Option, type Command } from 'commander'
import { isPhasemarkError, PhasemarkError } from '../../../shared/errors.ts'
import { lengthUnits, type VoxelSize } from '../../../shared/volume.ts'
import { voxelSizeSchema } from '../../../shared/voxel-size-schema.ts'
import type { OpenVolumeOptions } from '../../engine/volume/open-volume.ts'
import { parseRawHeader, type RawHeader } from '../../engine/volume/raw-source.ts'

export interface VolumeFlags {
  voxelSize?: VoxelSize
  raw?: RawHeader
}

/** `--voxel-size` and `--raw`, for commands that open grey volumes. */
export function withVolumeOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--voxel-size <z,y,x,unit>',
        'edge lengths of a voxel, overruling the files; for example 50,25,25,nm',
      ).argParser(asOption(parseVoxelSize)),
    )
    .addOption(
      new Option(
        '--raw <z,y,x,dtype,endianness,offset>',
        'read the volume as raw binary; for example 500,1024,1024,uint16,little,0',
      ).argParser(asOption(parseRawHeader)),
    )
}

export function volumeOptions({ voxelSize, raw }: VolumeFlags): Omit<OpenVolumeOptions, 'signal'> {
  return { ...(voxelSize === undefined ? {} : { voxelSize }), ...(raw === undefined ? {} : { raw }) }
}

/** Lets our own parsers report through commander, which names the option and adds the hint to `--help`. */
export function asOption<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text)
    } catch (error) {
      if (isPhasemarkError(error)) throw new InvalidArgumentError(error.message)
      throw error
    }
  }
}

export function parseVoxelSize(text: string): VoxelSize {
  const [z, y, x, unit, ...rest] = text.split(',').map((part) => part.trim())
  const parsed = voxelSizeSchema.safeParse({
    z: Number(z),
    y: Number(y),
    x: Number(x),
    unit: unit === 'µm' ? 'um' : unit,
  })
  if (!parsed.success || rest.length > 0) {
    throw new PhasemarkError(
      'WrongUsage',
      `expected z,y,x,unit with unit one of ${lengthUnits.join(', ')}, found "${text}"`,
      { argument: '--voxel-size' },
    )
  }
  return parsed.data
}

/** `--unlabelled 255` or `--unlabelled none`. */
export function parseUnlabelled(text: string): number | 'none' {
  if (text === 'none') return 'none'
  if (/^-?\d{1,10}$/.test(text)) return Number(text)
  throw new PhasemarkError('WrongUsage', `expected an integer label value or none, found "${text}"`, {
    argument: '--unlabelled',
  })
}

/** An integer of at least `least`. */
export function integerFrom(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^-?\d{1,15}$/.test(text) || value < least) {
      throw new InvalidArgumentError(`expected an integer of at least ${least}`)
    }
    return value
  }
}

export function positiveNumber(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value <= 0) {
    throw new InvalidArgumentError('expected a number above 0')
  }
  return value
}
