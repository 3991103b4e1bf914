import type { ProjectState } from '../../../shared/contract/projects.ts'
import { projectMaterialSchema } from '../../../shared/contract/projects.ts'
import { isPhasemarkError } from '../../../shared/errors.ts'
import type { ProjectSession } from './project-session.ts'
import type { LabelTotals, ProjectServiceOptions } from './projects-engine.ts'
import type { SourceStates } from './source-states.ts'
import { countOf, groupDigits } from './wording.ts'

const noLabels: LabelTotals = { labelledSlices: 0, labelledVoxels: 0, bytes: 0 }

/** The project as the window sees it. */
export async function describeProject(
  session: ProjectSession,
  sources: SourceStates,
  labelSummary: ProjectServiceOptions['labelSummary'],
): Promise<ProjectState> {
  let labelBytes = 0
  let labelledVoxels = 0
  let labelledVolumes = 0
  const problems: string[] = []
  const volumes: ProjectState['volumes'] = []
  for (const volume of session.volumes) {
    const totals = session.isReachable(volume.id)
      ? await labelTotals(volume, labelSummary, problems)
      : noLabels
    labelBytes += totals.bytes
    labelledVoxels += totals.labelledVoxels
    if (totals.labelledVoxels > 0) labelledVolumes++
    const { labelledSlices } = totals
    volumes.push({
      ...volume,
      source: sources.of(volume.id),
      labelledSlices,
      labelledVoxels: totals.labelledVoxels,
    })
  }
  return {
    path: session.folder,
    name: session.name,
    readOnly: session.readOnly,
    volumes,
    materials: session.materials.map((material) => projectMaterialSchema.parse(material)),
    labelBytes,
    recovered: joinSentences([
      ...(session.damage === null ? [] : [session.damage]),
      ...(session.uncleanEnd === null ? [] : [sentenceOf(labelledVoxels, labelledVolumes)]),
      ...problems,
    ]),
  }
}

/** Labels that cannot be read must not keep the rest of a project from opening; it is said with the project. */
async function labelTotals(
  volume: { id: string; name: string },
  labelSummary: ProjectServiceOptions['labelSummary'],
  problems: string[],
): Promise<LabelTotals> {
  try {
    return await labelSummary(volume.id)
  } catch (error) {
    if (!isPhasemarkError(error)) throw error
    problems.push(`The labels of "${volume.name}" cannot be read: ${error.message}.`)
    return noLabels
  }
}

function sentenceOf(labelledVoxels: number, labelledVolumes: number): string {
  const kept =
    labelledVoxels === 0
      ? 'it had no labels yet'
      : `${groupDigits(labelledVoxels)} labelled voxels in ${countOf(labelledVolumes, 'volume')}`
  return `The last use of this project ended without closing it. Everything up to the last finished stroke was kept: ${kept}.`
}

function joinSentences(sentences: readonly string[]): string | null {
  return sentences.length === 0 ? null : sentences.join(' ')
}
