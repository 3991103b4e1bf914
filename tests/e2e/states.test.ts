import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Page } from 'playwright'
import { afterAll, describe, expect, it } from 'vitest'
import { acquireLock } from '../../src/main/engine/files/lock.ts'
import { plainLayout, writeSampleVolume } from '../bench/sample-volume.ts'
import { scratchFolder } from '../support/file-tree.ts'
import { writeTomogram } from '../support/sample-tomogram.ts'
import { waitFor, type AppUnderTest } from './support/app-under-test.ts'
import { testHosts } from './support/hosts.ts'
import { accessibilityProblems, saveLooks } from './support/looks.ts'
import { labelledVoxels, largePlane, stroke } from './support/painting.ts'
import { showFailures } from './support/show-failures.ts'

/**
 * What the window says when something is the matter, or when there is nothing yet: each state is reached as a user reaches it, can be
 * left by what it offers, and is accessible. The tests of a host build on each other.
 */

const hosts = await testHosts()

describe.each(hosts)('states of the window in $title', (host) => {
  if (host.absent) {
    it.skip('are shown', () => undefined)
    return
  }
  const scratch = scratchFolder(`states-${host.kind}`)
  const { images } = writeTomogram(scratch, { slices: 12, height: 200, width: 240 })
  const project = path.join(scratch, 'states.phasemark')
  let app: AppUnderTest | null = null
  let page: Page

  const launch = async (...args: string[]): Promise<void> => {
    // One is left where a test before failed.
    await close()
    app = await host.launch({
      args,
      userFolder: path.join(scratch, 'user'),
      roots: [scratch],
      env: { PHASEMARK_PROJECTS: scratch },
      // The data process is killed again and again.
      allowedProblems: [/WebSocket|503|Disconnected|connection/i],
    })
    page = app.page
    page.setDefaultTimeout(20_000)
    await page.emulateMedia({ reducedMotion: 'reduce' })
  }
  const close = async (): Promise<void> => {
    await app?.close()
    app = null
  }
  const check = async (name: string): Promise<void> => {
    await saveLooks(app!, name)
    expect(await accessibilityProblems(page)).toEqual([])
  }
  const button = (name: string | RegExp) =>
    page.getByRole('button', { name, exact: typeof name === 'string' })
  const importDialog = () => page.getByRole('dialog', { name: 'Import volume' })

  const importVolume = async (name: string): Promise<void> => {
    await importDialog().getByRole('textbox', { name: 'Name' }).fill(name)
    await button('Import').click()
    await importDialog().waitFor({ state: 'hidden' })
    await largePlane(page).waitFor()
  }

  showFailures(() => (app === null ? null : page))
  afterAll(close)

  it('a folder without slices is refused, and says what is in it', async () => {
    const folder = path.join(scratch, 'notes')
    mkdirSync(folder)
    writeFileSync(path.join(folder, 'notes.txt'), 'scan 4, 0.4 µm')
    await launch(folder)
    await importDialog()
      .getByText(/found a folder without any/)
      .waitFor()
    await check('import-refused')
    await close()
  })

  it('slices of different sizes are refused, and the odd one is named', async () => {
    const folder = path.join(scratch, 'mixed')
    cpSync(images, folder, { recursive: true })
    const other = writeTomogram(path.join(scratch, 'other'), { slices: 1, height: 100, width: 100 })
    cpSync(path.join(other.images, 'slice_000.tif'), path.join(folder, 'slice_004.tif'))
    await launch(folder)
    await importDialog()
      .getByText(/slice_004\.tif/)
      .first()
      .waitFor()
    await check('import-mixed')
    await close()
  })

  it('a slice that cannot be read is said in its place, and the others can be looked at', async () => {
    const folder = path.join(scratch, 'damaged')
    const layout = { ...plainLayout, compression: 'deflate' } as const
    const size = { slices: 12, height: 200, width: 240 }
    const odd = writeSampleVolume(folder, { ...size, distinctSlices: 12, layout })[2]
    await launch(folder)
    await importVolume('damaged')
    await close()
    const bytes = readFileSync(odd)
    writeFileSync(odd, bytes.fill(0, bytes.length / 2, bytes.length / 2 + 2000))
    // Whoever imports it now is told before.
    await launch(folder)
    await importDialog().getByText(path.basename(odd)).waitFor()
    await close()
    await launch(path.join(scratch, 'damaged.phasemark'))
    const plane = largePlane(page)
    await plane.focus()
    for (let step = 0; step < 4; step++) await page.keyboard.press('ArrowUp')
    await plane.getByText(/cannot be shown/).waitFor()
    await plane.getByText(path.basename(odd)).waitFor()
    await check('slice-damaged')
    await plane.focus()
    await page.keyboard.press('ArrowUp')
    await expect.poll(() => page.getByText(/cannot be shown/).count()).toBe(0)
    await close()
  })

  it('labels without a material ask for the first', async () => {
    await launch(images)
    await importVolume('states')
    await page.keyboard.press('Control+2')
    await page.getByRole('textbox', { name: 'Name of the first material' }).waitFor()
    await check('label-empty')
    await button('Add material').click()
    expect(await page.getByText('A material needs a name').count()).toBeGreaterThan(0)
    await page.getByRole('textbox', { name: 'Name of the first material' }).fill('Pore')
    await button('Add material').click()
    await page.getByRole('list', { name: 'Materials' }).getByText('Pore').waitFor()
  })

  it('the palette, the keys and the settings come and go by keyboard', async () => {
    await largePlane(page).focus()
    for (const [key, shown, picture] of [
      ['Control+k', page.getByRole('listbox', { name: 'Matches' }), 'palette'],
      ['F1', page.getByRole('dialog', { name: 'Keys and mouse' }), 'keys'],
      ['Control+,', page.getByRole('dialog', { name: 'Settings' }), 'settings'],
    ] as const) {
      await page.keyboard.press(key)
      await shown.waitFor()
      await check(picture)
      await page.keyboard.press('Escape')
      await shown.waitFor({ state: 'hidden' })
    }
  })

  it('a data process that keeps ending is started again on demand', async () => {
    for (let killed: number | null = null; ;) {
      const { data } = await app!.processIds()
      if (data !== null && data !== killed) {
        process.kill(data, 'SIGKILL')
        killed = data
      }
      if (await button('Start it again').isVisible()) break
    }
    await check('data-failed')
    await button('Start it again').click()
    await button('Start it again').waitFor({ state: 'hidden' })
    await largePlane(page).waitFor()
    await page.keyboard.press('b')
    await page.keyboard.press('1')
    await stroke(page, [
      [0.4, 0.4],
      [0.6, 0.4],
    ])
    await expect.poll(() => labelledVoxels(page, 'Pore'), { timeout: 20_000 }).toBeGreaterThan(0)
    await close()
  })

  it('a source that is gone is said so, its labels are kept, and it is found when it is back', async () => {
    const elsewhere = path.join(scratch, 'elsewhere')
    renameSync(images, elsewhere)
    await launch(project)
    await page.getByText('The source is not where it was').waitFor()
    await check('data-missing')
    await page.keyboard.press('Control+2')
    await page.getByText('states is not where it was').waitFor()
    await check('label-missing')
    renameSync(elsewhere, images)
    await button('Try again').click()
    await largePlane(page).waitFor()
    await expect.poll(() => labelledVoxels(page, 'Pore')).toBeGreaterThan(0)
    await close()
  })

  it('a project that is in use opens for looking, and for painting once it is free', async () => {
    const lock = await acquireLock(project, { purpose: 'Phasemark project' })
    await launch(project)
    await page.getByText(/Open for looking only: In use by process/).waitFor()
    await page.keyboard.press('Control+2')
    await page.getByText('Looking only.').first().waitFor()
    await check('looking-only')
    await lock.release()
    await button('Try again').click()
    await page.getByText(/Open for looking only/).waitFor({ state: 'hidden' })
    const before = await labelledVoxels(page, 'Pore')
    await largePlane(page).focus()
    await page.keyboard.press('b')
    await page.keyboard.press('1')
    await stroke(page, [
      [0.4, 0.6],
      [0.6, 0.6],
    ])
    await expect.poll(() => labelledVoxels(page, 'Pore')).toBeGreaterThan(before)
  })

  it('a project without volumes, and a window without a project, say what to do', async () => {
    await page.keyboard.press('Control+1')
    await page
      .getByRole('table', { name: 'Volumes' })
      .getByRole('row', { name: /states/ })
      .click()
    await page.keyboard.press('Delete')
    await page.getByText('No volume yet').waitFor()
    await check('data-empty')
    await close()
    rmSync(project, { recursive: true })
    await launch()
    await waitFor('the start page', () => button('Open a folder').isVisible())
    await check('start-recent-gone')
  })
})
