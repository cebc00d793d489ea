/** gRPC's client for Node.js with xDS: calls who answers at a target as often as it is told, in lines of JSON. */
import { createInterface } from 'node:readline';
import * as grpc from '@grpc/grpc-js';
import { register } from '@grpc/grpc-js-xds';
import { WHO, type Who } from './backends.ts';

register();
const clients = new Map<string, Who>();

function callOnce(client: Who): Promise<string> {
  return new Promise((resolve, reject) => {
    client.Am(Buffer.alloc(0), { deadline: Date.now() + 10_000 }, (error, name) => {
      if (error) reject(error);
      else resolve(name?.toString() ?? '');
    });
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const { target, times } = JSON.parse(line) as { target: string; times: number };
  const Client = grpc.makeGenericClientConstructor(WHO, 'Who');
  const client = clients.get(target) ?? (new Client(target, grpc.credentials.createInsecure()) as unknown as Who);
  clients.set(target, client);
  const answers: Record<string, number> = {};
  const failures: string[] = [];
  for (let count = 0; count < times; count++) {
    try {
      const name = await callOnce(client);
      answers[name] = (answers[name] ?? 0) + 1;
    } catch (error) {
      failures.push(String(error));
    }
  }
  process.stdout.write(`${JSON.stringify({ event: 'called', answers, failures })}\n`);
}
process.exit(0);
