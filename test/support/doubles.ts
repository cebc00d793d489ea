/** Stand-ins for what a test does not look at. */
import type { Logger } from '../../common/log.ts';
import type { SecretSource } from '../../common/secrets.ts';

export const noSecrets: SecretSource = { get: () => undefined, watch: () => () => undefined };

/** For stores that are elsewhere. */
export const noKubernetes = (): Promise<never> => Promise.reject(new Error('there is no Kubernetes'));

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
