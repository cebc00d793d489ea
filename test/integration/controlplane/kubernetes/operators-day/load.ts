/** What the users of a Gateway do while its operator works: sessions of all kinds, and requests, without a pause. */
import { Agent, get } from 'node:http';
import { type LoadProtocol, type UseOptions, useSession } from '../../../../support/echo-load.ts';

/** What became of it. */
export interface Tally {
  /** How many sessions or requests have ended. */
  readonly ended: number;
  /** How many numbers of sessions came back. */
  readonly numbers: number;
  /** How many datagrams were sent again. */
  readonly repeated: number;
  readonly faults: readonly string[];
}

export interface Load {
  readonly tallies: Readonly<Record<string, Tally>>;
  /** Whether there was something of each kind. */
  readonly isRunning: boolean;
  /** Ends it; all that was begun has ended well then, or is told as a fault. */
  end(): Promise<void>;
}

/** A number is sent so long after the answer to the one before, in ms. */
const PAUSE = 20;
/** A client of UDP sends again after so many ms. */
const AGAIN = 500;
/** How long an answer to a request may take, in ms. */
const LIMIT = 5000;
/** Between two requests of one client, in ms. */
const BETWEEN_REQUESTS = 5;

/** How long sessions last, in ms, and how many are in use at once. */
interface Plan {
  readonly protocol: LoadProtocol;
  readonly port: number;
  readonly lifetime: number;
  readonly sessions: number;
  readonly options?: UseOptions;
}

/** Sessions that all outlive the start of a drain, and end by themselves in its time; and some of UDP, which never do. */
const PLANS: Readonly<Record<string, Plan>> = {
  TCP: { protocol: 'TCP', port: 7000, lifetime: 12_000, sessions: 4 },
  'UDP, short': { protocol: 'UDP', port: 7000, lifetime: 3000, sessions: 2 },
  'UDP, without an end': { protocol: 'UDP', port: 7000, lifetime: Infinity, sessions: 3 },
  WebSocket: { protocol: 'WebSocket', port: 80, lifetime: 12_000, sessions: 2, options: { path: '/live' } },
};

/** Goes on until `end`, with the Gateway at an address. */
export function startLoad(host: string): Load {
  const ending = new AbortController();
  const running: Promise<void>[] = [];
  const tallies: Record<string, Tally> = {};
  const begin = (name: string, clients: number, run: (tally: Counting, turn: number) => Promise<void>): void => {
    const tally: Counting = { ended: 0, numbers: 0, repeated: 0, faults: [] };
    tallies[name] = tally;
    for (let turn = 0; turn < clients; turn++) {
      running.push(
        (async () => {
          while (!ending.signal.aborted) await run(tally, turn).catch((error: unknown) => note(tally, error));
        })(),
      );
    }
  };
  for (const [name, plan] of Object.entries(PLANS)) {
    const first = new Set<number>();
    begin(name, plan.sessions, async (tally, turn) => {
      // The first ones end at different times, and so do all that follow.
      const part = first.has(turn) ? 1 : (turn + 1) / plan.sessions;
      first.add(turn);
      await session(host, plan, plan.lifetime * part, tally, ending.signal);
    });
  }
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  begin('HTTP, one connection', 1, (tally) => request(host, agent, tally));
  begin('HTTP, a connection for each', 1, (tally) => request(host, false, tally));
  return {
    tallies,
    get isRunning() {
      return Object.values(tallies).every(({ ended, numbers }) => ended + numbers > 0);
    },
    async end() {
      ending.abort();
      await Promise.all(running);
      agent.destroy();
    },
  };
}

interface Counting extends Tally {
  ended: number;
  numbers: number;
  repeated: number;
  readonly faults: string[];
}

function note({ faults }: Counting, error: unknown): void {
  faults.push(`${new Date().toISOString()} ${error instanceof Error ? error.message : String(error)}`);
}

async function session(
  host: string,
  { protocol, port, options }: Plan,
  lifetime: number,
  tally: Counting,
  signal: AbortSignal,
): Promise<void> {
  const used = await useSession(protocol, port, { host, pause: PAUSE, again: AGAIN, ...options });
  const deadline = performance.now() + lifetime;
  let [numbers, repeated] = [0, 0];
  const count = (): void => {
    tally.numbers += used.count - numbers;
    tally.repeated += used.repeated - repeated;
    [numbers, repeated] = [used.count, used.repeated];
  };
  while (!signal.aborted && used.fault === undefined && performance.now() < deadline) {
    await pause(PAUSE);
    count();
  }
  await used.end();
  count();
  tally.ended += 1;
  if (used.fault !== undefined) throw new Error(`after ${used.count} numbers: ${used.fault}`);
}

async function request(host: string, agent: Agent | false, tally: Counting): Promise<void> {
  const { status, text } = await answerOf(host, agent);
  tally.ended += 1;
  if (status !== 200 || !text.startsWith('version ')) throw new Error(`found ${status} ${JSON.stringify(text)}`);
  await pause(BETWEEN_REQUESTS);
}

function answerOf(host: string, agent: Agent | false): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = get(`http://${host}/`, { agent, timeout: LIMIT }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.once('error', reject);
      response.once('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    asked.once('timeout', () => asked.destroy(new Error(`no answer within ${LIMIT} ms`)));
    asked.once('error', reject);
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
