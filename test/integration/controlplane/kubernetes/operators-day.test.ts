/**
 * The operator's day, on a cluster of real parts: install, a first Gateway, a canary, upgrades of the control plane and of the proxies
 * while users go on, and at last everything is gone. It prints what it does.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import type { Condition, KubeObject } from '../../../../controlplane/kubernetes/api/object.ts';
import { L7MP, type Result, runCommand } from '../../../support/command.ts';
import { type Closers, closers } from '../../../support/grpc.ts';
import { ConditionLog } from '../../../support/kubernetes/condition-log.ts';
import { contentsOf, titleOf, unexplained } from '../../../support/kubernetes/contents.ts';
import { Kube } from '../../../support/kubernetes/kube.ts';
import { PYTHON, versionOf } from '../../../support/peer.ts';
import { until } from '../../../support/until.ts';
import { type Load, startLoad } from './operators-day/load.ts';

const FOLDER = 'test/integration/controlplane/kubernetes/operators-day';
const SYSTEM = 'l7mp-system';
const SHOP = 'shop';
/** How long a command may take, in ms. */
const PATIENCE = 120_000;
/** Requests whose answers are counted for a share. */
const COUNTED = 400;
/** What a share may be away from what it should be, in standard deviations: a right one is once in 1.7 million times. */
const DEVIATIONS = 5;

const BACKEND = { command: [resolve(PYTHON), resolve(FOLDER, 'backend.py')] };

describe(`The operator's day, with ${versionOf('curl', '--version')} and ${versionOf('socat', '-V')}`, function () {
  this.timeout(600_000);
  this.retries(0);
  let kube: Kube;
  let cleanup: Closers;

  before(async () => {
    cleanup = closers();
    kube = await Kube.start({ hasNode: true, gatewayApi: 'experimental', images: { shop: BACKEND } });
    cleanup.add(() => kube.stop());
  });
  after(() => cleanup.run());

  /** Prints what the operator types, or sees. */
  const print = (line: string): void => void process.stdout.write(`      ${line}\n`);
  const type = (command: string): void => print(`$ ${command}`);
  const see = (text: string): void =>
    text
      .trim()
      .split('\n')
      .forEach((line) => print(`  ${line}`));

  const checked = ({ code, stdout, stderr }: Result): string => {
    if (code !== 0) throw new Error(`exit code ${code}\n${stderr}${stdout}`);
    return stdout;
  };
  const l7mp = async (...args: string[]): Promise<string> => {
    type(`l7mp ${args.join(' ')}`);
    return checked(await runCommand(L7MP, args, '', { KUBECONFIG: kube.kubeconfig }, PATIENCE));
  };
  const kubectl = async (...args: string[]): Promise<string> => {
    type(`kubectl ${args.join(' ')}`);
    return kube.kubectl(args);
  };
  const get = (what: string, name: string): Promise<KubeObject> => kube.read<KubeObject>(what, name, SHOP);
  /** What a program prints, when it ends well with something to say. */
  const answered = (file: string, args: readonly string[], input: string, wanted: string): Promise<string> =>
    until(`${file} ${args.join(' ')} to print ${wanted}`, async () => {
      const { stdout } = await runCommand(file, args, input);
      return stdout.trim() === wanted && stdout.trim();
    });

  /** Of `COUNTED` requests, how many each version answers; none may fail. */
  const count = async (url: string): Promise<Map<string, number>> => {
    type(`curl -sS --fail '${url}?[1-${COUNTED}]' | sort | uniq -c`);
    const text = checked(await runCommand('curl', ['-sS', '--fail', `${url}?[1-${COUNTED}]`], '', {}, PATIENCE));
    const counts = new Map<string, number>();
    for (const line of text.trim().split('\n')) counts.set(line, (counts.get(line) ?? 0) + 1);
    see(Array.from(counts, ([version, times]) => `${times} ${version}`).join(', '));
    return counts;
  };

  /** Changes the shares of two versions, in percent, and counts. */
  const shift = async (url: string, first: number, second: number): Promise<void> => {
    const weights = [first, second].map((value, index) => ({
      ...{ op: 'replace', path: `/spec/rules/1/backendRefs/${index}/weight`, value },
    }));
    await kubectl('-n', SHOP, 'patch', 'httproute', 'shop', '--type=json', '-p', JSON.stringify(weights));
    await until('the weights to be in all proxies', async () => isProgrammed(await get('httproute', 'shop')));
    const counts = await count(url);
    for (const [version, share] of [
      ['version 1', first / 100],
      ['version 2', second / 100],
    ] as const) {
      const tolerance = DEVIATIONS * Math.sqrt(COUNTED * share * (1 - share));
      expect(counts.get(version) ?? 0, version).to.be.closeTo(COUNTED * share, tolerance);
    }
  };

  /** Pods with these labels, by name. */
  const pods = async (namespace: string, selector: string): Promise<readonly KubeObject[]> => {
    const text = await kube.kubectl(['get', 'pods', '-n', namespace, '-l', selector, '--output=json']);
    return (JSON.parse(text) as { items: KubeObject[] }).items;
  };
  const GATEWAY_PODS = 'gateway.networking.k8s.io/gateway-name=shop';
  const imagesOf = (all: readonly KubeObject[]): string[] =>
    all.map(({ spec }) => (spec as { containers: { image: string }[] }).containers[0]?.image ?? '').sort();

  const tell = ({ tallies }: Load): void => {
    for (const [name, { ended, numbers, repeated, faults }] of Object.entries(tallies)) {
      const sessions = `sessions ended, ${numbers} numbers there and back, ${repeated} sent again`;
      see(`${name}: ${ended} ${name.startsWith('HTTP') ? 'requests' : sessions}, ${faults.length} faults`);
    }
  };
  const faultsOf = ({ tallies }: Load): string[] =>
    Object.entries(tallies).flatMap(([name, { faults }]) => faults.map((fault) => `${name}: ${fault}`));

  it('loses no session, and leaves nothing', async () => {
    const empty = await contentsOf(kube);
    const others = new Set(ownProcesses().keys());

    see('--- install');
    await l7mp('install', '--wait').then((text) => see(text.split('\n').slice(-2).join('\n')));

    see('--- the first Gateway');
    await kubectl('create', 'namespace', SHOP).then(see);
    const applied = new Set<string>();
    for (const file of ['backends.yaml', 'gateway.yaml']) {
      const text = await kubectl('-n', SHOP, 'apply', '-o', 'name', '-f', join(FOLDER, file));
      for (const name of text.trim().split('\n')) applied.add(name);
      see(text);
    }
    await kubectl('-n', SHOP, 'wait', '--for=condition=Available', 'deployment/v1', 'deployment/v2', '--timeout=60s');
    await kubectl('-n', SHOP, 'wait', '--for=condition=Programmed', 'gateway/shop', '--timeout=60s').then(see);
    const address = (
      await kubectl('-n', SHOP, 'get', 'gateway', 'shop', '--output=jsonpath={.status.addresses[0].value}')
    ).trim();
    see(address);
    const url = `http://${address}/`;
    see(await answered('curl', ['-sS', url], '', 'version 1'));
    for (const transport of ['TCP', 'UDP']) {
      type(`echo hello | socat -t 1 - ${transport}:${address}:7000`);
      see(await answered('socat', ['-t', '1', '-', `${transport}:${address}:7000`], 'hello\n', 'hello'));
    }

    see('--- a canary');
    for (const [first, second] of [
      [90, 10],
      [50, 50],
      [0, 100],
    ] as const) {
      await shift(url, first, second);
    }

    see('--- upgrades, under load');
    const load = startLoad(address);
    cleanup.add(() => load.end());
    const watch = async (object: string, type: string, conditions: string): Promise<ConditionLog> => {
      const log = await ConditionLog.start(kube, SHOP, object, type, conditions);
      cleanup.add(() => log.stop());
      return log;
    };
    const programmed = [
      await watch('gateway/shop', 'Programmed', '.status.conditions'),
      await watch('httproute/shop', 'l7mp.io/Programmed', '.status.parents[*].conditions'),
    ];
    await until('sessions and requests of all kinds', () => load.isRunning);

    const before = await pods(SHOP, GATEWAY_PODS);
    await l7mp('install', '--image', 'l7mp/controlplane:next', '--wait').then((text) =>
      see(
        text
          .split('\n')
          .filter((line) => /configured|available/u.test(line))
          .join('\n'),
      ),
    );
    const controlPlane = 'app.kubernetes.io/component=controlplane';
    await until(
      'the old control planes to be gone',
      async () => {
        const images = imagesOf(await pods(SYSTEM, controlPlane));
        return images.length === 2 && images.every((image) => image === 'l7mp/controlplane:next');
      },
      PATIENCE,
    );
    see(`control planes: ${imagesOf(await pods(SYSTEM, controlPlane)).join(', ')}`);
    const uids = (all: readonly KubeObject[]): unknown[] => all.map(({ metadata }) => metadata.uid).sort();
    expect(uids(await pods(SHOP, GATEWAY_PODS)), 'the pods of the Gateway').to.deep.equal(uids(before));
    tell(load);

    const upgrade = ['--image', 'l7mp/controlplane:next', '--proxy-image', 'l7mp/proxy:next', '--wait'];
    await l7mp('install', ...upgrade).then((text) =>
      see(
        text
          .split('\n')
          .filter((line) => /configured|available/u.test(line))
          .join('\n'),
      ),
    );
    await until(
      'the old proxies to be gone',
      async () => {
        const images = imagesOf(await pods(SHOP, GATEWAY_PODS));
        return images.length === 2 && images.every((image) => image === 'l7mp/proxy:next');
      },
      PATIENCE,
    );
    see(`proxies: ${imagesOf(await pods(SHOP, GATEWAY_PODS)).join(', ')}`);
    await load.end();
    tell(load);
    for (const log of programmed) see(`Programmed was: ${log.told.join(', ')}`);
    expect(faultsOf(load)).to.deep.equal([]);
    // What is on its way when a session is sent to another pod may be lost: a client of UDP sends it again.
    for (const { numbers, repeated } of Object.values(load.tallies)) expect(repeated).to.be.at.most(numbers / 50);
    for (const { told } of programmed) {
      expect(told.filter((line) => !line.startsWith('True '))).to.deep.equal([]);
    }
    for (const log of programmed) await log.stop();

    see('--- uninstall');
    await l7mp('uninstall', '--yes').then((text) => see(`${text.trim().split('\n').length} objects deleted`));
    const isOperators = ownedBy(applied);
    await untilNothing('objects', async () => unexplained(await contentsOf(kube), empty, isOperators));
    await untilNothing('processes', () => {
      return Array.from(ownProcesses()).flatMap(([pid, command]) => (others.has(pid) ? [] : command));
    });
    see('nothing is left but what the operator made');

    await kubectl('delete', 'namespace', SHOP).then(see);
    await untilNothing('objects', async () => unexplained(await contentsOf(kube), empty, () => false));
    const after = await contentsOf(kube);
    expect([...empty.keys()].filter((title) => !after.has(title))).to.deep.equal([]);
    see('the cluster is as it was');
  });
});

/** Whether an object is one of those that were applied, or what Kubernetes makes for them without an owner. */
function ownedBy(applied: ReadonlySet<string>): (object: KubeObject) => boolean {
  const isApplied = (kind: string, name: string): boolean =>
    Array.from(applied, (each) => each.split('/')).some(
      ([type = '', each]) => each === name && type.split('.')[0] === kind.toLowerCase(),
    );
  const besides = [`Namespace ${SHOP}`, `ServiceAccount ${SHOP}/default`, `ConfigMap ${SHOP}/kube-root-ca.crt`];
  return (object) => {
    const { kind, metadata, spec } = object;
    if (besides.includes(titleOf(object))) return true;
    if (kind === 'IPAddress') {
      const { parentRef } = spec as { parentRef: { namespace?: string; name: string } };
      return parentRef.namespace === SHOP && isApplied('Service', parentRef.name);
    }
    return metadata.namespace === SHOP && isApplied(kind === 'Endpoints' ? 'Service' : kind, metadata.name);
  };
}

interface Parents {
  readonly parents?: readonly { readonly conditions: readonly Condition[] }[];
}

/** Whether all proxies have taken a route as it is now. */
function isProgrammed({ metadata, status }: KubeObject): boolean {
  const conditions = ((status ?? {}) as Parents).parents?.flatMap((each) => each.conditions) ?? [];
  const { status: told, observedGeneration } =
    conditions.find(({ type }) => type === 'l7mp.io/Programmed') ?? ({} as Partial<Condition>);
  return told === 'True' && observedGeneration === metadata.generation;
}

/** Says what is left where that takes too long. */
async function untilNothing(what: string, look: () => Promise<readonly string[]> | readonly string[]): Promise<void> {
  let left: readonly string[] = [];
  await until(`no ${what} to be left`, async () => (left = await look()).length === 0, 90_000).catch(() => undefined);
  expect(left).to.deep.equal([]);
}

/** Servers of ours that this process, or one that it started, has started, by their ids: also those of other testbeds. */
function ownProcesses(): Map<number, string> {
  const all = new Map<number, { parent: number; command: string }>();
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/u.test(each))) {
    try {
      const parent = Number(/^PPid:\s(\d+)$/mu.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1]);
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      all.set(Number(name), { parent, command });
    } catch {
      // It has ended.
    }
  }
  const isOurs = (pid: number): boolean => {
    for (let at: number | undefined = pid; at !== undefined && at > 1; at = all.get(at)?.parent) {
      if (at === process.pid) return true;
    }
    return false;
  };
  return new Map(
    Array.from(all)
      .filter(([pid, { command }]) => isOurs(pid) && /dist\/cli\/main\.js (?:proxy|controlplane)/u.test(command))
      .map(([pid, { command }]) => [pid, command]),
  );
}
