/** The options of `l7mp controlplane` that say which cluster of Kubernetes it follows, checked. */
import { readFile } from 'node:fs/promises';
import { FaultsError, formatFault, ProxyError } from '../../common/errors.ts';
import type { KubernetesOptions } from '../../controlplane/kubernetes/main.ts';
import { UsageError } from '../exit.ts';

export interface KubernetesFlags {
  readonly store: string;
  readonly kubernetes?: true;
  readonly kubeconfig?: string;
  readonly namespace?: string;
  readonly gatewayDefaults?: string;
  readonly webhookListen?: string;
  readonly sidecarEnv?: string;
  readonly insecure?: true;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
}

/** Those that want `--kubernetes` beside them. */
const NAMES = {
  kubeconfig: '--kubeconfig',
  namespace: '--namespace',
  gatewayDefaults: '--gateway-defaults',
  webhookListen: '--webhook-listen',
  sidecarEnv: '--sidecar-env',
  tlsCa: '--tls-ca',
} as const;

/** What the options say that must not be. */
export function kubernetesFaults(flags: KubernetesFlags): string[] {
  if (flags.kubernetes !== true) {
    // A store in Kubernetes is reached by it, too.
    const isReached = flags.store.startsWith('kubernetes:');
    return Object.entries(NAMES).flatMap(([key, option]) =>
      flags[key as keyof typeof NAMES] === undefined || (isReached && key === 'kubeconfig')
        ? []
        : [`${option}: expected --kubernetes beside it, found none`],
    );
  }
  const faults: string[] = [];
  if ((flags.tlsCa === undefined) !== (flags.tlsCert === undefined)) {
    const [found, missing] = flags.tlsCa === undefined ? ['--tls-cert', '--tls-ca'] : ['--tls-ca', '--tls-cert'];
    faults.push(`expected --tls-ca and --tls-cert together with --kubernetes, found ${found} without ${missing}`);
  }
  if (flags.sidecarEnv !== undefined && flags.webhookListen === undefined) {
    faults.push('--sidecar-env: expected --webhook-listen beside it, found none');
  }
  if (flags.webhookListen !== undefined) {
    if (flags.gatewayDefaults === undefined) {
      faults.push('--webhook-listen: expected --gateway-defaults beside it, which has the image, found none');
    }
    if (flags.insecure === true) faults.push('--webhook-listen: expected a certificate, found --insecure');
  }
  return faults;
}

/** @throws UsageError: a file can't be read, or does not say what it should. */
export async function kubernetesOf(flags: KubernetesFlags): Promise<Omit<KubernetesOptions, 'log'>> {
  const { kubeconfig, namespace, gatewayDefaults, sidecarEnv, tlsCa } = flags;
  return {
    ...(kubeconfig !== undefined && { kubeconfig }),
    ...(namespace !== undefined && { namespace }),
    ...(gatewayDefaults !== undefined && { gateways: await readDefaults(gatewayDefaults) }),
    ...(sidecarEnv !== undefined && { sidecarEnv: await readSidecarEnv(sidecarEnv) }),
    ...(tlsCa !== undefined && { ca: await read('--tls-ca', tlsCa) }),
  };
}

async function readDefaults(file: string): Promise<NonNullable<KubernetesOptions['gateways']>> {
  const text = await read('--gateway-defaults', file);
  const { parseGatewayDefaults } = await import('../../controlplane/kubernetes/infrastructure/defaults.ts');
  try {
    return await parseGatewayDefaults(text);
  } catch (error) {
    if (!(error instanceof FaultsError)) throw error;
    throw new UsageError(...error.faults.map((fault) => `--gateway-defaults ${file}: ${formatFault(fault)}`));
  }
}

async function readSidecarEnv(file: string): Promise<NonNullable<KubernetesOptions['sidecarEnv']>> {
  const text = await read('--sidecar-env', file);
  const { parseSidecarEnv } = await import('../../controlplane/kubernetes/webhook/sidecar-env.ts');
  const { otelFaults } = await import('../../controlplane/kubernetes/api/proxy-env.ts');
  const { env, faults } = parseSidecarEnv(text, 'env');
  const all = [...faults, ...otelFaults(env, 'env')];
  if (all.length > 0) throw new UsageError(...all.map((fault) => `--sidecar-env ${file}: ${formatFault(fault)}`));
  return env;
}

async function read(option: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new UsageError(
      `${option}: expected a file that can be read, found ${file}: ${ProxyError.from(error).message}`,
    );
  }
}
