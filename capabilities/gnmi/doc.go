// Package gnmi carries capabilities over gNMI, in the tree of keyway-nve-capabilities.yang.
//
// [Marshal] and [Unmarshal] are the codec: a capability as JSON after RFC 7951. [Server] serves the capabilities of one device or of a
// fleet; [Client] asks for one and follows its changes.
package gnmi
