import { readFileSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { makeFolder, writeFileAtomic } from '../../engine/files/atomic-file.ts'
import { systemErrorCode } from '../../engine/files/system-error.ts'

/** Where the window was when it was closed. Positions in the system's display units. */
const boundsSchema = z.object({
  x: z.number().int(),
  y: z.number().int(),
  width: z.number().int().positive(),
  height: z.number().int().positive(),
  maximised: z.boolean(),
})
export type WindowBounds = z.infer<typeof boundsSchema>

export interface Rectangle {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

export const minimumSize = { width: 1280, height: 800 } as const
const preferredSize = { width: 1600, height: 1000 } as const

/** As much of the title bar as must lie on a display for the window to be dragged. */
const grip = { width: 120, height: 38 } as const

/** Bounds from the file, or `null` when there are none, or none that make sense: the window then opens in its usual place. */
export function readBounds(file: string): WindowBounds | null {
  let text
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error
    return null
  }
  try {
    const parsed = boundsSchema.safeParse(JSON.parse(text))
    return parsed.success ? parsed.data : null
  } catch {
    // Damaged; replaced when the window is closed.
    return null
  }
}

/** Throws `NoSpace`, `NotWritable`. */
export async function writeBounds(file: string, bounds: WindowBounds): Promise<void> {
  await makeFolder(path.dirname(file))
  await writeFileAtomic(file, `${JSON.stringify(bounds)}\n`)
}

/**
 * Where the window opens: as it was left, when its title bar can be reached on one of the displays there are now; otherwise in
 * the middle of the first (primary) one, no larger than it, and no smaller than the least size.
 *
 * @param areas work areas of the displays, the primary one first
 */
export function placeWindow(saved: WindowBounds | null, areas: readonly Rectangle[]): WindowBounds {
  if (saved !== null && areas.some((area) => isReachable(saved, area))) {
    return {
      ...saved,
      width: Math.max(saved.width, minimumSize.width),
      height: Math.max(saved.height, minimumSize.height),
    }
  }
  const area = areas[0] ?? { x: 0, y: 0, ...preferredSize }
  const width = Math.max(minimumSize.width, Math.min(preferredSize.width, area.width))
  const height = Math.max(minimumSize.height, Math.min(preferredSize.height, area.height))
  return {
    x: Math.max(area.x, Math.round(area.x + (area.width - width) / 2)),
    y: Math.max(area.y, Math.round(area.y + (area.height - height) / 2)),
    width,
    height,
    maximised: saved?.maximised ?? false,
  }
}

function isReachable(window: Rectangle, area: Rectangle): boolean {
  const overlap = Math.min(window.x + window.width, area.x + area.width) - Math.max(window.x, area.x)
  return overlap >= grip.width && window.y >= area.y && window.y + grip.height <= area.y + area.height
}
