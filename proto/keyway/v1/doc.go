// Package keywayv1 holds Keyway's own protobuf messages.
package keywayv1

//go:generate go build -trimpath -modfile=../../../.ci/tools.mod -o .plugins/ google.golang.org/protobuf/cmd/protoc-gen-go
//go:generate protoc --plugin=.plugins/protoc-gen-go -I ../.. --go_out=../.. --go_opt=paths=source_relative keyway/v1/capability.proto
//go:generate rm -r .plugins
