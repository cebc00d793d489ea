/* Headers of IP, as all programs read them. */
#pragma once
#include "bpf.h"

#define PASS TC_ACT_UNSPEC

#define ETHERNET 14
#define IPV4 20
#define IPV6 40
#define DONT_FRAGMENT 0x4000

struct ipv4 {
  u8 version_ihl;
  u8 tos;
  u16 length;
  u16 id;
  u16 fragment;
  u8 ttl;
  u8 protocol;
  u16 check;
  u32 source;
  u32 destination;
};

struct ipv6 {
  u32 version_class_label;
  u16 length;
  u8 next_header;
  u8 hop_limit;
  u32 source[4];
  u32 destination[4];
};
