import { Bookmark, Brush, Copy, Eraser, FileDown, GitMerge, PaintBucket, Pentagon, Trash } from '@lucide/vue'
import type { Component } from 'vue'
import type { HistoryEntry } from '../../../shared/contract/labels.ts'
import { formatInteger, unitSpace } from '../../format/numbers.ts'
import { formatAgo } from '../../format/times.ts'

export const historyIcons: Record<HistoryEntry['kind'], Component> = {
  brush: Brush,
  eraser: Eraser,
  polygon: Pentagon,
  fill: PaintBucket,
  interpolate: GitMerge,
  'copy-slice': Copy,
  'clear-slice': Trash,
  import: FileDown,
  restore: Bookmark,
}

/** What was done, for those kinds where it is not plain painting. */
const deeds: Partial<Record<HistoryEntry['kind'], string>> = {
  interpolate: 'interpolated',
  'copy-slice': 'copied',
  'clear-slice': 'cleared',
  import: 'imported',
  restore: 'restored',
}

/** `z 308` or `z 301–315`. */
export function slicesText([first, last]: readonly [number, number]): string {
  return first === last ? `z${unitSpace}${first}` : `z${unitSpace}${first}–${last}`
}

/** After the name of the material: `z 308 · 1 204 vx`, `z 301–315 interpolated`. */
export function entryDetail(entry: HistoryEntry): string {
  const deed = deeds[entry.kind]
  if (deed !== undefined) return `${slicesText(entry.slices)} ${deed}`
  return `${slicesText(entry.slices)} · ${formatInteger(entry.changedVoxels)}${unitSpace}vx`
}

/** As short as it stands in a list: `now`, `6 s`, `3 min`. */
export function entryAge(entry: HistoryEntry, now: Date): string {
  return formatAgo(new Date(entry.at), now).replace(/ ago$/, '')
}
