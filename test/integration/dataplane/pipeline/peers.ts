/** What traffic rules are tested between: a server of Node.js that tells what it was sent, and curl. */
import { execFile } from 'node:child_process';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** A request as the server got it. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Answers each request with 200, a header of its own and what it was sent as JSON, unless `behaviour` says otherwise. */
export class HttpPeer {
  readonly seen: Seen[] = [];
  /** Answers itself, and gives true. */
  behaviour: (seen: Seen, response: ServerResponse) => boolean = () => false;
  private readonly server: Server;

  private constructor(name: string) {
    this.server = createServer((request, response) => void this.answer(name, request, response));
  }

  static async start(name = 'peer'): Promise<HttpPeer> {
    const peer = new HttpPeer(name);
    await new Promise<void>((resolve) => peer.server.listen(0, '127.0.0.1', resolve));
    return peer;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get cluster(): object {
    return { spec: { protocol: 'HTTP' }, endpoints: [`127.0.0.1:${this.port}`] };
  }

  private async answer(name: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk as string;
    const { method = '', url = '', headers } = request;
    const seen = { method, url, headers, body };
    this.seen.push(seen);
    if (this.behaviour(seen, response)) return;
    response.writeHead(200, { 'x-server': name, 'x-old': 'a', 'access-control-allow-origin': 'https://own.example' });
    response.end(JSON.stringify(seen));
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** What curl got. */
export interface Got {
  readonly status: number;
  /** By lower-case name; several of a name are joined by a comma and a space. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Asks with curl. @throws Error with curl's exit code where it got no answer. */
export async function ask(url: string, ...args: readonly string[]): Promise<Got> {
  const { stdout } = await execute('curl', ['--silent', '--show-error', '--max-time', '8', '--include', ...args, url]);
  // Without what is informational.
  const text = stdout.replace(/^(?:HTTP\/\S+ 1\d\d.*?\r\n\r\n)+/su, '');
  const end = text.indexOf('\r\n\r\n');
  const [first = '', ...lines] = text.slice(0, end).split('\r\n');
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
  }
  return { status: Number(first.split(' ')[1]), headers, body: text.slice(end + 4) };
}

/** The same, with what the server was sent. */
export async function echoed(url: string, ...args: readonly string[]): Promise<Got & { readonly sent: Seen }> {
  const got = await ask(url, ...args);
  return { ...got, sent: JSON.parse(got.body) as Seen };
}
