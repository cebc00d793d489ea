/** The layers of docs/architecture.md, as a rule. */
const middle = '^dataplane/(admin|cluster|config|lb|pipeline|protocols|runtime|telemetry|xds)/';

module.exports = {
  forbidden: [
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'core-imports-nothing-of-ours',
      severity: 'error',
      from: { path: '^dataplane/core/' },
      to: { path: '^(dataplane|cli|scripts|test|examples)/', pathNot: '^dataplane/core/' },
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
      comment: 'controlplane/main.ts joins them.',
      severity: 'error',
      from: { path: '^controlplane/(http|rpc|security|store|telemetry|xds)/' },
      to: { path: '^(controlplane|cli|test|scripts)/', pathNot: '^controlplane/(core|$1)/' },
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
