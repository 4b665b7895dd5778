// Package bm holds the packet service of bmv2's simple_switch_grpc.
package bm

//go:generate protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative dataplane_interface.proto
