/* Relays the UDP packets of known flows at an interface's ingress: everything is checked, then the packet is rewritten and
 * sent on its way. Whatever isn't wholly as expected passes up the stack untouched. */
#include "packet.h"
#include "enter.h"

#define UDP 8

struct udp {
  u16 source_port;
  u16 destination_port;
  u16 length;
  u16 check;
};

/* What is written over the beginning of a packet, from `ethernet` on: up to the ports. Aligned by `pad`. */
struct head4 {
  u16 pad;
  u16 ethernet[6];
  u16 ether_type;
  struct ipv4 ip;
  u16 source_port;
  u16 destination_port;
};

struct head6 {
  u16 pad;
  u16 ethernet[6];
  u16 ether_type;
  struct ipv6 ip;
  u16 source_port;
  u16 destination_port;
};

/* What a packet that may be relayed has, whichever family it is of. */
struct packet {
  u32 slot; /* of its flow */
  u16 udp_length; /* host order, header included */
  u16 check;
  u8 ttl;
  u8 class;
};

/* Whether the flow takes it: what leaves fits the MTU, and what is in one buffer can be cut. */
INLINE int fits(struct __sk_buff *skb, const struct packet *packet, const struct flow *flow) {
  u32 header = flow->family == FAMILY_IPV4 ? IPV4 : IPV6;
  u32 gso = skb->gso_size;
  return header + (gso ? UDP + gso : packet->udp_length) <= flow->mtu;
}

INLINE void count(struct __sk_buff *skb, const struct packet *packet) {
  u32 slot = packet->slot;
  struct counters *found = bpf_map_lookup_elem(&counters, &slot);
  if (!found) return;
  u32 bytes = packet->udp_length - UDP;
  u32 gso = skb->gso_size;
  found->packets += gso ? (bytes + gso - 1) / gso : 1;
  found->bytes += bytes;
  found->last_seen = bpf_ktime_get_coarse_ns();
}

/* Two calls: a checksum that hardware completes (CHECKSUM_PARTIAL) covers addresses, but not yet ports. */
INLINE int replace_check(struct __sk_buff *skb, u32 offset, const struct flow *flow) {
  if (bpf_l4_csum_replace(skb, offset, 0, flow->address_delta, BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0) < 0) return -1;
  return bpf_l4_csum_replace(skb, offset, 0, flow->port_delta, BPF_F_MARK_MANGLED_0);
}

INLINE int leave(struct __sk_buff *skb, const struct packet *packet, const struct flow *flow) {
  count(skb, packet);
  return flow->way == WAY_REDIRECT ? bpf_redirect(flow->interface, 0) : TC_ACT_OK;
}

#define COPY_ETHERNET(head, flow) __builtin_memcpy(&(head)->pad, &(flow)->pad, 16)

/* IPv4 with the checksum of `ip` that is there already, or with none of it. */
INLINE int write4(struct __sk_buff *skb, struct head4 *head, const struct flow *flow) {
  COPY_ETHERNET(head, flow);
  head->ip.source = flow->source[0];
  head->ip.destination = flow->destination[0];
  head->source_port = flow->source_port;
  head->destination_port = flow->destination_port;
  return bpf_skb_store_bytes(skb, 0, head->ethernet, ETHERNET + IPV4 + 4, 0);
}

INLINE int write6(struct __sk_buff *skb, struct head6 *head, const struct flow *flow) {
  COPY_ETHERNET(head, flow);
  __builtin_memcpy(head->ip.source, flow->source, 16);
  __builtin_memcpy(head->ip.destination, flow->destination, 16);
  head->source_port = flow->source_port;
  head->destination_port = flow->destination_port;
  return bpf_skb_store_bytes(skb, 0, head->ethernet, ETHERNET + IPV6 + 4, 0);
}

INLINE int from4to4(struct __sk_buff *skb, struct head4 *head, const struct packet *packet, const struct flow *flow) {
  if (packet->check && replace_check(skb, ETHERNET + IPV4 + 6, flow) < 0) return TC_ACT_SHOT;
  head->ip.ttl = packet->ttl - 1;
  /* Less 1 in the byte of the TTL, as one's complement. */
  head->ip.check = ~fold((u16)~head->ip.check + flow->address_delta + 0xfffe);
  return write4(skb, head, flow) < 0 ? TC_ACT_SHOT : leave(skb, packet, flow);
}

INLINE int from6to6(struct __sk_buff *skb, struct head6 *head, const struct packet *packet, const struct flow *flow) {
  if (replace_check(skb, ETHERNET + IPV6 + 6, flow) < 0) return TC_ACT_SHOT;
  head->ip.hop_limit = packet->ttl - 1;
  /* A checksum over the whole packet (CHECKSUM_COMPLETE): addresses and check cancel out, which the helper, made for IPv4,
   * didn't know; less 1 in the byte of the hop limit. */
  bpf_csum_update(skb, flow->address_delta + 0xfeff);
  return write6(skb, head, flow) < 0 ? TC_ACT_SHOT : leave(skb, packet, flow);
}

INLINE int from4to6(struct __sk_buff *skb, const struct packet *packet, const struct flow *flow) {
  struct head6 head;
  /* IPv6 wants a checksum (RFC 8200, section 8.1). */
  if (!packet->check || skb->gso_size || bpf_skb_change_proto(skb, htons(ETH_P_IPV6), 0) < 0) return PASS;
  if (replace_check(skb, ETHERNET + IPV6 + 6, flow) < 0) return TC_ACT_SHOT;
  head.ip.version_class_label = __builtin_bswap32(6u << 28 | (u32)packet->class << 20);
  head.ip.length = htons(packet->udp_length);
  head.ip.next_header = IPPROTO_UDP;
  head.ip.hop_limit = packet->ttl - 1;
  if (write6(skb, &head, flow) < 0) return TC_ACT_SHOT;
  /* The old header counted for nothing: its sum is zero. */
  bpf_csum_update(skb, fold(bpf_csum_diff(0, 0, (u32 *)&head.ip, IPV6, 0)) + flow->address_delta);
  return leave(skb, packet, flow);
}

INLINE int from6to4(struct __sk_buff *skb, const struct packet *packet, const struct flow *flow) {
  struct head4 head;
  if (skb->gso_size || bpf_skb_change_proto(skb, htons(ETH_P_IP), 0) < 0) return PASS;
  if (replace_check(skb, ETHERNET + IPV4 + 6, flow) < 0) return TC_ACT_SHOT;
  head.ip.version_ihl = 0x45;
  head.ip.tos = packet->class;
  head.ip.length = htons(packet->udp_length + IPV4);
  head.ip.id = 0; /* atomic: RFC 6864, section 4.1 */
  head.ip.fragment = htons(DONT_FRAGMENT);
  head.ip.ttl = packet->ttl - 1;
  head.ip.protocol = IPPROTO_UDP;
  head.ip.check = 0;
  head.ip.source = flow->source[0];
  head.ip.destination = flow->destination[0];
  head.ip.check = ~fold(bpf_csum_diff(0, 0, (u32 *)&head.ip, IPV4, 0));
  if (write4(skb, &head, flow) < 0) return TC_ACT_SHOT;
  bpf_csum_update(skb, flow->tail_delta + flow->address_delta);
  return leave(skb, packet, flow);
}

INLINE int relay4(struct __sk_buff *skb) {
  if (!reach(skb, ETHERNET + IPV4 + UDP)) return PASS;
  void *data = (void *)(u64)skb->data;
  struct ipv4 *ip = data + ETHERNET;
  struct udp *udp = (void *)ip + IPV4;
  if ((void *)udp + UDP > (void *)(u64)skb->data_end || !is_taken(udp->destination_port)) return PASS;

  u16 length = htons(ip->length), udp_length = htons(udp->length);
  if (ip->version_ihl != 0x45 || ip->protocol != IPPROTO_UDP || ip->ttl <= 1) return PASS;
  if (ip->fragment & ~htons(DONT_FRAGMENT)) return PASS;
  if (udp_length < UDP || length != IPV4 + udp_length || skb->len < ETHERNET + length) return PASS;

  struct flow_key key = {
    .transport = IPPROTO_UDP,
    .family = FAMILY_IPV4,
    .source_port = udp->source_port,
    .destination_port = udp->destination_port,
    .source = {ip->source},
    .destination = {ip->destination},
  };
  struct packet packet = {.udp_length = udp_length, .check = udp->check, .ttl = ip->ttl, .class = ip->tos};
  struct flow *flow = find_flow(&key, &packet.slot);
  if (!flow) return PASS;
  struct head4 head = {.ip = *ip};
  if (!fits(skb, &packet, flow)) return PASS;
  return flow->family == FAMILY_IPV4 ? from4to4(skb, &head, &packet, flow) : from4to6(skb, &packet, flow);
}

INLINE int relay6(struct __sk_buff *skb) {
  if (!reach(skb, ETHERNET + IPV6 + UDP)) return PASS;
  void *data = (void *)(u64)skb->data;
  struct ipv6 *ip = data + ETHERNET;
  struct udp *udp = (void *)ip + IPV6;
  if ((void *)udp + UDP > (void *)(u64)skb->data_end || !is_taken(udp->destination_port)) return PASS;

  u32 first = __builtin_bswap32(ip->version_class_label);
  u16 length = htons(ip->length);
  if (first >> 28 != 6 || ip->next_header != IPPROTO_UDP || ip->hop_limit <= 1) return PASS;
  if (length < UDP || htons(udp->length) != length || !udp->check || skb->len < ETHERNET + IPV6 + length) return PASS;

  struct flow_key key = {
    .transport = IPPROTO_UDP,
    .family = FAMILY_IPV6,
    .source_port = udp->source_port,
    .destination_port = udp->destination_port,
  };
  __builtin_memcpy(key.source, ip->source, 32);
  struct packet packet = {.udp_length = length, .check = udp->check, .ttl = ip->hop_limit, .class = first >> 20};
  struct flow *flow = find_flow(&key, &packet.slot);
  if (!flow) return PASS;
  struct head6 head;
  head.ip.version_class_label = ip->version_class_label;
  head.ip.length = ip->length;
  head.ip.next_header = IPPROTO_UDP;
  if (!fits(skb, &packet, flow)) return PASS;
  return flow->family == FAMILY_IPV6 ? from6to6(skb, &head, &packet, flow) : from6to4(skb, &packet, flow);
}

/* The packet must be for this host, and without a tag that belongs to another interface. */
SECTION("tc/relay") int relay(struct __sk_buff *skb) {
  if (skb->pkt_type != PACKET_HOST || skb->vlan_present) return PASS;
  if (skb->protocol == htons(ETH_P_IP)) return relay4(skb);
  if (skb->protocol == htons(ETH_P_IPV6)) return relay6(skb);
  return PASS;
}
