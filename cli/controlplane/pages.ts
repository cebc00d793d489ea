/** Lists of the control plane, which come in pages. */
import type { ControlPlane } from './client.ts';

/** All items of a list, or the first `limit` of them. */
export async function listPages<Item>(
  controlPlane: ControlPlane,
  method: string,
  request: object,
  itemsOf: (page: never) => readonly Item[],
  limit = Infinity,
): Promise<Item[]> {
  const items: Item[] = [];
  let token = '';
  do {
    const page = await controlPlane.call<{ readonly next_page_token: string }>(method, {
      ...request,
      page_token: token,
    });
    items.push(...itemsOf(page as never));
    token = page.next_page_token;
  } while (token !== '' && items.length < limit);
  return items.slice(0, limit);
}
