// Command oci-registry serves an OCI 1.1 registry from memory, for the tests: unlike docker-registry 2.8 it has the
// referrers API. The registry is that of cuelabs.dev/go/oci/ociregistry; here is only its address.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"

	"cuelabs.dev/go/oci/ociregistry/ocimem"
	"cuelabs.dev/go/oci/ociregistry/ociserver"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stderr, "listening on", listener.Addr())
	fmt.Fprintln(os.Stderr, http.Serve(listener, ociserver.New(ocimem.New(), nil)))
	os.Exit(1)
}
