import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

const excluded = ['tests/bench/**', 'node_modules/**']

export default defineConfig({
  plugins: [vue()],
  test: {
    // TensorFlow takes all cores and much memory: one file at a time, each in its own process.
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 60_000,
    reporters: ['default', './tests/support/summary-reporter.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'node',
          include: ['tests/**/*.test.ts'],
          exclude: [...excluded, 'tests/renderer/**', 'tests/e2e/**'],
        },
      },
      {
        extends: true,
        test: {
          name: 'renderer',
          include: ['tests/renderer/**/*.test.ts'],
          environment: 'happy-dom',
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['tests/e2e/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
})
