/** Streams by the address and port of their source, made for a look-up with each datagram. */

export interface Source {
  readonly address: string;
  readonly port: number;
}

/**
 * A number is found much faster than a text that is put together first: streams are kept by port, and by address only
 * where several sources have the same one. The source of the last datagram is often that of the next.
 */
export class SourceTable<T extends Source> {
  private readonly byPort = new Map<number, T | Map<string, T>>();
  private last: T | undefined;

  get(address: string, port: number): T | undefined {
    const { last } = this;
    if (last?.port === port && last.address === address) return last;
    const found = this.byPort.get(port);
    const source = found instanceof Map ? found.get(address) : found?.address === address ? found : undefined;
    if (source !== undefined) this.last = source;
    return source;
  }

  /** There is none of this address and port yet. */
  add(source: T): void {
    const found = this.byPort.get(source.port);
    if (found === undefined) this.byPort.set(source.port, source);
    else if (found instanceof Map) found.set(source.address, source);
    else {
      const several = new Map<string, T>([
        [found.address, found],
        [source.address, source],
      ]);
      this.byPort.set(source.port, several);
    }
  }

  delete(source: T): void {
    if (this.last === source) this.last = undefined;
    const found = this.byPort.get(source.port);
    if (found instanceof Map) {
      if (found.get(source.address) === source) found.delete(source.address);
      if (found.size === 0) this.byPort.delete(source.port);
    } else if (found === source) {
      this.byPort.delete(source.port);
    }
  }

  get empty(): boolean {
    return this.byPort.size === 0;
  }

  /** All streams; they may be deleted on the way. */
  all(): T[] {
    return [...this.byPort.values()].flatMap((found) => (found instanceof Map ? [...found.values()] : [found]));
  }
}
