import type { LabelEdit } from '../../../shared/annotation/edit.ts'
import type { DrawableEdit } from '../plane-geometry.ts'

/** Where tools leave what was drawn with them. */
export interface EditSink {
  /** Why `material` cannot be painted now, for people; `null` = it can. Asked before a stroke begins. */
  refusal(material: number): string | null
  /** The person tried and was refused. */
  refused(reason: string): void
  /** Id for a stroke that begins. */
  newStroke(): string
  /** Shows a part of a stroke at once. */
  drawAhead(id: string, part: DrawableEdit): void
  /** The stroke `id` is complete: sends it. */
  finish(id: string, edit: LabelEdit): void
  /** Sends an edit that nothing was drawn of. */
  submit(edit: LabelEdit): void
}

/** Grey values between which painting acts; `null` = everywhere. */
export type GreyRange = { low: number; high: number } | null
