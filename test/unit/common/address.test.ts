import { expect } from 'chai';
import { type Address, parseAddress, SCHEMES, splitWords } from '../../../common/address.ts';
import { ProxyError } from '../../../common/errors.ts';
import { portOfService } from '../../../common/services.ts';

/** How users write what sessions come from, and the spec that it stands for. */
const LISTENERS: readonly (readonly [string, object])[] = [
  ['tcp-listen:5000', { protocol: 'TCP', port: 5000 }],
  ['TCP-LISTEN:5000', { protocol: 'TCP', port: 5000 }],
  ['tcp4-l:5000', { protocol: 'TCP', port: 5000 }],
  ['TCP-LISTEN:5000,fork,reuseaddr', { protocol: 'TCP', port: 5000 }],
  ['TCP4-LISTEN:5000,bind=127.0.0.1,so-reuseaddr=1', { protocol: 'TCP', port: 5000, address: '127.0.0.1' }],
  ['tcp6-listen:5000', { protocol: 'TCP', port: 5000, address: '::' }],
  ['tcp://127.0.0.1:5000', { protocol: 'TCP', port: 5000, address: '127.0.0.1' }],
  ['tcp://[::1]:5000', { protocol: 'TCP', port: 5000, address: '::1' }],
  ['tcp://:5000', { protocol: 'TCP', port: 5000 }],
  ['tcp://*:5000', { protocol: 'TCP', port: 5000 }],
  ['tcp:5000', { protocol: 'TCP', port: 5000 }],
  ['tcp-listen:0,backlog=10,nodelay=false', { protocol: 'TCP', port: 0, backlog: '10', no_delay: 'false' }],
  ['udp-listen:53,bind=::1', { protocol: 'UDP', port: 53, address: '::1' }],
  ['udp-listen:53,bind=[::1]', { protocol: 'UDP', port: 53, address: '::1' }],
  ['UDP-RECV:53', { protocol: 'UDP', port: 53 }],
  ['udp6-recv:53', { protocol: 'UDP', port: 53, address: '::' }],
  ['UDP4-RECVFROM:53,fork', { protocol: 'UDP', port: 53 }],
  [
    'openssl-listen:443,cert=c.pem,key=k.pem,verify=1',
    { protocol: 'TLS', port: 443, tls: { cert: 'c.pem', key: 'k.pem', client_certificate: 'require' } },
  ],
  [
    'OPENSSL-LISTEN:443,cert=c.pem,key=k.pem,verify=0,fork',
    { protocol: 'TLS', port: 443, tls: { cert: 'c.pem', key: 'k.pem', client_certificate: 'none' } },
  ],
  ['ws-listen:80', { protocol: 'WebSocket', port: 80 }],
  ['ws://0.0.0.0/chat', { protocol: 'WebSocket', port: 80, address: '0.0.0.0', path: '/chat' }],
  ['wss-listen:443,cert=c,key=k', { protocol: 'WebSocket', port: 443, tls: { cert: 'c', key: 'k' } }],
  ['http-listen:8080', { protocol: 'HTTP', port: 8080 }],
  ['https-l:8443,cert=c,key=k', { protocol: 'HTTP', port: 8443, tls: { cert: 'c', key: 'k' } }],
  ['unix-listen:/run/s,mode=0660', { protocol: 'UnixDomainSocket', filename: '/run/s', mode: '0660' }],
  ['unix-listen:/run/s,unlink-early,unlink-close=1', { protocol: 'UnixDomainSocket', filename: '/run/s' }],
  ['unix-l:/run/s,perm=600', { protocol: 'UnixDomainSocket', filename: '/run/s', mode: '600' }],
  ['unix-listen:@abstract', { protocol: 'UnixDomainSocket', filename: '@abstract' }],
  ['UNIX-RECVFROM:/run/s', { protocol: 'UnixDatagram', filename: '/run/s' }],
  ['seqpacket:/run/s', { protocol: 'UnixSeqpacket', filename: '/run/s' }],
  ['SEQPACKET-LISTEN:/run/s', { protocol: 'UnixSeqpacket', filename: '/run/s' }],
  ['unix-seqpacket-l:/run/s', { protocol: 'UnixSeqpacket', filename: '/run/s' }],
  ['fifo:/tmp/p,reply_path=/tmp/q', { protocol: 'Pipe', path: '/tmp/p', reply_path: '/tmp/q' }],
  ['if:eth0', { protocol: 'AF_PACKET', interface: 'eth0' }],
  ['sctp6-listen:5000', { protocol: 'SCTP', port: 5000, address: '::' }],
  ['udp6:5000', { protocol: 'UDP', port: 5000, address: '::' }],
  ['tcp6:5000', { protocol: 'TCP', port: 5000, address: '::' }],
  ['sctp-listen:5000', { protocol: 'SCTP', port: 5000 }],
  ['-', { protocol: 'Stdio' }],
  ['STDIO', { protocol: 'Stdio' }],
  ['jsonsocket+udp-listen:5000', { protocol: 'JSONSocket', transport_spec: { protocol: 'UDP', port: 5000 } }],
];

/** How users write where sessions go, and what it stands for. */
const CLUSTERS: readonly (readonly [string, object, string?])[] = [
  ['tcp:127.0.0.1:80', { protocol: 'TCP', port: 80 }, '127.0.0.1'],
  ['TCP4:example.org:80', { protocol: 'TCP', port: 80 }, 'example.org'],
  ['tcp-connect:localhost:80', { protocol: 'TCP', port: 80 }, 'localhost'],
  ['tcp:[::1]:80', { protocol: 'TCP', port: 80 }, '::1'],
  ['tcp://[fe80::1]:80/', { protocol: 'TCP', port: 80 }, 'fe80::1'],
  ['TCP:h:80,bind=127.0.0.2', { protocol: 'TCP', port: 80, bind: { address: '127.0.0.2' } }, 'h'],
  ['TCP:h:80,bind=127.0.0.2:45', { protocol: 'TCP', port: 80, bind: { address: '127.0.0.2', port: '45' } }, 'h'],
  ['TCP:h:80,bind=[::1]:45', { protocol: 'TCP', port: 80, bind: { address: '::1', port: '45' } }, 'h'],
  ['TCP:h:80,bind=:45', { protocol: 'TCP', port: 80, bind: { port: '45' } }, 'h'],
  ['TCP:h:80,sourceport=45', { protocol: 'TCP', port: 80, bind: { port: '45' } }, 'h'],
  ['TCP:h:80,sp=45,bind=127.0.0.2', { protocol: 'TCP', port: 80, bind: { address: '127.0.0.2', port: '45' } }, 'h'],
  ['UDP4-SENDTO:h:53', { protocol: 'UDP', port: 53 }, 'h'],
  ['ssl:h:443,verify=0', { protocol: 'TLS', port: 443, tls: { insecure: 'true' } }, 'h'],
  [
    'openssl-connect:h:443,cafile=ca.pem,commonname=x',
    { protocol: 'TLS', port: 443, tls: { ca: 'ca.pem', server_name: 'x' } },
    'h',
  ],
  ['openssl:h:443,verify=1', { protocol: 'TLS', port: 443, tls: { insecure: 'false' } }, 'h'],
  ['ws://h', { protocol: 'WebSocket', port: 80 }, 'h'],
  ['ws://h:81/a?b=c', { protocol: 'WebSocket', port: 81, path: '/a?b=c' }, 'h'],
  ['ws://h:81?b=c', { protocol: 'WebSocket', port: 81, path: '/?b=c' }, 'h'],
  ['ws://h/?at=1,2', { protocol: 'WebSocket', port: 80, path: '/?at=1,2' }, 'h'],
  ['wss://h/?at=1,2&b=c,d', { protocol: 'WebSocket', port: 443, tls: {}, path: '/?at=1,2&b=c,d' }, 'h'],
  ['wss://h/?at=1,ca=f', { protocol: 'WebSocket', port: 443, tls: { ca: 'f' }, path: '/?at=1' }, 'h'],
  ['wss://h/a,insecure', { protocol: 'WebSocket', port: 443, tls: { insecure: 'true' }, path: '/a' }, 'h'],
  ['HTTPS://h/x', { protocol: 'HTTP', port: 443, tls: {}, path: '/x' }, 'h'],
  ['unix-connect:/run/s', { protocol: 'UnixDomainSocket' }, '/run/s'],
  ['seqpacket-connect:/run/s', { protocol: 'UnixSeqpacket' }, '/run/s'],
  ['unix:///run/s', { protocol: 'UnixDomainSocket' }, '/run/s'],
  ['/run/s', { protocol: 'UnixDomainSocket' }, '/run/s'],
  ['./s', { protocol: 'UnixDomainSocket' }, './s'],
  ['unix-client:@abstract', { protocol: 'UnixDomainSocket' }, '@abstract'],
  ['exec:tr a-z A-Z', { protocol: 'StdioFork', command: 'tr', args: ['a-z', 'A-Z'] }],
  ['EXEC:cat,stderr=discard', { protocol: 'StdioFork', command: 'cat', args: [], stderr: 'discard' }],
  [`exec:printf "a,b" 'c d' e\\,f`, { protocol: 'StdioFork', command: 'printf', args: ['a,b', 'c d', 'e,f'] }],
  ['system:echo a,b; cat', { protocol: 'StdioFork', command: '/bin/sh', args: ['-c', 'echo a,b; cat'] }],
  ['echo', { protocol: 'Echo' }],
  ['null', { protocol: 'Discard' }],
  ['logger,log_prefix=x', { protocol: 'Logger', log_prefix: 'x' }],
  ['logger:,log_prefix=x', { protocol: 'Logger', log_prefix: 'x' }],
];

/** What is wrong, and the words that say so. */
const FAULTS: readonly (readonly [string, 'toListener' | 'toCluster', RegExp])[] = [
  ['', 'toCluster', /expected an address, as in tcp:/u],
  ['tpc:h:1', 'toCluster', /expected a scheme that is known \(perhaps "tcp"\), found "tpc"$/u],
  ['nonsense://h/x', 'toCluster', /expected a scheme that is known \(one of udp, .*\), found "nonsense"$/u],
  ['localhost:80', 'toCluster', /expected a scheme in front, as in tcp:localhost:80, found none$/u],
  ['127.0.0.1:80', 'toCluster', /expected a scheme in front, as in tcp:127\.0\.0\.1:80, found none$/u],
  ['[::1]:80', 'toCluster', /expected a scheme in front, as in tcp:\[::1\]:80, found none$/u],
  ['tcp', 'toCluster', /expected HOST:PORT, found nothing$/u],
  ['tcp:h', 'toCluster', /expected a host and a port to connect to/u],
  ['tcp:80', 'toCluster', /expected a host and a port to connect to/u],
  ['tcp-listen:h', 'toListener', /expected a port.* \/etc\/services, found "h"$/u],
  ['tcp:h', 'toListener', /expected a port to listen on, found none$/u],
  ['tcp:h:70000', 'toCluster', /expected a port from 0 to 65535, found 70000$/u],
  ['tcp:h:no-such', 'toCluster', /expected a port.* \/etc\/services, found "no-such"$/u],
  ['tcp:a:b:c', 'toCluster', /expected HOST:PORT, found "a:b:c"$/u],
  ['tcp:::1:80', 'toCluster', /expected \[IPV6\]:PORT, found "::1:80"$/u],
  ['unix-sendto:/x,bind=/y', 'toCluster', /expected no bind, .*, found "bind=\/y"$/u],
  ['tcp://h:80/x', 'toCluster', /expected no path, found "\/x"$/u],
  ['unix:', 'toCluster', /expected a path, found none$/u],
  ['fifo:', 'toListener', /expected the path of a named pipe, found none$/u],
  ['if:', 'toListener', /expected the name of a network interface, found none$/u],
  ['exec:', 'toCluster', /expected a program, found none$/u],
  ['system:', 'toCluster', /expected a shell command, found none$/u],
  ['echo:1', 'toCluster', /expected nothing behind the scheme, found "1"$/u],
  ['echo', 'toListener', /expected an address that sessions can come from, found "echo"$/u],
  ['tcp-listen:1', 'toCluster', /expected an address that can be connected to, found "tcp-listen"$/u],
  ['jsonsocket+echo', 'toListener', /expected an address that sessions can come from/u],
];

describe('addresses in one line', () => {
  for (const [text, spec] of LISTENERS) {
    it(`${text} listens`, () => {
      expect(parseAddress(text).toListener()).to.deep.equal(spec);
    });
  }

  for (const [text, spec, host] of CLUSTERS) {
    it(`${text} connects`, () => {
      const endpoints = host === undefined ? {} : { endpoints: [{ spec: { address: host } }] };
      expect(parseAddress(text).toCluster()).to.deep.equal({ spec, ...endpoints });
    });
  }

  for (const [text, place, words] of FAULTS) {
    it(`"${text}" is refused with the reason (${place})`, () => {
      let address: Address | undefined;
      expect(() => (address = parseAddress(text))[place](), JSON.stringify(address)).to.throw(ProxyError, words);
    });
  }

  it('keeps what only listeners are granted from clusters, which would not do it', () => {
    expect(parseAddress('tcp:h:1,fork').toCluster()).to.have.nested.property('spec.fork', 'true');
    expect(parseAddress('tcp-listen:1,fork=0').toListener()).to.have.property('fork', '0');
    expect(parseAddress('tcp-listen:1,unlink-early').toListener()).to.have.property('unlink-early', 'true');
  });

  it('takes names of services as ports, where the system has a list of them', () => {
    const port = portOfService('http', 'tcp');
    const addresses = [
      () => parseAddress('tcp:h:http').toCluster()['spec'],
      () => parseAddress('tcp-listen:http').toListener(),
    ];
    for (const read of addresses) {
      if (port === undefined) expect(read).to.throw(ProxyError, /expected a port.* \/etc\/services, found "http"$/u);
      else expect(read()).to.deep.equal({ protocol: 'TCP', port });
    }
  });

  it('has every scheme once, in lower case, with a place where it may stand', () => {
    const names = SCHEMES.flatMap(({ names: all }) => all);
    expect(new Set(names).size).to.equal(names.length);
    for (const name of names) expect(parseAddress(name.toUpperCase() + restOf(name)).scheme).to.equal(name);
  });

  it('splits words as a shell does, and expands nothing', () => {
    expect(splitWords(`a "b c" 'd "e' f\\ g "h\\"i" $HOME *`)).to.deep.equal([
      'a',
      'b c',
      'd "e',
      'f g',
      'h"i',
      '$HOME',
      '*',
    ]);
  });
});

/** What a scheme wants behind it. */
function restOf(name: string): string {
  const form = SCHEMES.find(({ names }) => names.includes(name))?.form;
  return form === 'none' ? '' : form === 'network' ? ':h:1' : ':/x';
}

describe('Options of an address', () => {
  it('go down into messages at dots, and keep the case of names there', () => {
    const { spec } = parseAddress('exec:cat,CWD=/,env.Path=/bin,env.a=b').toCluster();
    expect(spec).to.deep.include({ cwd: '/', env: { Path: '/bin', a: 'b' } });
  });

  const refused: Record<string, [address: string, message: RegExp]> = {
    'a value and parts of one option': ['unix:/a,b=1,b.c=2', /expected "b" with a value, or with parts/u],
    'parts and a value of one option': ['unix:/a,b.c=2,b=1', /expected "b" with a value, or with parts/u],
    'a way to a prototype': ['udp:h:1,__proto__.polluted=1', /expected options as in bind=127\.0\.0\.1/u],
    'no name': ['udp:h:1,=x', /expected options as in bind=127\.0\.0\.1/u],
  };
  for (const [what, [address, message]] of Object.entries(refused)) {
    it(`are refused where they say ${what}`, () => {
      const spec = (): unknown => {
        const parsed = parseAddress(address);
        return parsed.role === 'listen' ? parsed.toListener() : parsed.toCluster();
      };
      expect(spec).to.throw(message);
    });
  }

  it('that are called as what every object has are but options', () => {
    const { spec } = parseAddress('udp:h:1,constructor.prototype.polluted=1').toCluster();
    expect(spec)
      .to.have.own.property('constructor')
      .that.deep.equals({ prototype: { polluted: '1' } });
    expect(({} as Record<string, unknown>)['polluted']).to.equal(undefined);
  });
});
