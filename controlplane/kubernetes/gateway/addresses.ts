/** Addresses of Gateways: what is asked for, and what the Service that is made for each of them has. */
import { isIP } from 'node:net';
import type { Service } from '../api/core-kinds.ts';
import type { Gateway } from '../api/gateway-kinds.ts';
import { gatewayWorkloadName } from '../api/names.ts';
import type { KubeReader } from '../api/reader.ts';
import type { Verdict } from '../api/verdict.ts';

export interface StatusAddress {
  readonly type: 'IPAddress' | 'Hostname';
  readonly value: string;
}

/** Addresses of a type that we know nothing of, and such as are none. */
export function addressFaults({ spec }: Gateway): Verdict[] {
  return (spec?.addresses ?? []).flatMap(({ type = 'IPAddress', value = '' }, index) => {
    if (type === 'Hostname' || (type === 'IPAddress' && (value === '' || isIP(value) !== 0))) return [];
    const [expected, found] =
      type === 'IPAddress' ? ['an IP address', value] : ['an address of type IPAddress or Hostname', type];
    return [{ reason: 'UnsupportedAddress', message: `addresses[${index}]: expected ${expected}, found ${found}` }];
  });
}

export function gatewayService(reader: KubeReader, { metadata, spec }: Gateway): Service | undefined {
  return reader.get(
    'Service',
    metadata.namespace ?? '',
    gatewayWorkloadName(metadata.name, spec?.gatewayClassName ?? ''),
  );
}

/** Where clients find a Service: at its load balancer, or at its cluster's addresses where it has none. */
export function addressesOf(service: Service | undefined): StatusAddress[] {
  const { spec, status } = service ?? {};
  if (spec?.type === 'LoadBalancer') {
    return (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }): StatusAddress[] => {
      if (ip !== undefined && ip !== '') return [{ type: 'IPAddress', value: ip }];
      return hostname === undefined || hostname === '' ? [] : [{ type: 'Hostname', value: hostname }];
    });
  }
  return clusterAddresses(service).map((value) => ({ type: 'IPAddress', value }));
}

/** A Service that is reached by IPv6 has pods that are. */
export function takesIPv6(service: Service | undefined): boolean {
  return clusterAddresses(service).some((address) => isIP(address) === 6);
}

/** Those by which the cluster reaches a Service; none where it is headless. */
export function clusterAddresses(service: Service | undefined): string[] {
  const { clusterIP, clusterIPs = clusterIP === undefined ? [] : [clusterIP] } = service?.spec ?? {};
  return clusterIPs.filter((address) => isIP(address) !== 0);
}

/** Addresses that can't be had whatever there is: a Service has one. */
export function unusable({ spec }: Gateway): Verdict | undefined {
  const asked = (spec?.addresses ?? []).map(({ value = '' }) => value).filter((value) => value !== '');
  if (asked.length <= 1) return undefined;
  return { reason: 'AddressNotUsable', message: `expected one address at most, found ${asked.join(', ')}` };
}

/** Why a Gateway can't be reached where it should be. */
export function unreachable({ spec }: Gateway, addresses: readonly StatusAddress[]): Verdict | undefined {
  if (addresses.length === 0) {
    return { reason: 'AddressNotAssigned', message: 'the Service of the Gateway has no address yet' };
  }
  const asked = (spec?.addresses ?? []).map(({ value = '' }) => value).filter((value) => value !== '');
  const lacking = asked.filter((value) => !addresses.some((address) => address.value === value));
  if (lacking.length === 0) return undefined;
  return { reason: 'AddressNotUsable', message: `the Service of the Gateway did not get ${lacking.join(', ')}` };
}
