import { hostname } from 'node:os';
import { expect } from 'chai';
import { type ControlPlaneFlags, controlPlaneOf } from '../../../cli/control-plane-flags.ts';

describe('the options of the control plane', () => {
  const faultsOf = (flags: ControlPlaneFlags): string[] => {
    try {
      controlPlaneOf(flags);
      return [];
    } catch (error) {
      return (error as Error).message.split('\n').map((line) => line.split(':')[0] ?? '');
    }
  };

  it('are none without one', () => {
    expect(controlPlaneOf({ controlplaneResources: 'all' })).to.equal(undefined);
    expect(faultsOf({ id: '', labels: 'k,a=1' })).to.deep.equal(['--labels', '--id']);
    expect(faultsOf({ controlplaneCa: 'x', stateDir: 'y' })).to.deep.equal(['--controlplane-ca', '--state-dir']);
  });

  it('name servers, the proxy and its labels', () => {
    const options = controlPlaneOf({ controlplane: 'a:1,[::1]:2', labels: 'k=v,e=', controlplanePlaintext: true });
    expect(options).to.deep.include({ servers: ['a:1', '[::1]:2'], labels: { k: 'v', e: '' }, id: hostname() });
  });

  it('want TLS off loopback', () => {
    expect(controlPlaneOf({ controlplane: '127.0.0.1:1,localhost:2' })?.plaintext).to.equal(true);
    expect(controlPlaneOf({ controlplane: '127.0.0.1:1,cp:2' })?.plaintext).to.equal(false);
    expect(controlPlaneOf({ controlplane: '127.0.0.1:1', controlplaneCa: 'x' })?.plaintext).to.equal(false);
    const token = { controlplane: 'cp:1', controlplanePlaintext: true, controlplaneTokenFile: 'x' };
    expect(faultsOf(token)).to.deep.equal(['--controlplane-token-file']);
  });

  it('are refused with everything that is wrong', () => {
    const flags = {
      controlplane: 'a,b:0,c:1',
      controlplaneCert: 'x',
      labels: 'k,a=1,a=2',
      controlplanePlaintext: true,
      id: '',
    };
    expect(faultsOf(flags)).to.deep.equal([
      ...['--labels', '--labels', '--id'],
      ...['--controlplane', '--controlplane', '--controlplane-cert', '--controlplane-plaintext'],
    ]);
  });
});
