import path from 'node:path'
import type { Page } from 'playwright'
import { afterAll, describe, expect, it } from 'vitest'
import { contentOf, scratchFolder } from '../support/file-tree.ts'
import { resultOf } from '../support/run-cli.ts'
import { writeTomogram } from '../support/sample-tomogram.ts'
import { waitFor, type AppUnderTest } from './support/app-under-test.ts'
import { testHosts } from './support/hosts.ts'
import { accessibilityProblems, saveLooks } from './support/looks.ts'
import { showFailures } from './support/show-failures.ts'
import { addMaterials, clickAt, labelledVoxels, largePlane, stroke, strokeCount } from './support/painting.ts'

/**
 * What a user does on the first day, on every host with the real engine: open a folder, say what the files do not, name
 * materials, paint, take back, close, come back, and train on what was painted. The tests of a host build on each other.
 */

const hosts = await testHosts()

describe.each(hosts)('first day in $title', (host) => {
  if (host.absent) {
    it.skip('is tried', () => undefined)
    return
  }
  const scratch = scratchFolder(`first-day-${host.kind}`)
  const tomogram = writeTomogram(scratch, { slices: 24, height: 200, width: 240 })
  const before = contentOf(tomogram.images)
  const userFolder = path.join(scratch, 'user')
  const project = path.join(scratch, 'first-day.phasemark')
  let app: AppUnderTest
  let page: Page

  const launch = async (...args: string[]): Promise<void> => {
    app = await host.launch({
      args,
      userFolder,
      roots: [scratch],
      env: { PHASEMARK_PROJECTS: scratch },
      // One of the tests kills the data process.
      allowedProblems: [/WebSocket|503|Disconnected|connection/i],
    })
    page = app.page
    page.setDefaultTimeout(15_000)
    // Colours are measured and pictures taken at once, not in the middle of a change.
    await page.emulateMedia({ reducedMotion: 'reduce' })
  }
  const save = (name: string): Promise<void> => saveLooks(app, name)

  showFailures(() => page)
  afterAll(async () => {
    await app.close()
  })

  it('begins on a page that says what to do', async () => {
    await launch()
    await page.getByRole('button', { name: 'Open a folder' }).waitFor()
    await save('start')
    expect(await accessibilityProblems(page)).toEqual([])
    await app.close()
  })

  it('shows a folder before it is imported, and takes a voxel size that the files do not have', async () => {
    await launch(tomogram.images)
    const dialog = page.getByRole('dialog', { name: 'Import volume' })
    await dialog.getByText('24 slices, in order.').waitFor()
    expect(await dialog.getByText('24 × 200 × 240').first().isVisible()).toBe(true)
    const name = dialog.getByRole('textbox', { name: 'Name' })
    await name.fill('first-day')
    for (const axis of ['z', 'y', 'x']) {
      await dialog.getByRole('textbox', { name: `Voxel size ${axis}` }).fill(axis === 'z' ? '0.2' : '0.1')
    }
    await save('import')
    expect(await accessibilityProblems(page)).toEqual([])
    // Physical size: 24 × 0.2, 200 × 0.1, 240 × 0.1 µm.
    await expect
      .poll(async () => (await dialog.innerText()).replace(/\s+/g, ' '))
      .toMatch(/4\.80? × 20(\.0)? × 24(\.0)? µm/)
    await dialog.getByRole('button', { name: 'Import', exact: true }).click()
    await dialog.waitFor({ state: 'hidden' })
  })

  it('lists the volume with its size, type and voxel size', async () => {
    const row = page.getByRole('table', { name: 'Volumes' }).getByRole('row', { name: /first-day/ })
    await row.waitFor()
    const text = (await row.innerText()).replace(/\s+/g, ' ')
    expect(text).toContain('24 × 200 × 240')
    expect(text).toContain('uint16')
    expect(text).toMatch(/0\.200 × 0\.100 × 0\.100 µm/)
    await largePlane(page).waitFor()
    await save('data')
    expect(await accessibilityProblems(page)).toEqual([])
  })

  it('shows the volume again by itself when the data process was killed', async () => {
    const { data } = await app.processIds()
    process.kill(data!, 'SIGKILL')
    await waitFor('another data process', async () => {
      const now = (await app.processIds()).data
      return now !== null && now !== data
    })
    const plane = largePlane(page)
    await plane.focus()
    // A slice that no cache of the window holds: it comes from the new process.
    for (let step = 0; step < 9; step++) await page.keyboard.press('ArrowDown')
    await plane.hover({ position: { x: 200, y: 160 } })
    await expect.poll(() => plane.innerText(), { timeout: 30_000 }).toMatch(/z\s*21[^]*grey\s*\d/)
    expect(await page.getByText('cannot be shown').count()).toBe(0)
    for (let step = 0; step < 9; step++) await page.keyboard.press('ArrowUp')
  })

  it('paints materials that are counted, and takes strokes back and brings them again', async () => {
    await addMaterials(page, ['Pore', 'Solid'])
    await largePlane(page).focus()
    await page.keyboard.press('b')
    await page.keyboard.press('1')
    await stroke(page, [
      [0.35, 0.4],
      [0.5, 0.45],
      [0.6, 0.4],
    ])
    await expect.poll(() => labelledVoxels(page, 'Pore')).toBeGreaterThan(100)
    await page.keyboard.press('2')
    await stroke(page, [
      [0.35, 0.6],
      [0.6, 0.6],
    ])
    await expect.poll(() => labelledVoxels(page, 'Solid')).toBeGreaterThan(100)
    expect(await strokeCount(page)).toBe(2)
    const painted = await labelledVoxels(page, 'Solid')
    await page.keyboard.press('z')
    await expect.poll(() => labelledVoxels(page, 'Solid')).toBe(0)
    await page.keyboard.press('Shift+Z')
    await expect.poll(() => labelledVoxels(page, 'Solid')).toBe(painted)
    await save('label')
    expect(await accessibilityProblems(page)).toEqual([])
  })

  it('fills a polygon and connected grey values, and erases', async () => {
    await largePlane(page).focus()
    const before = await labelledVoxels(page, 'Pore')
    await page.keyboard.press('1')
    await page.keyboard.press('p')
    for (const point of [
      [0.7, 0.3],
      [0.8, 0.3],
      [0.8, 0.45],
    ] as const)
      await clickAt(page, point)
    await page.keyboard.press('Enter')
    await expect.poll(() => labelledVoxels(page, 'Pore')).toBeGreaterThan(before)
    const withPolygon = await labelledVoxels(page, 'Pore')
    await page.keyboard.press('f')
    await clickAt(page, [0.3, 0.75])
    await expect.poll(() => labelledVoxels(page, 'Pore')).toBeGreaterThan(withPolygon)
    const withFill = await labelledVoxels(page, 'Pore')
    await page.keyboard.press('e')
    await stroke(page, [
      [0.68, 0.38],
      [0.82, 0.38],
    ])
    await expect.poll(() => labelledVoxels(page, 'Pore')).toBeLessThan(withFill)
    expect(await strokeCount(page)).toBe(5)
  })

  it('interpolates between two labelled slices', async () => {
    await largePlane(page).focus()
    for (let step = 0; step < 4; step++) await page.keyboard.press('ArrowUp')
    await page.keyboard.press('b')
    await page.keyboard.press('2')
    await stroke(page, [
      [0.35, 0.62],
      [0.6, 0.62],
    ])
    await expect.poll(() => strokeCount(page)).toBe(6)
    const before = await labelledVoxels(page, 'Solid')
    await page.getByRole('button', { name: /^Interpolate z/ }).click()
    await expect.poll(() => strokeCount(page)).toBe(7)
    expect(await labelledVoxels(page, 'Solid')).toBeGreaterThan(before)
  })

  it('finds everything again after closing', async () => {
    const counts = { pore: await labelledVoxels(page, 'Pore'), solid: await labelledVoxels(page, 'Solid') }
    await app.close()
    await launch(project)
    const label = page.getByRole('link', { name: 'Label', exact: true })
    await expect.poll(() => label.getAttribute('aria-disabled'), { timeout: 15_000 }).not.toBe('true')
    await page.keyboard.press('Control+2')
    await page.getByRole('list', { name: 'Materials' }).waitFor()
    await expect.poll(() => labelledVoxels(page, 'Pore')).toBe(counts.pore)
    expect(await labelledVoxels(page, 'Solid')).toBe(counts.solid)
    expect(await strokeCount(page)).toBe(7)
    await largePlane(page).focus()
    await page.keyboard.press('z')
    await expect.poll(() => strokeCount(page)).toBe(6)
    await page.keyboard.press('Shift+Z')
    await expect.poll(() => strokeCount(page)).toBe(7)
  })

  it('trains on what was painted, beside the open window, and leaves the scan as it was', async () => {
    const result = await resultOf([
      'train',
      tomogram.images,
      '--labels',
      project,
      '--model',
      'vgg16-nn',
      '--features',
      'block1',
      '--max-steps',
      '2',
      '--out',
      path.join(scratch, 'run'),
    ])
    expect(result).toMatchObject({ steps: 2 })
    expect(contentOf(tomogram.images)).toEqual(before)
  })
})
