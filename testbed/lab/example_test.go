package lab_test

import (
	"context"
	"fmt"
	"os"

	"github.com/keyway-nve/keyway/testbed/lab"
)

// A lab is parsed and run; the report is for people or for programs.
func ExampleRun() {
	l, err := lab.Parse("two.yaml", []byte(twoHosts+`
  - name: vm1 talks to vm2
    send: [{from: vm1, to: vm2, count: 10}]
    expect:
      tunnels: [{from: a, to: b, encapsulation: nvgre, packets: 10}]
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	report := lab.Run(context.Background(), l, newIdeal(), lab.Options{})
	for i := range report.Steps {
		report.Steps[i].Seconds = 0
	}
	report.Seconds = 0
	if err := lab.NewReport(report).WriteTable(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// ok   two: two hosts on two NVEs (0.0s)
	//   ok   bring up
	//          2 devices, 3 hosts, 1 controller: in sync
	//   ok   vm1 talks to vm2
	//          sent     vm1 to vm2  10 frames
	//          arrived  vm1 at vm2  10 frames
	//          tunnel   a -> b      10 packets  red  nvgre over ipv4
	//     ok   frames of vm1 at vm2  want 10  have 10
	//     ok   packets a -> b nvgre  want 10  have 10
	//
	// 1 lab, all expectations met
}

// All mistakes are told at once.
func ExampleParse() {
	_, err := lab.Parse("two.yaml", []byte(twoHosts+`
  - name: vm1 talks to vm4
    send: [{from: vm1, to: vm4, cuont: 10}]
`))
	fmt.Println(err)
	// Output:
	// two.yaml:18:28: scenario[0].send[0].to: no endpoint is named "vm4"
	// two.yaml:18:33: scenario[0].send[0].cuont: unknown field; did you mean count?
}
