/** A control plane in a process of its own, to be stopped and killed: writes its address, then takes resources as lines of JSON. */
import { createInterface } from 'node:readline';
import { RawControlPlane } from './raw-control-plane.ts';

const plane = await RawControlPlane.start({ auto: true, port: Number(process.argv[2] ?? 0) });
createInterface({ input: process.stdin }).on('line', (line) => {
  const [kind, message] = JSON.parse(line) as [string, { name: string }];
  plane.set(kind, message);
  process.stdout.write(`set ${message.name}\n`);
});
process.stdout.write(`listening ${plane.address}\n`);
