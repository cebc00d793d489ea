/** Fuzz target: gRPC's frames as the server reads them, whole and in pieces. */
import { RpcError } from '../../controlplane/core/rpc.ts';
import { FrameDecoder, frame } from '../../controlplane/rpc/framing.ts';

const MAX_BYTES = 1000;

/** The first byte says how what follows is cut. Throws where the pieces are read as something else than the whole. */
export function fuzz(data: Buffer): void {
  const step = (data[0] ?? 0) + 1;
  const bytes = data.subarray(1);
  const whole = read(bytes, bytes.length || 1);
  const pieces = read(bytes, step);
  if (whole !== pieces) throw new Error(`expected ${whole} of pieces of ${step}, found ${pieces}`);
}

/** What is read, and what is left or why the rest is refused. */
function read(bytes: Buffer, step: number): string {
  const messages: Buffer[] = [];
  const decoder = new FrameDecoder(MAX_BYTES, (message) => messages.push(Buffer.from(message)));
  let rest: string;
  try {
    for (let at = 0; at < bytes.length; at += step) decoder.push(bytes.subarray(at, at + step));
    rest = String(decoder.pending);
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    rest = error.message;
  }
  // What was read can be written again, and is what came.
  const written = Buffer.concat(messages.flatMap((message) => frame([message])));
  if (!written.equals(bytes.subarray(0, written.length))) throw new Error('expected messages as they came');
  return JSON.stringify([messages.map((message) => message.toString('hex')), rest]);
}
