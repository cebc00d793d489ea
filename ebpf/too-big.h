/* A router's word that a packet of a spliced connection does not fit its way on (ICMP). It quotes what has left the proxy, and goes on
 * to the end that has sent it, quoting what that has sent. Sockets would not believe it: the numbers are none of theirs. */
#pragma once
#include "packet.h"
#include "stream.h"

#define IPPROTO_ICMP 1
#define IPPROTO_ICMPV6 58
#define UNREACHABLE 3
#define FRAGMENTATION_NEEDED 4
#define PACKET_TOO_BIG 2
#define BPF_F_RECOMPUTE_CSUM 1

struct quoted_tcp {
  u16 source_port;
  u16 destination_port;
  u32 sequence;
};

struct icmp {
  u8 type;
  u8 code;
  u16 check;
  u32 mtu;
};

/* From `ethernet` on. Aligned by `pad`. */
struct too_big4 {
  u16 pad;
  u16 ethernet[6];
  u16 ether_type;
  struct ipv4 ip;
  struct icmp icmp;
  struct ipv4 quoted;
  struct quoted_tcp tcp;
};

struct too_big6 {
  u16 pad;
  u16 ethernet[6];
  u16 ether_type;
  struct ipv6 ip;
  struct icmp icmp;
  struct ipv6 quoted;
  struct quoted_tcp tcp;
};

/* The way of the end that the quoted packet was for, back to who sent it; 0: it is not relayed, or that end has it already, or nobody
 * can have sent it. */
INLINE struct stream *way_back(const struct flow_key *key, const struct quoted_tcp *tcp) {
  u32 slot;
  struct stream *stream = find(key, &slot);
  if (!stream || stream->flow.way != WAY_REDIRECT) return 0;
  if (stream->state != STATE_SPLICED && stream->state != STATE_DRAIN) return 0;
  u32 index = stream->pair;
  struct pair *pair = bpf_map_lookup_elem(&pairs, &index);
  if (!pair) return 0;
  struct half *half = &pair->halves[stream->side & 1];
  return ntohl(tcp->sequence) - half->acked <= half->window + stream->reach ? stream : 0;
}

/* Ports and sequence number of the quoted segment as its sender knows them. What becomes of the checksum. */
INLINE u64 requote(struct quoted_tcp *tcp, const struct stream *stream) {
  u32 sequence = ntohl(ntohl(tcp->sequence) + stream->ack_delta);
  u64 sum = stream->flow.port_delta + difference(tcp->sequence, sequence);
  tcp->source_port = stream->flow.destination_port;
  tcp->destination_port = stream->flow.source_port;
  tcp->sequence = sequence;
  return sum;
}

INLINE u16 changed(u16 check, u64 sum) { return ~fold((u16)~check + fold64(sum)); }

/* `rest`: what is written behind the Ethernet header. */
INLINE int pass_on(struct __sk_buff *skb, const struct flow *flow, const void *rest, u32 length) {
  if (bpf_skb_store_bytes(skb, 0, flow->ethernet, ETHERNET, 0) < 0) return TC_ACT_SHOT;
  if (bpf_skb_store_bytes(skb, ETHERNET, rest, length, BPF_F_RECOMPUTE_CSUM) < 0) return TC_ACT_SHOT;
  return bpf_redirect(flow->interface, 0);
}

INLINE int too_big4(struct __sk_buff *skb) {
  struct too_big4 frame;
  if (bpf_skb_load_bytes(skb, 0, frame.ethernet, sizeof(frame) - 2) < 0) return PASS;
  if (frame.ip.version_ihl != 0x45 || frame.ip.ttl <= 1 || frame.ip.fragment & ~htons(DONT_FRAGMENT)) return PASS;
  if (frame.icmp.type != UNREACHABLE || frame.icmp.code != FRAGMENTATION_NEEDED) return PASS;
  if (frame.quoted.version_ihl != 0x45 || frame.quoted.protocol != IPPROTO_TCP) return PASS;
  struct flow_key key = {
    .transport = IPPROTO_TCP,
    .family = FAMILY_IPV4,
    .source_port = frame.tcp.destination_port,
    .destination_port = frame.tcp.source_port,
    .source = {frame.quoted.destination},
    .destination = {frame.quoted.source},
  };
  struct stream *stream = way_back(&key, &frame.tcp);
  if (!stream) return PASS;
  const struct flow *flow = &stream->flow;
  /* The quoted header's addresses and check cancel out. */
  frame.icmp.check = changed(frame.icmp.check, requote(&frame.tcp, stream));
  frame.quoted.source = flow->destination[0];
  frame.quoted.destination = flow->source[0];
  frame.quoted.check = changed(frame.quoted.check, flow->address_delta);
  frame.ip.source = flow->source[0];
  frame.ip.destination = flow->destination[0];
  frame.ip.ttl -= 1;
  frame.ip.check = 0;
  frame.ip.check = ~fold(bpf_csum_diff(0, 0, (u32 *)&frame.ip, IPV4, 0));
  return pass_on(skb, flow, &frame.ip, sizeof(frame) - 16);
}

INLINE int too_big6(struct __sk_buff *skb) {
  struct too_big6 frame;
  if (bpf_skb_load_bytes(skb, 0, frame.ethernet, sizeof(frame) - 2) < 0) return PASS;
  if (frame.ip.hop_limit <= 1 || frame.icmp.type != PACKET_TOO_BIG || frame.quoted.next_header != IPPROTO_TCP) return PASS;
  struct flow_key key = {
    .transport = IPPROTO_TCP,
    .family = FAMILY_IPV6,
    .source_port = frame.tcp.destination_port,
    .destination_port = frame.tcp.source_port,
  };
  __builtin_memcpy(key.source, frame.quoted.destination, 16);
  __builtin_memcpy(key.destination, frame.quoted.source, 16);
  struct stream *stream = way_back(&key, &frame.tcp);
  if (!stream) return PASS;
  struct flow *flow = &stream->flow;
  u64 sum = requote(&frame.tcp, stream) + flow->address_delta;
  __builtin_memcpy(frame.quoted.source, flow->destination, 16);
  __builtin_memcpy(frame.quoted.destination, flow->source, 16);
  for (int i = 0; i < 4; i++) {
    sum += difference(frame.ip.source[i], flow->source[i]) + difference(frame.ip.destination[i], flow->destination[i]);
  }
  __builtin_memcpy(frame.ip.source, flow->source, 32);
  frame.icmp.check = changed(frame.icmp.check, sum);
  frame.ip.hop_limit -= 1;
  return pass_on(skb, flow, &frame.ip, sizeof(frame) - 16);
}
