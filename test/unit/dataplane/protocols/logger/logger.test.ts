import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { ConnectorContext, ConnectRequest } from '../../../../../dataplane/core/protocol.ts';
import type { Stream } from '../../../../../dataplane/core/stream.ts';
import { createFormat } from '../../../../../dataplane/protocols/logger/codec.ts';
import { createConnector } from '../../../../../dataplane/protocols/logger/connector.ts';
import { shareWriter } from '../../../../../dataplane/protocols/logger/shared-writer.ts';
import type { LoggerCluster } from '../../../../../gen/l7mp/config/v1/types.ts';
import { silentLogger } from '../../../../support/doubles.ts';
import { RecordingSink } from '../../../../support/recording-sink.ts';
import { until } from '../../../../support/until.ts';

const at = (spec: Partial<LoggerCluster>) =>
  createFormat({ log_file: '-', format: 'text', ...spec }, 's', () => new Date(0));

describe('Logger', () => {
  describe('writes a chunk', () => {
    it('as text, with the prefix in front of each line and without an empty line behind', () => {
      expect(at({})(Buffer.from('hello'))).to.equal('hello');
      expect(at({ log_prefix: 'in' })(Buffer.from('one\r\ntwo\n'))).to.equal('in: one\nin: two');
      expect(at({})(Buffer.from('\n'))).to.equal('');
    });

    it('as text that no terminal obeys', () => {
      expect(at({})(Buffer.from('a\u001b[2Jb\tc\u0000\u009b'))).to.equal('a\\x1b[2Jb\tc\\x00\\x9b');
    });

    it('in hexadecimal', () => {
      expect(at({ format: 'hex', log_prefix: 'p' })(Buffer.from([0, 255, 10]))).to.equal('p: 00ff0a');
    });

    it('as a JSON object with the time, the session and the payload in base64', () => {
      expect(JSON.parse(at({ format: 'json', log_prefix: 'p' })(Buffer.from('\n')))).to.deep.equal({
        time: '1970-01-01T00:00:00.000Z',
        prefix: 'p',
        session: 's',
        payload: 'Cg==',
      });
    });
  });

  describe('with a file', () => {
    let directory: string;
    let file: string;

    beforeEach(() => {
      directory = mkdtempSync(join(tmpdir(), 'l7mp-logger-'));
      file = join(directory, 'log');
    });

    afterEach(() => rmSync(directory, { recursive: true }));

    const open = (spec: Partial<LoggerCluster>) => {
      const full: LoggerCluster = { log_file: file, format: 'text', ...spec };
      const connector = createConnector({
        name: 'l',
        spec: full,
        log: silentLogger,
      } as ConnectorContext<LoggerCluster>);
      const connect = () => {
        const stream = connector.connect({ session: 's' } as ConnectRequest) as Stream;
        const sink = new RecordingSink();
        stream.open(sink);
        return { stream, sink };
      };
      return { connector, connect };
    };

    it('passes everything on, and appends it to the file that its sessions share', async () => {
      const { connector, connect } = open({});
      const [a, b] = [connect(), connect()];
      a.stream.write(Buffer.from('one'), false);
      b.stream.write(Buffer.from('two'), true);
      a.stream.end();
      b.stream.end();
      await connector.close?.();
      expect(readFileSync(file, 'utf8')).to.equal('one\ntwo\n');
      expect(a.sink.events).to.deep.equal(['data:one', 'end', 'close']);
      expect(b.sink.texts).to.deep.equal([true]);
    });

    it('goes on writing for sessions that outlive their cluster', async () => {
      const { connector, connect } = open({});
      const { stream } = connect();
      await connector.close?.();
      stream.write(Buffer.from('late'), false);
      stream.end();
      await until('the line', () => existsSync(file) && readFileSync(file, 'utf8') === 'late\n');
    });

    it('opens the file anew when it was moved away', async () => {
      const writer = shareWriter(file, () => undefined, 0);
      const moved = `${file}.1`;
      let lines = 0;
      const write = (): void => writer.write(`line ${lines++}`);
      const read = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '');
      await until('a few lines', () => (write(), read(file).split('\n').length > 5));
      renameSync(file, moved);
      await until('the new file', () => (write(), existsSync(file)));
      await writer.release();
      const all = (read(moved) + read(file)).trimEnd().split('\n');
      expect(all).to.deep.equal(Array.from({ length: lines }, (_, index) => `line ${index}`));
    });

    it('passes everything on where the file can not be written', () => {
      const { connect } = open({ log_file: join(directory, 'no', 'such', 'file') });
      const { stream, sink } = connect();
      stream.write(Buffer.from('one'), false);
      expect(sink.events).to.deep.equal(['data:one']);
      stream.destroy();
    });

    it('survives a full disk', async () => {
      const { connect } = open({ log_file: '/dev/full' });
      const { stream, sink } = connect();
      stream.write(Buffer.from('one'), false);
      await new Promise((resolve) => setTimeout(resolve, 20));
      stream.write(Buffer.from('two'), false);
      expect(sink.events).to.deep.equal(['data:one', 'data:two']);
      stream.destroy();
    });
  });
});
