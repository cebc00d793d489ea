/** A client that asks again and again, each time by a connection of its own, and remembers what went wrong. */
import { get } from 'node:http';

export class Asking {
  /** Answers so far. */
  answers = 0;
  /** All that was not as expected. */
  readonly faults: string[] = [];
  private ended = false;
  private readonly done: Promise<void>;

  /** Asks for a page whose text is to be `expected`, until it is stopped. */
  constructor(url: string, expected: string) {
    this.done = this.run(url, expected);
  }

  async stop(): Promise<void> {
    this.ended = true;
    await this.done;
  }

  private async run(url: string, expected: string): Promise<void> {
    while (!this.ended) {
      const text = await ask(url).catch((error: unknown) => String(error));
      if (text === expected) this.answers += 1;
      else this.faults.push(`${new Date().toISOString()} ${text}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

/** The text of a page, or the status and text of one that is refused. */
export function ask(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = get(url, { agent: false, timeout: 5000 }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.once('error', reject);
      response.once('end', () => {
        const { statusCode = 0 } = response;
        resolve(statusCode === 200 ? text : `${statusCode} ${text}`);
      });
    });
    asked.once('timeout', () => asked.destroy(new Error('no answer within 5 s')));
    asked.once('error', reject);
  });
}
