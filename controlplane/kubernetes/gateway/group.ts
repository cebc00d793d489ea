/** The API groups that references name. */

export const GATEWAY_GROUP = 'gateway.networking.k8s.io';
/** That of Service, Secret, ConfigMap. */
export const CORE_GROUP = '';

/** Prefix of the protocols of listeners and services that Gateway API has no word for. */
export const OWN_PROTOCOLS = 'l7mp.io/';
