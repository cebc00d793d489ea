/** What can be wrong with a resource in a proxy, the worst first: it was refused, it fails, it waits for what is not there. */
export const FAULT_KINDS = ['NACK', 'failed', 'waiting'] as const;
