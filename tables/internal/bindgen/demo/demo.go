// Package demo holds the bindings of the program in tables/testdata, which has
// one of everything: the generator's tests compile and use them.
package demo

//go:generate go run ../../../gen -p4info ../../../testdata/demo.p4info.txtpb -package demo
