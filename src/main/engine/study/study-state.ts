import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { badInput, PhasemarkError } from '../../../shared/errors.ts'
import { writeFileAtomic } from '../files/atomic-file.ts'
import { packageVersion } from '../package-version.ts'
import type { StudyConfig } from './study-config.ts'
import type { StudyStage } from './study-stages.ts'

const stateSchema = z.object({
  format: z.literal('phasemark-study'),
  version: z.literal(1),
  phasemark: z.string(),
  createdAt: z.string(),
  updatedAt: z.string(),
  /** SHA-256 of the configuration with absolute paths. */
  configSha256: z.string(),
  config: z.record(z.string(), z.unknown()),
  stages: z.array(
    z.object({
      id: z.string(),
      /** Relative to the folder of the study. */
      out: z.string(),
      status: z.enum(['waiting', 'running', 'done']),
      /** Over all sittings. */
      seconds: z.number(),
    }),
  ),
})
type StateContent = z.infer<typeof stateSchema>

const stateName = 'study.json'

/** `study.json`: which stages are done. Replaced atomically, so that a killed study goes on with the stage it was in. */
export class StudyState {
  private readonly file: string
  private readonly content: StateContent

  private constructor(file: string, content: StateContent) {
    this.file = file
    this.content = content
  }

  /**
   * The state of the study in `folder`, or a new one.
   * Throws `WrongUsage` when what is there was begun with another configuration or is no study, `BadInput` when it is damaged.
   */
  static async open(folder: string, config: StudyConfig, stages: readonly StudyStage[]): Promise<StudyState> {
    const file = path.join(folder, stateName)
    const configSha256 = createHash('sha256').update(JSON.stringify(config)).digest('hex')
    if (existsSync(file)) {
      const content = await readState(file)
      if (content.configSha256 !== configSha256)
        throw new PhasemarkError(
          'WrongUsage',
          `${folder}: --resume expected the configuration that the study was begun with, found another ${changedParts(content.config, config).join(', ')}`,
          { argument: '--resume' },
        )
      return new StudyState(file, content)
    }
    const foreign = (await readdir(folder)).find((name) => !name.startsWith('.'))
    if (foreign !== undefined)
      throw new PhasemarkError(
        'WrongUsage',
        `${folder}: --resume expected a study (${stateName}), found a folder with ${foreign} in it`,
        { argument: '--resume' },
      )
    const now = new Date().toISOString()
    const state = new StudyState(file, {
      ...{ format: 'phasemark-study', version: 1, phasemark: packageVersion() },
      ...{ createdAt: now, updatedAt: now, configSha256, config: { ...config } },
      stages: stages.map(({ id, out }) => ({ id, out, status: 'waiting', seconds: 0 })),
    })
    await state.write()
    return state
  }

  isDone(stage: StudyStage): boolean {
    return this.entry(stage).status === 'done'
  }

  /** Seconds that a stage has taken so far. */
  secondsOf(stage: StudyStage): number {
    return this.entry(stage).seconds
  }

  async begin(stage: StudyStage): Promise<void> {
    this.entry(stage).status = 'running'
    await this.write()
  }

  async finish(stage: StudyStage, seconds: number): Promise<void> {
    const entry = this.entry(stage)
    entry.seconds += seconds
    entry.status = 'done'
    await this.write()
  }

  private entry({ id }: StudyStage): StateContent['stages'][number] {
    const entry = this.content.stages.find((stage) => stage.id === id)
    if (entry === undefined)
      throw badInput(this.file, 'the stages that follow from its configuration', `none named "${id}"`)
    return entry
  }

  private async write(): Promise<void> {
    this.content.updatedAt = new Date().toISOString()
    await writeFileAtomic(this.file, `${JSON.stringify(this.content, null, 2)}\n`)
  }
}

async function readState(file: string): Promise<StateContent> {
  try {
    return stateSchema.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch (cause) {
    throw badInput(file, 'the state of a study', cause instanceof Error ? cause.message : 'something else', {
      cause,
    })
  }
}

function changedParts(before: Record<string, unknown>, now: StudyConfig): string[] {
  const after: Record<string, unknown> = { ...now }
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  return names.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]))
}
