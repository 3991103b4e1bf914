import { rmSync, statfsSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Page } from 'playwright'
import { afterAll, describe, expect, it } from 'vitest'
import { contentOf, scratchFolder } from '../support/file-tree.ts'
import { writeTomogram } from '../support/sample-tomogram.ts'
import { mountSmallDisk } from '../support/small-disk.ts'
import { waitFor, type AppUnderTest } from './support/app-under-test.ts'
import { testHosts } from './support/hosts.ts'
import { showFailures } from './support/show-failures.ts'
import {
  addMaterials,
  labelledVoxels,
  largePlane,
  stroke,
  strokeCount,
  type Point,
} from './support/painting.ts'

/**
 * A disk that fills up while somebody paints, and a project that can only be read: said at once, and nothing painted is lost. The
 * tests of a host build on each other.
 */

const hosts = await testHosts()
/** For a machine that does much else. */
const patienceMs = 30_000
/** A stroke that cannot be written is said to be so within this time, drawing it included. */
const saidLimitMs = 10_000

describe.each(hosts)('a project on a small disk in $title', (host) => {
  if (host.absent) {
    it.skip('is tried', () => undefined)
    return
  }
  const scratch = scratchFolder(`disk-${host.kind}`)
  const disk = mountSmallDisk(scratch, 'disk', 8000)
  if (disk === null) {
    it.skip('is tried (needs Linux and the right to mount)', () => undefined)
    return
  }
  const tomogram = writeTomogram(scratch, { slices: 4, height: 400, width: 320 })
  const project = path.join(disk.folder, 'small.phasemark')
  const ballast = path.join(disk.folder, 'ballast')
  let app: AppUnderTest | null = null
  let page: Page
  /** Strokes that were finished and not refused. */
  let painted = 0

  const launch = async (argument: string): Promise<void> => {
    app = await host.launch({
      args: [argument],
      userFolder: path.join(scratch, 'user'),
      roots: [scratch],
      env: { PHASEMARK_PROJECTS: disk.folder },
    })
    page = app.page
    page.setDefaultTimeout(patienceMs)
  }
  const close = async (): Promise<void> => {
    await app?.close()
    app = null
  }
  const rowOf = (at: number): number => 0.22 + 0.022 * at
  const paint = async (at: number): Promise<void> => {
    await stroke(
      page,
      [
        [0.3, rowOf(at)],
        [0.7, rowOf(at)],
      ],
      1,
    )
  }
  const takeUpBrush = async (): Promise<void> => {
    await waitFor('the project', async () => (await page.title()).startsWith('small'), patienceMs)
    await page.keyboard.press('Control+2')
    await largePlane(page).focus()
    await page.keyboard.press('b')
    await page.keyboard.press('1')
  }
  const alert = () => page.getByRole('region', { name: 'History' }).getByRole('alert')

  showFailures(() => (app === null ? null : page))
  afterAll(async () => {
    disk.setReadOnly(false)
    await close()
  })

  it('is painted in while there is room', async () => {
    await launch(tomogram.images)
    const dialog = page.getByRole('dialog', { name: 'Import volume' })
    await dialog.getByRole('textbox', { name: 'Name' }).fill('small')
    await dialog.getByRole('button', { name: 'Import', exact: true }).click()
    await dialog.waitFor({ state: 'hidden' })
    await addMaterials(page, ['Pore'])
    await takeUpBrush()
    expect(await blueness(page, [0.5, rowOf(0)])).toBeLessThan(10)
    await paint(painted++)
    await expect.poll(() => strokeCount(page), { timeout: patienceMs }).toBe(painted)
    await expect.poll(() => blueness(page, [0.5, rowOf(0)]), { timeout: patienceMs }).toBeGreaterThan(20)
  })

  it('says at once that the disk is full, and keeps and shows what was painted', async () => {
    const { bsize, bavail } = statfsSync(disk.folder)
    writeFileSync(ballast, Buffer.alloc(bsize * bavail))
    let saidMs = Number.NaN
    // The last block of the journal has room for some strokes yet: 4096 bytes, of which one takes more than 200.
    while (Number.isNaN(saidMs)) {
      if (painted > 22) throw new Error('the disk does not get full')
      const startedAt = performance.now()
      await paint(painted++)
      await waitFor(
        'an answer to the stroke',
        async () => (await alert().isVisible()) || (await strokeCount(page)) === painted,
        patienceMs,
      )
      if (await alert().isVisible()) saidMs = performance.now() - startedAt
    }
    console.log(`${host.kind}: a full disk was said ${saidMs.toFixed(0)} ms after the stroke began`)
    expect(saidMs).toBeLessThan(saidLimitMs)
    const text = await alert().innerText()
    expect(text).toContain('The disk is full')
    expect(text).toContain('1 stroke waiting')
    expect(await page.getByText('Journal disk full, painting paused').isVisible()).toBe(true)
    expect(await strokeCount(page)).toBe(painted - 1)
    for (const at of [0, painted - 1])
      expect(await blueness(page, [0.5, rowOf(at)]), `stroke ${at}`).toBeGreaterThan(20)
    // Painting on is refused, and one is told why.
    await paint(painted)
    await page.getByText('Nothing was painted').first().waitFor()
    expect(await blueness(page, [0.5, rowOf(painted)])).toBeLessThan(10)
    // There is no more room than before.
    await alert().getByRole('button', { name: 'Try again' }).click()
    await alert().getByRole('button', { name: 'Try again' }).waitFor()
    expect(await strokeCount(page)).toBe(painted - 1)
  })

  it('writes everything once there is room', async () => {
    rmSync(ballast)
    await alert().getByRole('button', { name: 'Try again' }).click()
    await expect.poll(() => strokeCount(page), { timeout: patienceMs }).toBe(painted)
    await alert().waitFor({ state: 'hidden' })
    await largePlane(page).focus()
    await paint(painted++)
    await expect.poll(() => strokeCount(page), { timeout: patienceMs }).toBe(painted)
    const voxels = await labelledVoxels(page, 'Pore')
    await close()
    await launch(project)
    await takeUpBrush()
    await expect.poll(() => strokeCount(page), { timeout: patienceMs }).toBe(painted)
    expect(await labelledVoxels(page, 'Pore')).toBe(voxels)
    await close()
  })

  it('opens for looking when it is read-only, says so, and refuses to paint', async () => {
    disk.setReadOnly(true)
    const before = contentOf(project)
    await launch(project)
    await page.getByText('Open for looking only').first().waitFor()
    expect(await page.getByText('Looking only', { exact: true }).first().isVisible()).toBe(true)
    await takeUpBrush()
    await expect.poll(() => strokeCount(page), { timeout: patienceMs }).toBe(painted)
    const voxels = await labelledVoxels(page, 'Pore')
    await paint(painted)
    await page.getByText('This project can only be looked at.').first().waitFor()
    expect(await blueness(page, [0.5, rowOf(painted)])).toBeLessThan(10)
    expect(await blueness(page, [0.5, rowOf(0)])).toBeGreaterThan(20)
    expect(await strokeCount(page)).toBe(painted)
    expect(await labelledVoxels(page, 'Pore')).toBe(voxels)
    expect(contentOf(project)).toEqual(before)
    await close()
  })
})

/** How much more blue than red, of 255, the large plane is around `point`: the grey of a tomogram has none, the first material much. */
async function blueness(page: Page, [x, y]: Point): Promise<number> {
  const box = await largePlane(page).boundingBox()
  if (box === null) throw new Error('the plane is not shown')
  // A little beside the middle, where the lines of the crosshair cross.
  const clip = { x: box.x + (x - 0.04) * box.width, y: box.y + y * box.height - 2, width: 12, height: 4 }
  const picture = (await page.screenshot({ clip })).toString('base64')
  return await page.evaluate<number>(`(async () => {
    const bytes = Uint8Array.from(atob('${picture}'), (one) => one.charCodeAt(0))
    const image = await createImageBitmap(new Blob([bytes], { type: 'image/png' }))
    const context = new OffscreenCanvas(image.width, image.height).getContext('2d')
    context.drawImage(image, 0, 0)
    const { data } = context.getImageData(0, 0, image.width, image.height)
    let sum = 0
    for (let at = 0; at < data.length; at += 4) sum += data[at + 2] - data[at]
    return sum / (data.length / 4)
  })()`)
}
