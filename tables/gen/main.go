// Gen writes the Go bindings of a P4 program.
//
//	go run ./tables/gen -p4info p4/nve.p4info.txtpb -package nve -o tables/nve
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/keyway-nve/keyway/tables/internal/bindgen"
)

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

func run(args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("gen", flag.ContinueOnError)
	flags.SetOutput(stderr)
	p4info := flags.String("p4info", "", "P4Info in protobuf text `file`")
	pkg := flags.String("package", "", "`name` of the Go package")
	out := flags.String("o", ".", "`directory` to write to")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *p4info == "" || *pkg == "" {
		fmt.Fprintln(stderr, "gen: -p4info and -package are needed")
		return 2
	}
	if err := generate(*p4info, *pkg, *out); err != nil {
		fmt.Fprintln(stderr, "gen:", err)
		return 1
	}
	return 0
}

func generate(p4info, pkg, out string) error {
	text, err := os.ReadFile(p4info)
	if err != nil {
		return err
	}
	info := new(p4configv1.P4Info)
	if err := prototext.Unmarshal(text, info); err != nil {
		return fmt.Errorf("%s: %w", p4info, err)
	}
	files, err := bindgen.Generate(info, bindgen.Options{Package: pkg, Source: filepath.Base(p4info)})
	if err != nil {
		return err
	}
	var errs []error
	for name, src := range files {
		errs = append(errs, os.WriteFile(filepath.Join(out, name), src, 0o644))
	}
	return errors.Join(errs...)
}
