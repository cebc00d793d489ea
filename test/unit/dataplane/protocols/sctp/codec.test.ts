import { expect } from 'chai';
import fc from 'fast-check';
import { Reassembly } from '../../../../../dataplane/protocols/sctp/codec.ts';

describe('SCTP messages that come in parts', () => {
  it('are whole when their last part has come, however they were cut', () => {
    const message = fc.array(fc.uint8Array({ maxLength: 20 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 10 }), (messages) => {
        const reassembly = new Reassembly(1000);
        const whole: string[] = [];
        for (const parts of messages) {
          parts.forEach((part, index) => {
            const result = reassembly.add(Buffer.from(part), index === parts.length - 1);
            if (result instanceof Buffer) whole.push(result.toString('hex'));
            else expect(result).to.equal(undefined);
          });
        }
        expect(whole).to.deep.equal(messages.map((parts) => Buffer.concat(parts).toString('hex')));
      }),
    );
  });

  it('are not copied where they come in one', () => {
    const part = Buffer.from('whole');
    expect(new Reassembly(5).add(part, true)).to.equal(part);
  });

  it('are refused above the limit, in one part or in many', () => {
    expect(new Reassembly(4).add(Buffer.from('12345'), true)).to.equal('TOO_LARGE');
    const reassembly = new Reassembly(4);
    expect(reassembly.add(Buffer.from('123'), false)).to.equal(undefined);
    expect(reassembly.add(Buffer.from('45'), false)).to.equal('TOO_LARGE');
  });

  it('take exactly the limit', () => {
    const reassembly = new Reassembly(4);
    reassembly.add(Buffer.from('12'), false);
    expect(String(reassembly.add(Buffer.from('34'), true))).to.equal('1234');
  });
});
