import { expect } from 'chai';
import { ProxyError } from '../../../../../common/errors.ts';
import type { ConnectRequest, Connector, Listener, Services } from '../../../../../dataplane/core/protocol.ts';
import type { Accept, Incoming } from '../../../../../dataplane/core/session.ts';
import type { Stream } from '../../../../../dataplane/core/stream.ts';
import { createConnector } from '../../../../../dataplane/protocols/json-socket/connector.ts';
import { createListener } from '../../../../../dataplane/protocols/json-socket/listener.ts';
import { noSecrets, silentLogger } from '../../../../support/doubles.ts';
import { type FakeOptions, FakeStream } from '../../../../support/fake-stream.ts';
import { RecordingSink } from '../../../../support/recording-sink.ts';
import { until } from '../../../../support/until.ts';

const UDP: FakeOptions = { framing: 'datagrams', reliable: false, halfClose: false };
const HEADER = '{"JSONSocketVersion":1,"user":"x"}';
const OK = '{"JSONSocketVersion":1,"JSONSocketStatus":200,"JSONSocketMessage":"OK"}';

/** A listener on a transport that the test plays, and what it accepted. */
function server({ refuse, header_timeout = 1000 }: { refuse?: ProxyError; header_timeout?: number } = {}) {
  const accepted: (Incoming & { sink: RecordingSink })[] = [];
  let transport: Accept = () => false;
  const listener: Listener = createListener({
    name: 'l',
    spec: { transport_spec: { protocol: 'Stdio' }, header_timeout, max_header_bytes: 65507 },
    log: silentLogger,
    secrets: noSecrets,
    refused: () => undefined,
    accept: (incoming) => {
      if (refuse) {
        incoming.stream.refuse?.(refuse);
        return false;
      }
      const sink = new RecordingSink();
      accepted.push({ ...incoming, sink });
      incoming.stream.open(sink);
      return true;
    },
    listen: (_spec, accept) => {
      transport = accept;
      return { address: 'there', start: () => Promise.resolve(), close: () => Promise.resolve() };
    },
  });
  const connect = (options: FakeOptions): FakeStream => {
    const stream = new FakeStream(options);
    transport({ name: 'transport', metadata: { IP: { src_addr: '::1' } }, stream });
    return stream;
  };
  return { listener, accepted, connect };
}

const status = (text: string | undefined): unknown =>
  (JSON.parse(text ?? '{}') as Record<string, unknown>)['JSONSocketStatus'];

describe("JSONSocket's server", () => {
  it('makes a session of a header, with its metadata beside those of the transport', () => {
    const { accepted, connect } = server();
    connect(UDP).says(HEADER);
    connect(UDP).says(HEADER);
    expect(accepted.map(({ name }) => name)).to.deep.equal(['JSONSocket:l-0', 'JSONSocket:l-1']);
    expect(accepted[0]?.metadata).to.deep.equal({
      IP: { src_addr: '::1' },
      JSONSocket: { JSONSocketVersion: 1, user: 'x' },
    });
  });

  it('answers when the session is connected, not before', () => {
    const { accepted, connect } = server();
    const client = connect(UDP);
    client.says(HEADER);
    expect(client.written).to.deep.equal([]);
    accepted[0]?.stream.connected?.(false);
    expect(client.written).to.deep.equal([OK]);
  });

  it('passes the payload both ways as it is', () => {
    const { accepted, connect } = server();
    const client = connect({});
    client.says(HEADER.slice(0, 10));
    client.says(`${HEADER.slice(10)}early`);
    const session = accepted[0]!;
    session.stream.connected?.(false);
    client.says('{"JSONSocketVersion":1}');
    session.stream.write(Buffer.from('back'), false);
    client.ends();
    expect(session.sink.events).to.deep.equal(['data:early', 'data:{"JSONSocketVersion":1}', 'end']);
    expect(client.written).to.deep.equal([OK, 'back']);
  });

  it('answers a header again that a client of datagrams repeats, and never delivers it', () => {
    const { accepted, connect } = server();
    const client = connect(UDP);
    client.says(HEADER);
    client.says(HEADER);
    expect(client.written).to.deep.equal([]);
    accepted[0]?.stream.connected?.(false);
    client.says(HEADER);
    client.says('payload');
    client.says(HEADER);
    expect(client.written).to.deep.equal([OK, OK, OK]);
    expect(accepted).to.have.length(1);
    expect(accepted[0]?.sink.events).to.deep.equal(['data:payload']);
  });

  it('refuses what is no header, and lets go of the transport', () => {
    const { accepted, connect } = server();
    const client = connect(UDP);
    client.says('hello');
    expect(accepted).to.deep.equal([]);
    expect(client.written.map(status)).to.deep.equal([400]);
    expect(client.calls).to.include('destroy');
  });

  it('ends a byte stream that it refuses, and waits a while for the client to close it', () => {
    const { connect } = server();
    const client = connect({});
    client.says('{"JSONSocketVersion":2}');
    expect(status(client.written[0])).to.equal(505);
    expect(client.calls).to.include('end').and.not.include('destroy');
    client.says('{"JSONSocketVersion":1}');
    expect(client.written).to.have.length(1);
    client.closes();
  });

  it('closes a byte stream that it refused, where the client does not', async () => {
    const { connect } = server();
    const client = connect({});
    client.says('no');
    await until('a call of destroy', () => client.calls.includes('destroy'));
  });

  for (const [code, expected] of [
    ['NO_ROUTE', 404],
    ['CONNECT_REFUSED', 502],
    ['NO_ENDPOINT', 503],
    ['CONNECT_TIMEOUT', 504],
  ] as const) {
    it(`answers ${expected} where the session fails with ${code}, and says nothing of the inside`, () => {
      const { connect } = server({ refuse: new ProxyError(code, 'cluster secret at 10.0.0.7') });
      const client = connect(UDP);
      client.says(HEADER);
      expect(status(client.written[0])).to.equal(expected);
      expect(client.written[0]).to.not.include('secret');
    });
  }

  it('answers 408 where the header does not come in time', async () => {
    const { connect } = server({ header_timeout: 5 });
    const client = connect({});
    client.says('{');
    await until('what it writes', () => client.written.length > 0);
    expect(status(client.written[0])).to.equal(408);
    client.closes();
  });

  it('answers 400 to a client that ends before its header is whole', () => {
    const { connect } = server();
    const client = connect({});
    client.says('{');
    client.ends();
    expect(status(client.written[0])).to.equal(400);
    client.closes();
  });

  it('lets go of clients that have not sent their header when it closes', async () => {
    const { listener, connect } = server();
    const client = connect({});
    await listener.close();
    expect(client.calls).to.include('destroy');
  });

  it('tells the session that the transport has closed', () => {
    const { accepted, connect } = server();
    const client = connect({});
    client.says(HEADER);
    client.closes(new ProxyError('PEER_RESET', 'gone'));
    expect(accepted[0]?.sink.events).to.deep.equal(['close:PEER_RESET']);
  });
});

/** A connector on a transport that the test plays. */
function client(options: FakeOptions) {
  const transport = new FakeStream(options);
  const retained: ReadonlySet<string>[] = [];
  const connector: Connector = createConnector({
    name: 'c',
    spec: { transport_spec: { protocol: 'Echo' }, header: [{ path: { from: '/user', to: '/user' } }] },
    log: silentLogger,
    secrets: noSecrets,
    services: {} as Services,
    connector: () => ({ connect: () => transport, retain: (keys) => retained.push(keys) }),
  });
  const controller = new AbortController();
  const request = { metadata: { user: 'x' }, signal: controller.signal } as unknown as ConnectRequest;
  const connected = Promise.resolve(connector.connect(request));
  connected.catch(() => undefined);
  return { transport, connected, controller, connector, retained };
}

/** What an attempt fails with. */
async function failure(connected: Promise<Stream>): Promise<string> {
  try {
    await connected;
  } catch (error) {
    return (error as ProxyError).code;
  }
  return 'it did not fail';
}

describe("JSONSocket's client", () => {
  it('tells its transport which endpoints are left', () => {
    const { connector, retained } = client({});
    const keys = new Set(['a']);
    connector.retain?.(keys);
    expect(retained).to.deep.equal([keys]);
  });

  it('sends the header, and is connected with the answer', async () => {
    const { transport, connected } = client({});
    await until('what it writes', () => transport.written.length > 0);
    expect(JSON.parse(transport.written[0] ?? '')).to.deep.equal({ JSONSocketVersion: 1, user: 'x' });
    transport.says(OK);
    const stream = await connected;
    const sink = new RecordingSink();
    stream.open(sink);
    transport.says('payload');
    stream.write(Buffer.from('back'), false);
    expect(sink.events).to.deep.equal(['data:payload']);
    expect(transport.written[1]).to.equal('back');
  });

  it('loses nothing that comes right behind the answer', async () => {
    const { transport, connected } = client({});
    await until('what it writes', () => transport.written.length > 0);
    transport.says(`${OK}first`);
    transport.says('second');
    transport.ends();
    const stream = await connected;
    const sink = new RecordingSink();
    stream.open(sink);
    transport.closes();
    expect(sink.events).to.deep.equal(['data:first', 'data:second', 'end', 'close']);
  });

  it('stays paused where what came behind the answer made its reader pause', async () => {
    const { transport, connected } = client({});
    await until('what it writes', () => transport.written.length > 0);
    transport.says(`${OK}first`);
    const stream = await connected;
    class PausingSink extends RecordingSink {
      override data(chunk: Buffer, text: boolean): void {
        super.data(chunk, text);
        stream.pause();
      }
    }
    stream.open(new PausingSink());
    expect(transport.calls.at(-1)).to.equal('pause');
    stream.resume();
    expect(transport.calls.at(-1)).to.equal('resume');
  });

  it('keeps what its transport responds to itself, and waits for the answer behind it', async () => {
    const { transport, connected } = client({});
    await until('what it writes', () => transport.written.length > 0);
    transport.sends({ type: 'response', status: 200, headers: ['server', 'transport'] });
    expect(transport.calls).to.not.include('pause');
    transport.says(OK);
    const stream = await connected;
    const sink = new RecordingSink();
    stream.open(sink);
    transport.says('payload');
    transport.sends({ type: 'trailers', headers: ['a', 'b'] });
    transport.ends();
    expect(stream.responds).to.equal(false);
    expect(sink.events).to.deep.equal(['data:payload', 'signal:trailers', 'end']);
  });

  it('sends the header again until it is answered, where datagrams may be lost', async () => {
    const { transport, connected } = client(UDP);
    await until('what it writes', () => transport.written.length >= 3);
    expect(new Set(transport.written)).to.have.property('size', 1);
    transport.says(OK);
    const stream = await connected;
    const sink = new RecordingSink();
    stream.open(sink);
    transport.says(OK);
    transport.says('payload');
    expect(sink.events, 'the second answer is no payload').to.deep.equal(['data:payload']);
    stream.destroy();
  });

  for (const [what, answer] of [
    ['is no answer', 'hello'],
    ['says no', '{"JSONSocketVersion":1,"JSONSocketStatus":404}'],
  ] as const) {
    it(`fails where what comes ${what}`, async () => {
      const { transport, connected } = client(UDP);
      await until('what it writes', () => transport.written.length > 0);
      transport.says(answer);
      expect(await failure(connected)).to.equal('CONNECT_REFUSED');
      expect(transport.calls).to.include('destroy');
    });
  }

  it('fails where the transport ends or breaks before the answer', async () => {
    const ended = client({});
    await until('what it writes', () => ended.transport.written.length > 0);
    ended.transport.ends();
    expect(await failure(ended.connected)).to.equal('PEER_CLOSED');
    const broken = client(UDP);
    await until('what it writes', () => broken.transport.written.length > 0);
    broken.transport.closes(new ProxyError('CONNECT_REFUSED', 'nobody there'));
    expect(await failure(broken.connected)).to.equal('CONNECT_REFUSED');
  });

  it('gives up, and lets go of the transport, when the attempt has taken too long', async () => {
    const { transport, connected, controller } = client(UDP);
    await until('what it writes', () => transport.written.length > 0);
    controller.abort(new ProxyError('CONNECT_TIMEOUT', 'too long'));
    expect(await failure(connected)).to.equal('CONNECT_TIMEOUT');
    expect(transport.calls).to.include('destroy');
  });
});
