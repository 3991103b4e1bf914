/** Layers: shared ← engine ← hosts. The folder is the environment; see docs/architecture.md. */
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'shared-imports-only-zod',
      severity: 'error',
      from: { path: '^src/shared', pathNot: '^src/shared/contract/transport' },
      to: { pathNot: '^src/shared|node_modules/zod/' },
    },
    {
      name: 'transports-carry-and-encode',
      comment: 'What carries the contract may use the libraries that match calls and pack bytes.',
      severity: 'error',
      from: { path: '^src/shared/contract/transport' },
      to: { pathNot: '^src/shared|node_modules/(zod|birpc|msgpackr)/' },
    },
    {
      name: 'window-knows-shared-only',
      severity: 'error',
      from: { path: '^src/renderer' },
      to: { path: '^src/main' },
    },
    {
      name: 'viewer-knows-no-vue',
      severity: 'error',
      from: { path: '^src/renderer/(viewer|annotate)' },
      to: {
        path: 'node_modules/(vue|@vue|pinia|@vueuse|reka-ui)|^src/renderer/(stores|components|workspaces|api)',
      },
    },
    {
      name: 'only-api-talks-to-the-contract',
      comment: 'Types may come from anywhere; connections are made in api/.',
      severity: 'error',
      from: { path: '^src/renderer', pathNot: '^src/renderer/api' },
      to: { path: '^src/shared/contract/transport', dependencyTypesNot: ['type-only'] },
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
