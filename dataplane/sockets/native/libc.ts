/** The system calls that Node.js has no words for (man 2), through koffi. Loaded by those protocols only that need them. */
import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import koffi from 'koffi';
import { type ErrorCode, ProxyError } from '../../../common/errors.ts';

/** Those that share the numbers and layouts below (asm-generic; struct epoll_event alone differs). */
const ARCHITECTURES: readonly string[] = ['arm64', 'loong64', 'riscv64', 'x64'];

if (process.platform !== 'linux' || !ARCHITECTURES.includes(process.arch)) {
  throw new ProxyError(
    'UNSUPPORTED',
    `system calls: expected Linux on ${ARCHITECTURES.join(', ')}, found ${process.platform} on ${process.arch}`,
  );
}

// The C library that Node.js itself runs with, be it glibc or musl.
const libc = koffi.load(null);

type Argument = number | bigint | string | Buffer | null;
type Call = ((...args: Argument[]) => number) & {
  async(...args: [...Argument[], (error: Error | null, result: number) => void]): void;
};

function call(signature: string): Call {
  return libc.func(signature);
}

const calls = {
  accept4: call('int accept4(int fd, void *address, void *length, int flags)'),
  bind: call('int bind(int fd, void *address, uint32_t length)'),
  close: call('int close(int fd)'),
  connect: call('int connect(int fd, void *address, uint32_t length)'),
  epoll_create1: call('int epoll_create1(int flags)'),
  epoll_ctl: call('int epoll_ctl(int epoll, int operation, int fd, void *event)'),
  epoll_wait: call('int epoll_wait(int epoll, void *events, int count, int timeout)'),
  flock: call('int flock(int fd, int operation)'),
  eventfd: call('int eventfd(uint32_t value, int flags)'),
  getpeername: call('int getpeername(int fd, void *address, void *length)'),
  getsockname: call('int getsockname(int fd, void *address, void *length)'),
  getsockopt: call('int getsockopt(int fd, int level, int name, void *value, void *length)'),
  if_nametoindex: call('uint32_t if_nametoindex(const char *name)'),
  inotify_add_watch: call('int inotify_add_watch(int fd, const char *path, uint32_t mask)'),
  inotify_init1: call('int inotify_init1(int flags)'),
  ioctl: call('int ioctl(int fd, unsigned long request, void *argument)'),
  listen: call('int listen(int fd, int backlog)'),
  mkfifo: call('int mkfifo(const char *path, uint32_t mode)'),
  poll: call('int poll(void *fds, unsigned long count, int timeout)'),
  read: call('intptr_t read(int fd, void *data, size_t length)'),
  recvmmsg: call('int recvmmsg(int fd, uintptr_t messages, uint32_t count, int flags, void *timeout)'),
  recvmsg: call('intptr_t recvmsg(int fd, uintptr_t header, int flags)'),
  send: call('intptr_t send(int fd, const void *data, size_t length, int flags)'),
  sendmmsg: call('int sendmmsg(int fd, uintptr_t messages, uint32_t count, int flags)'),
  sendto: call('intptr_t sendto(int fd, const void *data, size_t length, int flags, void *address, uint32_t size)'),
  setsockopt: call('int setsockopt(int fd, int level, int name, void *value, uint32_t length)'),
  shutdown: call('int shutdown(int fd, int how)'),
  socket: call('int socket(int domain, int type, int protocol)'),
  usleep: call('int usleep(uint32_t microseconds)'),
  write: call('intptr_t write(int fd, void *data, size_t length)'),
};

// socket(2), from linux/socket.h, linux/net.h, asm-generic/socket.h
export const AF_UNIX = 1;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_SEQPACKET = 5;
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_ERROR = 4;
export const SO_SNDBUF = 7;
export const SO_LINGER = 13;
export const SO_PASSCRED = 16;
export const SO_PEERCRED = 17;
export const SO_SNDBUFFORCE = 32;
export const SHUT_WR = 1;
export const MSG_TRUNC = 0x20;
export const MSG_EOR = 0x80;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

// flock(2), from asm-generic/fcntl.h
const LOCK_EX = 2;
const LOCK_NB = 4;

// epoll(7), from uapi/linux/eventpoll.h
export const EPOLLIN = 0x1;
export const EPOLLOUT = 0x4;
export const EPOLLERR = 0x8;
export const EPOLLHUP = 0x10;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;

export const { EACCES, EAGAIN, ECONNABORTED, ECONNREFUSED, ECONNRESET, EEXIST, EINPROGRESS, EINTR, EINVAL } =
  constants.errno;
export const { EADDRINUSE, EMFILE, EMSGSIZE, ENETDOWN, ENFILE, ENODEV, ENOENT } = constants.errno;
export const { ENXIO, EPERM, EPIPE, EPROTONOSUPPORT } = constants.errno;
/** Node.js has no constant for it (asm-generic/errno.h). */
export const ESOCKTNOSUPPORT = 94;

/** A system call's failure: `what: no such file or directory (ENOENT)`. `fallback`: the code where errno says nothing. */
export function systemError(what: string, errno: number, fallback: ErrorCode = 'INTERNAL'): ProxyError {
  const [code, message] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'system error'];
  const cause = Object.assign(new Error(`${what}: ${message} (${code})`), { code, errno });
  return ProxyError.from(cause, fallback);
}

/** The errno of a failure by `systemError`. */
export function errnoOf(error: unknown): number | undefined {
  const cause = error instanceof ProxyError ? (error.cause as { errno?: unknown } | undefined) : undefined;
  return typeof cause?.errno === 'number' ? cause.errno : undefined;
}

/** What the call gave, or its errno, negative. */
function resultOf(result: number): number {
  return result >= 0 ? result : -koffi.errno();
}

function check(what: string, result: number): number {
  if (result >= 0) return result;
  throw systemError(what, koffi.errno());
}

// Calls that are expected to fail give a negative errno; the others throw a ProxyError.

/** A socket that doesn't block and isn't inherited. */
export function socket(domain: number, type: number, protocol = 0): number {
  return check('socket', calls.socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
}

/** `where`: as the error shall show it. */
export function bind(fd: number, address: Buffer, where: string): void {
  check(`bind ${where}`, calls.bind(fd, address, address.length));
}

/** 0, or a negative errno: -EINPROGRESS, -EAGAIN (a UNIX socket's backlog is full), … */
export function connect(fd: number, address: Buffer): number {
  return resultOf(calls.connect(fd, address, address.length));
}

/** Has the file, or folder, for itself until the descriptor is closed: 0, or a negative errno (-EAGAIN: somebody else has it). */
export function lockFile(fd: number): number {
  return resultOf(calls.flock(fd, LOCK_EX | LOCK_NB));
}

export function listen(fd: number, backlog: number): void {
  check('listen', calls.listen(fd, backlog));
}

/** The descriptor of a connection that doesn't block and isn't inherited, or a negative errno. */
export function accept(fd: number): number {
  return resultOf(calls.accept4(fd, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

/** The bytes of the socket's own address. */
export function getSocketName(fd: number): Buffer {
  return readName('getsockname', fd);
}

/** The bytes of its peer's. */
export function getPeerName(fd: number): Buffer {
  return readName('getpeername', fd);
}

function readName(name: 'getpeername' | 'getsockname', fd: number): Buffer {
  const address = Buffer.alloc(128); // struct sockaddr_storage
  const length = int32(address.length);
  check(name, calls[name](fd, address, length));
  return address.subarray(0, length.readInt32LE());
}

/** A number that the descriptor tells of itself (ioctl(2)). */
export function askDescriptor(fd: number, request: number): number {
  const answer = Buffer.alloc(4);
  check('ioctl', calls.ioctl(fd, request, answer));
  return answer.readInt32LE();
}

export function setOption(fd: number, level: number, name: number, value: number | Buffer): void {
  const bytes = typeof value === 'number' ? int32(value) : value;
  check('setsockopt', calls.setsockopt(fd, level, name, bytes, bytes.length));
}

export function getOption(fd: number, level: number, name: number, length = 4): Buffer {
  const value = Buffer.alloc(length);
  check('getsockopt', calls.getsockopt(fd, level, name, value, int32(length)));
  return value;
}

/** `header`: where a `struct msghdr` stands. The message's length, or a negative errno. */
export function recvmsg(fd: number, header: number, flags: number): number {
  return resultOf(calls.recvmsg(fd, header, flags | MSG_DONTWAIT));
}

/** `messages`: where an array of `struct mmsghdr` stands. The number of messages received, or a negative errno. */
export function recvmmsg(fd: number, messages: number, count: number): number {
  return resultOf(calls.recvmmsg(fd, messages, count, MSG_DONTWAIT, null));
}

/** As recvmmsg. Fewer messages than asked for: the next one failed, and fails with its errno when it is sent first. */
export function sendmmsg(fd: number, messages: number, count: number): number {
  return resultOf(calls.sendmmsg(fd, messages, count, MSG_DONTWAIT | MSG_NOSIGNAL));
}

/** The number of bytes taken, or a negative errno. */
export function send(fd: number, data: Buffer): number {
  return resultOf(calls.send(fd, data, data.length, MSG_DONTWAIT | MSG_NOSIGNAL));
}

/** The number of bytes taken, or a negative errno. */
export function sendTo(fd: number, data: Buffer, address: Buffer): number {
  return resultOf(calls.sendto(fd, data, data.length, MSG_DONTWAIT | MSG_NOSIGNAL, address, address.length));
}

/** 0, or a negative errno: what can't be shut down is gone already. */
export function shutdown(fd: number, how: number): number {
  return resultOf(calls.shutdown(fd, how));
}

export function close(fd: number): void {
  calls.close(fd);
}

/** The number of bytes read, or a negative errno. */
export function read(fd: number, data: Buffer): number {
  return resultOf(calls.read(fd, data, data.length));
}

/** Whether the other side is gone: POLLHUP of poll(2). */
export function hasHungUp(fd: number): boolean {
  const entry = Buffer.alloc(8); // struct pollfd: int fd; short events, revents
  entry.writeInt32LE(fd);
  return calls.poll(entry, 1, 0) > 0 && (entry.readInt16LE(6) & EPOLLHUP) !== 0;
}

/** The number of bytes written, or a negative errno. */
export function write(fd: number, data: Buffer): number {
  return resultOf(calls.write(fd, data, data.length));
}

export function epollCreate(): number {
  return check('epoll_create1', calls.epoll_create1(SOCK_CLOEXEC));
}

export function epollControl(epoll: number, operation: number, fd: number, event: Buffer | null): void {
  check('epoll_ctl', calls.epoll_ctl(epoll, operation, fd, event));
}

/** What is ready now: the number of events, or a negative errno. */
export function epollPoll(epoll: number, events: Buffer, count: number): number {
  return resultOf(calls.epoll_wait(epoll, events, count, 0));
}

/** Waits in a thread of the pool. `events` must live until `done` is called; a negative number of them is a failure. */
export function epollWait(epoll: number, events: Buffer, count: number, done: (events: number) => void): void {
  calls.epoll_wait.async(epoll, events, count, -1, (error, result) => {
    done(error === null ? result : -1);
  });
}

/** A counter that wakes whoever polls it. */
export function eventCounter(): number {
  return check('eventfd', calls.eventfd(0, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

export function inotifyCreate(): number {
  return check('inotify_init1 (fs.inotify.max_user_instances)', calls.inotify_init1(SOCK_NONBLOCK | SOCK_CLOEXEC));
}

export function inotifyAdd(fd: number, path: string, mask: number): void {
  check(`inotify_add_watch ${path}`, calls.inotify_add_watch(fd, path, mask));
}

/** Makes a named pipe, as the umask allows. 0, or a negative errno. */
export function makeFifo(path: string): number {
  return resultOf(calls.mkfifo(path, 0o666));
}

/** The index of a network interface; 0 where there is none of this name. */
export function interfaceIndex(name: string): number {
  return calls.if_nametoindex(name);
}

/** Puts the thread to sleep, below a second, for what no timer of the event loop is fine enough. */
export function rest(ms: number): void {
  calls.usleep(Math.round(ms * 1000));
}

/** Where a buffer stands in memory. It must be kept as long as the address is used. */
export function addressOf(buffer: Buffer): number {
  return Number(koffi.address(buffer));
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}
