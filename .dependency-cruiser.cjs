/** The layers of docs/architecture.md, as a rule. */

/** What is ours. */
const ours = '^(common|config|gen|rpc|dashboard|dataplane|controlplane|cli|scripts|test|examples)/';

/** Of what is ours, `folder` (a regular expression, to the slash) imports itself and `also` only. */
const only = (folder, also = [], except = undefined) => ({
  name: `${folder.replaceAll(/[^\w/]/g, '')} imports ${['itself', ...also].join(', ')} only`,
  severity: 'error',
  from: { path: `^${folder}/`, ...(except && { pathNot: except }) },
  to: { path: ours, pathNot: `^(${[folder.replace('([^/]+)', '$1'), ...also].join('|')})/` },
});

/** What both servers are built on. */
const base = ['common', 'config', 'gen', 'rpc'];

module.exports = {
  forbidden: [
    { name: 'no circles', severity: 'error', from: {}, to: { circular: true } },
    only('gen'),
    // It runs in browsers: of the others it knows the types of messages.
    only('dashboard', ['gen']),
    only('rpc', ['common', 'gen']),
    only('common', ['gen']),
    only('config', ['common', 'gen', 'rpc']),
    only('dataplane/core', base),
    only('dataplane/sockets', [...base, 'dataplane/core']),
    only('dataplane/kernel', [...base, 'dataplane/core', 'dataplane/sockets']),
    // The consumer owns the interface; main.ts joins them.
    only(
      'dataplane/([^/]+)',
      [...base, 'dataplane/core', 'dataplane/sockets', 'dataplane/kernel'],
      '^dataplane/(core|sockets|kernel)/',
    ),
    only('dataplane/protocols/([^/]+)', [...base, 'dataplane/core', 'dataplane/sockets']),
    only('dataplane', base),
    only('controlplane/core', base),
    only('controlplane/model', [...base, 'controlplane/core']),
    only('controlplane/live', [...base, 'controlplane/core', 'controlplane/model']),
    // main.ts and configuration.ts join them; objects and their store are what several work on.
    only(
      'controlplane/([^/]+)',
      [...base, 'controlplane/core', 'controlplane/model', 'controlplane/live'],
      '^controlplane/(core|model|live)/',
    ),
    only('controlplane/kubernetes/api', [...base, 'controlplane/core', 'controlplane/model']),
    // The files of `controlplane/kubernetes` itself join them.
    only(
      'controlplane/kubernetes/([^/]+)',
      [...base, 'controlplane/core', 'controlplane/model', 'controlplane/live', 'controlplane/kubernetes/api'],
      '^controlplane/kubernetes/(api/|[^/]+$)',
    ),
    only('controlplane', base),
    only('cli', [...base, 'dataplane', 'controlplane']),
    {
      name: 'only main.ts knows the protocols',
      severity: 'error',
      from: { pathNot: '^(dataplane/main.ts|dataplane/protocols/|test/|scripts/)' },
      to: { path: '^dataplane/protocols/' },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.cjs', '.mjs'] },
  },
};
