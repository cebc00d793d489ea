/** The Service of a Gateway: how what is outside reaches its pods. */
import { isIP } from 'node:net';
import type { Fault } from '../../../common/errors.ts';
import type { GatewayNeeds } from '../api/gateway-needs.ts';
import type { Opaque } from '../api/gateway-parameters.ts';
import type { Parameters } from './parameters.ts';
import { distinctPorts } from './pod.ts';

/** Undefined where there is no port: the API server takes no such Service. */
export function serviceSpec(
  needs: GatewayNeeds,
  parameters: Parameters,
  selector: Readonly<Record<string, string>>,
): Opaque | undefined {
  const ports = distinctPorts(needs);
  if (ports.length === 0) return undefined;
  const { type, internalTrafficPolicy, trafficDistribution, sessionAffinity, ipFamilyPolicy, ipFamilies } =
    parameters.service;
  const { externalTrafficPolicy, loadBalancerClass, loadBalancerSourceRanges, allocateLoadBalancerNodePorts } =
    parameters.service;
  const [address] = requested(needs);
  return {
    type,
    selector,
    ...given({ internalTrafficPolicy, trafficDistribution, sessionAffinity, ipFamilyPolicy, ipFamilies }),
    // The API server refuses them where they say nothing: they may come from the class, and the type from the Gateway.
    ...(type !== 'ClusterIP' && given({ externalTrafficPolicy })),
    ...(type === 'LoadBalancer' &&
      given({ loadBalancerClass, loadBalancerSourceRanges, allocateLoadBalancerNodePorts })),
    ...(address !== undefined && { loadBalancerIP: address }),
    ports: ports.map(({ port, protocol }) => ({
      name: `${protocol.toLowerCase()}-${port}`,
      port,
      protocol,
      targetPort: port,
    })),
  };
}

/** The fields that somebody has set. */
function given(fields: Opaque): Opaque {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** What of the requested addresses can't be had; all at once. */
export function addressFaults({ addresses }: GatewayNeeds, { service }: Parameters): Fault[] {
  const faults: Fault[] = [];
  addresses.forEach(({ type = 'IPAddress', value }, index) => {
    const path = `spec.addresses[${index}]`;
    if (type !== 'IPAddress') {
      faults.push({ path: `${path}.type`, expected: 'IPAddress', found: type });
    } else if (isGiven(value) && isIP(value) === 0) {
      faults.push({ path: `${path}.value`, expected: 'an IP address', found: JSON.stringify(value) });
    }
  });
  const values = addresses.filter(({ value }) => isGiven(value));
  if (values.length > 1) {
    faults.push({ path: 'spec.addresses', expected: 'at most one with a value', found: String(values.length) });
  }
  if (values.length > 0 && service.type !== 'LoadBalancer') {
    faults.push({
      path: 'spec.addresses',
      expected: 'none with a value where the Service is no LoadBalancer',
      found: `${values.length} with a Service of type ${service.type}`,
    });
  }
  return faults;
}

function requested({ addresses }: GatewayNeeds): string[] {
  return addresses.map(({ value }) => value).filter(isGiven);
}

/** An address without one may be any. */
function isGiven(value: string | undefined): value is string {
  return value !== undefined && value !== '';
}
