/** What can be followed by events. */

export const TOPICS = ['status', 'traffic', 'faults', 'sessions', 'objects', 'offload'] as const;
export type TopicName = (typeof TOPICS)[number];
