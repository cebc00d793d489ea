/** Numbers and times as people read them. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

export function size(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit] ?? ''}`;
}

/** `3.2/s`; of what is almost nothing, 0. */
export function rate(perSecond: number): string {
  if (perSecond === 0) return '0/s';
  return `${perSecond >= 100 ? Math.round(perSecond) : perSecond.toFixed(perSecond < 1 ? 2 : 1)}/s`;
}

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

/** Since an instant in ISO 8601. */
export function ago(iso: string | undefined): string {
  if (iso === undefined || iso === '') return '';
  return `${duration(Math.max(0, Date.now() - Date.parse(iso)))} ago`;
}

export function clock(iso: string | undefined): string {
  return iso === undefined || iso === '' ? '' : new Date(iso).toLocaleString();
}

/** `10.0.0.1:80`, `[::1]:80`; of what has no port the address alone. */
export function addressText(address: string, port = 0): string {
  if (port === 0) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** What is listed, in words: `3 proxies`, `1 proxy`. */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
