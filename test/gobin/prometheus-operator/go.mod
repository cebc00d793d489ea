// Where the definitions of monitors and rules come from: nothing of it is built.
module gobin/prometheus-operator

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.85.0
