/** The layers of docs/architecture.md, as a rule. */
const middle = '^dataplane/(admin|cluster|config|lb|pipeline|protocols|runtime|telemetry|xds)/';

module.exports = {
  forbidden: [
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'core-imports-nothing-of-ours',
      severity: 'error',
      from: { path: '^dataplane/core/' },
      to: { path: '^(dataplane|controlplane|rpc|cli|scripts|test|examples)/', pathNot: '^dataplane/core/' },
    },
    {
      name: 'sockets-import-core-only',
      severity: 'error',
      from: { path: '^dataplane/sockets/' },
      to: { path: '^(dataplane|cli|scripts|test|examples)/', pathNot: '^dataplane/(core|sockets)/' },
    },
    {
      name: 'layers-do-not-import-each-other',
      comment: 'The consumer owns the interface; main.ts joins them.',
      severity: 'error',
      from: { path: '^dataplane/([^/]+)/', pathNot: '^dataplane/(core|sockets)/' },
      to: { path: middle, pathNot: '^dataplane/$1/' },
    },
    {
      name: 'protocols-do-not-import-each-other',
      severity: 'error',
      from: { path: '^dataplane/protocols/([^/]+)/' },
      to: { path: '^dataplane/protocols/', pathNot: '^dataplane/protocols/$1/' },
    },
    {
      name: 'only-main-knows-the-protocols',
      severity: 'error',
      from: { pathNot: '^(dataplane/main.ts|dataplane/protocols/|test/|scripts/)' },
      to: { path: '^dataplane/protocols/index.ts' },
    },
    {
      name: 'nothing-imports-tests-or-scripts',
      severity: 'error',
      from: { path: '^(dataplane|cli|gen)/' },
      to: { path: '^(test|scripts|examples)/' },
    },
    {
      name: 'dataplane-does-not-import-the-control-plane',
      severity: 'error',
      from: { path: '^(dataplane|gen|rpc)/' },
      to: { path: '^controlplane/' },
    },
    {
      name: 'parts-of-the-control-plane-do-not-import-each-other',
      comment: 'controlplane/main.ts and configuration.ts join them; objects and their store are what several work on.',
      severity: 'error',
      from: { path: '^controlplane/([^/]+)/', pathNot: '^controlplane/(core|model|live)/' },
      to: { path: '^controlplane/', pathNot: '^controlplane/(core|model|live|$1)/' },
    },
    {
      name: 'controlplane-core-imports-core-only',
      severity: 'error',
      from: { path: '^controlplane/core/' },
      to: { path: '^controlplane/', pathNot: '^controlplane/core/' },
    },
    {
      name: 'controlplane-model-imports-core-only',
      severity: 'error',
      from: { path: '^controlplane/model/' },
      to: { path: '^controlplane/', pathNot: '^controlplane/(core|model)/' },
    },
    {
      name: 'controlplane-live-imports-core-and-model-only',
      severity: 'error',
      from: { path: '^controlplane/live/' },
      to: { path: '^controlplane/', pathNot: '^controlplane/(core|model|live)/' },
    },
    {
      name: 'controlplane-shares-core-and-config-with-the-data-plane',
      comment: 'An object is checked by the validator that the proxies run; metrics are written by what writes theirs.',
      severity: 'error',
      from: { path: '^controlplane/', pathNot: '^controlplane/telemetry/' },
      to: { path: '^dataplane/', pathNot: '^dataplane/(core|config)/' },
    },
    {
      name: 'controlplane-telemetry-shares-that-of-the-data-plane',
      severity: 'error',
      from: { path: '^controlplane/telemetry/' },
      to: { path: '^dataplane/', pathNot: '^dataplane/(core|config|telemetry)/' },
    },
    {
      name: 'controlplane-imports-no-tests-or-scripts',
      severity: 'error',
      from: { path: '^(controlplane|rpc)/' },
      to: { path: '^(test|scripts|examples)/' },
    },
    {
      name: 'controlplane-does-not-import-cli',
      severity: 'error',
      from: { path: '^controlplane/' },
      to: { path: '^cli/' },
    },
    { name: 'dataplane-does-not-import-cli', severity: 'error', from: { path: '^dataplane/' }, to: { path: '^cli/' } },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.cjs', '.mjs'] },
  },
};
