/**
 * `npm run conformance -- [OPTION…] [-- FLAG…]`: runs the conformance suite of Gateway API against a control plane that a command
 * installs, on a testbed of its own.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { productVersion } from '../../common/version.ts';
import { Kube } from '../support/kubernetes/kube.ts';
import { BIN } from '../support/kubernetes/program.ts';

const PROFILES = ['GATEWAY-TCP', 'GATEWAY-UDP', 'GATEWAY-TLS', 'GATEWAY-HTTP', 'GATEWAY-GRPC'];

/** Of Services as parents: the GatewayClass has no word for what is supported there. */
const MESH = {
  'conformance-profiles': 'MESH-HTTP,MESH-GRPC',
  'supported-features': [
    ...['Mesh', 'MeshClusterIPMatching', 'MeshConsumerRoute', 'MeshHTTPRouteBackendRequestHeaderModification'],
    ...['MeshHTTPRouteNamedRouteRule', 'MeshHTTPRouteQueryParamMatching', 'MeshHTTPRouteRedirectPath'],
    ...['MeshHTTPRouteRedirectPort', 'MeshHTTPRouteRewritePath', 'MeshHTTPRouteSchemeRedirect'],
    ...[
      'HTTPRoute',
      'HTTPRoute303RedirectStatusCode',
      'HTTPRoute307RedirectStatusCode',
      'HTTPRoute308RedirectStatusCode',
    ],
    ...['HTTPRouteParentRefPort', 'HTTPRouteResponseHeaderModification', 'GRPCRoute'],
  ].join(),
  'namespace-labels': 'l7mp.io/inject=enabled',
};

/** How long the suite may wait for states, in s: what is there at all is there sooner, and what is not costs this each time. */
const WAITS = {
  ...{ CreateTimeout: 20, DeleteTimeout: 20, GatewayMustHaveAddress: 30, GatewayMustHaveCondition: 30 },
  ...{ GatewayStatusMustHaveListeners: 20, GatewayListenersMustHaveConditions: 20, ListenerSetMustHaveCondition: 30 },
  ...{ GWCMustBeAccepted: 30, HTTPRouteMustNotHaveParents: 20, HTTPRouteMustHaveCondition: 20 },
  ...{ TLSRouteMustHaveCondition: 20, RouteMustHaveParents: 20, MaxTimeToConsistency: 20, NamespacesMustBeReady: 60 },
};

const USAGE = `npm run conformance -- [OPTION…] [-- FLAG…]

  --install COMMAND   a shell's command that installs the control plane, with KUBECONFIG set
  --uninstall COMMAND one that removes it again
  --profiles LIST     of the suite, with commas (${PROFILES.join()})
  --mesh              in place of these the profiles of Services as parents, with sidecars beside the suite's pods
  --features LIST     extended ones that are supported, with commas; "all" for all there are
  --channel NAME      of the CRDs: standard or experimental (experimental)
  --class NAME        the GatewayClass (l7mp)
  --run NAME          a single test of the suite
  --report FILE       where the report is written (.cache/conformance/report.yaml)
  --logs DIRECTORY    where the logs of all pods are kept when it fails (.cache/conformance/logs)
  --minutes N         the suite is killed after so long (60)
  FLAG                of the suite itself, as in -skip-tests=…
`;

const { values, positionals } = readArgs();
const report = resolve(values.report);
const logs = resolve(values.logs);
const minutes = Number(values.minutes);
const channel = values.channel;
if (values.help) {
  process.stdout.write(USAGE);
  process.exit();
}
if (channel !== 'standard' && channel !== 'experimental')
  refuse(`--channel: expected standard or experimental, found ${channel}`);
if (!(minutes > 0)) refuse(`--minutes: expected a number above 0, found ${values.minutes}`);

function readArgs() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        install: { type: 'string' },
        uninstall: { type: 'string' },
        profiles: { type: 'string', default: PROFILES.join() },
        mesh: { type: 'boolean', default: false },
        features: { type: 'string' },
        channel: { type: 'string', default: 'experimental' },
        class: { type: 'string', default: 'l7mp' },
        run: { type: 'string' },
        report: { type: 'string', default: '.cache/conformance/report.yaml' },
        logs: { type: 'string', default: '.cache/conformance/logs' },
        minutes: { type: 'string', default: '60' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    return refuse((error as Error).message);
  }
}

function refuse(why: string): never {
  process.stderr.write(`${why}\n${USAGE}`);
  process.exit(2);
}

/** Runs a command with the output of this process, and gives its exit code; -1 where a signal ended it. */
async function run(file: string, args: readonly string[], kubeconfig: string, limitMs?: number): Promise<number> {
  const env = { ...process.env, KUBECONFIG: kubeconfig, PATH: `${BIN}:${process.env['PATH']}` };
  const child = spawn(file, args, { stdio: 'inherit', env, timeout: limitMs, killSignal: 'SIGKILL' });
  const [code] = (await once(child, 'close')) as [number | null];
  return code ?? -1;
}

function suiteFlags(kube: Kube): string[] {
  const { loadBalancers } = kube.network;
  const flags = {
    'gateway-class': values.class,
    'conformance-profiles': values.profiles,
    'report-output': report,
    'timeout-config-overrides': Object.entries(WAITS)
      .map(([name, seconds]) => `${name}:${seconds}`)
      .join(';'),
    // One that load balancers give where they are asked for it, and one that they never have.
    'usable-address': loadBalancers[0].replace(/\.0\/\d+$/u, '.250'),
    'unusable-address': '198.51.100.1',
    organization: 'l7mp',
    project: 'l7mp',
    url: 'https://l7mp.io',
    version: productVersion(),
    contact: 'https://l7mp.io',
    ...(values.mesh ? MESH : {}),
    ...(values.features === 'all' ? { 'all-features': true } : {}),
    ...(values.features !== undefined && values.features !== 'all' ? { 'supported-features': values.features } : {}),
    ...(values.run === undefined ? {} : { 'run-test': values.run }),
  };
  return Object.entries(flags).map(([name, value]) => `-${name}=${value}`);
}

async function conform(kube: Kube): Promise<boolean> {
  if (values.install !== undefined && (await run('sh', ['-c', values.install], kube.kubeconfig)) !== 0) return false;
  mkdirSync(dirname(report), { recursive: true });
  rmSync(report, { force: true });
  const args = [
    '-test.run',
    '^TestConformance$',
    '-test.v',
    `-test.timeout=${minutes}m`,
    ...suiteFlags(kube),
    ...positionals,
  ];
  // Killed a little later than it ends by itself, with all it knows then.
  const code = await run(join(BIN, 'conformance.test'), args, kube.kubeconfig, (minutes * 60 + 10) * 1000);
  const isRemoved =
    values.uninstall === undefined || (await run('sh', ['-c', values.uninstall], kube.kubeconfig)) === 0;
  return code === 0 && isRemoved && existsSync(report);
}

const kube = await Kube.start({ hasNode: true, gatewayApi: channel });
const end = (): void => void kube.stop().finally(() => process.exit(130));
process.once('SIGINT', end).once('SIGTERM', end);
try {
  const isConformant = await conform(kube);
  if (existsSync(report)) process.stdout.write(`the report is ${report}\n`);
  if (!isConformant) {
    rmSync(logs, { recursive: true, force: true });
    kube.node.keepLogs(logs);
    process.stderr.write(`not conformant: the logs are in ${logs}\n`);
    process.exitCode = 1;
  }
} finally {
  await kube.stop();
}
