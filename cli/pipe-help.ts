/** What `l7mp pipe --help` says behind the options: enough for a user of socat. */
import { SCHEMES } from '../common/address.ts';

const rows = SCHEMES.map(({ names, role, about }) => {
  const [first = '', ...others] = names;
  const place = role === 'listen' ? 'A' : role === 'connect' ? 'B' : 'A B';
  const also = others.filter((name) => !name.startsWith(first)).slice(0, 2);
  return `  ${first.padEnd(22)} ${place.padEnd(4)} ${about}${also.length > 0 ? ` (also ${also.join(', ')})` : ''}`;
});

export const PIPE_HELP = `
Addresses: SCHEME:REST[,OPTION=VALUE...] as in socat, or SCHEME://HOST:PORT/PATH as in curl.
A port is a number, or the name of a service in /etc/services.
"A" and "B" say where a scheme may stand; one for both listens as A and connects as B.

${rows.join('\n')}
  jsonsocket+SCHEME      A B  SCHEME with a JSONSocket header in front

Options behind an address:
  bind=ADDRESS           listen on, or connect from, this address (bind=ADDRESS:PORT to connect from that port)
  cert= key= ca=         TLS: PEM files;  verify=0 takes any certificate;  sni=NAME
  mode=0660              permissions of a UNIX socket
  FIELD=VALUE            any field of the protocol's spec, as in its page under docs/protocols/

Examples:
  l7mp pipe - tcp:127.0.0.1:80                                talk to a TCP server
  l7mp pipe udp-listen:5000 ws://127.0.0.1:16000              UDP clients to a WebSocket server
  l7mp pipe ws-listen:8080 unix:/run/legacy.sock              browsers to a legacy daemon
  l7mp pipe tcp-listen:8443 tls:example.org:443               plain in, TLS out
  l7mp pipe openssl-listen:8443,cert=c.pem,key=k.pem tcp:127.0.0.1:80
  l7mp pipe tcp-listen:2000 exec:'bc -q'                      a program for each connection
  l7mp pipe udp-listen:53 tcp:9.9.9.9:53 --framing length-prefix-2   DNS over UDP to DNS over TCP
  l7mp pipe tcp-listen:5000,bind=127.0.0.1 tcp:10.0.0.1:80 --ingress logger,format=hex
  l7mp pipe unix-listen:/tmp/s,mode=0600 udp:127.0.0.1:5000
  l7mp pipe tcp-listen:7 echo

The listening one may stand second, too, as in "l7mp pipe - tcp-listen:5000".
Unlike socat: every connection is a session of its own (fork and reuseaddr are granted anyway), until SIGINT or --once;
message boundaries are kept wherever both sides have them; with "-" as A or B, l7mp ends with its session.
`;
