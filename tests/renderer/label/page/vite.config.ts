import path from 'node:path'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

/** Serves Label over fake services: `vite --config tests/renderer/label/page/vite.config.ts`. */
export default defineConfig({
  root: import.meta.dirname,
  plugins: [vue()],
  server: { fs: { allow: [path.resolve(import.meta.dirname, '../../../..')] } },
})
