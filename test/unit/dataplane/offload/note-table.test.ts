import { expect } from 'chai';
import { decodeNote } from '../../../../dataplane/offload/note-table.ts';
import { NOTE } from '../../../support/session-note.ts';

const SIDE = ['10.0.0.1', 1] as const;
const TRAFFIC = { packets: 1, bytes: 2 };
const WHOLE = { sides: [SIDE, SIDE, SIDE, SIDE], session: NOTE, before: [TRAFFIC, TRAFFIC] };

describe('a note of a pair', () => {
  it('is read as it was written', () => {
    const { client, session, before } = decodeNote(`${JSON.stringify(WHOLE)}\0\0`);
    expect(client.local).to.deep.equal({ address: '10.0.0.1', port: 1 });
    expect(session).to.deep.equal(NOTE);
    expect(before).to.deep.equal([TRAFFIC, TRAFFIC]);
  });

  const broken: readonly (readonly [string, unknown])[] = [
    ['nothing', null],
    ['no session', { ...WHOLE, session: undefined }],
    ['no name', { ...WHOLE, session: { ...NOTE, name: 1 } }],
    ['no start', { ...WHOLE, session: { ...NOTE, startedAt: 'then' } }],
    ['no counters', { ...WHOLE, session: { ...NOTE, passed: undefined } }],
    ['counters of one direction', { ...WHOLE, session: { ...NOTE, relayed: { ingress: TRAFFIC } } }],
    ['too few sides', { ...WHOLE, sides: [SIDE, SIDE, SIDE] }],
    ['no address', { ...WHOLE, sides: [['host', 1], SIDE, SIDE, SIDE] }],
    ['no port', { ...WHOLE, sides: [['10.0.0.1', 1e6], SIDE, SIDE, SIDE] }],
    ['too few counters of slots', { ...WHOLE, before: [TRAFFIC] }],
  ];
  for (const [name, note] of broken) {
    it(`is none with ${name}`, () => {
      expect(() => decodeNote(JSON.stringify(note))).to.throw('expected a note of a pair');
    });
  }
});
