/** Who is at the other end of a connection, and what that covers. */

export interface Identity {
  /** For audit lines and history: `token:ci`, `certificate:CN=edge-1`, `loopback`. */
  readonly name: string;
  /** May read and change configuration. */
  readonly admin: boolean;
  /** May read configuration and status. */
  readonly reader: boolean;
  /** The node identities that it may be as a proxy: exact, or with `*` at the end. Empty: none. */
  readonly nodes: readonly string[];
}

/** Whether a pattern, exact or with `*` at the end, is for a name. */
export function matchesName(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

/** Whether somebody may be this node (rule 14 of docs/xds.md). */
export function mayBe({ admin, nodes }: Identity, node: string): boolean {
  return admin || nodes.some((pattern) => matchesName(pattern, node));
}
