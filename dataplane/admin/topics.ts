/** What can be followed by events. */

export const TOPICS = ['status', 'traffic', 'faults', 'sessions', 'objects', 'offload'] as const;
/** Where nobody says which. */
export const USUAL_TOPICS = 'status,traffic,faults';
export type TopicName = (typeof TOPICS)[number];
