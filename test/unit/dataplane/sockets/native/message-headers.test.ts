import { expect } from 'chai';
import koffi from 'koffi';
import {
  CONTROL,
  HEADER,
  MESSAGE,
  NAME_SIZE,
  VECTOR,
} from '../../../../../dataplane/sockets/native/message-headers.ts';
import { INET6_SIZE } from '../../../../../dataplane/sockets/native/sockaddr.ts';

describe('The layout of message headers', () => {
  const vector = koffi.struct({ base: 'void *', length: 'size_t' });
  const control = koffi.struct({ length: 'size_t', level: 'int', type: 'int' });
  const header = koffi.struct({
    name: 'void *',
    nameLength: 'uint32_t',
    vectors: 'void *',
    vectorCount: 'size_t',
    control: 'void *',
    controlLength: 'size_t',
    flags: 'int',
  });
  const message = koffi.struct({ header, length: 'unsigned int' });

  for (const { name, type, layout } of [
    { name: 'struct iovec', type: vector, layout: VECTOR },
    { name: 'struct cmsghdr', type: control, layout: CONTROL },
    { name: 'struct msghdr', type: header, layout: HEADER },
    { name: 'struct mmsghdr', type: message, layout: MESSAGE },
  ]) {
    it(`is that of the C compiler: ${name}`, () => {
      const { size, ...fields } = layout;
      expect(size).to.equal(koffi.sizeof(type));
      for (const [field, offset] of Object.entries(fields)) {
        expect(offset, field).to.equal(koffi.offsetof(type, field));
      }
    });
  }

  it('has room for every name', () => {
    expect(NAME_SIZE).to.be.at.least(INET6_SIZE);
    expect(NAME_SIZE % 8).to.equal(0);
  });
});
