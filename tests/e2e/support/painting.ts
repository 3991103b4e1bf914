import type { Locator, Page } from 'playwright'

/** A point on a canvas, as shares of its width and height. */
export type Point = readonly [x: number, y: number]

/** The canvas of the plane that is shown large. */
export function largePlane(page: Page): Locator {
  return page.getByRole('application', { name: /^XY plane/ })
}

/** Goes to Label and adds the materials of a project that has none, in this order: their keys are 1, 2, … */
export async function addMaterials(page: Page, [first, ...others]: readonly string[]): Promise<void> {
  await page.keyboard.press('Control+2')
  await page.getByRole('textbox', { name: 'Name of the first material' }).fill(first)
  await page.getByRole('button', { name: 'Add material', exact: true }).click()
  const list = page.getByRole('list', { name: 'Materials' })
  await list.getByText(first).waitFor()
  for (const name of others) {
    await page.getByRole('button', { name: 'Add a material' }).click()
    await page.getByRole('textbox', { name: 'Name of the new material' }).fill(name)
    await page.keyboard.press('Enter')
    await list.getByText(name).waitFor()
  }
}

/** Draws a line with the pointer through `points`; every part of it takes `steps` pointer moves. */
export async function stroke(page: Page, points: readonly Point[], steps = 8): Promise<void> {
  const box = await boxOf(largePlane(page))
  const at = ([x, y]: Point): [number, number] => [box.x + x * box.width, box.y + y * box.height]
  await page.mouse.move(...at(points[0]))
  await page.mouse.down()
  for (const point of points.slice(1)) await page.mouse.move(...at(point), { steps })
  await page.mouse.up()
}

export async function clickAt(page: Page, point: Point): Promise<void> {
  const box = await boxOf(largePlane(page))
  await page.mouse.click(box.x + point[0] * box.width, box.y + point[1] * box.height)
}

async function boxOf(plane: Locator): Promise<{ x: number; y: number; width: number; height: number }> {
  const box = await plane.boundingBox()
  if (box === null) throw new Error('the plane is not shown')
  return box
}

/** Labelled voxels of a material, as its row says. */
export async function labelledVoxels(page: Page, material: string): Promise<number> {
  const row = page
    .getByRole('list', { name: 'Materials' })
    .getByRole('listitem')
    .filter({ hasText: material })
  const text = await row.locator('.num').innerText()
  return Number(text.replace(/\D/g, ''))
}

/** Number of strokes in force, as the history says. */
export async function strokeCount(page: Page): Promise<number> {
  const text = await page.getByRole('region', { name: 'History' }).innerText()
  // Thin and no-break spaces stand between digits and before units.
  return Number(/(\d+)strokes?/.exec(text.replace(/\s+/g, ''))?.[1] ?? Number.NaN)
}
