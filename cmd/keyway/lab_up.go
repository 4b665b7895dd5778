package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os/exec"
	"strings"
	"text/tabwriter"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/keyway-nve/keyway/testbed/lab"
	"github.com/keyway-nve/keyway/testbed/lab/bmv2"
	"github.com/keyway-nve/keyway/testbed/lab/veth"
)

// namespacePrefix is in front of the names of hosts and devices.
const namespacePrefix = "kw-"

type labUp struct {
	labPlace
	pcap    string
	output  string
	metrics string
}

func newLabUpCommand() *cobra.Command {
	var o labUp
	c := &cobra.Command{
		Use:   "up NAME|FILE",
		Short: "Bring a lab up and keep it, with hosts in network namespaces to be used",
		Long: `Brings a lab up without its scenario and keeps it until it is interrupted. Each
host is a network namespace with an interface that has the endpoint's MAC and
addresses, each device one with an interface for each port, joined by veth
pairs; what crosses them goes through the P4 programs. It needs root.

Network namespaces are called ` + namespacePrefix + `NAME, for hosts and devices alike. They go when the
lab goes; if it was killed, with the next lab that is brought up.`,
		Example: `  keyway lab up geneve-options
  ip netns exec kw-vm-leaf ping 172.16.0.2
  ip netns exec kw-spine tcpdump -ni port1`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return o.run(c, args[0]) },
	}
	c.Flags().StringVar(&o.pcap, "pcap", "", "write what crosses the wires to `DIR`, as pcapng")
	c.Flags().StringVarP(&o.output, "output", "o", "table", "`FORMAT` of what is said when the lab is up: table or json")
	c.Flags().StringVar(&o.metrics, "metrics", "", "serve Prometheus metrics of the NVAs at http://`ADDR`/metrics")
	o.labPlace.flags(c)
	return c
}

func (o *labUp) run(c *cobra.Command, name string) (err error) {
	if o.output != "table" && o.output != "json" {
		return usageError(c, fmt.Errorf("output format %q is neither table nor json", o.output))
	}
	if err := o.check(c); err != nil {
		return err
	}
	l, err := openLab(name)
	if err != nil {
		return badInput{err}
	}
	panel, err := veth.NewPanel(veth.Options{Prefix: namespacePrefix, Log: o.logger})
	if err != nil {
		return fmt.Errorf("lab %s: %w", l.Name, err)
	}
	defer func() { err = errors.Join(err, panel.Close()) }()
	world := o.world(panel, "127.0.0.1:0")
	if w, ok := world.(*bmv2.World); ok {
		w.Unpaced = true // nobody waits for what others send
	}
	shown := &shownWorld{World: world, registry: prometheus.NewRegistry(), p4runtime: map[string]string{}}
	metrics := ""
	if o.metrics != "" {
		address, stop, err := serveMetrics(o.metrics, shown.registry, o.logger)
		if err != nil {
			return err
		}
		defer stop()
		metrics = fmt.Sprintf("http://%v/metrics", address)
	}
	return lab.Up(c.Context(), l, shown, lab.Options{Hosts: panel, PcapDir: o.pcap}, func() error {
		up := newUpReport(l, o.target, panel, shown.p4runtime)
		up.Metrics = metrics
		if o.output == "json" {
			e := json.NewEncoder(c.OutOrStdout())
			e.SetIndent("", "  ")
			return e.Encode(up)
		}
		return up.writeTable(c.OutOrStdout())
	})
}

// shownWorld registers what its NVAs count, and knows where its devices' P4Runtime servers listen.
type shownWorld struct {
	lab.World
	registry  *prometheus.Registry
	p4runtime map[string]string
}

// StartDevice implements [lab.World].
func (w *shownWorld) StartDevice(ctx context.Context, spec lab.DeviceSpec, transmit func(uint32, []byte)) (lab.Device, error) {
	d, err := w.World.StartDevice(ctx, spec, transmit)
	if x, ok := d.(interface{ P4RuntimeAddress() string }); err == nil && ok {
		w.p4runtime[spec.Name] = x.P4RuntimeAddress()
	}
	return d, err
}

// StartController implements [lab.World].
func (w *shownWorld) StartController(ctx context.Context, spec lab.ControllerSpec) (lab.Controller, error) {
	c, err := w.World.StartController(ctx, spec)
	if m, ok := c.(interface{ Collector() prometheus.Collector }); err == nil && ok {
		err = prometheus.WrapRegistererWith(prometheus.Labels{"authority": spec.Name}, w.registry).Register(m.Collector())
	}
	return c, err
}

// upReport is what keyway lab up says: who is there, and how to get in.
type upReport struct {
	Lab     string     `json:"lab"`
	Target  string     `json:"target"`
	Hosts   []upHost   `json:"hosts"`
	Devices []upDevice `json:"devices"`
	Metrics string     `json:"metrics,omitempty"`
}

type upHost struct {
	veth.Guest
	VirtualNetwork string `json:"virtualNetwork"`
	Port           string `json:"port"` // device/port
	Enter          string `json:"enter"`
}

type upDevice struct {
	Name       string   `json:"name"`
	Role       string   `json:"role"`
	Namespace  string   `json:"namespace"`
	P4Runtime  string   `json:"p4runtime,omitempty"` // address
	Interfaces []string `json:"interfaces"`
}

func newUpReport(l *lab.Lab, target string, panel *veth.Panel, p4runtime map[string]string) upReport {
	up := upReport{Lab: l.Name, Target: target}
	for _, g := range panel.Guests() {
		e, _ := l.Intent.Endpoint(g.Endpoint)
		up.Hosts = append(up.Hosts, upHost{g, e.VirtualNetwork, fmt.Sprintf("%s/%d", e.Device, e.Port), "ip netns exec " + g.Namespace + " sh"})
	}
	for _, d := range l.Intent.Devices {
		ports := panel.Ports(d.Name)
		if ports == nil {
			continue // a peer is a program of others, with interfaces of its own
		}
		x := upDevice{Name: d.Name, Role: d.Role.String(), Namespace: namespacePrefix + d.Name, P4Runtime: p4runtime[d.Name]}
		for _, p := range ports {
			x.Interfaces = append(x.Interfaces, veth.PortName(p))
		}
		up.Devices = append(up.Devices, x)
	}
	return up
}

func (up upReport) writeTable(w io.Writer) error {
	fmt.Fprintf(w, "lab %s is up on %s; interrupt to take it down\n\n", up.Lab, up.Target)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "HOST\tNAMESPACE\tADDRESSES\tMAC\tMTU\tVN\tPORT")
	for _, h := range up.Hosts {
		fmt.Fprintf(t, "%s\t%s\t%s\t%v\t%d\t%s\t%s\n", h.Endpoint, h.Namespace, list(h.Addresses), h.MAC, h.MTU, h.VirtualNetwork, h.Port)
	}
	fmt.Fprintln(t, "\nDEVICE\tNAMESPACE\tP4RUNTIME\tINTERFACES")
	for _, d := range up.Devices {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", d.Name, d.Namespace, d.P4Runtime, strings.Join(d.Interfaces, " "))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if up.Metrics != "" {
		fmt.Fprintf(w, "\nmetrics: %s\n", up.Metrics)
	}
	from, to, dst, ok := up.pair()
	if !ok {
		return nil
	}
	fmt.Fprintf(w, "\nfor example:\n  ip netns exec %s ping %v\n", from.Namespace, dst)
	if _, err := exec.LookPath("iperf3"); err == nil {
		fmt.Fprintf(w, "  ip netns exec %s iperf3 -s -1 &\n  ip netns exec %s iperf3 -c %v\n", to.Namespace, from.Namespace, dst)
	}
	for _, d := range up.Devices[:min(1, len(up.Devices))] {
		fmt.Fprintf(w, "  ip netns exec %s tcpdump -ni %s\n", d.Namespace, d.Interfaces[0])
	}
	return nil
}

// pair returns two hosts that can talk, and the address by which the first one reaches the second.
func (up upReport) pair() (from, to upHost, dst netip.Addr, ok bool) {
	for _, from := range up.Hosts {
		for _, to := range up.Hosts {
			if from.Endpoint == to.Endpoint || from.VirtualNetwork != to.VirtualNetwork {
				continue
			}
			for _, a := range from.Addresses {
				for _, b := range to.Addresses {
					if a.Is4() == b.Is4() {
						return from, to, b, true
					}
				}
			}
		}
	}
	return upHost{}, upHost{}, netip.Addr{}, false
}

func list(addresses []netip.Addr) string {
	var b strings.Builder
	for i, a := range addresses {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(a.String())
	}
	return b.String()
}
