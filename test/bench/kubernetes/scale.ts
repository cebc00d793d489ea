/** A control plane that follows a real API server, a fleet of clients, and what both are told to do. */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ControlPlaneProcess } from '../../support/control-plane-process.ts';
import { JsonProcess } from '../../support/json-process.ts';
import { Kube } from '../../support/kubernetes/kube.ts';
import { until } from '../../support/until.ts';
import { ROOT } from '../contenders.ts';
import { cpuSeconds } from '../cpu.ts';
import { residentKb } from '../resident.ts';
import { Api } from './api.ts';
import { Audit } from './audit.ts';
import { addressOfChange, fill, LABELS, replaceEndpoints, resourcesOf, type Size, TYPE_URLS } from './scene.ts';

export interface ScaleOptions {
  readonly size: Size;
  /** Clients, each of which takes all that there is. */
  readonly proxies: number;
  /** How many times an endpoint changes, one after the other. */
  readonly changes: number;
  /** How long rest is watched, and how long the storm goes on. */
  readonly restMs: number;
  readonly stormMs: number;
}

export interface ScaleResult {
  /** From the start of the control plane's process to the last client that has acknowledged all. */
  readonly coldStartMs: number;
  /** From the API server's answer to the last client's acknowledgement, of each change. */
  readonly changesMs: readonly number[];
  readonly rest: Usage & { readonly calls: number };
  readonly storm: Usage & {
    /** Endpoints that were replaced, a second. */
    readonly rate: number;
    /** From the API server's answer to the last change to its last acknowledgement. */
    readonly settledMs: number;
  };
}

/** Of the control plane. */
export interface Usage {
  /** The most that was seen. */
  readonly mb: number;
  /** Of one core. */
  readonly cpuPercent: number;
}

interface Reached {
  readonly last: number;
}

const TIMEOUT_MS = 180_000;
/** Endpoints that a change of the storm replaces in a slice, and changes a second: 1,000 endpoints. */
const STORM = { endpoints: 4, perSecond: 250 };
/** Requests of the storm are made in bursts of so long. */
const BURST_MS = 20;
/** Nobody has asked the API server for so long: statuses are written. */
const CALM_MS = 5000;
const SAMPLE_MS = 200;

/** `directory`: for files of the measurement. */
export async function measureScale(directory: string, options: ScaleOptions): Promise<ScaleResult> {
  const audit = new Audit(directory);
  const kube = await Kube.start({ hasControllers: false, gatewayApi: 'experimental', apiServerArgs: audit.flags });
  let api: Api | undefined;
  let controlPlane: ControlPlaneProcess | undefined;
  let clients: JsonProcess | undefined;
  try {
    await kube.installCrds(join(ROOT, 'k8s/crds'));
    api = new Api(kube);
    await fill(api, options.size);

    const start = Date.now();
    controlPlane = await ControlPlaneProcess.start('--kubernetes', '--kubeconfig', kube.kubeconfig);
    clients = new JsonProcess(clientsOf(controlPlane.address, options));
    const first = await clients.next<Reached>('first-state', TIMEOUT_MS);

    const { pid } = controlPlane.process.peer;
    const change = changing(api, clients, options.size);
    await until('nobody to ask the API server', () => audit.since(Date.now() - CALM_MS).length === 0, TIMEOUT_MS);
    const changesMs: number[] = [];
    for (let index = 0; index < options.changes; index++) changesMs.push(await change.one());

    await until('nobody to ask the API server', () => audit.since(Date.now() - CALM_MS).length === 0, TIMEOUT_MS);
    const restFrom = Date.now();
    const rest = await usageOf(pid, pause(options.restMs));
    const calls = audit.since(restFrom);
    for (const call of calls) console.error(`kubernetes: asked at rest: ${call}`);

    let rate = NaN;
    const storm = await usageOf(
      pid,
      change.many(options.stormMs).then((found) => void (rate = found)),
    );
    return {
      coldStartMs: first.last - start,
      changesMs,
      rest: { ...rest, calls: calls.length },
      storm: { ...storm, rate, settledMs: await change.one() },
    };
  } finally {
    await clients?.stop();
    await controlPlane?.stop();
    api?.close();
    await kube.stop();
  }
}

function clientsOf(address: string, { size, proxies }: ScaleOptions): readonly string[] {
  const labels = Object.entries(LABELS).map(([key, value]) => `${key}=${value}`);
  return [
    ...[join(ROOT, '.cache/gobin/xds-load'), '-address', address, '-labels', labels.join()],
    ...['-type-url', TYPE_URLS.join(), '-streams', String(proxies), '-resources', String(resourcesOf(size))],
  ];
}

interface Changing {
  /** Replaces one endpoint: how long it takes until all clients know. */
  one(): Promise<number>;
  /** Replaces many, all the time: how many a second. */
  many(ms: number): Promise<number>;
}

function changing(api: Api, clients: JsonProcess, size: Size): Changing {
  let revision = 0;
  const replace = (count: number): Promise<void> => {
    revision++;
    return replaceEndpoints(api, size, revision % size.services, revision, count);
  };
  return {
    one: async () => {
      await clients.ask({ op: 'expect', marker: addressOfChange(revision + 1) }, 'expecting');
      await replace(1);
      const answered = Date.now();
      const { last } = await clients.next<Reached>('seen', TIMEOUT_MS);
      return Math.max(0, last - answered);
    },
    many: async (ms) => {
      const start = performance.now();
      const sent: Promise<void>[] = [];
      for (let now = start; now < start + ms; now = performance.now()) {
        const due = Math.floor(((now - start) / 1000) * STORM.perSecond);
        while (sent.length < due) sent.push(replace(STORM.endpoints));
        await pause(BURST_MS);
      }
      await Promise.all(sent);
      return (sent.length * STORM.endpoints) / ((performance.now() - start) / 1000);
    },
  };
}

/** While something goes on. */
async function usageOf(pid: number, work: Promise<void>): Promise<Usage> {
  const start = performance.now();
  const before = cpuSeconds(pid);
  let kb = 0;
  const sample = setInterval(() => (kb = Math.max(kb, residentKb(pid))), SAMPLE_MS);
  try {
    await work;
  } finally {
    clearInterval(sample);
  }
  const seconds = (performance.now() - start) / 1000;
  return { mb: Math.max(kb, residentKb(pid)) / 1024, cpuPercent: ((cpuSeconds(pid) - before) / seconds) * 100 };
}
