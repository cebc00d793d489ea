/** What a view of the page is, and what it is given. */
import type { Follower } from './live.ts';
import type { Server } from './types.ts';

export interface App {
  readonly server: Server;
  /** Follows lists of the server for as long as the view is shown. */
  follow(follower: Follower): () => void;
  /** Goes to another view. */
  go(view: string, query?: Readonly<Record<string, string>>): void;
}

export interface View {
  /** As in the address: `#sessions`. */
  readonly id: string;
  readonly title: string;
  /** Whether this server has what it shows. */
  readonly isFor: (server: Server) => boolean;
  /** Shows it in an element, which is empty; `query` is what the address has beside the name. */
  show(root: HTMLElement, app: App, query: URLSearchParams): void;
}

export const isControlPlane = ({ server }: Server): boolean => server === 'controlplane';
