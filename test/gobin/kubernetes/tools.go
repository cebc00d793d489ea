// Package kubernetes pins what is built of other modules as it is, beside the commands under cmd.
package kubernetes

import _ "sigs.k8s.io/gateway-api/conformance"
