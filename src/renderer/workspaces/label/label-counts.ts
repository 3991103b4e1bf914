import type { ProjectMaterial } from '../../../shared/contract/projects.ts'
import { unitSpace } from '../../format/numbers.ts'
import type { LabelFacts } from '../../stores/labels.ts'

/** A material is worth a word when another has so many times its labels. */
const noteworthyRatio = 3

/** Share of each material in all labels of the list, 0…1; those without labels are left out. */
export function labelShares(
  materials: readonly ProjectMaterial[],
  counts: readonly number[],
): { material: ProjectMaterial; share: number }[] {
  const labelled = materials.map((material) => ({ material, count: counts[material.index] ?? 0 }))
  const total = labelled.reduce((sum, { count }) => sum + count, 0)
  return labelled
    .filter(({ count }) => count > 0)
    .map(({ material, count }) => ({ material, share: count / total }))
}

/** The material with far fewer labels than the one with most; `null` when they are alike. Those without any do not count. */
export function fewerLabels(
  materials: readonly ProjectMaterial[],
  counts: readonly number[],
): { material: ProjectMaterial; most: ProjectMaterial; times: number } | null {
  const labelled = materials
    .map((material) => ({ material, count: counts[material.index] ?? 0 }))
    .filter(({ count }) => count > 0)
    .sort((a, b) => a.count - b.count)
  const least = labelled.at(0)
  const most = labelled.at(-1)
  if (least === undefined || most === undefined || most.count < noteworthyRatio * least.count) return null
  return { material: least.material, most: most.material, times: Math.round(most.count / least.count) }
}

/** Which bit of a slice's mask says that it has that material: 1…31 their own, all above share bit 0. */
export function sliceHasMaterial(mask: number, index: number): boolean {
  return (mask & (index <= 31 ? 1 << index : 1)) !== 0
}

/** The first labelled slice that has a material; `null` when none has. */
export function firstSliceWith(index: number, facts: LabelFacts | null): number | null {
  const at = facts?.sliceMaterials.findIndex((mask) => sliceHasMaterial(mask, index)) ?? -1
  return facts?.labelledSlices[at] ?? null
}

/** A share that is nearly everything or nearly nothing never looks like all or none. */
export function percentText(share: number): string {
  const percent = share * 100
  const rounded = percent.toFixed(2)
  if (share < 1 && rounded === '100.00') return `>${unitSpace}99.99${unitSpace}%`
  if (share > 0 && rounded === '0.00') return `<${unitSpace}0.01${unitSpace}%`
  return `${share === 1 || share === 0 ? String(percent) : rounded}${unitSpace}%`
}
