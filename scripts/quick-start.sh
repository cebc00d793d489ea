#!/usr/bin/env bash
# Runs a control plane and a proxy that takes its configuration from it; the first time it applies that of the quick start.
# Both end together. What they keep is in $L7MP_DATA_DIR.
# Job control gives each a process group of its own: a terminal's SIGINT comes here only, and ends them in order.
set -um
cd "$(dirname "$0")/.."
data=${L7MP_DATA_DIR:-.cache/quick-start}
mkdir -p "$data"
export L7MP_SERVER=127.0.0.1:1235

# What follows speaks to whoever is there: it must not be another one's control plane.
if (exec 3<> /dev/tcp/127.0.0.1/1235) 2> /dev/null; then
  echo "l7mp: expected the port 1235 of the control plane to be free, found somebody listening: another npm start?" >&2
  exit 1
fi

bin/l7mp controlplane --store "embedded:$data/store" --http 127.0.0.1:1236 --log-level warn &
controlplane=$!
bin/l7mp proxy --controlplane 127.0.0.1:1235 --id quick-start --state-dir "$data/proxy" &
proxy=$!
applying=
stopping=
stop() {
  [ -n "$stopping" ] || kill "$controlplane" "$proxy" $applying 2> /dev/null
  stopping=yes
}
trap stop INT TERM EXIT

# What was ever changed is left alone.
while ! history=$(bin/l7mp history --json 2> /dev/null); do
  kill -0 "$controlplane" 2> /dev/null || exit 1
  sleep 0.1
done
if [ "$history" = '[]' ]; then
  # The shell hears of signals at once while it waits, and otherwise only after what it runs.
  bin/l7mp apply -f examples/quick-start.yaml -m 'the quick start' --wait --timeout 20s >&2 &
  applying=$!
  wait "$applying"
  applying=
fi
# The proxy may have ended meanwhile: its own words are the last ones then.
kill -0 "$proxy" 2> /dev/null && cat >&2 <<'END'
Try in another terminal:
  bin/l7mp apply -f examples/tcp.yaml --wait
  bin/l7mp status
  echo hello | bin/l7mp pipe - tcp:127.0.0.1:16003
Or look at it in a browser:
  http://127.0.0.1:1236/
END

wait -n "$controlplane" "$proxy"
code=$?
stop
wait "$controlplane" "$proxy"
exit "$code"
