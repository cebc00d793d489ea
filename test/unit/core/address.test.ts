import { expect } from 'chai';
import { parseAddress } from '../../../dataplane/core/address.ts';
import { nearest } from '../../../dataplane/core/nearest.ts';

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
    'what is so anyway': ['tcp-listen:1,fork', /expected no option "fork": every connection is a session/u],
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

describe('Did you mean', () => {
  const rows: readonly (readonly [word: string, expected: string | undefined])[] = [
    ['listener', 'listeners'],
    ['lisetners', 'listeners'],
    ['TPC', 'tcp'],
    ['udpp', 'udp'],
    ['upd', 'udp'],
    ['xyz', undefined],
    ['', undefined],
  ];
  for (const [word, expected] of rows) {
    it(`takes "${word}" for ${expected ?? 'nothing'}`, () => {
      expect(nearest(word, ['listeners', 'tcp', 'udp'])).to.equal(expected);
    });
  }
});
