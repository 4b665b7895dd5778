// Command digest prints the digest of the P4 sources, for p4/Makefile to keep
// beside the artifacts that it made from them.
package main

import (
	"fmt"
	"os"

	"github.com/keyway-nve/keyway/p4"
)

func main() {
	d, err := p4.SourceDigest()
	if err != nil {
		fmt.Fprintln(os.Stderr, "digest:", err)
		os.Exit(1)
	}
	fmt.Print(d)
}
