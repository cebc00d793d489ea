/** What a proxy says of itself beside xDS's own: features in `client_features` of its node. */

/** It reports how what it holds fares: before it did, nothing is known of that. */
export const REPORTS = 'l7mp.admin.v1.ReportService';
