/* Layouts that programs share with dataplane/offload/layout.ts, which checks them against the section .layout. */
#pragma once
#include "bpf.h"

#define FAMILY_IPV4 4
#define FAMILY_IPV6 6

/* As packets have it when they come in. Addresses and ports in network order; of IPv4 the first word is used. */
struct flow_key {
  u8 transport; /* IPPROTO_… */
  u8 family;    /* FAMILY_… */
  u16 zero;
  u16 source_port;
  u16 destination_port;
  u32 source[4];
  u32 destination[4];
} __attribute__((aligned(8)));

#define WAY_STACK 0    /* go on up the stack: from lo to lo */
#define WAY_REDIRECT 1 /* leave by an interface */

/* What becomes of them. A flow isn't changed while packets may find it: a changed one has a new slot. */
struct flow {
  /* Elements of a hash are used anew at once: a packet may be led to the flow that has come after its own. */
  struct flow_key key;
  u32 source[4];
  u32 destination[4];
  u16 source_port;
  u16 destination_port;
  u8 family;
  u8 way;
  u16 zero;
  u32 interface;
  u32 mtu; /* of the IP packet */
  /* Checksums' differences, in one's complement: of the addresses, of the ports, and less the last 20 bytes of an IPv6
   * header that becomes one of IPv4. */
  u32 address_delta;
  u32 port_delta;
  u32 tail_delta;
  /* The Ethernet header, behind two bytes that align what follows. */
  u16 pad;
  u8 ethernet[12];
  u16 ether_type;
};

/* By the port as it is in packets, in network order. */
struct ports {
  u8 bits[8192];
};

/* One for each CPU. */
struct counters {
  u64 packets;
  u64 bytes;     /* of payload */
  u64 last_seen; /* ns of CLOCK_MONOTONIC, some ms coarse */
};

#define OFFSET(type, field) __builtin_offsetof(struct type, field)
SECTION(".layout") const u32 layout[] = {
  sizeof(struct flow_key), OFFSET(flow_key, transport), OFFSET(flow_key, family), OFFSET(flow_key, source_port),
  OFFSET(flow_key, destination_port), OFFSET(flow_key, source), OFFSET(flow_key, destination),
  sizeof(struct flow), OFFSET(flow, key), OFFSET(flow, source), OFFSET(flow, destination), OFFSET(flow, source_port),
  OFFSET(flow, destination_port), OFFSET(flow, family), OFFSET(flow, way), OFFSET(flow, interface), OFFSET(flow, mtu),
  OFFSET(flow, address_delta), OFFSET(flow, port_delta), OFFSET(flow, tail_delta),
  OFFSET(flow, ethernet), OFFSET(flow, ether_type),
  sizeof(struct ports), sizeof(struct counters), OFFSET(counters, packets), OFFSET(counters, bytes), OFFSET(counters, last_seen),
};

/* Maps are made by user space, and known by these names. */
struct map { u32 unused; };
SECTION(".maps") struct map ports = {0};    /* array of one: a bit for each port that packets of flows are for */
SECTION(".maps") struct map slots = {0};    /* hash: flow_key -> slot */
SECTION(".maps") struct map flows = {0};    /* array: slot -> flow */
SECTION(".maps") struct map counters = {0}; /* array for each CPU: slot -> counters */
SECTION(".maps") struct map programs = {0}; /* programs to go on with: 0 -> the one that is attached */
