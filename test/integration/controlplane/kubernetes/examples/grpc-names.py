"""`serve`: stands for moul/grpcbin, and answers every call with the name of its host. `call ADDRESS METHOD…`: prints answers."""

import socket
import sys
from concurrent import futures

import grpc


class Names(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: socket.gethostname().encode())


if sys.argv[1] == "serve":
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[Names()])
    server.add_insecure_port("0.0.0.0:9000")
    server.start()
    server.wait_for_termination()
else:
    address, *methods = sys.argv[2:]
    with grpc.insecure_channel(address) as channel:
        for method in methods:
            print(channel.unary_unary(method)(b"", timeout=10, wait_for_ready=True).decode())
