/** A process that captures by `clsact`, as kernels before 6.6 have it, and says of each connection whose it was. */
import { parseObjectFile } from '../../../../dataplane/kernel/object-file.ts';
import { readObject } from '../../../../dataplane/kernel/program-file.ts';
import { CaptureEngine } from '../../../../dataplane/capture/engine.ts';
import { decodeConfig } from '../../../../config/decode.ts';
import { TcpServer } from '../../../../dataplane/sockets/tcp-server.ts';
import { silentLogger } from '../../../support/doubles.ts';

const capture = decodeConfig({ admin: { capture: {} } }).value?.admin.capture;
if (!capture) throw new Error('expected a configuration without faults');
const table = new CaptureEngine(parseObjectFile(readObject('capture')), capture, {
  log: silentLogger,
  attachment: 'clsact',
});
const server = new TcpServer(
  { address: '::', port: 0, captured: 'outbound' },
  { log: silentLogger, refused: (error) => process.stdout.write(`refused ${error.code}\n`), capture: table },
  (socket, { dstAddress, dstPort }) => socket.end(`captured ${dstAddress} ${dstPort}\n`),
);
await server.start();
process.stdout.write('ready\n');
process.stdin.on('end', () => {
  void server.close();
  table.close();
});
process.stdin.resume();
