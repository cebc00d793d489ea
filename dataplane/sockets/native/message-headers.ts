/** How the kernel wants messages described, on 64 bits: `struct mmsghdr`, `iovec`, `cmsghdr` (man 2 recvmmsg, man 3 cmsg). */

/** `struct mmsghdr`: a `struct msghdr`, and the number of bytes that were received or sent. */
export const MESSAGE = { size: 64, length: 56 } as const;

/** Where the fields of `struct msghdr` stand. */
export const HEADER = {
  size: 56,
  name: 0,
  nameLength: 8,
  vectors: 16,
  vectorCount: 24,
  control: 32,
  controlLength: 40,
  flags: 48,
} as const;

/** `struct iovec`. */
export const VECTOR = { size: 16, base: 0, length: 8 } as const;

/** `struct cmsghdr`; its data follow. */
export const CONTROL = { size: 16, length: 0, level: 8, type: 12 } as const;

/** Room for one name: `struct sockaddr_in6`, and what aligns it. */
export const NAME_SIZE = 32;
