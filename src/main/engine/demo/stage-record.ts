import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { badInput, PhasemarkError } from '../../../shared/errors.ts'
import { makeFolder, writeFileAtomic } from '../files/atomic-file.ts'

const recordSchema = z.object({
  format: z.literal('phasemark-demo'),
  version: z.literal(1),
  /** What the demo was asked for; going on with something else is refused. */
  request: z.string(),
  finished: z.record(z.string(), z.unknown()),
})

/** Which stages are done, kept in `demo.json`: a stage that finished is not repeated. */
export interface StageRecord {
  /** Runs `work` unless the stage is done; returns its result (plain data) either way. */
  run<Result>(stage: string, work: () => Promise<Result>): Promise<Result>
}

/**
 * Opens the record of `out`, or begins one.
 *
 * Throws `WrongUsage` when the folder holds a demo of something else or no demo, `BadInput` when its record is damaged.
 */
export async function openStageRecord(out: string, request: object, resume: boolean): Promise<StageRecord> {
  const file = path.join(out, 'demo.json')
  const wanted = JSON.stringify(request)
  await makeFolder(out)
  let finished: Record<string, unknown> = {}
  if (existsSync(file)) finished = await readFinished(file, wanted)
  else if (resume) {
    throw new PhasemarkError('WrongUsage', `${out}: --resume expected a demo (demo.json), found none`, {
      argument: '--resume',
    })
  }
  const write = () =>
    writeFileAtomic(
      file,
      `${JSON.stringify({ format: 'phasemark-demo', version: 1, request: wanted, finished }, null, 2)}\n`,
    )
  await write()
  return {
    run: async <Result>(stage: string, work: () => Promise<Result>) => {
      if (stage in finished) return finished[stage] as Result
      const result = await work()
      finished = { ...finished, [stage]: result ?? null }
      await write()
      return result
    },
  }
}

async function readFinished(file: string, wanted: string): Promise<Record<string, unknown>> {
  let record: z.infer<typeof recordSchema>
  try {
    record = recordSchema.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch (cause) {
    throw badInput(file, 'the record of a demo', cause instanceof Error ? cause.message : 'something else', {
      cause,
    })
  }
  if (record.request !== wanted) {
    throw new PhasemarkError(
      'WrongUsage',
      `--resume: expected the demo that ${file} began (${record.request}), found ${wanted}`,
      { argument: '--resume' },
    )
  }
  return record.finished
}
