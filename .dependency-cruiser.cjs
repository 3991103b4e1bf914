/** Layers: shared ← engine ← hosts. The folder is the environment; see docs/architecture.md. */
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'shared-imports-only-zod',
      severity: 'error',
      from: { path: '^src/shared' },
      to: { pathNot: '^src/shared|node_modules/zod/' },
    },
    {
      name: 'engine-knows-no-host',
      severity: 'error',
      from: { path: '^src/main/engine' },
      to: { path: '^src/(renderer|main/(hosts|preload))|node_modules/electron' },
    },
    {
      name: 'tensors-stay-in-learning',
      comment: 'TensorFlow is loaded in one place and used only where models live.',
      severity: 'error',
      from: { path: '^src', pathNot: '^src/main/engine/(compute|learning)' },
      to: { path: 'node_modules/@tensorflow' },
    },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, path: '^src', pathNot: '\\.d\\.ts$' },
      to: {},
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default'],
    },
  },
}
