package manifest_test

import (
	"fmt"

	"github.com/keyway-nve/keyway/proto/manifest"
)

// Whoever validates a decoded value names a path, and the reader gets line and column.
func ExampleDocument_Errorf() {
	var list struct {
		VLANs []struct {
			Number uint16 `yaml:"number,required"`
		} `yaml:"vlans"`
	}
	doc, err := manifest.Parse("vlans.yaml", []byte("vlans:\n  - number: 10\n  - number: 5000\n  - nubmer: 7\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	doc.Decode(&list)
	for i, v := range list.VLANs {
		if v.Number < 1 || v.Number > 4094 {
			doc.Errorf(manifest.Index("vlans", i)+".number", "%d is not a VLAN", v.Number)
		}
	}
	fmt.Println(doc.Err())
	// Output:
	// vlans.yaml:3:13: vlans[1].number: 5000 is not a VLAN
	// vlans.yaml:4:5: vlans[2].nubmer: unknown field; did you mean number?
	// vlans.yaml:4:5: vlans[2].number: missing
}
