// Package yang holds the YANG modules of Keyway. What ygot makes of them is in the packages below.
//
// keyway-nve-capabilities.yang is the capability of one NVE, after the conventions of OpenConfig: state in containers of that name, lists
// in containers of their own, keys that refer to state. It stands alone; openconfig/ has the module that puts the same tree under an
// integrated circuit of openconfig-platform, which can only be read beside the public OpenConfig models: a test does so with yanglint if
// KEYWAY_OPENCONFIG_MODELS is the path of a copy of github.com/openconfig/public.
package yang

import _ "embed"

//go:generate mkdir -p nvecaps
//go:generate go run -trimpath -modfile=../../.ci/tools.mod github.com/openconfig/ygot/generator -package_name=nvecaps -output_file=nvecaps/nvecaps.go -generate_fakeroot -fakeroot_name=root -compress_paths -prefer_operational_state -generate_simple_unions -typedef_enum_with_defmod -enum_suffix_for_simple_union_enums -shorten_enum_leaf_names keyway-nve-capabilities.yang
//go:generate gofmt -w nvecaps/nvecaps.go

const (
	// Module is the name of the module, and the prefix of its names in JSON (RFC 7951 §4).
	Module = "keyway-nve-capabilities"
	// Organization is the one that the module gives.
	Organization = "Keyway"
	// Version is the module's, by semantic versioning as OpenConfig has it. Another major version means other things by the same names.
	Version = "1.0.0"
)

// Source is the text of the module.
//
//go:embed keyway-nve-capabilities.yang
var Source string
