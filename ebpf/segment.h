/* TCP segments as they come, and their options. */
#pragma once
#include "packet.h"

#define TCP 20
/* Where the sequence number, the window and the checksum are. */
#define TCP_SEQUENCE 4
#define TCP_WINDOW 14
#define TCP_CHECK 16
/* More, NOPs included, are not looked at. */
#define MAX_OPTIONS 16

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define ACK 0x10

#define KIND_END 0
#define KIND_NOP 1
#define KIND_SACK 5
#define KIND_TIMESTAMPS 8
#define TIMESTAMPS 10
/* Two NOPs, kind and length, as nearly all have it. */
#define USUAL_TIMESTAMPS 0x0101080a
#define SACK_BLOCK 8

struct tcp {
  u16 source_port;
  u16 destination_port;
  u32 sequence;
  u32 ack;
  u8 offset;
  u8 flags;
  u16 window;
  u16 check;
  u16 urgent;
};

/* A segment, in host order. */
struct segment {
  u32 slot;
  u32 ip; /* length of the IP header */
  u32 payload;
  u32 sequence;
  u32 ack;
  u32 window;
  u32 value;
  u32 echo;
  /* Where options stand in the TCP header; 0: there are none. */
  u32 timestamps_at;
  u32 sack_at;
  u32 sack_length;
  u8 flags;
  u8 header; /* length of TCP's */
};

/* Options where they usually aren't. Nothing but what is known: signatures (MD5, AO) and MPTCP mean that it can't be relayed. */
INLINE int read_options(struct __sk_buff *skb, struct segment *segment) {
  u32 start = ETHERNET + segment->ip, end = segment->header, at = TCP;
  for (int i = 0; i < MAX_OPTIONS; i++) {
    u8 option[2] = {0, 0};
    if (at >= end) return 1;
    if (bpf_skb_load_bytes(skb, start + at, option, 1) < 0) return 0;
    if (option[0] == KIND_END) return 1;
    if (option[0] == KIND_NOP) {
      at++;
      continue;
    }
    if (at + 2 > end || bpf_skb_load_bytes(skb, start + at, option, 2) < 0) return 0;
    u32 length = option[1];
    if (length < 2 || at + length > end) return 0;
    if (option[0] == KIND_TIMESTAMPS) {
      if (length != TIMESTAMPS || segment->timestamps_at) return 0;
      segment->timestamps_at = at + 2;
    } else if (option[0] == KIND_SACK) {
      if ((length - 2) % SACK_BLOCK || segment->sack_at) return 0;
      segment->sack_at = at + 2;
      segment->sack_length = length - 2;
    } else {
      return 0;
    }
    at += length;
  }
  return at >= end;
}

/* What is in the TCP header; whether it may be relayed. */
INLINE int read_segment(const struct tcp *tcp, u32 length, struct segment *segment) {
  u32 header = tcp->offset >> 4 << 2;
  if (header < TCP || header > length) return 0;
  segment->header = header;
  segment->payload = length - header;
  segment->sequence = ntohl(tcp->sequence);
  segment->ack = ntohl(tcp->ack);
  segment->window = htons(tcp->window);
  segment->flags = tcp->flags;
  return !(tcp->flags & SYN) && (tcp->flags & (ACK | RST));
}

INLINE int parse(struct __sk_buff *skb, struct segment *segment) {
  u32 at = ETHERNET + segment->ip + TCP, words[3];
  if (segment->header == TCP) return 1;
  if (segment->header == TCP + 12) {
    if (bpf_skb_load_bytes(skb, at, words, 12) < 0) return 0;
    if (words[0] == ntohl(USUAL_TIMESTAMPS)) {
      segment->timestamps_at = TCP + 4;
      segment->value = ntohl(words[1]);
      segment->echo = ntohl(words[2]);
      return 1;
    }
  }
  if (!read_options(skb, segment)) return 0;
  if (!segment->timestamps_at) return 1;
  if (bpf_skb_load_bytes(skb, ETHERNET + segment->ip + segment->timestamps_at, words, 8) < 0) return 0;
  segment->value = ntohl(words[0]);
  segment->echo = ntohl(words[1]);
  return 1;
}
