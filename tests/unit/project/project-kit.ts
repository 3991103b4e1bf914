import { randomUUID } from 'node:crypto'
import path from 'node:path'
import type { ProjectState } from '../../../src/shared/contract/projects.ts'
import { createProjectService } from '../../../src/main/engine/project/project-service.ts'
import type {
  LabelTotals,
  ProjectService,
  ProjectServiceOptions,
} from '../../../src/main/engine/project/projects-engine.ts'
import type { Progress } from '../../../src/shared/job.ts'
import { createPathGuard } from '../../../src/main/engine/settings/path-guard.ts'
import { inspectVolume } from '../../../src/main/engine/view/inspect-volume.ts'
import { writeTomogram, type TomogramOptions } from '../../support/sample-tomogram.ts'

export interface TestService extends ProjectService {
  /** What was announced, in order. */
  readonly announced: (ProjectState | null)[]
  /** Of samples that were made. */
  readonly sampleProgress: readonly Progress[]
  readonly imports: { volumeId: string; path: string }[]
  readonly folder: string
}

/** A projects service with its own state folder below `folder`. */
export async function startService(
  folder: string,
  options: Partial<ProjectServiceOptions> & { roots?: string[]; labels?: LabelTotals } = {},
): Promise<TestService> {
  const announced: (ProjectState | null)[] = []
  const sampleProgress: Progress[] = []
  const imports: { volumeId: string; path: string }[] = []
  const { roots = null, labels = { labelledSlices: 0, labelledVoxels: 0, bytes: 0 }, ...rest } = options
  const service = createProjectService({
    emit: (event, what) => {
      if (event === 'changed') announced.push(what as ProjectState | null)
      else sampleProgress.push((what as { progress: Progress }).progress)
    },
    stateFolder: path.join(folder, 'state'),
    defaultFolder: path.join(folder, 'projects'),
    inspect: inspectVolume,
    labelSummary: () => Promise.resolve(labels),
    startImport: (request) => {
      imports.push(request)
      return Promise.resolve()
    },
    guard: await createPathGuard(roots),
    ...rest,
  })
  return { ...service, announced, sampleProgress, imports, folder }
}

/** A small volume below `folder`, as a window would add it. */
export function sampleVolume(folder: string, options: TomogramOptions = {}) {
  const { images } = writeTomogram(folder, { slices: 4, height: 24, width: 32, ...options })
  return {
    name: 'electrode',
    path: images,
    raw: null,
    voxelSize: null,
    voxelSizeEntered: [],
    role: 'seen' as const,
  }
}

export const context = { signal: new AbortController().signal }

export const someId = (): string => randomUUID()

/** Waits until `condition` holds; fails after ten seconds. */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt++) {
    if (await condition()) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`expected within ten seconds: ${condition.toString()}`)
}
