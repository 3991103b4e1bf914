import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

/** The window: the same files for Electron and the web host. Everything is local; see docs/adr/0009. */
export default defineConfig({
  root: 'src/renderer',
  base: './',
  plugins: [vue()],
  build: {
    outDir: '../../dist/renderer',
    emptyOutDir: true,
    target: 'chrome130',
    sourcemap: true,
    // Inlined files would be data: addresses, which the content security policy does not allow for scripts and fonts.
    assetsInlineLimit: 0,
    // Read from the local disk: three.js in one file costs nothing.
    chunkSizeWarningLimit: 1500,
  },
})
