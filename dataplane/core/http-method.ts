/** Methods of HTTP that telemetry tells apart: a client can send any. */

/** Those of OpenTelemetry's semantic conventions for HTTP. */
export const METHODS: readonly string[] = 'CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT QUERY TRACE'.split(' ');

/** What the conventions call any other. */
export const OTHER_METHOD = '_OTHER';
