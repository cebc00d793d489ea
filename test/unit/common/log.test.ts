import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { ProxyError } from '../../../common/errors.ts';
import { createLogger, formatJson, formatText, type LogLevel } from '../../../common/telemetry/log.ts';

describe('the log', () => {
  let directory: string;
  let file: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'log-'));
    file = join(directory, 'log');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const logged = async (level: LogLevel): Promise<string[]> => {
    const log = createLogger(level, file);
    for (const each of ['debug', 'info', 'warn', 'error'] as const) log[each]({}, each);
    await log.close();
    try {
      const lines = readFileSync(file, 'utf8').trim().split('\n');
      return lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
    } catch {
      return [];
    } finally {
      rmSync(file, { force: true });
    }
  };

  it('writes what is as severe as its level, or more, by the names of l7mp, too', async () => {
    const all = ['debug', 'info', 'warn', 'error'];
    for (const level of ['silly', 'trace', 'verbose', 'debug'] as const) expect(await logged(level)).to.deep.equal(all);
    expect(await logged('info')).to.deep.equal(['info', 'warn', 'error']);
    for (const level of ['http', 'notice', 'warn'] as const)
      expect(await logged(level)).to.deep.equal(['warn', 'error']);
    expect(await logged('error')).to.deep.equal(['error']);
    expect(await logged('silent')).to.deep.equal([]);
  });

  it('changes its level from the next line on', async () => {
    const log = createLogger('error', file);
    log.info({}, 'no');
    log.setLevel('debug');
    log.debug({}, 'yes');
    await log.close();
    expect(readFileSync(file, 'utf8')).to.include('"yes"').and.not.to.include('"no"');
  });

  it('writes one JSON object a line: level, time, fields, message', () => {
    const line = JSON.parse(formatJson('warn', { session: 's', listener: 'l' }, 'hello')) as Record<string, unknown>;
    expect(Object.keys(line)).to.deep.equal(['level', 'time', 'session', 'listener', 'msg']);
    expect(line).to.include({ level: 'warn', session: 's', msg: 'hello' });
    expect(new Date(String(line['time'])).getTime()).to.be.closeTo(Date.now(), 5000);
  });

  it('does not let fields pass for the level, the time or the message', () => {
    const line = formatJson('info', { level: 'error', time: 'never', msg: 'forged' }, 'real');
    expect(JSON.parse(line)).to.include({ level: 'info', msg: 'real' }).and.not.to.include({ time: 'never' });
  });

  it('shows errors with their code and cause', () => {
    const error = new ProxyError('CONNECT_REFUSED', 'no', new Error('deeper'));
    const { error: shown } = JSON.parse(formatJson('error', { error }, 'x')) as { error: Record<string, unknown> };
    expect(shown).to.include({ code: 'CONNECT_REFUSED', message: 'no' });
    expect(shown['cause']).to.include({ message: 'deeper' });
  });

  it('cuts long strings', () => {
    expect(formatJson('info', { header: 'x'.repeat(1_000_000) }, 'x').length).to.be.lessThan(5000);
  });

  it('writes something of what JSON cannot say', () => {
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    const line = formatJson('info', { session: 's', none: undefined, circle }, 'x');
    const { circle: shown, ...others } = JSON.parse(line) as Record<string, unknown>;
    expect(shown).to.have.property('unprintable');
    expect(Object.keys(others)).to.deep.equal(['level', 'time', 'session', 'msg']);
    expect(JSON.parse(formatJson('info', { big: 5n }, 'x'))).to.include({ big: '5' });
  });

  it('keeps any text on one line, without characters that steer a terminal', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (value, message) => {
        for (const line of [formatJson('info', { value }, message), formatText('info', { value }, message)]) {
          // eslint-disable-next-line no-control-regex -- they are what is looked for
          expect(line).not.to.match(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/u);
        }
        expect((JSON.parse(formatJson('info', { value }, message)) as { value: string }).value).to.equal(value);
      }),
    );
  });

  it('is readable text for people', () => {
    expect(formatText('info', { listeners: { a: '127.0.0.1:1' }, file: undefined }, 'ready')).to.match(
      /^\d\d:\d\d:\d\d\.\d{3} info {2}ready listeners=\{"a":"127\.0\.0\.1:1"\}$/u,
    );
  });
});
