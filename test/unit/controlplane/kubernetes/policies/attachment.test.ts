/** Policies of Gateways, ListenerSets, routes and their parts: which of them counts, what proxies get of it, and what statuses say. */
import { expect } from 'chai';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../../../../controlplane/kubernetes/api/object.ts';
import { translateGateways } from '../../../../../controlplane/kubernetes/gateway/translate.ts';
import { translatePolicies } from '../../../../../controlplane/kubernetes/policies/translate.ts';
import { kubeReader } from '../../../../support/kube-reader.ts';
import { objectFaults } from '../../../../support/object-faults.ts';

const OBJECTS = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: l7mp }
spec: { controllerName: l7mp.io/gateway-controller }
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: other }
spec: { controllerName: example.com/other }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec:
  gatewayClassName: l7mp
  allowedListeners: { namespaces: { from: Same } }
  listeners:
    - { name: http, port: 80, protocol: HTTP, hostname: a.example }
    - { name: wild, port: 80, protocol: HTTP }
    - { name: game, port: 80, protocol: UDP }
    - { name: tcp, port: 81, protocol: TCP }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: foreign, namespace: default }
spec: { gatewayClassName: other, listeners: [{ name: http, port: 80, protocol: HTTP }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: { name: more, namespace: default }
spec: { parentRef: { name: edge }, listeners: [{ name: http, port: 8080, protocol: HTTP }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: web, namespace: default, uid: 8d4bd37e-7bf7-4a1a-a2d3-8b4a2d6f2c44 }
spec:
  parentRefs: [{ name: edge, sectionName: http }, { name: edge, sectionName: wild }, { kind: ListenerSet, name: more }]
  rules:
    - { name: cart, matches: [{ path: { value: /cart } }], backendRefs: [{ name: one, port: 80 }] }
    - matches: [{ path: { value: /own } }]
      timeouts: { request: 9s }
      retry: { attempts: 9 }
      backendRefs: [{ name: one, port: 80, weight: 1 }, { name: two, port: 80, weight: 0 }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: UDPRoute
metadata: { name: game, namespace: default }
spec: { parentRefs: [{ name: edge, sectionName: game }], rules: [{ name: all, backendRefs: [{ name: game, port: 80 }] }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: { name: raw, namespace: default }
spec: { parentRefs: [{ name: edge, sectionName: tcp }], rules: [{ backendRefs: [{ name: one, port: 80 }] }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: { name: foreign, namespace: default }
spec: { parentRefs: [{ name: foreign }, { name: none }], rules: [{ backendRefs: [{ name: one, port: 80 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: one, namespace: default }
spec: { ports: [{ port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: two, namespace: default }
spec: { ports: [{ port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: game, namespace: default }
spec: { ports: [{ port: 80, protocol: UDP }] }
---
apiVersion: v1
kind: Service
metadata: { name: elsewhere, namespace: private }
spec: { ports: [{ port: 80 }, { port: 80, protocol: UDP }] }
`;

let age = 0;

/** The younger the later it is made. A target is `Kind name` or `Kind name/section`. */
function policy(target: string, spec: object, kind = 'TrafficPolicy'): KubeObject {
  const [of = '', where = ''] = target.split(' ');
  const [name, sectionName] = where.split('/');
  const creationTimestamp = new Date(Date.UTC(2026, 0, 1) + 1000 * ++age).toISOString();
  return {
    apiVersion: 'l7mp.io/v1',
    kind,
    metadata: { name: `p${age}`, namespace: 'default', generation: 1, creationTimestamp },
    spec: { targetRefs: [{ kind: of, name, ...(sectionName && { sectionName }) }], ...spec },
  };
}

type Spec = Readonly<Record<string, unknown>>;

interface Outcome {
  /** By kind and name, without what stands before all names. */
  readonly made: Readonly<Record<string, Spec>>;
  /** Of each policy, in the order of their age, as in `Invalid: why`. */
  readonly statuses: readonly string[];
}

async function translate(...given: KubeObject[]): Promise<Outcome> {
  const objects = parseAllDocuments(OBJECTS).map((document) => document.toJS() as KubeObject);
  const reader = kubeReader([...objects, ...given].toReversed());
  const policies = translatePolicies(reader);
  const { objects: made } = translateGateways(reader, { policies });
  expect(await objectFaults(made.map(({ content }) => content))).to.deep.equal([]);
  const statuses = policies.statuses.flatMap((plan) => {
    const { ancestors } = plan.render({ selected: 0, acked: 0, serving: 0, failures: [] }) as {
      ancestors: { conditions: { type: string; reason: string; message: string }[] }[];
    };
    return ancestors.map(({ conditions }) =>
      conditions.map(({ reason, message }) => `${reason}: ${message}`).join(' | '),
    );
  });
  const short = (name: string): string => name.replace('gateway/default/edge/', '');
  return {
    made: Object.fromEntries(made.map(({ content: { key, spec } }) => [`${key.kind} ${short(key.name)}`, spec ?? {}])),
    statuses,
  };
}

const CART = 'Route httproute/default/web/0';
const OWN = 'Route httproute/default/web/1';
const IN_EFFECT = 'Accepted: the policy is in effect';

describe('policy attachment', () => {
  it('has each level count more than the one above it, field by field', async () => {
    const levels = ['Gateway edge', 'Gateway edge/http', 'HTTPRoute web', 'HTTPRoute web/cart'];
    const { made, statuses } = await translate(
      ...levels.map((target, index) =>
        policy(target, {
          timeouts: { idle: index },
          // Said by this level, and not by those below.
          ...[
            { retry: { retry_on: 'always' } },
            { fault: { abort: { percent: 1 } } },
            { limits: { max_sessions: 2 } },
            {},
          ][index],
        }),
      ),
    );
    expect(statuses).to.deep.equal(levels.map(() => IN_EFFECT));
    const all = { retry: { retry_on: 'always' }, limits: { max_sessions: 2 } };
    const destination = 'gateway/default/edge/service/default/one/80/tcp/http';
    expect(made[CART]).to.deep.equal({ destination, ...all, timeouts: { idle: 3 } });
    const ofListener = `${CART}/gateway/default/edge/http`;
    expect(made[ofListener]).to.deep.equal({
      destination,
      ...all,
      fault: { abort: { percent: 1 } },
      timeouts: { idle: 3 },
    });
    // What a rule says itself stands.
    expect(made[OWN]).to.deep.equal({
      ...{ destination, limits: { max_sessions: 2 }, timeouts: { idle: 2, session: 9000 } },
      retry: { retry_on: 'always', num_retries: 9 },
    });
    expect(made['Route udproute/default/game']).to.deep.include({
      retry: { retry_on: 'always' },
      timeouts: { idle: 0 },
    });
  });

  it('holds for all listeners of a ListenerSet, and for no others', async () => {
    const { made } = await translate(policy('ListenerSet more', { limits: { max_sessions: 5 } }));
    const limited = Object.keys(made).filter((name) => made[name]?.['limits'] !== undefined);
    expect(limited).to.deep.equal([
      'Route httproute/default/web/0/listenerset/default/more/http',
      'Route httproute/default/web/1/listenerset/default/more/http',
    ]);
  });

  it('makes no clusters of their own where policies say the same in another order', async () => {
    const { made } = await translate(
      policy('Gateway edge', { persistence: { type: 'cookie' } }),
      policy('Service one', { connect_timeout: 5 }),
      policy('HTTPRoute web/cart', { connect_timeout: 5 }),
    );
    expect(Object.keys(made).filter((name) => name.startsWith('Cluster') && name.includes('policy-'))).to.deep.equal(
      [],
    );
    expect(made['Cluster service/default/one/80/tcp/http']).to.include({ connect_timeout: 5 });
  });

  it('makes clusters of their own for whom policies say something else, and no more than that', async () => {
    const byKey = (key: string): object => ({ loadbalancer: { policy: 'Maglev', key } });
    const { made } = await translate(
      policy('Gateway edge', { ...byKey('/gateway'), connect_timeout: 5 }),
      policy('Service one', byKey('/service')),
      policy('HTTPRoute web/cart', byKey('/HTTP/cookies/user')),
      policy('TCPRoute raw', byKey('/IP/src_addr')),
    );
    const keys = Object.entries(made)
      .filter(([name]) => name.startsWith('Cluster'))
      .map(([name, spec]) => {
        const { loadbalancer, connect_timeout: timeout } = spec as {
          loadbalancer: { key: string };
          connect_timeout: number;
        };
        return `${name.replace(/policy-.*/u, 'policy')} ${loadbalancer.key} ${timeout}`;
      });
    expect(keys.sort()).to.deep.equal([
      'Cluster service/default/game/80/udp/udp /gateway 5',
      'Cluster service/default/one/80/tcp/http /service 5',
      'Cluster service/default/one/80/tcp/http/policy /HTTP/cookies/user 5',
      'Cluster service/default/one/80/tcp/tcp/policy /IP/src_addr 5',
    ]);
  });

  it('copies to Services, of other namespaces only where they allow it', async () => {
    const backendRef = { name: 'elsewhere', namespace: 'private', port: 80 };
    const wish = policy('UDPRoute game', { mirrors: [{ backendRef, percent: 50 }] });
    const refused = await translate(wish);
    expect(refused.made['Route udproute/default/game']).not.to.have.property('mirrors');
    expect(refused.statuses).to.deep.equal([
      `${IN_EFFECT} | RefNotPermitted: spec.mirrors[0]: no ReferenceGrant of private lets TrafficPolicies of default refer to Service private/elsewhere`,
    ]);
    const grant = {
      ...{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'ReferenceGrant' },
      metadata: { name: 'g', namespace: 'private' },
      spec: {
        from: [{ group: 'l7mp.io', kind: 'TrafficPolicy', namespace: 'default' }],
        to: [{ group: '', kind: 'Service' }],
      },
    };
    const { made, statuses } = await translate(wish, grant);
    expect(made['Route udproute/default/game']?.['mirrors']).to.deep.equal([
      { cluster: 'gateway/default/edge/service/private/elsewhere/80/udp/udp', percent: 50 },
    ]);
    expect(statuses).to.deep.equal([`${IN_EFFECT} | ResolvedRefs: all that the policy refers to is there`]);
  });

  it('persists by rule, with weights of 0 for those who come back, and by Service for all routes', async () => {
    const { made } = await translate(
      policy('HTTPRoute web', { persistence: { type: 'header', name: 'x-session' } }),
      policy('HTTPRoute web/cart', { persistence: { type: 'cookie', name: 'cart', absolute_timeout: 60 } }),
      policy('Service one', { persistence: { type: 'cookie', name: 'one' } }),
    );
    const of = (id: string): Spec => made[id]?.['persistence'] as Spec;
    expect(of(CART)).to.deep.include({ type: 'cookie', name: 'cart', absolute_timeout: 60 });
    // Said of several rules, it has a name in each.
    expect(of(OWN)['name']).to.match(/^x-session-[\da-f]{8}$/u);
    expect(of(OWN)['key']).not.to.equal(of(CART)['key']);
    expect((made[OWN]?.['destinations'] as { weight: number }[]).map(({ weight }) => weight)).to.deep.equal([1, 0]);
    expect(of('Cluster service/default/one/80/tcp/tcp')).to.deep.include({ name: 'one' });
    for (const id of [CART, OWN, 'Cluster service/default/one/80/tcp/tcp']) expect(of(id)['key']).to.have.length(43);
  });

  it('leaves a conflict to the oldest, and what is of another level alone', async () => {
    const { made, statuses } = await translate(
      policy('HTTPRoute web', { timeouts: { idle: 1 } }),
      policy('HTTPRoute web', { timeouts: { idle: 2 }, limits: { max_sessions: 2 } }),
      policy('HTTPRoute web/cart', { retry: { retry_on: 'always' } }),
    );
    expect(statuses).to.deep.equal([
      IN_EFFECT,
      `Conflicted: the TrafficPolicy default/p${age - 2} is older, and counts`,
      IN_EFFECT,
    ]);
    expect(made[CART]).to.deep.include({ timeouts: { idle: 1 }, retry: { retry_on: 'always' } });
    expect(made[CART]).not.to.have.property('limits');
  });

  const NO_ROUTE = 'expected nothing where a Service is the target, as it is of routes';
  for (const [target, spec, status] of [
    ['Gateway none', {}, 'TargetNotFound: there is no Gateway default/none'],
    ['Gateway foreign', {}, 'TargetNotFound: the Gateway default/foreign is of a class that is not ours'],
    [
      'Gateway edge/tls',
      {},
      'TargetNotFound: the Gateway default/edge has no listener named tls: it has http, wild, game, tcp',
    ],
    ['ListenerSet more/x', {}, 'TargetNotFound: the ListenerSet default/more has no listener named x: it has http'],
    ['HTTPRoute web/x', {}, 'TargetNotFound: the HTTPRoute default/web has no rule named x: it has cart'],
    ['TCPRoute raw/x', {}, 'TargetNotFound: the TCPRoute default/raw has no rule named x: its rules have no names'],
    ['TCPRoute foreign', {}, 'TargetNotFound: the TCPRoute default/foreign has no parent that is ours'],
    ['GRPCRoute web', {}, 'TargetNotFound: there is no GRPCRoute default/web'],
    ['UDPRoute game/all', { fault: { drop: { percent: 5 } } }, IN_EFFECT],
    ['Gateway edge', { fault: { drop: { percent: 5 } }, retry: { statuses: [503] } }, IN_EFFECT],
    [
      'HTTPRoute web',
      { fault: { drop: { percent: 5 } } },
      'Invalid: spec.fault.drop: expected nothing where a HTTPRoute is the target, as a byte stream loses nothing',
    ],
    [
      'UDPRoute game',
      { retry: { statuses: [503] }, timeouts: { attempt: 5 }, persistence: {} },
      'Invalid: spec.persistence: expected nothing where a UDPRoute is the target, as there is no header that could carry a token; ' +
        'spec.retry.statuses: expected nothing where a UDPRoute is the target, as there are no answers with a status; ' +
        'spec.timeouts.attempt: expected nothing where a UDPRoute is the target, as there are no answers',
    ],
    ['Gateway edge', { listener: { queue_limit: 0 } }, /^Invalid: .*spec\.listener\.queue_limit: expected /u],
    [
      'TCPRoute raw',
      { listener: { max_sessions: 1 } },
      'Invalid: spec.listener: expected nothing where a TCPRoute is the target, as it is of listeners',
    ],
    ['Service one', { limits: {}, timeouts: {} }, `Invalid: spec.timeouts: ${NO_ROUTE}; spec.limits: ${NO_ROUTE}`],
    ['HTTPRoute web', { retry: { statuses: [700] } }, /^Invalid: .*spec\.retry\.statuses\[0\]: expected a status/u],
    [
      'HTTPRoute web',
      { persistence: { lifetime: 'permanent' } },
      /^Invalid: .*spec\.persistence\.absolute_timeout: expected how long/u,
    ],
  ] as const) {
    it(`says of one for ${target} with ${JSON.stringify(spec)} whether it is in effect`, async () => {
      const { statuses } = await translate(policy(target, { connect_timeout: 5, ...spec }));
      expect(statuses).to.have.length(1);
      if (typeof status === 'string') expect(statuses[0]).to.equal(status);
      else expect(statuses[0]).to.match(status);
    });
  }
});

describe('offload policies of Gateways', () => {
  const offload = (target: string, how: string): KubeObject =>
    policy(target, { offload: { policy: how } }, 'OffloadPolicy');
  const options = ({ made }: Outcome): Readonly<Record<string, unknown>> =>
    Object.fromEntries(
      Object.entries(made).flatMap(([name, spec]) => (spec['options'] === undefined ? [] : [[name, spec['options']]])),
    );
  const said = (how: string): object => ({ offload: { policy: how } });

  it('count for all listeners, and less than those of a listener or a ListenerSet', async () => {
    const outcome = await translate(
      offload('Gateway edge', 'never'),
      offload('Gateway edge/game', 'always'),
      offload('ListenerSet more', 'auto'),
    );
    expect(outcome.statuses).to.deep.equal([IN_EFFECT, IN_EFFECT, IN_EFFECT]);
    expect(options(outcome)).to.deep.equal({
      ...{ 'Listener 80/tcp': said('never'), 'Listener 80/udp': said('always') },
      ...{ 'Listener 81/tcp': said('never'), 'Listener 8080/tcp': said('auto') },
    });
  });

  it('stand beside limits of listeners, which are those of the most specific policy', async () => {
    const outcome = await translate(
      offload('Gateway edge', 'never'),
      policy('Gateway edge', { listener: { max_sessions: 9, idle_timeout: 5000 } }),
      policy('Gateway edge/game', { listener: { max_sessions: 1_000_000 } }),
      policy('Gateway edge/wild', { listener: { max_sessions: 1 } }),
    );
    const shared =
      'expected listeners with a port of their own, found that others have it, too: listener wild has port 80';
    expect(outcome.statuses).to.deep.equal([IN_EFFECT, IN_EFFECT, `Invalid: ${shared}`, IN_EFFECT]);
    const all = { max_sessions: 9, idle_timeout: 5000, ...said('never') };
    expect(options(outcome)).to.deep.equal({
      ...{ 'Listener 80/tcp': all, 'Listener 81/tcp': all, 'Listener 8080/tcp': all },
      'Listener 80/udp': { max_sessions: 1_000_000, ...said('never') },
    });
  });

  it('are not in effect where a port is shared with others', async () => {
    const outcome = await translate(offload('Gateway edge/http', 'always'));
    expect(outcome.statuses).to.deep.equal([
      'Invalid: expected listeners with a port of their own, found that others have it, too: listener http has port 80',
    ]);
    expect(options(outcome)).to.deep.equal({});
  });

  it('are in conflict where they name the same listener', async () => {
    const outcome = await translate(offload('Gateway edge/game', 'always'), offload('Gateway edge/game', 'never'));
    expect(outcome.statuses[1]).to.match(/^Conflicted: /u);
    expect(options(outcome)).to.deep.equal({ 'Listener 80/udp': said('always') });
  });
});
