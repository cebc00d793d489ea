/* Relays the TCP segments of spliced connections at an interface's ingress: everything is checked, then addresses, ports,
 * sequence numbers, SACK, timestamps and windows are those that the other end knows. Whatever isn't wholly as expected
 * passes up the stack untouched. */
#include "packet.h"
#include "enter.h"
#include "segment.h"
#include "stream.h"
#include "too-big.h"
#include "narrow.h"

/* Up to the window: what is written over the beginning. The urgent pointer, which is relative, stays as it is. */
#define TCP_HEAD 16

struct tcp_head {
  u16 source_port;
  u16 destination_port;
  u32 sequence;
  u32 ack;
  u8 offset;
  u8 flags;
  u16 window;
};

/* What is written over the beginning of a packet, from `ethernet` on. Aligned by `pad`. */
struct head4 {
  u16 pad;
  u16 ethernet[6];
  u16 ether_type;
  struct ipv4 ip;
  struct tcp_head tcp;
};

struct head6 {
  u16 pad;
  u16 ethernet[6];
  u16 ether_type;
  struct ipv6 ip;
  struct tcp_head tcp;
};

/* Whether a is before b, modulo 2^32. */
INLINE int before(u32 a, u32 b) { return (int)(a - b) < 0; }

INLINE int within(u32 number, u32 middle, u32 reach) { return number - (middle - reach) <= 2 * reach; }

/* Never goes back, whichever CPU is the last to write. */
INLINE int advance(u32 *place, u32 value) {
  u32 old = *(volatile u32 *)place;
  for (int i = 0; i < 4; i++) {
    if (!before(old, value)) return 0;
    u32 found = __sync_val_compare_and_swap(place, old, value);
    if (found == old) return 1;
    old = found;
  }
  return 0;
}

INLINE u32 end_of(const struct segment *segment) {
  return segment->sequence + segment->payload + !!(segment->flags & FIN);
}

INLINE void record_ack(struct half *half, const struct stream *stream, const struct segment *segment) {
  if (!(segment->flags & ACK)) return;
  advance(&half->acked, segment->ack);
  if (segment->ack == half->acked) half->window = segment->window << (stream->scale & 15);
}

/* What the segment's end has sent, so that sockets can go on where it was. */
INLINE void record(struct half *half, const struct stream *stream, const struct segment *segment) {
  u32 end = end_of(segment), flags = HALF_SEEN;
  /* A bare acknowledgement stands behind what may not have come here, or was not relayed. */
  if (end != segment->sequence) advance(&half->next, end);
  record_ack(half, stream, segment);
  if (segment->timestamps_at) {
    flags |= HALF_TIMESTAMP;
    if (!(half->flags & HALF_TIMESTAMP)) half->value = segment->value;
    else advance(&half->value, segment->value);
  }
  if (segment->flags & FIN) {
    half->fin = end;
    flags |= HALF_FIN;
  }
  if ((half->flags & flags) != flags) half->flags |= flags;
}

/* A reset that the other end believes (RFC 5961, section 3.2), or one that comes after all that was sent. */
INLINE int is_reset(const struct segment *segment, const struct half *half, u32 expected) {
  return segment->flags & RST && (segment->sequence == expected || segment->sequence == half->next);
}

INLINE void count(struct __sk_buff *skb, const struct segment *segment) {
  u32 slot = segment->slot;
  struct counters *found = bpf_map_lookup_elem(&counters, &slot);
  if (!found) return;
  u32 segments = skb->gso_segs;
  found->packets += segments ? segments : 1;
  found->bytes += segment->payload;
  found->last_seen = bpf_ktime_get_coarse_ns();
}

/* Whether the way takes it: known options alone, and what leaves fits the MTU. */
INLINE int fits(struct __sk_buff *skb, const struct segment *segment, const struct flow *flow, u32 options) {
  u32 gso = skb->gso_size, payload = gso ? gso : segment->payload;
  if (segment->timestamps_at && !(options & OPTION_TIMESTAMPS)) return 0;
  if (segment->sack_at && !(options & OPTION_SACK)) return 0;
  return segment->ip + segment->header + payload <= flow->mtu;
}

/* What stands at an odd place counts with its bytes swapped. */
INLINE u32 at_place(u32 sum, u32 at) { return at & 1 ? htons(sum) : sum; }

INLINE int write_timestamps(struct __sk_buff *skb, const struct segment *segment, const struct stream *stream, u64 *sum) {
  u32 at = segment->timestamps_at;
  u32 now[2] = {ntohl(segment->value + stream->value_delta), ntohl(segment->echo)};
  /* No echo yet is no time (RFC 7323, section 3.2). */
  if (segment->echo) now[1] = ntohl(segment->echo + stream->echo_delta);
  *sum += at_place(fold64(difference(ntohl(segment->value), now[0]) + difference(ntohl(segment->echo), now[1])), at);
  return bpf_skb_store_bytes(skb, ETHERNET + segment->ip + at, now, 8, 0);
}

INLINE int write_sack(struct __sk_buff *skb, const struct segment *segment, u32 delta, u64 *sum) {
  for (u32 i = 0; i < 4; i++) {
    u32 at = segment->sack_at + SACK_BLOCK * i, edges[2], now[2];
    if (SACK_BLOCK * i >= segment->sack_length) return 0;
    if (bpf_skb_load_bytes(skb, ETHERNET + segment->ip + at, edges, SACK_BLOCK) < 0) return -1;
    now[0] = ntohl(ntohl(edges[0]) + delta);
    now[1] = ntohl(ntohl(edges[1]) + delta);
    *sum += at_place(fold64(difference(edges[0], now[0]) + difference(edges[1], now[1])), at);
    if (bpf_skb_store_bytes(skb, ETHERNET + segment->ip + at, now, SACK_BLOCK, 0) < 0) return -1;
  }
  return 0;
}

/* The new header up to the window, options, and the checksum: two calls, since one that hardware completes
 * (CHECKSUM_PARTIAL) covers addresses, but not yet the rest. */
INLINE int write_tcp(struct __sk_buff *skb, struct tcp_head *tcp, const struct segment *segment, const struct stream *stream) {
  u32 sequence = ntohl(segment->sequence + stream->sequence_delta), ack = tcp->ack;
  if (segment->flags & ACK) ack = ntohl(segment->ack + stream->ack_delta);
  u32 window = segment->window << (stream->scale & 15) >> (stream->scale_after & 15);
  if (stream->state == STATE_DRAIN) window = 0;
  u16 announced = htons(window > 0xffff ? 0xffff : window);
  u64 sum = stream->flow.port_delta;
  sum += difference(tcp->sequence, sequence) + difference(tcp->ack, ack) + difference(tcp->window, announced);
  if (segment->timestamps_at && write_timestamps(skb, segment, stream, &sum) < 0) return -1;
  if (segment->sack_at && write_sack(skb, segment, stream->ack_delta, &sum) < 0) return -1;
  tcp->source_port = stream->flow.source_port;
  tcp->destination_port = stream->flow.destination_port;
  tcp->sequence = sequence;
  tcp->ack = ack;
  tcp->window = announced;
  u32 at = ETHERNET + segment->ip + TCP_CHECK;
  if (bpf_l4_csum_replace(skb, at, 0, stream->flow.address_delta, BPF_F_PSEUDO_HDR) < 0) return -1;
  return bpf_l4_csum_replace(skb, at, 0, fold64(sum), 0);
}

INLINE int leave(struct __sk_buff *skb, const struct segment *segment, const struct flow *flow) {
  count(skb, segment);
  return flow->way == WAY_REDIRECT ? bpf_redirect(flow->interface, 0) : TC_ACT_OK;
}

#define COPY_ETHERNET(head, flow) __builtin_memcpy(&(head)->pad, &(flow)->pad, 16)

INLINE int relay4(struct __sk_buff *skb, struct head4 *head, const struct segment *segment, const struct stream *stream) {
  const struct flow *flow = &stream->flow;
  if (write_tcp(skb, &head->tcp, segment, stream) < 0) return TC_ACT_SHOT;
  COPY_ETHERNET(head, flow);
  head->ip.source = flow->source[0];
  head->ip.destination = flow->destination[0];
  head->ip.ttl -= 1;
  /* Less 1 in the byte of the TTL, as one's complement. */
  head->ip.check = ~fold((u16)~head->ip.check + flow->address_delta + 0xfffe);
  if (bpf_skb_store_bytes(skb, 0, head->ethernet, ETHERNET + IPV4 + TCP_HEAD, 0) < 0) return TC_ACT_SHOT;
  return leave(skb, segment, flow);
}

INLINE int relay6(struct __sk_buff *skb, struct head6 *head, const struct segment *segment, const struct stream *stream) {
  const struct flow *flow = &stream->flow;
  if (write_tcp(skb, &head->tcp, segment, stream) < 0) return TC_ACT_SHOT;
  COPY_ETHERNET(head, flow);
  __builtin_memcpy(head->ip.source, flow->source, 16);
  __builtin_memcpy(head->ip.destination, flow->destination, 16);
  head->ip.hop_limit -= 1;
  /* A checksum over the whole packet (CHECKSUM_COMPLETE): addresses and check cancel out, which the helper, made for IPv4,
   * didn't know; less 1 in the byte of the hop limit. */
  bpf_csum_update(skb, flow->address_delta + 0xfeff);
  if (bpf_skb_store_bytes(skb, 0, head->ethernet, ETHERNET + IPV6 + TCP_HEAD, 0) < 0) return TC_ACT_SHOT;
  return leave(skb, segment, flow);
}

#define REFUSE PASS
#define TAKE 1
#define DROP TC_ACT_SHOT

/* What becomes of a segment. Numbers that the other end would not believe are none of the connection's. */
INLINE int judge(struct __sk_buff *skb, struct segment *segment, const struct stream *stream) {
  if (stream->state == STATE_HOLD) return DROP;
  if (stream->state == STATE_WIDEN) return REFUSE;
  u32 index = stream->pair;
  struct pair *pair = bpf_map_lookup_elem(&pairs, &index);
  if (!pair || !parse(skb, segment)) return REFUSE;
  struct half *half = &pair->halves[stream->side & 1], *other = &pair->halves[~stream->side & 1];
  if (stream->state == STATE_OBSERVE || stream->state == STATE_NARROW) {
    if (!(half->flags & HALF_SEEN)) {
      half->next = segment->sequence;
      half->acked = segment->ack;
    }
    if (within(segment->sequence, half->next, stream->reach) && within(segment->ack, half->acked, stream->reach)) {
      record(half, stream, segment);
    }
    return REFUSE;
  }
  /* What the other end expects next, in this one's numbers. */
  u32 expected = other->acked - stream->sequence_delta, reach = other->window + stream->reach;
  if (!within(segment->sequence, expected, reach)) return REFUSE;
  if (segment->flags & ACK) {
    /* Nothing is acknowledged that wasn't sent, nor what was long ago. */
    u32 behind = other->next - (segment->ack + stream->ack_delta);
    if (behind > half->window + stream->reach) return REFUSE;
  }
  if (!fits(skb, segment, &stream->flow, stream->options)) {
    /* Its sockets will have it, and tell the other end what it acknowledges. */
    if (stream->state == STATE_DRAIN) record_ack(half, stream, segment);
    return REFUSE;
  }
  if (segment->flags & RST) {
    if (is_reset(segment, half, expected)) half->flags |= HALF_RESET;
  } else {
    record(half, stream, segment);
  }
  return TAKE;
}

/* TAKE, or what becomes of a segment that isn't relayed. */
INLINE int consider(struct __sk_buff *skb, struct tcp *tcp, u32 length, struct segment *segment, struct stream *stream) {
  if (!read_segment(tcp, length, segment)) return stream->state == STATE_HOLD ? DROP : REFUSE;
  return judge(skb, segment, stream);
}

INLINE int segment4(struct __sk_buff *skb) {
  if (!reach(skb, ETHERNET + IPV4 + TCP)) return PASS;
  void *data = (void *)(u64)skb->data;
  struct ipv4 *ip = data + ETHERNET;
  struct tcp *tcp = (void *)ip + IPV4;
  if ((void *)tcp + TCP > (void *)(u64)skb->data_end) return PASS;

  if (ip->protocol == IPPROTO_ICMP) return too_big4(skb);
  if (!is_taken(tcp->destination_port)) return PASS;
  u32 length = htons(ip->length);
  if (ip->version_ihl != 0x45 || ip->protocol != IPPROTO_TCP || ip->ttl <= 1) return PASS;
  if (ip->fragment & ~htons(DONT_FRAGMENT)) return PASS;
  if (length < IPV4 + TCP || skb->len < ETHERNET + length) return PASS;

  struct flow_key key = {
    .transport = IPPROTO_TCP,
    .family = FAMILY_IPV4,
    .source_port = tcp->source_port,
    .destination_port = tcp->destination_port,
    .source = {ip->source},
    .destination = {ip->destination},
  };
  struct segment segment = {.ip = IPV4};
  struct stream *stream = find(&key, &segment.slot);
  if (!stream) return PASS;
  struct head4 head = {.ip = *ip, .tcp = *(struct tcp_head *)tcp};
  int verdict = consider(skb, tcp, length - IPV4, &segment, stream);
  return verdict == TAKE ? relay4(skb, &head, &segment, stream) : verdict;
}

INLINE int segment6(struct __sk_buff *skb) {
  if (!reach(skb, ETHERNET + IPV6 + TCP)) return PASS;
  void *data = (void *)(u64)skb->data;
  struct ipv6 *ip = data + ETHERNET;
  struct tcp *tcp = (void *)ip + IPV6;
  if ((void *)tcp + TCP > (void *)(u64)skb->data_end) return PASS;

  if (ip->next_header == IPPROTO_ICMPV6) return too_big6(skb);
  if (!is_taken(tcp->destination_port)) return PASS;
  u32 length = htons(ip->length);
  if (ntohl(ip->version_class_label) >> 28 != 6 || ip->next_header != IPPROTO_TCP || ip->hop_limit <= 1) return PASS;
  if (length < TCP || skb->len < ETHERNET + IPV6 + length) return PASS;

  struct flow_key key = {
    .transport = IPPROTO_TCP,
    .family = FAMILY_IPV6,
    .source_port = tcp->source_port,
    .destination_port = tcp->destination_port,
  };
  __builtin_memcpy(key.source, ip->source, 32);
  struct segment segment = {.ip = IPV6};
  struct stream *stream = find(&key, &segment.slot);
  if (!stream) return PASS;
  struct head6 head = {.ip = *ip, .tcp = *(struct tcp_head *)tcp};
  int verdict = consider(skb, tcp, length, &segment, stream);
  return verdict == TAKE ? relay6(skb, &head, &segment, stream) : verdict;
}

/* The packet must be for this host, and without a tag that belongs to another interface. */
SECTION("tc/splice") int splice(struct __sk_buff *skb) {
  if (skb->pkt_type != PACKET_HOST || skb->vlan_present) return PASS;
  if (skb->protocol == htons(ETH_P_IP)) return segment4(skb);
  if (skb->protocol == htons(ETH_P_IPV6)) return segment6(skb);
  return PASS;
}

/* At an interface's egress. */
SECTION("tc/narrow") int narrow(struct __sk_buff *skb) {
  u32 first = 0, *count = bpf_map_lookup_elem(&narrows, &first);
  if (!count || !*count) return PASS;
  if (skb->protocol == htons(ETH_P_IP)) return narrow4(skb);
  if (skb->protocol == htons(ETH_P_IPV6)) return narrow6(skb);
  return PASS;
}
