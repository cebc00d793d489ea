/* How a packet's flow is found, and sums that change. */
#pragma once
#include "flow.h"
#include "headers.h"

INLINE u32 fold(u32 sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum & 0xffff) + (sum >> 16);
}

/* Whether the first `length` bytes can be read: some drivers leave them in pages. */
INLINE int reach(struct __sk_buff *skb, u32 length) {
  if ((u64)skb->data + length <= (u64)skb->data_end) return 1;
  return skb->len >= length && bpf_skb_pull_data(skb, length) >= 0;
}

/* Whether there are flows whose packets are for a port, in network order: for most packets there are none. */
INLINE int is_taken(u16 port) {
  u32 first = 0;
  struct ports *found = bpf_map_lookup_elem(&ports, &first);
  return found && found->bits[port >> 3] >> (port & 7) & 1;
}

/* The flow of a packet, which may be the beginning of more, and its slot. */
INLINE struct flow *find_flow(const struct flow_key *key, u32 *slot) {
  u32 *found_slot = bpf_map_lookup_elem(&slots, key);
  if (!found_slot) return 0;
  *slot = *found_slot;
  struct flow *flow = bpf_map_lookup_elem(&flows, slot);
  if (!flow) return 0;
  const u64 *found = (const u64 *)&flow->key, *wanted = (const u64 *)key;
  u64 differs = 0;
  for (int i = 0; i < 5; i++) differs |= found[i] ^ wanted[i];
  return differs ? 0 : flow;
}

INLINE u32 ntohl(u32 value) { return __builtin_bswap32(value); }

/* Of a word that changes: added to what becomes a difference of checksums. */
INLINE u64 difference(u32 old, u32 now) { return (u64)(u32)~old + now; }

INLINE u32 fold64(u64 sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum & 0xffff) + (sum >> 16);
}
