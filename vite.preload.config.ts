import { builtinModules } from 'node:module'
import { defineConfig } from 'vite'

/** The preload script: one CommonJS file, because a sandboxed preload cannot load others. */
export default defineConfig({
  build: {
    outDir: 'dist/preload',
    emptyOutDir: true,
    target: 'chrome130',
    sourcemap: false,
    minify: false,
    lib: { entry: 'src/main/preload/preload.ts', formats: ['cjs'], fileName: () => 'preload.cjs' },
    rolldownOptions: { external: ['electron', ...builtinModules] },
  },
})
