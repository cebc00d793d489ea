/** k8s/examples with the chart installed: applied as users do it, all of each in effect, and spoken to by foreign clients. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { parseAllDocuments } from 'yaml';
import type { Condition, KubeObject } from '../../../../controlplane/kubernetes/api/object.ts';
import { makeCertificate } from '../../../support/certificates.ts';
import { type Result, runCommand } from '../../../support/command.ts';
import { installChart } from '../../../support/kubernetes/chart.ts';
import type { Images } from '../../../support/kubernetes/node.ts';
import { PYTHON as VENV_PYTHON } from '../../../support/peer.ts';
import { sharedKube } from '../../../support/kubernetes/shared.ts';
import { until } from '../../../support/until.ts';

const EXAMPLES = 'k8s/examples';
const PYTHON = resolve(VENV_PYTHON);
const script = (name: string): string => resolve('test/integration/controlplane/kubernetes/examples', name);

/** What stands for the images that examples name. */
const IMAGES: Images = {
  'alpine/socat': { command: ['socat'] },
  'curlimages/curl': { command: [] },
  'hashicorp/http-echo': { command: ['python3', script('http-echo.py')] },
  'otel/opentelemetry-collector': { command: ['python3', script('otlp-text.py')] },
  'moul/grpcbin': { command: [PYTHON, script('grpc-names.py'), 'serve'] },
  // What clients say comes back: what passes on its way is what is tested.
  'eclipse-mosquitto': { command: ['socat', 'TCP-LISTEN:1883,fork,reuseaddr', 'SYSTEM:cat'] },
};

describe('examples for Kubernetes', function () {
  this.timeout(120_000);
  const kube = sharedKube({ hasNode: true, gatewayApi: 'experimental', images: IMAGES });
  const directory = mkdtempSync(join(tmpdir(), 'l7mp-examples-'));
  const certificate = makeCertificate(directory, 'examples', 'DNS:mqtt.example,DNS:shop.example,DNS:*.mail.example');
  let namespace: string;

  before(async function () {
    this.timeout(240_000);
    await installChart(kube());
  });
  after(() => rmSync(directory, { recursive: true }));

  beforeEach(async () => {
    namespace = await kube().namespace();
  });
  afterEach(async () => {
    await kube().kubectl(['delete', 'namespace', namespace, '--wait=false']);
    // Those in the node's network hold its ports for as long as they drain.
    await kubectl('delete', 'pods', '--all', '--force', '--grace-period=0');
  });

  const kubectl = (...args: string[]): Promise<string> => kube().kubectl(['--namespace', namespace, ...args]);
  const addressOf = (gateway: string): Promise<string> =>
    kubectl('get', 'gateway', gateway, '--output=jsonpath={.status.addresses[0].value}');
  /** Runs a client until it ends well and prints something, and gives that; rejects with what it said last where it never does. */
  const answered = async (file: string, args: readonly string[], input = ''): Promise<string> => {
    let last = '';
    const answer = until(`an answer to ${file} ${args.join(' ')}`, async () => {
      const { code, stdout, stderr } = await runCommand(file, args, input);
      last = stderr;
      return code === 0 && stdout.trim() !== '' && stdout.trim();
    });
    return answer.catch((error: unknown) => {
      throw new Error(`${(error as Error).message}: ${last}`);
    });
  };
  const socat = (to: string, text = 'hello'): Promise<string> => answered('socat', ['-t', '1', '-', to], `${text}\n`);
  const webSocket = (url: string, subprotocol: string, text: string): Promise<string> =>
    answered(PYTHON, [script('websocket.py'), url, subprotocol, text]);
  const tls = (address: string, name: string, input = ''): Promise<string> =>
    answered(
      'openssl',
      [
        ...[
          's_client',
          '-connect',
          address,
          '-servername',
          name,
          '-verify_hostname',
          name,
          '-CAfile',
          certificate.cert,
        ],
        ...['-verify_return_error', '-quiet'],
      ],
      input,
    );
  /** The servers that several new sessions of one client come to. What forks for each datagram may answer one twice. */
  const serversOf = async (to: string): Promise<Set<string>> => {
    const answers = await Promise.all(Array.from({ length: 6 }, () => socat(to)));
    return new Set(answers.map((text) => text.split('\n', 1).join()));
  };
  /** As long as a policy counts, all go to one; without it they don't, which shows that they might. */
  const keepsServer = async (policy: string, to: string): Promise<void> => {
    const [first = '', ...others] = await serversOf(to);
    expect([first.startsWith(`${policy}-`), others]).to.deep.equal([true, []]);
    await kubectl('delete', 'trafficpolicy', policy);
    await until('sessions to take turns', async () => (await serversOf(to)).size > 1);
  };

  /** What users try, by file. */
  const TRIALS: Readonly<Record<string, () => Promise<void>>> = {
    async 'dns.yaml'() {
      const address = await addressOf('dns');
      // An example whose checks get no answer serves for as long as the first takes.
      await until('servers to be asked whether they are well, each twice', async () => {
        const logs = await kubectl('logs', '--selector=app=dns', '--tail=-1', '--prefix');
        const asked = [...logs.matchAll(/^\[(\S+) .* asked for \[\{\. /gmu)].map(([, pod]) => pod);
        return new Set(asked).size === 2 && asked.length >= 8;
      });
      for (const over of ['+notcp', '+tcp']) {
        expect(await answered('dig', [`@${address}`, over, 'whoami.example'])).to.include('status: NOERROR');
      }
    },
    async 'game-server.yaml'() {
      await keepsServer('game', `UDP:${await addressOf('game')}:7777`);
    },
    async 'grpc.yaml'() {
      const methods = ['Index', 'Index', 'RandomError'].map((method) => `/grpcbin.GRPCBin/${method}`);
      const args = [script('grpc-names.py'), 'call', `${await addressOf('grpc')}:9000`, ...methods];
      const [one = '', other = '', error = ''] = (await answered(PYTHON, args)).split('\n');
      expect(error).to.match(/^grpc-errors-/u);
      for (const name of [one, other]) expect(name).to.match(/^grpc-(?!errors)/u);
    },
    async 'http-canary.yaml'() {
      const url = `http://${await addressOf('web')}/`;
      const versions = (await answered('curl', ['-sS', '--fail', `${url}?[1-200]`])).split('\n');
      expect(versions).to.have.length(200);
      const canaries = versions.filter((text) => text === 'version 2').length;
      expect(canaries).to.be.within(3, 45); // a tenth, within five standard deviations
      expect(
        new Set((await answered('curl', ['-sS', '-H', 'x-version: 2', `${url}?[1-20]`])).split('\n')),
      ).to.deep.equal(new Set(['version 2']));
      const seen = (): Promise<number> =>
        kubectl('logs', 'deployment/web-v2').then((text) => text.split('\n').filter((line) => line !== '').length);
      // Half of what came to the rule, beside its own.
      await until('copies of requests', async () => (await seen()) > canaries + 20 + 60);
      const weights = [0, 1].map((value) => ({
        op: 'replace',
        path: `/spec/rules/1/backendRefs/${value}/weight`,
        value,
      }));
      await kubectl('patch', 'httproute', 'web', '--type=json', '-p', JSON.stringify(weights));
      await until('all to be of version 2', async () => {
        const texts = await answered('curl', ['-sS', '--fail', `${url}?[1-50]`]);
        return !texts.includes('version 1');
      });
    },
    async 'mesh.yaml'() {
      const ask = (...args: string[]): Promise<string> =>
        kubectl('exec', 'deployment/client', '--container=client', '--', 'curl', '-sS', ...args);
      await until('the route to be in effect', async () =>
        (await ask('-H', 'x-version: 2', 'http://shop/')).includes('version 2'),
      );
      const versions = (await ask('--fail', 'http://shop/?[1-200]')).trim().split('\n');
      expect(versions).to.have.length(200);
      const canaries = versions.filter((text) => text === 'version 2').length;
      expect(canaries).to.be.within(3, 45); // a tenth, within five standard deviations
    },
    async 'mqtt.yaml'() {
      const address = await addressOf('mqtt');
      expect(await socat(`TCP:${address}:1883`, 'plain')).to.equal('plain');
      const secure = `OPENSSL:${address}:8883,cafile=${certificate.cert},snihost=mqtt.example,commonname=mqtt.example`;
      expect(await socat(secure, 'secret')).to.equal('secret');
      expect(await webSocket(`ws://${address}:8083`, 'mqtt', 'page')).to.equal('mqtt page');
    },
    async 'sip-rtp.yaml'() {
      const address = await addressOf('sip');
      for (const transport of ['UDP', 'TCP']) {
        expect(await socat(`${transport}:${address}:5060`, 'OPTIONS')).to.equal('OPTIONS');
      }
      const [node] = kube().network.node;
      const workers = async (): Promise<string[]> => {
        const names = await Promise.all([30_000, 30_001].map((port) => serversOf(`UDP:${node}:${port}`)));
        return [...new Set(names.flatMap((some) => [...some]))];
      };
      const [name = ''] = await until('one worker for both', async () => {
        const found = await workers();
        return found.length === 1 && found;
      });
      expect(name).to.match(/^media-/u);
      // Without the rules that keep them together both are found, which shows that there were two.
      const turns = JSON.stringify({ spec: { cluster: { loadbalancer: { policy: 'RoundRobin', key: null } } } });
      await kubectl('patch', 'target', 'media-rtp', '--type=merge', '-p', turns);
      await until('sessions to take turns', async () => (await workers()).length === 2);
    },
    async 'telemetry.yaml'() {
      const address = await addressOf('shop');
      const asks = (tenant: string, to: string, ...more: string[]): string[] => [
        ...['-sS', '--fail', '-H', `x-tenant: ${tenant}`, ...more, `http://${address}${to}?[1-200]`],
      ];
      // What its client records is recorded, whatever the share.
      const recorded = ['-H', 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'];
      await answered('curl', asks('nobody', ':8080/watchman', ...recorded));
      // On one connection, so that it is told in this order.
      await answered('curl', [...asks('blue', '/'), '--next', ...asks('marked', '/', ...recorded)]);
      const times = (found: string, word: string): number => found.split(word).length - 1;
      const traces = await until('marked traces', async () => {
        const told = await kubectl('logs', 'deployment/collector', '--tail=-1');
        return times(told, 'marked') === 200 && told;
      });
      const log = await kubectl('logs', '--selector=gateway.networking.k8s.io/gateway-name=shop', '--tail=-1');
      const lines = log.match(/^\S+ GET \/ 200 \d+ \S+ "blue" (?:-|[\da-f]{32})$/gmu) ?? [];
      for (const [what, count] of Object.entries({ lines: lines.length, traces: times(traces, 'blue') })) {
        expect(count, what).to.be.within(3, 45); // a tenth of 200, within five standard deviations
      }
      // Keys and values of the resource, as OTLP has them, one after the other.
      const resource = (await kubectl('logs', 'deployment/collector', '--tail=-1')).split('\n');
      const valueOf = (key: string): string | undefined => resource[resource.indexOf(key) + 1];
      const keys = ['service.name', 'k8s.namespace.name', 'k8s.pod.name', 'deployment.environment.name'];
      const [service, place, instance = '', environment] = keys.map(valueOf);
      expect([service, place, environment]).to.deep.equal(['shop', namespace, 'test']);
      expect(instance).to.match(/^shop-l7mp-/u);
      // Theirs would be JSON.
      expect([times(log, '"duration_ms"'), times(traces, 'watchman')], 'of probes').to.deep.equal([0, 0]);
    },
    async 'tls-passthrough.yaml'() {
      const address = `${await addressOf('passthrough')}:443`;
      expect(await tls(address, 'shop.example')).to.equal('shop');
      expect(await tls(address, 'a.mail.example')).to.equal('mail');
    },
    async 'unix-websocket.yaml'() {
      const address = await kubectl('get', 'service', 'daemon', '--output=jsonpath={.spec.clusterIP}');
      expect(await webSocket(`ws://${address}:8888`, '', 'from a page')).to.equal('None from a page');
    },
    async 'vpn.yaml'() {
      await keepsServer('vpn', `UDP:${await addressOf('vpn')}:51820`);
    },
  };

  it('are all tried', () => {
    expect(readdirSync(EXAMPLES).sort()).to.deep.equal(Object.keys(TRIALS).sort());
  });

  for (const [file, trial] of Object.entries(TRIALS)) {
    it(`${file} is in effect, and does what it says`, async () => {
      const text = readFileSync(join(EXAMPLES, file), 'utf8');
      const secret = /kubectl create secret tls (\S+)/u.exec(text)?.[1];
      if (secret !== undefined) {
        await kubectl('create', 'secret', 'tls', secret, `--cert=${certificate.cert}`, `--key=${certificate.key}`);
      }
      const args = ['apply', '--namespace', namespace, '--validate=strict', '--warnings-as-errors'];
      const { code, stderr }: Result = await kube().tryKubectl([...args, '-f', join(EXAMPLES, file)]);
      expect([code, stderr]).to.deep.equal([0, '']);
      const objects = parseAllDocuments(text).map((document) => document.toJS() as KubeObject);
      for (const { kind, metadata } of objects) {
        if (kind === 'Deployment') await kubectl('rollout', 'status', `deployment/${metadata.name}`, '--timeout=60s');
      }
      for (const { kind, metadata } of objects.filter(({ kind }) => hasConditions(kind))) {
        await settled(`${kind} ${metadata.name}`, async () =>
          againstIn(await kube().read<KubeObject>(`${kind}.${GROUPS[kind] ?? GATEWAY_API}`, metadata.name, namespace)),
        );
      }
      await trial();
    });
  }
});

const GATEWAY_API = 'gateway.networking.k8s.io';
const OWN = 'l7mp.io';
const GROUPS: Readonly<Record<string, string>> = {
  ...{ VirtualService: OWN, Target: OWN, Route: OWN, RuleList: OWN, Session: OWN },
  ...{ OffloadPolicy: OWN, TelemetryPolicy: OWN, TrafficPolicy: OWN },
};
const WITHOUT = ['GatewayParameters', 'Service', 'ConfigMap', 'Deployment'];

function hasConditions(kind: string): boolean {
  return !WITHOUT.includes(kind);
}

/** Waits until nothing speaks against an object; says what does, where it takes too long. */
async function settled(what: string, look: () => Promise<string[]>): Promise<void> {
  let against: string[] = [];
  try {
    await until(what, async () => (against = await look()).length === 0, 40_000);
  } catch {
    expect([what, ...against]).to.deep.equal([what]);
  }
}

interface Conditioned {
  readonly conditions?: readonly Condition[];
}

type Status = Conditioned & Partial<Record<'listeners' | 'parents' | 'ancestors', readonly Conditioned[]>>;

/** What of a status does not hold, or is not there. */
function againstIn(object: KubeObject): string[] {
  const { conditions, listeners = [], parents = [], ancestors = [] } = (object.status ?? {}) as Status;
  const wanted = ancestors.length > 0 || object.kind.endsWith('Class') ? ['Accepted'] : ['Accepted', 'ResolvedRefs'];
  const lists = [...(conditions ? [{ conditions }] : []), ...listeners, ...parents, ...ancestors];
  const all = lists.flatMap((each) => each.conditions ?? []);
  const wrong = all
    .filter(({ type, status }) => (type === 'Conflicted' ? status !== 'False' : status !== 'True'))
    .map(({ type, status, message }) => `${type} ${status}: ${message}`);
  return [...wrong, ...wanted.filter((type) => !all.some((each) => each.type === type)).map((type) => `no ${type}`)];
}
