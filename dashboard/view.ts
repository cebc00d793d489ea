/** What a view of the page is, and what it is given. */
import type { Follower } from './live.ts';
import type { Opener } from './navigation.ts';
import type { Server } from './types.ts';

export interface App {
  readonly server: Server;
  /** Follows lists of the server for as long as the view is shown. */
  follow(follower: Follower): () => void;
  /** Calls when the view is shown no more. */
  onEnd(end: () => void): void;
  /** Goes to another view. */
  go(view: string, query?: Readonly<Record<string, string>>): void;
  /** How the view opens what the address names, by keys that are the view's own. */
  opens(opener: Opener): void;
  /** Opens something, and has the address say so. */
  open(key: string): void;
  /** Has the address say how the view is shown; an empty value is left out. */
  keep(name: string, value: string): void;
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
