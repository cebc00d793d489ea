/** Where looking for faults ends. */

/** More than anybody reads. */
export const MAX_FAULTS = 500;

/** There is one more. */
export class TooManyFaults extends Error {}
