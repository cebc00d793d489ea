/* Windows that sockets don't announce, at an interface's egress. Ends of connections that are about to be spliced are told of no room in time, so
 * that nothing of what they send is on its way when nobody takes it: a socket stands by what it has announced. And once there is
 * room again, they are told so at once: a socket that has nothing to say has no way to. */
#pragma once
#include "segment.h"
#include "stream.h"

SECTION(".maps") struct map narrows = {0}; /* array of one: how many ways are in STATE_NARROW or STATE_WIDEN. Nothing is looked up for 0 */

INLINE int close_window(struct __sk_buff *skb, u32 at, u16 window) {
  u16 closed = 0;
  if (!window || bpf_l4_csum_replace(skb, at + TCP_CHECK, window, closed, sizeof(window)) < 0) return PASS;
  return bpf_skb_store_bytes(skb, at + TCP_WINDOW, &closed, sizeof(closed), 0) < 0 ? TC_ACT_SHOT : PASS;
}

/* A socket that leaves repair asks its peer where it is, with a sequence number one before what the peer expects (tcp_send_window_probe): it
 * would be answered, and its window not be taken. With the number that is expected it is an acknowledgement as any other. */
INLINE int open_window(struct __sk_buff *skb, u32 at, u32 sequence, const struct stream *stream) {
  u32 index = stream->pair;
  struct pair *pair = bpf_map_lookup_elem(&pairs, &index);
  if (!pair) return PASS;
  u32 expected = ntohl(pair->halves[stream->side & 1].acked);
  if (ntohl(sequence) + 1 != ntohl(expected)) return PASS;
  if (bpf_l4_csum_replace(skb, at + TCP_CHECK, sequence, expected, sizeof(sequence)) < 0) return PASS;
  return bpf_skb_store_bytes(skb, at + TCP_SEQUENCE, &expected, sizeof(expected), 0) < 0 ? TC_ACT_SHOT : PASS;
}

/* `key`: of what comes from the end that this goes to. */
INLINE int announce(struct __sk_buff *skb, const struct tcp *tcp, u32 ip, const struct flow_key *key) {
  u32 slot;
  if (tcp->flags & (SYN | RST)) return PASS;
  struct stream *stream = find(key, &slot);
  if (!stream) return PASS;
  if (stream->state == STATE_NARROW) return close_window(skb, ETHERNET + ip, tcp->window);
  if (stream->state == STATE_WIDEN) return open_window(skb, ETHERNET + ip, tcp->sequence, stream);
  return PASS;
}

INLINE int narrow4(struct __sk_buff *skb) {
  if (!reach(skb, ETHERNET + IPV4 + TCP)) return PASS;
  void *data = (void *)(u64)skb->data;
  struct ipv4 *ip = data + ETHERNET;
  struct tcp *tcp = (void *)ip + IPV4;
  if ((void *)tcp + TCP > (void *)(u64)skb->data_end) return PASS;
  if (ip->version_ihl != 0x45 || ip->protocol != IPPROTO_TCP || ip->fragment & ~htons(DONT_FRAGMENT)) return PASS;
  struct flow_key key = {
    .transport = IPPROTO_TCP,
    .family = FAMILY_IPV4,
    .source_port = tcp->destination_port,
    .destination_port = tcp->source_port,
    .source = {ip->destination},
    .destination = {ip->source},
  };
  return announce(skb, tcp, IPV4, &key);
}

INLINE int narrow6(struct __sk_buff *skb) {
  if (!reach(skb, ETHERNET + IPV6 + TCP)) return PASS;
  void *data = (void *)(u64)skb->data;
  struct ipv6 *ip = data + ETHERNET;
  struct tcp *tcp = (void *)ip + IPV6;
  if ((void *)tcp + TCP > (void *)(u64)skb->data_end) return PASS;
  if (ntohl(ip->version_class_label) >> 28 != 6 || ip->next_header != IPPROTO_TCP) return PASS;
  struct flow_key key = {
    .transport = IPPROTO_TCP,
    .family = FAMILY_IPV6,
    .source_port = tcp->destination_port,
    .destination_port = tcp->source_port,
  };
  __builtin_memcpy(key.source, ip->destination, 16);
  __builtin_memcpy(key.destination, ip->source, 16);
  return announce(skb, tcp, IPV6, &key);
}
