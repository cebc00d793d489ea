import { expect } from 'chai';
import { ProxyError } from '../../../../../common/errors.ts';
import {
  bind,
  close,
  getSocketName,
  sendTo,
  SOCK_DGRAM,
  socket,
} from '../../../../../dataplane/sockets/native/libc.ts';
import { ReceiveBatch } from '../../../../../dataplane/sockets/native/receive-batch.ts';
import { AF_INET, decodeInet, encodeInet } from '../../../../../dataplane/sockets/native/sockaddr.ts';
import { relay, startProxy, type TestProxy } from '../../../../support/proxy.ts';
import { until } from '../../../../support/until.ts';
import { curl } from '../../admin/tools.ts';

/** Far more than the smallest buffer holds. */
const COUNT = 300;

describe('Datagrams that the kernel drops', () => {
  let proxy: TestProxy;
  let peer: number;
  let backend: number;
  const batch = new ReceiveBatch();

  const bound = (): number => {
    const fd = socket(AF_INET, SOCK_DGRAM);
    bind(fd, encodeInet('127.0.0.1', 0), 'a test');
    return fd;
  };
  /** The proxy, in this process, reads nothing meanwhile. */
  const flood = (from: number, port: number): void => {
    for (let number = 0; number < COUNT; number++) sendTo(from, Buffer.alloc(500), encodeInet('127.0.0.1', port));
  };
  const page = async (): Promise<string> => (await curl(`http://127.0.0.1:${proxy.port()}/metrics`)).text;
  const dropped = async (subject: string): Promise<number> => {
    const labels = `[^}]*reason="overflow"[^}]*`;
    const value = new RegExp(`^l7mp_${subject}_dropped_total\\{${labels}\\} (\\d+)`, 'mu').exec(await page())?.[1];
    return Number(value);
  };

  /** `receive_buffer`: of both sides. */
  const start = async (receive_buffer: number): Promise<void> => {
    const cluster = {
      spec: { protocol: 'UDP', receive_buffer },
      endpoints: [`127.0.0.1:${decodeInet(getSocketName(backend))?.port}`],
    };
    const listener = { protocol: 'UDP', address: '127.0.0.1', port: 0, options: { receive_buffer } };
    proxy = await startProxy(relay(listener, cluster), { api: true });
  };

  beforeEach(async () => {
    [peer, backend] = [bound(), bound()];
    await start(1); // the system makes it its smallest
  });
  afterEach(async () => {
    await proxy.close();
    close(peer);
    close(backend);
  });

  it('are counted for their listener: every datagram is there or dropped', async () => {
    flood(peer, proxy.port('in'));
    await until('the overflow', async () => (await dropped('listener')) > 0);
    const overflow = await dropped('listener');
    await until('the rest', () => proxy.sessions()[0]?.counters.ingress.packets === COUNT - overflow);
    const { text } = await curl(`http://127.0.0.1:${proxy.port()}/api/v1/listeners/in`);
    expect(JSON.parse(text)).to.include({ overflow });
  });

  it('are counted for their cluster, and still when the session has ended', async () => {
    sendTo(peer, Buffer.from('hello'), encodeInet('127.0.0.1', proxy.port('in')));
    await until('the datagram', () => batch.receive(backend) === 1);
    flood(backend, batch.port(0));
    const [session] = proxy.sessions();
    await until('the overflow', async () => (await dropped('cluster')) > 0);
    const overflow = await dropped('cluster');
    expect(session?.counters.egress.packets).to.equal(COUNT - overflow);
    session?.destroy(new ProxyError('DELETED', 'by the test'));
    await until('the end', () => proxy.sessions().length === 0);
    expect(await dropped('cluster')).to.equal(overflow);
  });

  it('are none of a few hundred where no buffer is configured, though the system gives less by itself', async () => {
    await proxy.close();
    await start(0);
    const passed = (direction: 'ingress' | 'egress') => proxy.sessions()[0]?.counters[direction].packets;
    flood(peer, proxy.port('in'));
    await until('all of them from the client', () => passed('ingress') === COUNT);
    await until('a datagram', () => batch.receive(backend) > 0);
    flood(backend, batch.port(0));
    await until('all of them from the endpoint', () => passed('egress') === COUNT);
  });
});
