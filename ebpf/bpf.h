/* What programs of the kernel's packet path need of it (uapi/linux/bpf.h), so that no header but the compiler's is. */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SECTION(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))

/* Up to the field that is read last. */
struct __sk_buff {
  u32 len;
  u32 pkt_type;
  u32 mark;
  u32 queue_mapping;
  u32 protocol;
  u32 vlan_present;
  u32 vlan_tci;
  u32 vlan_proto;
  u32 priority;
  u32 ingress_ifindex;
  u32 ifindex;
  u32 tc_index;
  u32 cb[5];
  u32 hash;
  u32 tc_classid;
  u32 data;
  u32 data_end;
  u32 napi_id;
  u32 family;
  u32 remote_ip4;
  u32 local_ip4;
  u32 remote_ip6[4];
  u32 local_ip6[4];
  u32 remote_port;
  u32 local_port;
  u32 data_meta;
  u64 flow_keys;
  u64 tstamp;
  u32 wire_len;
  u32 gso_segs;
  u64 sk;
  u32 gso_size;
};

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_map_update_elem)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
static u32 (*bpf_get_prandom_u32)(void) = (void *)7;
static long (*bpf_skb_store_bytes)(struct __sk_buff *, u32 offset, const void *from, u32 length, u64 flags) = (void *)9;
static long (*bpf_l4_csum_replace)(struct __sk_buff *, u32 offset, u64 from, u64 to, u64 flags) = (void *)11;
static long (*bpf_tail_call)(struct __sk_buff *, void *map, u32 index) = (void *)12;
static long (*bpf_redirect)(u32 ifindex, u64 flags) = (void *)23;
static long (*bpf_csum_diff)(u32 *from, u32 from_size, u32 *to, u32 to_size, u32 seed) = (void *)28;
static long (*bpf_skb_change_proto)(struct __sk_buff *, u16 protocol, u64 flags) = (void *)31;
static long (*bpf_skb_pull_data)(struct __sk_buff *, u32 length) = (void *)39;
static long (*bpf_csum_update)(struct __sk_buff *, u32 sum) = (void *)40;
static long (*bpf_skb_load_bytes)(const struct __sk_buff *, u32 offset, void *to, u32 length) = (void *)26;
static u32 (*bpf_get_socket_uid)(struct __sk_buff *) = (void *)47;
static u64 (*bpf_skb_cgroup_id)(struct __sk_buff *) = (void *)79;
static u64 (*bpf_ktime_get_coarse_ns)(void) = (void *)160;

#define BPF_ANY 0
#define BPF_NOEXIST 1
#define BPF_F_INGRESS 1
#define BPF_F_PSEUDO_HDR 0x10
#define BPF_F_MARK_MANGLED_0 0x20

#define TC_ACT_UNSPEC -1 /* the next program's, or the stack's */
#define TC_ACT_OK 0
#define TC_ACT_SHOT 2

#define PACKET_HOST 0
#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17

/* Both ways. The target is little-endian: build with -target bpfel. */
#define htons(value) ((u16)__builtin_bswap16(value))
