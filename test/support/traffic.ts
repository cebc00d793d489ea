/** Pieces of traffic reports. */
import type { TrafficItem } from '../../gen/messages.ts';

export function trafficItem(fields: Partial<TrafficItem> & Pick<TrafficItem, 'type'>): TrafficItem {
  const names = { listener: '', rule: '', route: '', cluster: '', endpoint: '', address: '', detail: '' };
  const sums = { active: 0, opened: 0, failed: 0, bytes_in: 0, bytes_out: 0, bytes_kernel: 0 };
  return { ...names, ...sums, connects: 0, connect_ms: 0, ...fields };
}
