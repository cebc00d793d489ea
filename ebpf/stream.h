/* Layouts of spliced TCP connections that programs share with dataplane/offload/layout.ts, which checks them against the
 * section .stream-layout. */
#pragma once
#include "packet.h"

#define STATE_OBSERVE 0 /* recorded, and left to the stack */
#define STATE_NARROW 1  /* likewise; and what the stack says to its end announces no window (narrow.h) */
#define STATE_WIDEN 2   /* left to the stack; and what that asks its end announces a window (narrow.h) */
#define STATE_SPLICED 3 /* relayed */
#define STATE_DRAIN 4   /* relayed, but for windows: none is announced */
#define STATE_HOLD 5    /* dropped, while sockets are made anew: the stack would reset what has none */

#define OPTION_TIMESTAMPS 1
#define OPTION_SACK 2

/* What becomes of one way of a connection. As a flow, it isn't changed while packets may find it, but for its state, and
 * what the state that it has doesn't use. */
struct stream {
  struct flow flow;
  u32 pair; /* index of what is recorded of both ways */
  u8 state; /* STATE_… */
  u8 side;  /* its own half of the pair: 0 or 1 */
  u8 options; /* OPTION_… that the ends have agreed on */
  u8 scale; /* of windows that the sender announces */
  u8 scale_after; /* that the receiver expects */
  u8 zero[3];
  /* What is added, modulo 2^32. */
  u32 sequence_delta;
  u32 ack_delta; /* also to the edges of SACK */
  u32 value_delta; /* of timestamps */
  u32 echo_delta;
  u32 reach; /* how far beyond a window sequence numbers may be */
};

#define HALF_SEEN 1
#define HALF_FIN 2
#define HALF_RESET 4
#define HALF_TIMESTAMP 8

/* What one end has sent last, in its own numbers: before anything is added. */
struct half {
  u32 next;   /* the sequence number after its last byte */
  u32 acked;  /* its highest acknowledgement */
  u32 window; /* in bytes, behind it */
  u32 value;  /* its clock, of timestamps */
  u32 fin;    /* the sequence number after its FIN */
  u32 flags;  /* HALF_… */
};

struct pair {
  struct half halves[2];
};

SECTION(".stream-layout") const u32 stream_layout[] = {
  sizeof(struct stream), OFFSET(stream, pair), OFFSET(stream, state), OFFSET(stream, side), OFFSET(stream, options),
  OFFSET(stream, scale), OFFSET(stream, scale_after), OFFSET(stream, sequence_delta), OFFSET(stream, ack_delta),
  OFFSET(stream, value_delta), OFFSET(stream, echo_delta), OFFSET(stream, reach),
  sizeof(struct half), OFFSET(half, next), OFFSET(half, acked), OFFSET(half, window), OFFSET(half, value),
  OFFSET(half, fin), OFFSET(half, flags),
};

SECTION(".maps") struct map pairs = {0}; /* array: index -> pair; written by programs */

INLINE struct stream *find(const struct flow_key *key, u32 *slot) { return (struct stream *)find_flow(key, slot); }
