"""Many TCP sessions at once. Prints a line at each stage, and goes on when it reads one.

usage: clients.py PORT COUNT
  open N      N connections are open
  echoed N    each has got back its own message, all of them being under way at once
"""
import resource, select, socket, sys

port, count = int(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
sockets = [socket.create_connection(('127.0.0.1', port), 10) for _ in range(count)]
print('open', len(sockets), flush=True)

for line in sys.stdin:
    for number, each in enumerate(sockets):
        each.sendall(b'%06d %s' % (number, line.encode()))
    right = 0
    for number, each in enumerate(sockets):
        expected, got = b'%06d %s' % (number, line.encode()), b''
        while len(got) < len(expected):
            chunk = each.recv(1024)
            if not chunk:
                break
            got += chunk
        right += got == expected
    # Nothing more may have come.
    poll = select.poll()
    for each in sockets:
        poll.register(each, select.POLLIN)
    print('echoed', right - len(poll.poll(0)), flush=True)
