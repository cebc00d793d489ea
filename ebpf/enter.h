/* What is attached where programs can not be by links. Who includes it has a map `programs`. */
#pragma once
#include "headers.h"

/* Where programs stay attached though their process is gone (clsact): `programs` is emptied then, and nothing happens here. */
SECTION("tc/enter") int enter(struct __sk_buff *skb) {
  bpf_tail_call(skb, &programs, 0);
  return PASS;
}
