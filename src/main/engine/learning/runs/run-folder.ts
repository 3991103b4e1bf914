import { closeSync, existsSync, openSync, writeSync } from 'node:fs'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { badInput, PhasemarkError } from '../../../../shared/errors.ts'
import { makeFolder, writeFileAtomic } from '../../files/atomic-file.ts'
import { systemErrorCode } from '../../files/system-error.ts'
import { writeError } from '../../files/write-error.ts'
import { decodeTensors, encodeTensors } from '../model/safetensors.ts'
import { stateNames } from '../training/training-graph.ts'
import type { TrainingState } from '../training/training-step.ts'
import { runRecordSchema, type RunRecord } from './run-record.ts'

const positionSchema = z.object({
  /** Steps done. */
  step: z.number().int().min(1),
  /** Seconds spent training so far, over all sittings. */
  seconds: z.number(),
  bestScore: z.number().nullable(),
  bestStep: z.number().int().nullable(),
})
/** What a checkpoint holds beside the vectors. */
export type CheckpointPosition = z.infer<typeof positionSchema>

export interface Checkpoint {
  position: CheckpointPosition
  state: TrainingState
}

/** One line of `metrics.jsonl`. */
export interface StepMetrics {
  step: number
  loss: number
  learningRate: number
  [reading: string]: unknown
}

export type CheckpointName = 'last' | 'best'

/** The files of a run. Everything but `metrics.jsonl` is replaced atomically; that one grows by whole lines. */
export class RunFolder {
  readonly folder: string
  private metricsFile: number | null = null

  constructor(folder: string) {
    this.folder = folder
  }

  get modelFolder(): string {
    return path.join(this.folder, 'model')
  }

  /**
   * Throws `WrongUsage` when the folder holds anything but a run: going on would clear what is somebody else's. A run that was
   * killed at its very beginning has no record yet, but nothing else either.
   */
  async requireRun(): Promise<void> {
    if (existsSync(path.join(this.folder, 'run.json'))) return
    const names = await listNames(this.folder)
    const foreign = [
      ...names.filter((name) => !name.startsWith('.') && name !== 'checkpoints' && name !== 'metrics.jsonl'),
      ...(names.includes('checkpoints') ? await listNames(path.join(this.folder, 'checkpoints')) : []),
    ]
    if (foreign.length === 0) return
    throw new PhasemarkError(
      'WrongUsage',
      `${this.folder}: --resume expected a run folder (run.json), found a folder with ${foreign[0]} in it`,
      { argument: '--resume' },
    )
  }

  async create(): Promise<void> {
    await makeFolder(this.folder)
    await mkdir(path.join(this.folder, 'checkpoints'), { recursive: true }).catch((error: unknown) => {
      throw writeError(this.folder, error)
    })
  }

  /** The record, or `null` when the run never got that far. Throws `BadInput` when it is damaged. */
  async readRecord(): Promise<RunRecord | null> {
    const file = path.join(this.folder, 'run.json')
    if (!existsSync(file)) return null
    try {
      return runRecordSchema.parse(JSON.parse(await readFile(file, 'utf8')))
    } catch (cause) {
      throw badInput(
        file,
        'the record of a Phasemark run',
        cause instanceof Error ? cause.message : 'something else',
        {
          cause,
        },
      )
    }
  }

  async writeRecord(record: RunRecord): Promise<void> {
    const text = JSON.stringify({ ...record, updatedAt: new Date().toISOString() }, null, 2)
    await writeFileAtomic(path.join(this.folder, 'run.json'), `${text}\n`)
  }

  async writeCheckpoint(name: CheckpointName, { position, state }: Checkpoint): Promise<void> {
    const metadata = { position: JSON.stringify(position) }
    await writeFileAtomic(this.checkpointPath(name), encodeTensors({ tensors: state, metadata }))
  }

  /** The checkpoint, or `null` when there is none. Throws `BadInput` when it is damaged. */
  async readCheckpoint(name: CheckpointName): Promise<Checkpoint | null> {
    const file = this.checkpointPath(name)
    if (!existsSync(file)) return null
    const { tensors, metadata } = decodeTensors(await readFile(file), file)
    const missing = stateNames.find((name) => !Object.hasOwn(tensors, name))
    if (missing !== undefined)
      throw badInput(file, `a checkpoint with ${stateNames.join(', ')}`, `none of ${missing}`)
    try {
      const position = positionSchema.parse(JSON.parse(metadata['position'] ?? 'null'))
      return { position, state: tensors as TrainingState }
    } catch (cause) {
      throw badInput(file, 'a checkpoint that says how far it got', 'something else', { cause })
    }
  }

  /** Drops lines beyond `step` (and a torn last line), then opens the file for appending. */
  async openMetrics(step: number): Promise<void> {
    const file = path.join(this.folder, 'metrics.jsonl')
    const lines = existsSync(file) ? (await readFile(file, 'utf8')).split('\n') : []
    const kept = lines.filter((line) => {
      try {
        return (JSON.parse(line) as StepMetrics).step <= step
      } catch {
        // A line cut off by a kill, or the empty end of the file.
        return false
      }
    })
    await writeFileAtomic(file, kept.map((line) => `${line}\n`).join(''))
    this.metricsFile = openSync(file, 'a')
  }

  /** Appends one line in a single write, so that a kill loses at most the line being written. */
  appendMetrics(metrics: StepMetrics): void {
    if (this.metricsFile === null) throw new Error('metrics: the file is not open')
    try {
      writeSync(this.metricsFile, `${JSON.stringify(metrics)}\n`)
    } catch (error) {
      throw writeError(path.join(this.folder, 'metrics.jsonl'), error)
    }
  }

  close(): void {
    if (this.metricsFile !== null) closeSync(this.metricsFile)
    this.metricsFile = null
  }

  /** Removes what an earlier attempt without a checkpoint left behind. */
  async clear(): Promise<void> {
    for (const name of ['metrics.jsonl', 'checkpoints', 'model', 'run.json']) {
      await rm(path.join(this.folder, name), { recursive: true, force: true })
    }
  }

  private checkpointPath(name: CheckpointName): string {
    return path.join(this.folder, 'checkpoints', `${name}.safetensors`)
  }
}

/** Names in `folder`; none when it does not exist. */
async function listNames(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return []
    throw writeError(folder, error)
  }
}
