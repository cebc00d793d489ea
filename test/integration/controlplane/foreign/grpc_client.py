"""gRPC's C-core client: calls who answers at a target as often as it is told, in lines of JSON."""
import json
import sys

import grpc

channels = {}
for line in sys.stdin:
    command = json.loads(line)
    target = command["target"]
    if target not in channels:
        channels[target] = grpc.insecure_channel(target)
    call = channels[target].unary_unary("/test.Who/Am")
    answers, failures = {}, []
    for _ in range(command["times"]):
        try:
            name = call(b"", timeout=10).decode()
            answers[name] = answers.get(name, 0) + 1
        except grpc.RpcError as error:
            failures.append(f"{error.code().name}: {error.details()}")
    print(json.dumps({"event": "called", "answers": answers, "failures": failures}), flush=True)
