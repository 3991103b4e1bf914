import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import type { Page } from 'playwright'
import { afterAll, describe, expect, it } from 'vitest'
import { scratchFolder } from '../support/file-tree.ts'
import { writeTomogram } from '../support/sample-tomogram.ts'
import type { AppUnderTest } from './support/app-under-test.ts'
import { testHosts } from './support/hosts.ts'
import { showFailures } from './support/show-failures.ts'
import { addMaterials, labelledVoxels, largePlane, stroke, strokeCount } from './support/painting.ts'

/**
 * What Label promises beyond a first day: versions, any place in the history, materials that must not be painted, files out
 * and in again, and nothing lost when the data process dies. The tests of a host build on each other.
 */

const hosts = await testHosts()

describe.each(hosts)('Label in $title', (host) => {
  if (host.absent) {
    it.skip('is tried', () => undefined)
    return
  }
  const scratch = scratchFolder(`label-${host.kind}`)
  const tomogram = writeTomogram(scratch, { slices: 12, height: 120, width: 140 })
  let app: AppUnderTest
  let page: Page

  async function line(row: number): Promise<void> {
    await stroke(page, [
      [0.35, row],
      [0.6, row],
    ])
  }

  showFailures(() => page)
  afterAll(async () => {
    await app.close()
  })

  it('opens a stack and names two materials', async () => {
    app = await host.launch({
      args: [tomogram.images],
      userFolder: path.join(scratch, 'user'),
      roots: [scratch],
      env: { PHASEMARK_PROJECTS: scratch },
      // The data process is killed below: its connections end.
      allowedProblems: [/WebSocket|Disconnected|ended|Failed to load/],
    })
    page = app.page
    page.setDefaultTimeout(20_000)
    const dialog = page.getByRole('dialog', { name: 'Import volume' })
    await dialog.getByRole('button', { name: 'Import', exact: true }).click()
    await dialog.waitFor({ state: 'hidden' })
    await addMaterials(page, ['Pore', 'Solid'])
    expect(await labelledVoxels(page, 'Pore')).toBe(0)
  })

  it('goes to any place in the history and back', async () => {
    await largePlane(page).focus()
    await page.keyboard.press('b')
    await page.keyboard.press('1')
    const counts = [0]
    for (const row of [0.35, 0.45, 0.55, 0.65]) {
      await line(row)
      await expect.poll(() => strokeCount(page)).toBe(counts.length)
      await expect.poll(() => labelledVoxels(page, 'Pore')).toBeGreaterThan(counts.at(-1) ?? 0)
      counts.push(await labelledVoxels(page, 'Pore'))
    }
    const steps = page.getByRole('list', { name: 'History, newest first' }).getByRole('button')
    await steps.nth(2).click()
    await expect.poll(() => labelledVoxels(page, 'Pore')).toBe(counts[2])
    expect(await strokeCount(page)).toBe(2)
    await steps.nth(0).click()
    await expect.poll(() => labelledVoxels(page, 'Pore')).toBe(counts[4])
  })

  it('keeps a version and brings it back as a step that can be undone', async () => {
    const before = await labelledVoxels(page, 'Pore')
    await page.keyboard.press('Control+s')
    await page.getByRole('textbox', { name: 'Name of the version' }).fill('four lines')
    await page.keyboard.press('Enter')
    await page.getByText('four lines').waitFor()
    await largePlane(page).focus()
    await page.keyboard.press('e')
    await line(0.45)
    await expect.poll(() => labelledVoxels(page, 'Pore')).toBeLessThan(before)
    const erased = await labelledVoxels(page, 'Pore')
    await page.getByRole('button', { name: /^Restore version 1/ }).click()
    await expect.poll(() => labelledVoxels(page, 'Pore')).toBe(before)
    await largePlane(page).focus()
    await page.keyboard.press('z')
    await expect.poll(() => labelledVoxels(page, 'Pore')).toBe(erased)
  })

  it('neither paints with nor over a locked material, and says so', async () => {
    const before = await labelledVoxels(page, 'Pore')
    const row = page
      .getByRole('list', { name: 'Materials' })
      .getByRole('listitem')
      .filter({ hasText: 'Pore' })
    await row.hover()
    await page.getByRole('button', { name: 'Lock Pore' }).click()
    await page.getByRole('button', { name: 'Unlock Pore' }).waitFor()
    await largePlane(page).focus()
    await page.keyboard.press('b')
    await page.keyboard.press('1')
    await line(0.75)
    await page.getByText('Pore is locked. Unlock it to paint with it.').first().waitFor()
    await page.keyboard.press('2')
    // Across the lines of Pore: between them Solid is painted, on them Pore stays.
    await stroke(page, [
      [0.45, 0.3],
      [0.45, 0.7],
    ])
    await expect.poll(() => labelledVoxels(page, 'Solid')).toBeGreaterThan(0)
    expect(await labelledVoxels(page, 'Pore')).toBe(before)
    await row.hover()
    await page.getByRole('button', { name: 'Unlock Pore' }).click()
    await page.getByRole('button', { name: 'Lock Pore' }).waitFor()
  })

  it('exports labels and imports them into an empty slice', async () => {
    const folder = path.join(scratch, 'exported')
    const before = await labelledVoxels(page, 'Pore')
    await page.keyboard.press('Control+e')
    const exporting = page.getByRole('dialog', { name: 'Export labels' })
    await exporting.getByRole('textbox', { name: 'New folder' }).fill(folder)
    await exporting.getByRole('button', { name: 'Export', exact: true }).click()
    await exporting.waitFor({ state: 'hidden' })
    await expect.poll(() => existsSync(folder) && readdirSync(folder).length > 0).toBe(true)
    await page.getByRole('button', { name: 'More for slices' }).click()
    await page.getByRole('menuitem', { name: /^Clear slice/ }).click()
    await expect.poll(() => labelledVoxels(page, 'Pore')).toBe(0)
    await page.getByRole('button', { name: 'More for slices' }).click()
    await page.getByRole('menuitem', { name: /^Import labels/ }).click()
    const importing = page.getByRole('dialog', { name: 'Import labels' })
    await importing.getByRole('textbox', { name: 'Folder or file of labels' }).fill(folder)
    await importing.getByRole('button', { name: 'Import', exact: true }).click()
    await importing.waitFor({ state: 'hidden' })
    await expect.poll(() => labelledVoxels(page, 'Pore'), { timeout: 20_000 }).toBe(before)
  })

  it('paints on while the data process is killed, and writes every stroke', async () => {
    const before = await strokeCount(page)
    const { data } = await app.processIds()
    expect(data).not.toBeNull()
    await largePlane(page).focus()
    await page.keyboard.press('b')
    await page.keyboard.press('2')
    await line(0.4)
    process.kill(data ?? 0, 'SIGKILL')
    for (const row of [0.5, 0.6, 0.7]) await line(row)
    await expect.poll(() => strokeCount(page), { timeout: 30_000 }).toBe(before + 4)
  })
})
