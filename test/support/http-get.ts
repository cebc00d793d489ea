/** One HTTP request on a connection of its own. */
import { get } from 'node:http';

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** @throws Error where there is no answer. */
export function httpGet(url: string): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.once('error', reject);
      response.once('end', () => resolve({ status: response.statusCode ?? 0, body }));
    }).once('error', reject);
  });
}

export async function getJson<T>(url: string): Promise<T> {
  return JSON.parse((await httpGet(url)).body) as T;
}
