import { expect } from 'chai';
import fc from 'fast-check';
import { decodeConfig, decodeObject, emptySnapshot, withPlugins } from '../../../config/decode.ts';
import { danglingReferences } from '../../../config/references.ts';
import type { ConfigSnapshot } from '../../../config/snapshot.ts';
import { formatFault } from '../../../common/errors.ts';

const LISTENER = { name: 'l', spec: { protocol: 'UDP', port: 5000 }, rules: 'list' };

/** The snapshot of a configuration without faults. */
function decoded(config: object): ConfigSnapshot {
  const { value, faults } = decodeConfig(config);
  if (value === undefined) throw new Error(faults.map(formatFault).join('\n'));
  return value;
}

/** Faults as people read them. */
const faultsOf = (config: unknown): string[] => decodeConfig(config).faults.map(formatFault);

/** Those of one cluster `c`, without `clusters[0]` in front. */
const ofCluster = (cluster: object): string[] =>
  faultsOf({ clusters: [{ name: 'c', ...cluster }] }).map((fault) => fault.replace('clusters[0].', ''));

const withRule = (rule: object): object => ({ rules: [{ name: 'r', ...rule }] });
const withMatch = (match: unknown): object => withRule({ match, action: { route: 'x' } });

describe('Decoding a configuration', () => {
  it('refuses what is shown in the place of secrets', () => {
    const tls = { cert: 'a.pem', key: '<PRIVATE>' };
    const listeners = [{ name: 'l', spec: { protocol: 'TLS', port: 1, tls }, rules: 'x' }];
    expect(faultsOf({ admin: { api: { token: '<PRIVATE>' } }, listeners })).to.deep.equal([
      'admin.api.token: expected what is hidden behind this: put it in again, found "<PRIVATE>"',
      'listeners[0].spec.tls.key: expected what is hidden behind this: put it in again, found "<PRIVATE>"',
    ]);
  });

  it('fills in what is absent', () => {
    const { admin, listeners, clusters, routes } = decoded({
      listeners: [LISTENER],
      clusters: [{ name: 'c', spec: { protocol: 'TCP' }, endpoints: [{ spec: { address: '::1', port: 1 } }] }],
      routes: [{ name: 'r', destination: 'c' }],
    });
    expect(admin).to.deep.include({ log_level: 'info', strict: false, drain_timeout: 10000 });
    expect(admin.api).to.deep.include({ address: '127.0.0.1', port: 1234 });
    expect(listeners.get('l')?.value.options).to.deep.include({ track: 0, queue_limit: 1024, framing: 'none' });
    expect(clusters.get('c')?.value).to.deep.include({
      spec: { protocol: 'TCP', port: 0, proxy_protocol: 'off', no_delay: true },
      endpoints: [{ name: 'c-EndPoint-1', spec: { address: '::1', port: 1 }, weight: 1 }],
    });
    expect(routes.get('r')?.value.retry).to.deep.include({ retry_on: 'never', num_retries: 1, timeout: 2000 });
  });

  it('is empty where nothing stands', () => {
    for (const nothing of [undefined, null, {}]) expect(decodeConfig(nothing).value).to.deep.equal(emptySnapshot());
  });

  describe('tells', () => {
    const faults: Record<string, [config: unknown, ...expected: string[]]> = {
      'what is no object': [
        [],
        'configuration: expected an object with listeners, clusters, rulelists, rules, routes or admin, found a list of 0',
      ],
      'an unknown list, and the one that was probably meant': [
        { lisseners: [] },
        'lisseners: expected one of admin, listeners, clusters, rulelists, rules, routes (perhaps listeners), found "lisseners"',
      ],
      'times that no timer can hold, with the longest': [
        {
          admin: { drain_timeout: 2 ** 31 },
          listeners: [{ ...LISTENER, options: { track: 2147484, idle_timeout: 2 ** 31 } }],
          clusters: [{ name: 'c', spec: 'tcp://127.0.0.1:1', health_check: { type: 'tcp', interval: 2 ** 31 - 1 } }],
        },
        'admin.drain_timeout: expected a whole number from 0 to 2147483647 (ms), found 2147483648',
        'listeners[0].options.track: expected a whole number from 0 to 2147483 (s), found 2147484',
        'listeners[0].options.idle_timeout: expected a whole number from 0 to 2147483647 (ms), found 2147483648',
        'clusters[0].health_check.interval: expected a whole number from 10 to 2000000000 (ms), found 2147483647',
      ],
      'an unknown field, and the one that was probably meant': [
        { listeners: [{ ...LISTENER, options: { trakc: 1 } }] },
        'listeners[0].options.trakc: expected a known field (perhaps track), found "trakc"',
      ],
      'an unknown field, and which there are': [
        { listeners: [{ ...LISTENER, zzz: 1 }] },
        'listeners[0].zzz: expected a known field (name, spec, rules, options), found "zzz"',
      ],
      'a field of a protocol without fields': [
        { clusters: [{ name: 'c', spec: { protocol: 'Echo', port: 1 } }] },
        'clusters[0].spec.port: expected no fields here, found "port"',
      ],
      'a list that is none': [{ clusters: 'c' }, 'clusters: expected a list, found "c"'],
      'an object that is none': [{ clusters: [1] }, 'clusters[0]: expected a cluster (an object), found 1'],
      'what is missing': [
        { listeners: [{ name: 'l' }] },
        'listeners[0].spec: expected an object with a protocol, or an address in one line, found nothing',
        'listeners[0].rules: expected the name of a rule list, or a rule list itself, or a list of rules, found nothing',
      ],
      'an unknown protocol': [
        { listeners: [{ ...LISTENER, spec: { protocol: 'TPC' } }] },
        'listeners[0].spec.protocol: expected one of UDP, TCP, TLS, HTTP, WebSocket, UnixDomainSocket, UnixDatagram, UnixSeqpacket, JSONSocket, Pipe, Stdio, AF_PACKET, SCTP (perhaps TCP), found "TPC"',
      ],
      'a protocol that listeners do not have': [
        { listeners: [{ ...LISTENER, spec: { protocol: 'Echo' } }] },
        'listeners[0].spec.protocol: expected one of UDP, TCP, TLS, HTTP, WebSocket, UnixDomainSocket, UnixDatagram, UnixSeqpacket, JSONSocket, Pipe, Stdio, AF_PACKET, SCTP, found "Echo", which only clusters have',
      ],
      'numbers out of range, fractions, and what is no number': [
        {
          listeners: [
            { ...LISTENER, spec: { protocol: 'UDP', port: 65536 }, options: { track: 1.5, queue_limit: 'x' } },
          ],
        },
        'listeners[0].spec.port: expected a whole number from 0 to 65535, found 65536',
        'listeners[0].options.track: expected a whole number from 0 to 2147483 (s), found 1.5',
        'listeners[0].options.queue_limit: expected a whole number of at least 1 (datagrams), found "x"',
      ],
      'words of no choice': [
        { listeners: [{ ...LISTENER, options: { framing: 'new-line' } }] },
        'listeners[0].options.framing: expected one of none, length-prefix-2, length-prefix-4, newline (perhaps newline), found "new-line"',
      ],
      'what is neither true nor false': [
        { admin: { strict: 'yes' } },
        'admin.strict: expected true or false, found "yes"',
      ],
      'an offload that can not be': [
        { admin: { offload: 'no_init' }, listeners: [{ ...LISTENER, options: { offload: 'sometimes' } }] },
        'admin.offload: expected init or disable, as flows of another process can not be taken over, found "no_init"',
        'listeners[0].options.offload: expected one of auto, always, never, or an object, found "sometimes"',
      ],
      'a word that is no offload': [
        { admin: { offload: 'on' } },
        'admin.offload: expected one of init, disable, found "on"',
      ],
      'addresses and names that are none': [
        {
          listeners: [{ ...LISTENER, spec: { protocol: 'TCP', port: 1, address: 'no host' } }],
          clusters: [{ name: 'bound', spec: { protocol: 'UDP', port: 1, bind: { address: 'localhost' } } }],
          admin: { api: { address: 'localhost' } },
        },
        'admin.api.address: expected an IP address, found "localhost"',
        'listeners[0].spec.address: expected an IP address or a DNS name, found "no host"',
        'clusters[0].spec.bind.address: expected an IP address, found "localhost"',
      ],
      'a name of several lines': [
        { clusters: [{ name: 'a\nb', spec: 'echo' }] },
        'clusters[0].name: expected a name (one line of text; numbers in quotes), found "a\\nb"',
      ],
      'a name that is a number': [
        { clusters: [{ name: 1, spec: 'echo' }] },
        'clusters[0].name: expected a name (one line of text; numbers in quotes), found 1',
      ],
      'a name that stands twice': [
        {
          clusters: [
            { name: 'c', spec: 'echo' },
            { name: 'c', spec: 'echo' },
          ],
        },
        'clusters[1].name: expected a name that clusters[0] does not have, found "c"',
      ],
      'both a field and its alias': [
        { routes: [{ name: 'r', destination: 'a', cluster: 'b' }] },
        'routes[0].cluster: expected only one of destination and cluster, found "b"',
      ],
      'a key that is no plain word, in quotes': [
        { 'a b.c': 1 },
        '"a b.c": expected one of admin, listeners, clusters, rulelists, rules, routes, found "a b.c"',
      ],
      'values that JSON does not have': [
        { clusters: [{ name: 'c', spec: new Date(0), endpoints: [NaN, 1n] }] },
        'clusters[0].spec: expected plain JSON, found a Date',
        'clusters[0].endpoints[0]: expected plain JSON, found NaN',
        'clusters[0].endpoints[1]: expected plain JSON, found a bigint',
      ],
      'a prototype': [
        JSON.parse('{"clusters":[{"__proto__":{}}]}'),
        'clusters[0]: expected fields of a configuration, found "__proto__"',
      ],
    };
    for (const [what, [config, ...expected]] of Object.entries(faults)) {
      it(what, () => {
        expect(faultsOf(config)).to.have.members(expected).and.to.have.length(expected.length);
      });
    }

    it('at most 500 faults, and looks no further', () => {
      const found = faultsOf({ clusters: Array.from({ length: 600 }, () => 1) });
      expect(found).to.have.length(501);
      const rest = 'configuration: expected no further faults, found more, which were not looked for';
      expect(found.at(-1)).to.equal(rest);
      let looks = 0;
      const costly = {
        get action() {
          return looks++ < 0;
        },
      };
      expect(faultsOf({ rules: Array.from({ length: 2000 }, () => costly) }).at(-1)).to.equal(rest);
      expect(looks).to.be.below(4000); // the survey looks at each, too
      expect(faultsOf({ rules: Array.from({ length: 2000 }, () => NaN) })).to.have.length(500);
    });

    it('what goes in a circle, or too deep', () => {
      const circle: Record<string, unknown> = {};
      circle['clusters'] = circle;
      expect(faultsOf(circle))
        .to.have.length(1)
        .and.to.match(/expected at most 100 levels, found more/u);
    });

    it('everything that is wrong at once, though it stands in each other', () => {
      const route = {
        destination: { spec: { protocol: 'UPD' }, endpoints: [{ spec: { port: -1 } }] },
        retry: { retry_on: 'sometimes' },
      };
      const paths = decodeConfig({
        listeners: [{ spec: { protocol: 'UDP', port: 'x' }, rules: [{ match: { op: 'tset' }, action: { route } }] }],
        admin: { log_level: 'loud' },
      }).faults.map(({ path }) => path);
      expect(paths).to.include.members([
        'admin.log_level',
        'listeners[0].spec.port',
        'listeners[0].rules[0].match.op',
        'listeners[0].rules[0].action.route.destination.spec.protocol',
        'listeners[0].rules[0].action.route.destination.endpoints[0].spec.port',
        'listeners[0].rules[0].action.route.retry.retry_on',
      ]);
    });
  });

  it('never throws, whatever it is given, and gives a snapshot or faults', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true }), (raw) => {
        const { value, faults } = decodeConfig(raw);
        expect(value === undefined).to.equal(faults.length > 0);
      }),
    );
  });

  it('passes over unknown fields where it is lenient', () => {
    const config = { clusters: [{ name: 'c', spec: { protocol: 'Echo', x: 1 }, y: 2 }], z: 3 };
    expect(decodeConfig(config, { lenient: true }).faults).to.deep.equal([]);
    expect(faultsOf(config)).to.have.length(3);
  });

  describe('takes other ways to write', () => {
    it('aliases of fields and protocols, in any case', () => {
      const { clusters, routes } = decoded({
        clusters: [
          { name: 'c', spec: { protocol: 'jsonsocket', transport: { protocol: 'ws' } }, endpoints: ['127.0.0.1:80'] },
        ],
        routes: [{ name: 'r', cluster: 'c' }],
      });
      expect(clusters.get('c')?.value.spec).to.have.nested.property('transport_spec.protocol', 'WebSocket');
      expect(routes.get('r')?.value.destination).to.equal('c');
    });

    it('numbers and booleans in quotes, and words in other cases', () => {
      const { listeners, admin } = decoded({
        admin: { strict: 'true', log_level: 'DEBUG' },
        listeners: [{ ...LISTENER, spec: { protocol: 'UDP', port: '0x1388' } }],
      });
      expect(listeners.get('l')?.value.spec).to.include({ port: 5000 });
      expect(admin).to.include({ strict: true, log_level: 'debug' });
    });

    const endpoints: Record<string, [short: unknown, spec: object]> = {
      'an address': ['10.0.0.1', { address: '10.0.0.1', port: 0 }],
      'an address and its port': ['10.0.0.1:53', { address: '10.0.0.1', port: 53 }],
      'a name and its port': ['example.com:53', { address: 'example.com', port: 53 }],
      'an IPv6 address': ['::1', { address: '::1', port: 0 }],
      'an IPv6 address in brackets': ['[::1]', { address: '::1', port: 0 }],
      'an IPv6 address and its port': ['[::1]:53', { address: '::1', port: 53 }],
      'an address beside a name': [
        { name: 'e', address: '::1', port: 53 },
        { address: '::1', port: 53 },
      ],
      'an object with the short form': [{ spec: '10.0.0.1:53' }, { address: '10.0.0.1', port: 53 }],
    };
    for (const [what, [short, spec]] of Object.entries(endpoints)) {
      it(`an endpoint as ${what}`, () => {
        const cluster = { name: 'c', spec: { protocol: 'UDP', port: 1 }, endpoints: [short] };
        expect(decoded({ clusters: [cluster] }).clusters.get('c')?.value.endpoints[0]?.spec).to.deep.equal(spec);
      });
    }

    it('one endpoint for a list, and a policy for the load balancer', () => {
      const cluster = { name: 'c', spec: { protocol: 'UDP', port: 1 }, endpoints: '::1', loadbalancer: 'Maglev' };
      const { value } = decoded({ clusters: [cluster] }).clusters.get('c') ?? {};
      expect(value?.endpoints).to.have.length(1);
      expect(value?.loadbalancer).to.include({ policy: 'Maglev', table_size: 65537 });
    });

    it('specs and clusters as addresses in one line', () => {
      const { listeners, clusters, routes } = decoded({
        listeners: [{ name: 'l', spec: 'ws-listen:80,bind=::1', rules: 'x' }],
        clusters: [
          { name: 'c', spec: 'tcp://[::1]:80' },
          { name: 'e', spec: 'echo' },
        ],
        routes: [{ name: 'r', destination: 'udp://127.0.0.1:5000' }],
      });
      expect(listeners.get('l')?.value.spec).to.include({ protocol: 'WebSocket', address: '::1', port: 80 });
      expect(clusters.get('c')?.value.endpoints[0]?.spec).to.include({ address: '::1' });
      expect(clusters.get('e')?.value.spec).to.deep.equal({ protocol: 'Echo' });
      const inline = clusters.get(routes.get('r')?.value.destination ?? '');
      expect(inline?.value.spec).to.include({ protocol: 'UDP', port: 5000 });
      expect(inline?.owner).to.deep.equal({ kind: 'Route', name: 'r' });
    });

    it('but no spec in one line that names endpoints beside endpoints', () => {
      expect(ofCluster({ spec: 'tcp://a:1', endpoints: ['b:1'] })).to.deep.equal([
        'endpoints: expected none beside the one that the spec names, found a list of 1',
      ]);
      expect(ofCluster({ spec: 'tcp-listen:1' })).to.deep.equal([
        'spec: expected an address that can be connected to, found "tcp-listen" in "tcp-listen:1"',
      ]);
    });

    it('a star for a predicate, and rules for a rule list', () => {
      const { rules, rulelists } = decoded({
        rulelists: [{ name: 'l', rules: [{ match: '*', action: { route: 'x' } }] }],
      });
      expect(rulelists.get('l')?.value.rules).to.deep.equal(['l-Rule-1']);
      expect(rules.get('l-Rule-1')?.value.match).to.include({ match: '*' });
    });
  });

  describe('names what has no name', () => {
    const inline = {
      name: 'l',
      spec: { protocol: 'UDP', port: 1 },
      rules: [
        { action: { route: { destination: { spec: 'echo' }, ingress: [{ spec: 'echo' }, { spec: 'logger' }] } } },
      ],
    };

    it('after what it was written in, which owns it', () => {
      const { rulelists, rules, routes, clusters } = decoded({ listeners: [inline] });
      expect([...rulelists.keys(), ...rules.keys(), ...routes.keys(), ...clusters.keys()]).to.deep.equal([
        'l-RuleList-1',
        'l-RuleList-1-Rule-1',
        'l-RuleList-1-Rule-1-Route-1',
        'l-RuleList-1-Rule-1-Route-1-Cluster-1',
        'l-RuleList-1-Rule-1-Route-1-ingress-Cluster-1',
        'l-RuleList-1-Rule-1-Route-1-ingress-Cluster-2',
      ]);
      expect(rulelists.get('l-RuleList-1')?.owner).to.deep.equal({ kind: 'Listener', name: 'l' });
      expect(rules.get('l-RuleList-1-Rule-1')?.owner).to.deep.equal({ kind: 'RuleList', name: 'l-RuleList-1' });
    });

    it('after what it listens on', () => {
      const spec = { protocol: 'udp', port: 1 };
      const jsonSocket = { protocol: 'JSONSocket', transport: { protocol: 'UDP', port: 2 } };
      const listeners = [spec, spec, jsonSocket, { protocol: 'Stdio' }].map((each) => ({ spec: each, rules: 'x' }));
      expect([...decoded({ listeners }).listeners.keys()]).to.deep.equal(['UDP-1', 'UDP-1-2', 'JSONSocket-2', 'Stdio']);
    });

    it('and keeps clear of names that stand anywhere', () => {
      const { rulelists } = decoded({ listeners: [inline], rulelists: [{ name: 'l-RuleList-1', rules: [] }] });
      expect([...rulelists.keys()]).to.have.members(['l-RuleList-1', 'l-RuleList-2']);
    });

    it('the same way each time', () => {
      const config = { listeners: [inline, { ...inline, name: 'm' }], clusters: [{ spec: 'echo' }] };
      expect(decoded(config)).to.deep.equal(decoded(structuredClone(config)));
    });

    it('endpoints after their cluster, and clear of each other', () => {
      const endpoints = ['::1', { name: 'c-EndPoint-1', address: '::2' }, '::3'];
      const { clusters } = decoded({ clusters: [{ name: 'c', spec: { protocol: 'UDP', port: 1 }, endpoints }] });
      const names = clusters.get('c')?.value.endpoints.map(({ name }) => name);
      expect(names).to.deep.equal(['c-EndPoint-2', 'c-EndPoint-1', 'c-EndPoint-3']);
    });

    it('and shares what is defined alike at several places: then nobody owns it', () => {
      const shared = { name: 's', spec: 'echo' };
      const routes = ['a', 'b'].map((name) => ({ name, destination: structuredClone(shared) }));
      expect(decoded({ routes }).clusters.get('s')?.owner).to.equal(undefined);
      expect(decoded({ routes: routes.slice(0, 1) }).clusters.get('s')?.owner).to.deep.equal({
        kind: 'Route',
        name: 'a',
      });
      const other = { name: 'c', destination: { name: 's', spec: 'discard' } };
      expect(faultsOf({ routes: [...routes, other] })).to.deep.equal([
        'routes[2].destination.name: expected a name that routes[0].destination does not have, or the same definition, found "s"',
      ]);
    });
  });

  describe('checks what fields mean beside each other', () => {
    const faults: Record<string, [config: object, ...expected: (string | RegExp)[]]> = {
      'an action that does nothing': [
        withRule({ action: {} }),
        'rules[0].action: expected a route, a response, a redirect, or another rule list to apply, found none of them',
      ],
      'a predicate without a test': [withMatch({ path: '/a' }), /^rules\[0\]\.match\.op: expected the test to make/u],
      'a star beside a test': [
        withMatch({ match: '*', op: 'defined' }),
        'rules[0].match: expected "*", or an object with op, found both',
      ],
      'a test of nothing': [
        withMatch({ op: 'defined' }),
        'rules[0].match.path: expected a JSON pointer, as in /IP/src_addr, found nothing',
      ],
      'a test without a value': [
        withMatch({ op: 'test', path: '/a' }),
        'rules[0].match.value: expected a value, found nothing',
      ],
      'a value of the wrong type': [
        withMatch({
          op: 'and',
          apply: [
            { op: 'starts', path: '/a', value: 1 },
            { op: 'in', path: '/a', value: 'x' },
            { op: 'less', path: '/a', value: '1' },
          ],
        }),
        'rules[0].match.apply[0].value: expected a string, found 1',
        'rules[0].match.apply[1].value: expected a list, found "x"',
        'rules[0].match.apply[2].value: expected a number, found "1"',
      ],
      'an expression that is none': [
        withMatch({ op: 'matches', path: '/a', value: '(' }),
        'rules[0].match.value: expected a regular expression as RE2 knows it, without look-around and back references, found "("',
      ],
      'a type that is none': [
        withMatch({ op: 'type', path: '/a', value: 'strin' }),
        /^rules\[0\]\.match\.value: expected one of number, .*\(perhaps string\), found "strin"$/u,
      ],
      'a junction of nothing': [
        withMatch({ op: 'or' }),
        'rules[0].match.apply: expected the predicates that "or" joins, found nothing',
      ],
      'a test that joins others': [
        withMatch({ op: 'defined', path: '/a', apply: [{ op: 'defined', path: '/b' }] }),
        'rules[0].match.apply: expected nothing: only and, or and not join others, found a list of 1',
      ],
      'a pointer that is none': [
        withMatch({ op: 'defined', path: '/~' }),
        'rules[0].match.path: expected a JSON pointer, as in /IP/src_addr, found "/~"',
      ],
      'a route to nowhere': [
        { routes: [{ name: 'r' }] },
        /^routes\[0\]\.destination: expected the name of a cluster, .*found nothing$/u,
      ],
      'a route to one and to several': [
        { routes: [{ name: 'r', destination: 'a', destinations: [{ cluster: 'b' }] }] },
        'routes[0].destinations: expected either destination or destinations, found both',
      ],
      'weights that leave nothing': [
        { routes: [{ name: 'r', destinations: [{ cluster: 'b', weight: 0 }] }] },
        'routes[0].destinations: expected a weight above 0, found none',
      ],
      'an endpoint without an address or port': [
        { clusters: [{ name: 'c', spec: { protocol: 'TCP' }, endpoints: [{ spec: {} }] }] },
        'clusters[0].endpoints[0].spec.address: expected an IP address or a DNS name, found nothing',
        "clusters[0].endpoints[0].spec.port: expected a port, here or in the cluster's spec, found nothing",
      ],
      'an endpoint without a path': [
        { clusters: [{ name: 'c', spec: { protocol: 'UnixDatagram' }, endpoints: [{ spec: {} }] }] },
        "clusters[0].endpoints[0].spec.address: expected a path, here or as filename in the cluster's spec, found nothing",
      ],
      'an endpoint of what a JSONSocket rides on': [
        {
          clusters: [
            { name: 'c', spec: { protocol: 'JSONSocket', transport: { protocol: 'UDP' } }, endpoints: ['::1'] },
          ],
        },
        "clusters[0].endpoints[0].spec.port: expected a port, here or in the cluster's spec, found nothing",
      ],
      'two endpoints of one name': [
        {
          clusters: [
            {
              name: 'c',
              spec: { protocol: 'TCP', port: 1 },
              endpoints: [
                { name: 'e', address: '::1' },
                { name: 'e', address: '::2' },
              ],
            },
          ],
        },
        'clusters[0].endpoints[1].name: expected a name that clusters[0].endpoints[0] does not have, found "e"',
      ],
      'a header that says nothing': [
        { clusters: [{ name: 'c', spec: { protocol: 'JSONSocket', transport: { protocol: 'UDP' }, header: [{}] } }] },
        'clusters[0].spec.header[0]: expected a path to copy from, or a constant to set, found neither',
      ],
      'bytes that are no hexadecimal': [
        { clusters: [{ name: 'c', spec: 'udp://127.0.0.1:1', health_check: { type: 'udp', send: '0x1' } }] },
        'clusters[0].health_check.send: expected text, or bytes in hexadecimal after 0x, found "0x1"',
      ],
      'a health check that has nothing to ask': [
        { clusters: [{ name: 'c', spec: 'echo', health_check: {} }] },
        'clusters[0].health_check: expected none, as Echo has no address to ask, found one',
      ],
      'an action that does too much': [
        { rules: [{ name: 'r', action: { route: 'x', respond: { status: 404 }, redirect: {} } }] },
        'rules[0].action: expected only one of route, respond, redirect, found route and respond and redirect',
      ],
      'a destination that leads nowhere, and one that leads to two places': [
        {
          routes: [{ name: 'r', destinations: [{ weight: 1 }, { cluster: 'c', respond: { status: 500 }, weight: 1 }] }],
        },
        'routes[0].destinations[0]: expected the name of a cluster, a cluster itself, or a response, found neither',
        'routes[0].destinations[1]: expected only one of cluster, respond, found cluster and respond',
      ],
      'a rewrite that sets and adds': [
        { rules: [{ name: 'r', action: { rewrite: [{ path: '/a', value: 1, append: 'x' }], route: 'x' } }] },
        'rules[0].action.rewrite[0]: expected only one of value, append, prefix, found value and append',
      ],
      'a redirect with a status that is none': [
        { rules: [{ name: 'r', action: { redirect: { status: 304, path: '/', prefix: { from: '/a' } } } }] },
        'rules[0].action.redirect: expected only one of path, prefix, found path and prefix',
        'rules[0].action.redirect.status: expected one of 301, 302, 303, 307, 308, found 304',
      ],
      'header fields that would break a head': [
        {
          routes: [
            {
              name: 'r',
              destination: 'c',
              response_headers: { set: { 'a b': 'x' }, add: { ok: 'a\r\nb: c' }, remove: ['x', 'y:'] },
            },
          ],
        },
        'routes[0].response_headers.set.a b: expected the name of a header field, found "a b"',
        'routes[0].response_headers.add.ok: expected a value without line ends and control characters, found "a\\r\\nb: c"',
        'routes[0].response_headers.remove[1]: expected the name of a header field, found "y:"',
      ],
      'origins that are none': [
        {
          routes: [
            {
              name: 'r',
              destination: 'c',
              cors: { allow_origins: ['example.org', 'https://*.example.org:8443'], allow_methods: ['*', 'GET'] },
            },
          ],
        },
        'routes[0].cors.allow_origins[0]: expected an origin, as in https://*.example.org:8443, or *, found "example.org"',
        'routes[0].cors.allow_methods: expected "*" alone, or names, found "*" beside others',
      ],
      'a status that no answer has': [
        { routes: [{ name: 'r', destination: 'c', retry: { statuses: [503, 600] } }] },
        'routes[0].retry.statuses[1]: expected a status from 200 to 599, found 600',
      ],
      'persistence that clients could not keep': [
        {
          routes: [
            {
              name: 'r',
              destination: 'c',
              persistence: { name: 'a=b', lifetime: 'permanent', path: '/a;b', key: 'too short' },
            },
          ],
          clusters: [{ name: 'c', spec: 'echo', persistence: { type: 'header', lifetime: 'permanent' } }],
        },
        'routes[0].persistence.name: expected the name of a cookie or a header field, found "a=b"',
        'routes[0].persistence.absolute_timeout: expected how long the cookie stays, as it is permanent, found 0',
        'routes[0].persistence.path: expected a path that begins with "/", without ";", found "/a;b"',
        'routes[0].persistence.key: expected at least 16 characters, found 9',
        'clusters[0].persistence.lifetime: expected "session", as a header field is no cookie, found "permanent"',
      ],
      'names of a certificate that are none': [
        {
          clusters: [
            { name: 'c', spec: { protocol: 'TLS', tls: { san: [{}, { dns: 'a.example', uri: 'spiffe://a/b' }] } } },
          ],
        },
        'clusters[0].spec.tls.san[0]: expected dns or uri, found neither',
        'clusters[0].spec.tls.san[1]: expected only one of dns, uri, found dns and uri',
      ],
      'names of a certificate that is not looked at': [
        {
          clusters: [{ name: 'c', spec: { protocol: 'TLS', tls: { san: [{ uri: 'spiffe://a/b' }], insecure: true } } }],
        },
        'clusters[0].spec.tls.san: expected none, as insecure takes any certificate, found some',
      ],
      'labels of durations that they have already': [
        {
          listeners: ['le', 'listener', 'method'].map((name) => ({
            ...LISTENER,
            name,
            options: { telemetry: { metric_label: { name, path: '/a' } } },
          })),
        },
        'listeners[0].options.telemetry.metric_label.name: expected a label that the histogram has not itself, found "le"',
        'listeners[1].options.telemetry.metric_label.name: expected a label that the histogram has not itself, found "listener"',
      ],
      'a key that is no pointer': [
        { clusters: [{ name: 'c', spec: 'echo', loadbalancer: { policy: 'HashRing', key: '/~' } }] },
        'clusters[0].loadbalancer.key: expected a JSON pointer, as in /IP/src_addr, found "/~"',
      ],
    };
    for (const [what, [config, ...expected]] of Object.entries(faults)) {
      it(what, () => {
        const found = faultsOf(config);
        expect(found).to.have.length(expected.length);
        expected.forEach((fault, index) => {
          if (typeof fault === 'string') expect(found[index]).to.equal(fault);
          else expect(found[index]).to.match(fault);
        });
      });
    }
  });

  describe('finds circles', () => {
    const list = (name: string, ...rules: string[]): object => ({ name, rules });
    const apply = (name: string, to: string): object => ({ name, action: { apply: to } });

    it('of one list, and of several, once each', () => {
      const rulelists = [list('a', 'r'), list('b', 's'), list('c', 't')];
      expect(faultsOf({ rulelists, rules: [apply('r', 'a'), apply('s', 'c'), apply('t', 'b')] })).to.deep.equal([
        'rulelists[0]: expected rule lists that do not apply each other in a circle, found a -> a',
        'rulelists[1]: expected rule lists that do not apply each other in a circle, found b -> c -> b',
      ]);
    });

    it('but not where lists only meet', () => {
      const rulelists = [list('a', 'to-b', 'to-c'), list('b', 'to-c'), list('c')];
      expect(faultsOf({ rulelists, rules: [apply('to-b', 'b'), apply('to-c', 'c')] })).to.deep.equal([]);
    });

    it('that a new object closes with those that are there', () => {
      const existing = decoded({ rulelists: [list('a', 'r')], rules: [apply('r', 'b')] });
      const { faults } = decodeObject('RuleList', { name: 'b', rules: [{ action: { apply: 'a' } }] }, existing);
      expect(faults.map(formatFault)).to.deep.equal([
        'rulelist: expected rule lists that do not apply each other in a circle, found b -> a -> b',
      ]);
    });
  });

  it('tells of references to what is not there, which is no fault', () => {
    const snapshot = decoded({
      listeners: [LISTENER],
      rules: [{ name: 'r', action: { route: 'x', apply: 'y' } }],
      rulelists: [{ name: 'rl', rules: ['r', 'gone'] }],
      routes: [
        { name: 'w', destinations: [{ cluster: 'd' }], ingress: ['i'], egress: ['e'], mirrors: [{ cluster: 'm' }] },
      ],
    });
    expect(danglingReferences(snapshot).map(formatFault)).to.deep.equal([
      'listeners.l.rules: expected the name of a rule list that exists, found "list"',
      'rulelists.rl.rules[1]: expected the name of a rule that exists, found "gone"',
      'rules.r.action.route: expected the name of a route that exists, found "x"',
      'rules.r.action.apply: expected the name of a rule list that exists, found "y"',
      'routes.w.destinations[0]: expected the name of a cluster that exists, found "d"',
      'routes.w.ingress[0]: expected the name of a cluster that exists, found "i"',
      'routes.w.egress[0]: expected the name of a cluster that exists, found "e"',
      'routes.w.mirrors[0]: expected the name of a cluster that exists, found "m"',
    ]);
  });

  it('knows the specs of plugins', () => {
    const schema = withPlugins([
      {
        name: 'Netstring',
        connector: () => ({ connect: () => Promise.reject(new Error('unused')), close: () => Promise.resolve() }),
        schema: { cluster: { fields: { size: { type: 'integer', default: 8 } } } },
      },
    ]);
    const config = { clusters: [{ name: 'c', spec: { protocol: 'netstring' } }] };
    expect(decodeConfig(config, { schema }).value?.clusters.get('c')?.value.spec).to.deep.equal({
      protocol: 'Netstring',
      size: 8,
    });
    expect(faultsOf(config)[0]).to.match(/^clusters\[0\]\.spec\.protocol: expected one of UDP, /u);
  });

  it('limits the times of plugins to what timers can hold', () => {
    const schema = withPlugins([
      {
        name: 'Slow',
        connector: {},
        schema: {
          cluster: {
            fields: {
              pause: { type: 'integer', unit: 'ms' },
              short: { type: 'integer', unit: 's', max: 9 },
              more: { type: 'message', message: 'SlowMore' },
            },
          },
          messages: { SlowMore: { fields: { rest: { type: 'integer', unit: 's' } } } },
        },
      },
    ]);
    const spec = { protocol: 'Slow', pause: 2 ** 31, short: 10, more: { rest: 2147484 } };
    const { faults } = decodeConfig({ clusters: [{ name: 'c', spec }] }, { schema });
    expect(faults.map(formatFault)).to.deep.equal([
      'clusters[0].spec.pause: expected a whole number from 0 to 2147483647 (ms), found 2147483648',
      'clusters[0].spec.short: expected a whole number from 0 to 9 (s), found 10',
      'clusters[0].spec.more.rest: expected a whole number from 0 to 2147483 (s), found 2147484',
    ]);
  });
});
