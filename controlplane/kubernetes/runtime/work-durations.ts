/** How long work with Kubernetes takes, as it is counted. */
import { Histogram } from '../../../common/histogram.ts';

/** From what touches no network to a call that waits for a slow API server, in ms. */
const BOUNDS = [1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000];

export const workDurations = (): Histogram => new Histogram(BOUNDS);
