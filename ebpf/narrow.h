/* Windows that nobody announces: ends of connections that are about to be spliced are told of no room in time, so that nothing of what they send
 * is on its way when nobody takes it. A socket can't do that: it stands by what it has announced. */
#pragma once
#include "segment.h"
#include "stream.h"

SECTION(".maps") struct map narrows = {0}; /* array of one: how many ways are in STATE_NARROW. Nothing is looked up for 0 */

/* `key`: of what comes from the end that this goes to. */
INLINE int close_window(struct __sk_buff *skb, const struct tcp *tcp, u32 ip, const struct flow_key *key) {
  u16 window = tcp->window, closed = 0;
  u32 slot, at = ETHERNET + ip;
  if (!window || tcp->flags & (SYN | RST)) return PASS;
  struct stream *stream = find(key, &slot);
  if (!stream || stream->state != STATE_NARROW) return PASS;
  if (bpf_l4_csum_replace(skb, at + TCP_CHECK, window, closed, sizeof(window)) < 0) return PASS;
  return bpf_skb_store_bytes(skb, at + TCP_WINDOW, &closed, sizeof(closed), 0) < 0 ? TC_ACT_SHOT : PASS;
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
  return close_window(skb, tcp, IPV4, &key);
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
  return close_window(skb, tcp, IPV6, &key);
}
