/* Layouts that the program shares with dataplane/capture/layout.ts, which checks them against the section .layout. */
#pragma once
#include "bpf.h"

#define OUTBOUND 0
#define INBOUND 1

/* Both ends as this host sees them. Addresses and ports in network order; of IPv4 the first word is used. */
struct ends {
  u8 transport; /* IPPROTO_…, or PIECES */
  u8 six;       /* 1: IPv6 */
  u16 zero;
  u16 local_port; /* of PIECES, both ports are the identification */
  u16 remote_port;
  u32 local[4];
  u32 remote[4];
} __attribute__((aligned(8)));

/* Of a datagram that is in pieces, all but the first: they have no ports. */
#define PIECES 255

/* What becomes of packets between such ends, and who is meant by them. */
#define BEGUN_HERE 1   /* not captured: a program of this host sent the first */
#define BEGUN_THERE 2  /* not captured: it came from the network */
#define APP_OUT 3      /* a program's, on its way out: the proxy has it */
#define PROXY_OUT 4    /* the proxy's answers to it */
#define APP_IN 5       /* from the network, for a program: the proxy has it */
#define PROXY_IN 6     /* the proxy's answers to it */

/* The ports of the other ends: of what a program sees, those that the proxy sees, and the other way around. */
struct other {
  u8 kind;
  u8 zero;
  u16 local_port;
  u16 remote_port;
  u16 zero2;
};

#define LANE(direction, udp) ((direction) * 2 + (udp))

/* By the port, in host order: 1 << LANE of those by which it is captured. */
struct ports {
  u8 lanes[65536];
};

struct settings {
  u64 cgroup; /* the proxy's own sockets are in it; 0: nobody is */
};

/* Where a session is to go, by LANE: address and port in network order, of IPv4 the first word. Zeros stand for every address, and for
 * every port of every address. */
struct place {
  u32 address[4];
  u16 port;
  u8 lane;
  u8 six;
};

/* A key of what is excluded: a prefix of the direction and the address, in which IPv4 is as IPv6 maps it. */
struct prefix {
  u32 length;
  u32 direction; /* in network order, as all that prefixes are of */
  u32 address[4];
};

#define OFFSET(type, field) __builtin_offsetof(struct type, field)
SECTION(".layout") const u32 layout[] = {
  sizeof(struct ends), OFFSET(ends, transport), OFFSET(ends, six), OFFSET(ends, local_port), OFFSET(ends, remote_port),
  OFFSET(ends, local), OFFSET(ends, remote),
  sizeof(struct other), OFFSET(other, kind), OFFSET(other, local_port), OFFSET(other, remote_port),
  sizeof(struct settings), OFFSET(settings, cgroup),
  sizeof(struct ports), sizeof(struct prefix), OFFSET(prefix, length), OFFSET(prefix, direction), OFFSET(prefix, address),
  sizeof(struct place), OFFSET(place, address), OFFSET(place, port), OFFSET(place, lane), OFFSET(place, six),
};

/* Maps are made by user space, and known by these names. */
struct map { u32 unused; };
SECTION(".maps") struct map flows = {0};    /* LRU hash: ends -> other */
SECTION(".maps") struct map settings = {0}; /* array of one */
SECTION(".maps") struct map doors = {0};    /* hash: place -> the port of the listener for it, in network order; 0: nobody */
SECTION(".maps") struct map ports = {0};    /* array of one */
SECTION(".maps") struct map excluded = {0}; /* LPM trie: prefix -> anything */
SECTION(".maps") struct map users = {0};    /* hash: a uid whose packets are let out -> anything */
SECTION(".maps") struct map programs = {0}; /* programs to go on with: 0 -> the one that is attached */
