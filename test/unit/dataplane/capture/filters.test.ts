/** What is captured and what is not, as the kernel's program has it. */
import { expect } from 'chai';
import { decodeConfig } from '../../../../config/decode.ts';
import type { Capture } from '../../../../gen/l7mp/config/v1/types.ts';
import { encodeExcluded, encodePorts } from '../../../../dataplane/capture/filters.ts';

function capture(value: object): Capture {
  const found = decodeConfig({ admin: { capture: value } }).value?.admin.capture;
  if (!found) throw new Error('expected a configuration without faults');
  return found;
}

const OUT = { tcp: 1, udp: 2 };
const IN = { tcp: 4, udp: 8 };

describe('what is captured', () => {
  it('is all, unless it says less', () => {
    const bytes = encodePorts(capture({}));
    expect(bytes[0]).to.equal(0);
    expect(new Set(bytes.subarray(1))).to.deep.equal(new Set([15]));
  });

  it('is what ports say, less what is excluded', () => {
    const bytes = encodePorts(
      capture({
        outbound: { ports: ['80', '100-102/tcp'], exclude_ports: ['101'] },
        inbound: { ports: ['*/udp'], exclude_ports: ['53/udp'] },
      }),
    );
    const at = (port: number): number | undefined => bytes[port];
    expect(at(80)).to.equal(OUT.tcp + OUT.udp + IN.udp);
    expect([100, 101, 102, 103].map(at)).to.deep.equal([OUT.tcp + IN.udp, IN.udp, OUT.tcp + IN.udp, IN.udp]);
    expect(at(53)).to.equal(0);
  });

  it('leaves out networks of either family, by direction', () => {
    const keys = encodeExcluded(
      capture({ outbound: { exclude_cidrs: ['10.0.0.0/8'] }, inbound: { exclude_cidrs: ['fd00::/8'] } }),
    );
    expect(keys.map((key) => key.toString('hex'))).to.deep.equal([
      `8800000000000000${'00'.repeat(10)}ffff0a000000`,
      `2800000000000001fd${'00'.repeat(15)}`,
    ]);
  });
});
