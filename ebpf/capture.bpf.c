/* Leads packets of programs of this host to the proxy, and its answers back, at both ends of interfaces. What goes out is turned
 * around: its addresses change places, so that the proxy sees a client that has the server's address. Of what comes in only
 * ports change. No sum over addresses changes by either; and without this program every packet goes where it says. */
#include "capture.h"
#include "enter.h"

/* What is turned around has this mark until it comes in. Nothing that comes from elsewhere has one. */
#define TURNED 0x6c376d70

#define UDP 8
#define MORE_PIECES 0x2000
#define OFFSET_OF_PIECE 0x1fff
#define NEXT_FRAGMENT 44 /* the IPv6 header of a piece */
#define TCP_FLAGS 13
#define TCP_SYN 0x02
#define TCP_ACK 0x10

struct packet {
  struct ends ends;
  u32 addresses[8]; /* as they stand in the header: the source first */
  u32 at;           /* where they stand */
  u32 transport_at;
  u32 id;           /* of a datagram in pieces, whatever it is */
  u8 is_piece;
  u8 is_later;      /* a piece that has no ports */
  u8 begins;        /* whether a session may begin with it */
  u8 is_group;      /* for many */
};

struct fragment {
  u8 next_header;
  u8 zero;
  u16 offset;
  u32 id;
};

INLINE int read4(struct __sk_buff *skb, struct packet *packet, int direction) {
  struct ipv4 ip;
  if (bpf_skb_load_bytes(skb, ETHERNET, &ip, IPV4) < 0 || ip.version_ihl != 0x45) return 0;
  u16 fragment = htons(ip.fragment);
  packet->addresses[0] = ip.source;
  packet->addresses[1] = ip.destination;
  packet->ends.local[0] = direction == OUTBOUND ? ip.source : ip.destination;
  packet->ends.remote[0] = direction == OUTBOUND ? ip.destination : ip.source;
  packet->at = ETHERNET + 12;
  packet->transport_at = ETHERNET + IPV4;
  packet->ends.transport = ip.protocol;
  packet->id = ip.id;
  packet->is_piece = (fragment & (MORE_PIECES | OFFSET_OF_PIECE)) != 0;
  packet->is_later = (fragment & OFFSET_OF_PIECE) != 0;
  return 1;
}

INLINE int read6(struct __sk_buff *skb, struct packet *packet, int direction) {
  struct ipv6 ip;
  if (bpf_skb_load_bytes(skb, ETHERNET, &ip, IPV6) < 0) return 0;
  __builtin_memcpy(packet->addresses, ip.source, 32);
  __builtin_memcpy(packet->ends.local, packet->addresses + (direction == OUTBOUND ? 0 : 4), 16);
  __builtin_memcpy(packet->ends.remote, packet->addresses + (direction == OUTBOUND ? 4 : 0), 16);
  packet->at = ETHERNET + 8;
  packet->transport_at = ETHERNET + IPV6;
  packet->ends.transport = ip.next_header;
  packet->ends.six = 1;
  if (ip.next_header == NEXT_FRAGMENT) {
    struct fragment fragment;
    if (bpf_skb_load_bytes(skb, ETHERNET + IPV6, &fragment, sizeof(fragment)) < 0) return 0;
    packet->transport_at += sizeof(fragment);
    packet->ends.transport = fragment.next_header;
    packet->id = fragment.id;
    packet->is_piece = 1;
    packet->is_later = (htons(fragment.offset) & 0xfff8) != 0;
  }
  return 1;
}

/* Whether it is one that may be captured. */
INLINE int read_packet(struct __sk_buff *skb, struct packet *packet, int direction) {
  u8 first_byte;
  if (skb->vlan_present) return 0;
  if (skb->protocol == htons(ETH_P_IP)) {
    if (!read4(skb, packet, direction)) return 0;
  } else if (skb->protocol != htons(ETH_P_IPV6) || !read6(skb, packet, direction)) {
    return 0;
  }
  u8 transport = packet->ends.transport;
  if (transport != IPPROTO_TCP && transport != IPPROTO_UDP) return 0;
  u16 ports[2] = {0, 0};
  if (!packet->is_later && bpf_skb_load_bytes(skb, packet->transport_at, ports, 4) < 0) return 0;
  packet->ends.local_port = ports[direction == OUTBOUND ? 0 : 1];
  packet->ends.remote_port = ports[direction == OUTBOUND ? 1 : 0];
  packet->begins = transport == IPPROTO_UDP;
  if (transport == IPPROTO_TCP && !packet->is_later) {
    u8 flags;
    if (bpf_skb_load_bytes(skb, packet->transport_at + TCP_FLAGS, &flags, 1) < 0) return 0;
    packet->begins = (flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
  }
  if (bpf_skb_load_bytes(skb, 0, &first_byte, 1) < 0) return 0;
  packet->is_group = first_byte & 1;
  return 1;
}

/* Where the proxy takes such packets, in network order; 0: nowhere. */
INLINE u16 listener_of(const struct packet *packet, int direction) {
  struct place place = {
    .port = direction == OUTBOUND ? packet->ends.remote_port : packet->ends.local_port,
    .lane = LANE(direction, packet->ends.transport == IPPROTO_UDP),
    .six = packet->ends.six,
  };
  __builtin_memcpy(place.address, direction == OUTBOUND ? packet->ends.remote : packet->ends.local, 16);
  u16 *door = bpf_map_lookup_elem(&doors, &place);
  __builtin_memset(place.address, 0, 16);
  if (!door && direction == INBOUND) door = bpf_map_lookup_elem(&doors, &place);
  place.port = 0;
  if (!door) door = bpf_map_lookup_elem(&doors, &place);
  return door ? *door : 0;
}

INLINE int is_excluded(const struct packet *packet, int direction) {
  struct prefix prefix = {.length = 160, .direction = __builtin_bswap32(direction)};
  if (packet->ends.six) {
    __builtin_memcpy(prefix.address, packet->ends.remote, 16);
  } else {
    prefix.address[2] = 0xffff0000;
    prefix.address[3] = packet->ends.remote[0];
  }
  return bpf_map_lookup_elem(&excluded, &prefix) != 0;
}

/* Whether it is to be captured, by what was configured. */
INLINE int is_wanted(struct __sk_buff *skb, const struct packet *packet, int direction) {
  if (packet->is_group) return 0;
  u32 zero = 0;
  struct ports *all = bpf_map_lookup_elem(&ports, &zero);
  u16 port = htons(direction == OUTBOUND ? packet->ends.remote_port : packet->ends.local_port);
  if (!all || !(all->lanes[port] >> LANE(direction, packet->ends.transport == IPPROTO_UDP) & 1)) return 0;
  /* Links have addresses of their own, fe80::/10, which are nobody's elsewhere. */
  if (packet->ends.six && (packet->ends.remote[0] & 0xc0ff) == 0x80fe) return 0;
  if (direction == INBOUND) return !is_excluded(packet, direction);
  u32 uid = bpf_get_socket_uid(skb);
  return !bpf_map_lookup_elem(&users, &uid) && !is_excluded(packet, direction);
}

/* The proxy sees the client by this port, unless it sees another one so. */
INLINE u16 first_port(const struct packet *packet, int direction) {
  return direction == OUTBOUND ? packet->ends.local_port : packet->ends.remote_port;
}

/* A flow that begins. Whether there is room for it. */
INLINE int open_flow(struct other *app, u16 listener, const struct packet *packet, int direction) {
  struct ends ends = packet->ends;
  struct other back = {
    .kind = direction == OUTBOUND ? PROXY_OUT : PROXY_IN,
    .local_port = packet->ends.local_port,
    .remote_port = packet->ends.remote_port,
  };
  ends.local_port = listener;
  ends.remote_port = first_port(packet, direction);
  /* Unrolled: without CAP_PERFMON the verifier also follows a processor that guesses a loop's end wrongly, and goes on for ever. */
#pragma unroll
  for (int i = 0; i < 8; i++) {
    struct other *there = bpf_map_lookup_elem(&flows, &ends);
    int is_same = there && there->kind == back.kind && there->local_port == back.local_port &&
                  there->remote_port == back.remote_port;
    if (is_same || (!there && bpf_map_update_elem(&flows, &ends, &back, BPF_NOEXIST) == 0)) {
      app->kind = direction == OUTBOUND ? APP_OUT : APP_IN;
      app->local_port = ends.local_port;
      app->remote_port = ends.remote_port;
      return bpf_map_update_elem(&flows, &packet->ends, app, BPF_ANY) == 0;
    }
    ends.remote_port = bpf_get_prandom_u32() | htons(1024);
  }
  return 0;
}

/* What is not captured: the answers are not, either. */
INLINE void pass_by(const struct packet *packet, u8 kind) {
  struct other direct = {.kind = kind};
  if (packet->ends.transport == IPPROTO_UDP) bpf_map_update_elem(&flows, &packet->ends, &direct, BPF_ANY);
}

INLINE int write_ports(struct __sk_buff *skb, const struct packet *packet, u16 source, u16 destination) {
  int is_udp = packet->ends.transport == IPPROTO_UDP;
  u32 old, now = (u32)destination << 16 | source;
  if (bpf_skb_load_bytes(skb, packet->transport_at, &old, 4) < 0) return -1;
  u32 check_at = packet->transport_at + (is_udp ? 6 : 16);
  if (bpf_l4_csum_replace(skb, check_at, old, now, 4 | (is_udp ? BPF_F_MARK_MANGLED_0 : 0)) < 0) return -1;
  return bpf_skb_store_bytes(skb, packet->transport_at, &now, 4, 0);
}

/* Comes in as if its receiver had sent it, from one port to the other. */
INLINE int turn(struct __sk_buff *skb, const struct packet *packet, const struct other *to) {
  u16 macs[6];
  u32 addresses[8];
  u32 length = packet->ends.six ? 32 : 8;
  if (!packet->is_later && write_ports(skb, packet, to->remote_port, to->local_port) < 0) return TC_ACT_SHOT;
  if (bpf_skb_load_bytes(skb, 0, macs, 12) < 0) return TC_ACT_SHOT;
  u16 turned[6] = {macs[3], macs[4], macs[5], macs[0], macs[1], macs[2]};
  if (bpf_skb_store_bytes(skb, 0, turned, 12, 0) < 0) return TC_ACT_SHOT;
  if (packet->ends.six) {
    __builtin_memcpy(addresses, packet->addresses + 4, 16);
    __builtin_memcpy(addresses + 4, packet->addresses, 16);
    if (bpf_skb_store_bytes(skb, ETHERNET + 8, addresses, 32, 0) < 0) return TC_ACT_SHOT;
  } else {
    addresses[0] = packet->addresses[1];
    addresses[1] = packet->addresses[0];
    if (bpf_skb_store_bytes(skb, ETHERNET + 12, addresses, 8, 0) < 0) return TC_ACT_SHOT;
  }
  skb->mark = TURNED;
  return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
}

/* The key of later pieces of a datagram. */
INLINE struct ends pieces_of(const struct packet *packet) {
  struct ends ends = packet->ends;
  ends.transport = PIECES;
  ends.local_port = packet->id;
  ends.remote_port = packet->id >> 16;
  return ends;
}

INLINE int is_turned(const struct other *flow) { return flow->kind == APP_OUT || flow->kind == PROXY_OUT; }

/* The other pieces go the way of the first. */
INLINE void lead_pieces(const struct packet *packet, const struct other *flow) {
  if (!packet->is_piece) return;
  struct ends ends = pieces_of(packet);
  if (flow && is_turned(flow)) bpf_map_update_elem(&flows, &ends, flow, BPF_ANY);
  else bpf_map_delete_elem(&flows, &ends);
}

SECTION("tc/egress") int egress(struct __sk_buff *skb) {
  u32 zero = 0;
  struct settings *set = bpf_map_lookup_elem(&settings, &zero);
  struct packet packet = {};
  if (!set || !read_packet(skb, &packet, OUTBOUND)) return PASS;
  if (packet.is_later) {
    struct ends ends = pieces_of(&packet);
    struct other *flow = bpf_map_lookup_elem(&flows, &ends);
    return flow ? turn(skb, &packet, flow) : PASS;
  }
  struct other *found = bpf_map_lookup_elem(&flows, &packet.ends), flow = {};
  u8 kind = found ? found->kind : 0;
  if (kind) flow = *found;
  if (kind == PROXY_IN) {
    return write_ports(skb, &packet, flow.local_port, flow.remote_port) < 0 ? TC_ACT_SHOT : PASS;
  }
  if (kind == PROXY_OUT) {
    lead_pieces(&packet, &flow);
    return turn(skb, &packet, &flow);
  }
  if (set->cgroup && bpf_skb_cgroup_id(skb) == set->cgroup) {
    /* A port that the kernel has given to a program before. */
    if (kind != BEGUN_HERE && kind != BEGUN_THERE) pass_by(&packet, BEGUN_HERE);
    lead_pieces(&packet, 0);
    return PASS;
  }
  /* One that the proxy has from the network goes on without it where a program answers by itself. A listener may have gone,
   * or have come again elsewhere. */
  u16 listener = packet.begins ? listener_of(&packet, OUTBOUND) : 0;
  int is_known = kind == BEGUN_THERE || kind == APP_IN || (kind == APP_OUT && flow.local_port == listener);
  if (packet.begins && !is_known) {
    kind = 0;
    if (listener && is_wanted(skb, &packet, OUTBOUND)) {
      if (!open_flow(&flow, listener, &packet, OUTBOUND)) return TC_ACT_SHOT;
      kind = APP_OUT;
    } else if (!found || found->kind != BEGUN_HERE) {
      pass_by(&packet, BEGUN_HERE);
    }
  }
  flow.kind = kind;
  lead_pieces(&packet, &flow);
  return kind == APP_OUT ? turn(skb, &packet, &flow) : PASS;
}

SECTION("tc/ingress") int ingress(struct __sk_buff *skb) {
  u32 zero = 0;
  if (skb->mark == TURNED) {
    skb->mark = 0;
    return PASS;
  }
  struct settings *set = bpf_map_lookup_elem(&settings, &zero);
  struct packet packet = {};
  if (!set || skb->pkt_type != PACKET_HOST || !read_packet(skb, &packet, INBOUND) || packet.is_later) return PASS;
  struct other *found = bpf_map_lookup_elem(&flows, &packet.ends), flow = {};
  u8 kind = found ? found->kind : 0;
  if (kind) flow = *found;
  /* Somebody pretends to be one whom the proxy has from here. */
  if (kind == PROXY_OUT || kind == PROXY_IN) return TC_ACT_SHOT;
  u16 listener = packet.begins ? listener_of(&packet, INBOUND) : 0;
  int is_known = kind == BEGUN_HERE || kind == APP_OUT || (kind == APP_IN && flow.local_port == listener);
  if (packet.begins && !is_known) {
    if (listener && is_wanted(skb, &packet, INBOUND)) {
      if (!open_flow(&flow, listener, &packet, INBOUND)) return TC_ACT_SHOT;
      kind = APP_IN;
    } else {
      if (kind != BEGUN_THERE) pass_by(&packet, BEGUN_THERE);
      return PASS;
    }
  }
  if (kind != APP_IN) return PASS;
  return write_ports(skb, &packet, flow.remote_port, flow.local_port) < 0 ? TC_ACT_SHOT : PASS;
}
