/** Fuzz target: what a client says in a WebSocket handshake, and where text is cut. */
import type { IncomingHttpHeaders } from 'node:http';
import {
  completeLength,
  handshakeFault,
  isSendable,
  subprotocolsOf,
  truncateReason,
} from '../../dataplane/protocols/websocket/codec.ts';
import { mutations, texts } from './inputs.ts';

export const inputs = mutations(
  [
    ...texts('websocket\n13\ndGhlIHNhbXBsZSBub25jZQ==\nchat, superchat', 'WebSocket\n13\nAAAAAAAAAAAAAAAAAAAAAA==\n'),
    Buffer.from('ű'.repeat(70)),
    Buffer.from('𐍈'.repeat(40)),
  ],
  ['\n', ',', ' ', '=', 'websocket', 'chat', '\xf0\x9f', '\xff'],
);

export function fuzz(data: Buffer): void {
  const [upgrade, version, key, protocols] = data.toString('latin1').split('\n');
  const headers: IncomingHttpHeaders = {
    ...(upgrade !== undefined && { upgrade }),
    ...(version !== undefined && { 'sec-websocket-version': version }),
    ...(key !== undefined && { 'sec-websocket-key': key }),
    ...(protocols !== undefined && { 'sec-websocket-protocol': protocols }),
  };
  const fault = handshakeFault('GET', headers);
  const names = subprotocolsOf(protocols);
  if (fault === undefined && (names === undefined || Buffer.from(key ?? '', 'base64').length !== 16)) {
    throw new Error('expected a handshake without faults');
  }
  if (names?.some((name) => /[\s,]/u.test(name))) throw new Error(`expected names, found ${names.join('|')}`);

  const reason = truncateReason(data.toString());
  if (Buffer.byteLength(reason) > 123) throw new Error('expected at most 123 bytes');
  if (!data.toString().startsWith(reason)) throw new Error('expected the beginning of the text');

  const whole = completeLength(data);
  if (whole > data.length || data.length - whole > 3) throw new Error(`expected at most 3 bytes less, found ${whole}`);
  const text = data.toString();
  if (Buffer.from(text).equals(data) && whole !== data.length) throw new Error('expected whole text to stay whole');
  const code = data.length >= 2 ? data.readUInt16BE(0) : 0;
  if (isSendable(code) && (code < 1000 || code > 4999)) throw new Error(`expected no close code ${code}`);
}
