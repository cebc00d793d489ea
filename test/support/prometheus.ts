/** A real Prometheus that scrapes what tests run. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freePort } from './free-port.ts';
import { getJson, httpGet } from './http-get.ts';
import { PROMETHEUS, RULES } from './monitoring.ts';
import { Peer } from './peer.ts';
import { until } from './until.ts';

/** A series of an answer: its labels, and its value now. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [time: number, value: string];
}

/** Exemplars of a series. */
export interface ExemplarSeries {
  readonly seriesLabels: Readonly<Record<string, string>>;
  readonly exemplars: readonly {
    readonly labels: Readonly<Record<string, string>>;
    readonly value: string;
    /** In seconds since the epoch. */
    readonly timestamp: number;
  }[];
}

export interface LiveRule {
  readonly name: string;
  readonly health: string;
  readonly lastError?: string;
  readonly alerts?: readonly { readonly annotations: Readonly<Record<string, string>> }[];
}

interface Answer<T> {
  readonly status: string;
  readonly error?: string;
  readonly data: T;
}

export class Prometheus {
  readonly #directory = mkdtempSync(join(tmpdir(), 'l7mp-prometheus-'));
  #peer: Peer | undefined;
  #url = '';

  /** `jobs` are HOST:PORT by job. They are scraped each second, and the rules of k8s/monitoring evaluated. */
  static async start(jobs: Readonly<Record<string, readonly string[]>>): Promise<Prometheus> {
    const prometheus = new Prometheus();
    try {
      await prometheus.#start(jobs);
    } catch (error) {
      await prometheus.stop();
      throw error;
    }
    return prometheus;
  }

  async #start(jobs: Readonly<Record<string, readonly string[]>>): Promise<void> {
    const config = join(this.#directory, 'prometheus.yaml');
    writeFileSync(
      config,
      JSON.stringify({
        global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
        rule_files: [resolve(RULES)],
        scrape_configs: Object.entries(jobs).map(([job, targets]) => ({
          job_name: job,
          static_configs: [{ targets }],
        })),
      }),
    );
    const address = `127.0.0.1:${await freePort()}`;
    this.#url = `http://${address}`;
    this.#peer = new Peer(PROMETHEUS, [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(this.#directory, 'data')}`,
      `--web.listen-address=${address}`,
      '--enable-feature=exemplar-storage',
    ]);
    await until('Prometheus', async () => {
      const { status } = await httpGet(`${this.#url}/-/ready`).catch(() => ({ status: 0 }));
      return status === 200;
    });
  }

  /** @throws Error with what Prometheus says of the expression. */
  async query(expr: string): Promise<readonly Sample[]> {
    const { result } = await this.#get<{ result: readonly Sample[] }>('query', { query: expr });
    return result;
  }

  /** The labels of all series that there have been of a metric. */
  async series(metric: string): Promise<readonly Readonly<Record<string, string>>[]> {
    return await this.#get('series', { 'match[]': metric });
  }

  /** Of the last minute. */
  async exemplars(expr: string): Promise<readonly ExemplarSeries[]> {
    const now = Date.now() / 1000;
    return await this.#get('query_exemplars', { query: expr, start: String(now - 60), end: String(now) });
  }

  async rules(): Promise<readonly LiveRule[]> {
    const { groups } = await this.#get<{ groups: readonly { readonly rules: readonly LiveRule[] }[] }>('rules', {});
    return groups.flatMap(({ rules }) => rules);
  }

  async stop(): Promise<void> {
    await this.#peer?.stop();
    rmSync(this.#directory, { recursive: true });
  }

  async #get<T>(path: string, parameters: Readonly<Record<string, string>>): Promise<T> {
    const query = new URLSearchParams(parameters).toString();
    const { status, error, data } = await getJson<Answer<T>>(`${this.#url}/api/v1/${path}?${query}`);
    if (status !== 'success') throw new Error(`${error ?? status}: ${JSON.stringify(parameters)}`);
    return data;
  }
}
