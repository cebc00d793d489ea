/** Tools that a user of the REST API has at hand: curl, socat, and Python's Prometheus client. */
import { execFile, execFileSync } from 'node:child_process';

/** What a tool says of its version; the test fails where it is missing. */
export function versionOf(tool: string, ...args: readonly string[]): string {
  const text = execFileSync(tool, args, { encoding: 'utf8' });
  return /\d+(\.\d+)+/u.exec(text)?.[0] ?? text.trim();
}

export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

/** Runs curl as a script would: silently, in order, on one connection for several URLs. */
export async function curl(...args: readonly string[]): Promise<Answer> {
  const text = await run('curl', ['-sS', '--max-time', '5', '-w', '\n%{http_code} %{content_type}', ...args]);
  const at = text.lastIndexOf('\n');
  const [status, ...type] = text.slice(at + 1).split(' ');
  return { status: Number(status), contentType: type.join(' '), text: text.slice(0, at) };
}

/** Resolves with what a program writes. Rejects, with what it complains of, where it fails. */
export function run(file: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(file, args, { maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${file}: ${error.message} ${stderr}`));
      else resolve(stdout);
    });
    child.stdin?.on('error', () => undefined); // it ended without reading
    child.stdin?.end(input);
  });
}

/** Reads a page of metrics with the parser of Prometheus's own Python client. */
export async function parseMetrics(page: string): Promise<Sample[]> {
  const program = `
import json, sys
from prometheus_client.parser import text_string_to_metric_families
print(json.dumps([{"type": family.type, "name": sample.name, "labels": sample.labels, "value": sample.value}
  for family in text_string_to_metric_families(sys.stdin.read()) for sample in family.samples]))`;
  return JSON.parse(await run('.cache/venv/bin/python', ['-c', program], page)) as Sample[];
}

/** The same of OpenMetrics, with exemplars; it refuses what breaks the rules. */
export async function parseOpenMetrics(page: string): Promise<Sample[]> {
  const program = `
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
print(json.dumps([{"type": family.type, "unit": family.unit, "name": sample.name, "labels": sample.labels, "value": sample.value,
  "exemplar": sample.exemplar and sample.exemplar._asdict()}
  for family in text_string_to_metric_families(sys.stdin.read()) for sample in family.samples], default=float))`;
  return JSON.parse(await run('.cache/venv/bin/python', ['-c', program], page)) as Sample[];
}

export interface Sample {
  readonly type: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  readonly unit?: string;
  readonly exemplar?: Exemplar | null;
}

export interface Exemplar {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** In seconds since the epoch. */
  readonly timestamp: number;
}

/** The value of the one sample with this name and these labels. */
export function valueOf(
  samples: readonly Sample[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const found = samples.filter(
    (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  );
  if (found.length !== 1) throw new Error(`expected one ${name}${JSON.stringify(labels)}, found ${found.length}`);
  return found[0]?.value ?? NaN;
}
