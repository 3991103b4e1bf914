import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Packager } from 'electron-builder'
import { describe, expect, it } from 'vitest'
import { repository } from '../e2e/support/electron-runtime.ts'

/** What electron-builder itself reads out of electron-builder.yml, checked against its own schema. */
async function packaging() {
  const packager = new Packager({ projectDir: repository })
  await packager.validateConfig()
  return packager.config
}

describe('packaging', () => {
  it('turns off every way to make the packaged app run something else', async () => {
    const { electronFuses, asar } = await packaging()
    expect(electronFuses).toEqual({
      // `ELECTRON_RUN_AS_NODE=1 phasemark script.js`, NODE_OPTIONS=--require, --inspect
      runAsNode: false,
      enableNodeOptionsEnvironmentVariable: false,
      enableNodeCliInspectArguments: false,
      enableCookieEncryption: true,
      // The code is in the archive and nowhere else, and the archive is the one that was built.
      enableEmbeddedAsarIntegrityValidation: true,
      onlyLoadAppFromAsar: true,
      // Pages of file: are nothing special; the window has its own scheme.
      grantFileProtocolExtraPrivileges: false,
    })
    expect(asar).toBe(true)
  })

  it('packs what runs and nothing of the workshop', async () => {
    const { files, asarUnpack } = await packaging()
    // electron-builder turns a list of patterns into one set of files.
    const patterns = [files].flat().flatMap((entry) => {
      if (typeof entry === 'string') return [entry]
      return [entry?.filter ?? []].flat()
    })
    expect(patterns).toEqual(
      expect.arrayContaining(['dist/main/**/*', 'dist/preload/**/*', 'dist/renderer/**/*']),
    )
    expect(patterns.filter((pattern) => /^(src|tests|scripts|docs)/.test(pattern))).toEqual([])
    expect(asarUnpack).toEqual(expect.arrayContaining(['**/*.node', 'dist/main/**/*-worker.js']))
  })

  it('has the icons it names, in the sizes they say', async () => {
    const config = await packaging()
    for (const icon of [config.linux?.icon, config.win?.icon, config.mac?.icon]) {
      expect(typeof icon === 'string' && existsSync(path.join(repository, icon)), String(icon)).toBe(true)
    }
    for (const size of [16, 32, 48, 64, 128, 256, 512, 1024]) {
      const png = readFileSync(path.join(repository, `resources/icons/${size}x${size}.png`))
      // PNG specification, 11.2.2: width and height are the first fields of IHDR, at bytes 16 and 20.
      expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([size, size])
    }
  })
})
