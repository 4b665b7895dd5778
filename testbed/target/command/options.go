package command

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// options are the command line of simple_switch_grpc.
type options struct {
	// general, before "--"
	interfaces   []string
	pcap         string
	deviceID     uint64
	logConsole   bool
	logFile      string
	logLevel     string
	logFlush     bool
	dumpPackets  uint64
	noP4         bool
	version      bool
	jsonVersion  bool
	unsupported  unsupported
	json         string
	ports        []attachment
	ignored      []string // options that were given and have no effect
	general, own *pflag.FlagSet

	// of the target, after "--"
	grpcAddress      string
	tls              bool
	caCert           string
	cert             string
	key              string
	clientAuth       bool
	cpuPort          uint32
	dropPort         uint32
	dataplaneAddress string
	priorityQueues   uint
	gnmiAddress      string
	gnmiName         string
	gnmiProfile      string
}

// unsupported are options of bmv2 that would need a part of bmv2 that this
// target does not have.
type unsupported struct {
	useFiles     int
	packetIn     string
	restoreState string
}

// attachment is an interface that is to be a port: PORT@INTERFACE.
type attachment struct {
	port uint32
	name string
}

// generalFlags are bmv2's options.
func (o *options) generalFlags() *pflag.FlagSet {
	f := pflag.NewFlagSet("general", pflag.ContinueOnError)
	f.StringArrayVarP(&o.interfaces, "interface", "i", nil, "attach network interface `PORT@IFACE` as a port; may be given several times")
	f.StringVar(&o.pcap, "pcap", "", "write IFACE_in.pcap and IFACE_out.pcap of each interface, into `DIR` if one is given")
	f.Lookup("pcap").NoOptDefVal = "."
	f.Uint64Var(&o.deviceID, "device-id", 0, "P4Runtime device `ID`")
	f.BoolVar(&o.logConsole, "log-console", false, "log to standard output")
	f.StringVar(&o.logFile, "log-file", "", "log to `FILE`")
	f.StringVarP(&o.logLevel, "log-level", "L", "trace", "log `LEVEL`: trace, debug, info, warn, error, off")
	f.BoolVar(&o.logFlush, "log-flush", false, "with --log-file: flush after every message")
	f.Uint64Var(&o.dumpPackets, "dump-packet-data", 0, "log that many `BYTES` of each frame that arrives or leaves")
	f.BoolVar(&o.noP4, "no-p4", false, "start without a program; P4Runtime will bring it")
	f.BoolVarP(&o.version, "version", "v", false, "print the version")
	f.BoolVar(&o.jsonVersion, "json-version", false, "print the version of bmv2's JSON that programs may have")
	f.IntVar(&o.unsupported.useFiles, "use-files", 0, "not supported")
	f.StringVar(&o.unsupported.packetIn, "packet-in", "", "not supported")
	f.StringVar(&o.unsupported.restoreState, "restore-state", "", "not supported")
	// These change nothing that a client of the switch could see.
	for _, name := range []string{"thrift-port", "nanolog", "notifications-addr", "debugger-addr", "max-port-count",
		"log-file-max-size", "log-file-max-files"} {
		f.String(name, "", "accepted and ignored")
	}
	f.Bool("debugger", false, "accepted and ignored")
	return f
}

// targetFlags are the options that simple_switch_grpc adds.
func (o *options) targetFlags() *pflag.FlagSet {
	f := pflag.NewFlagSet("target", pflag.ContinueOnError)
	f.StringVar(&o.grpcAddress, "grpc-server-addr", "0.0.0.0:9559", "P4Runtime server `ADDRESS`")
	f.BoolVar(&o.tls, "grpc-server-ssl", false, "enable TLS for the P4Runtime server")
	f.StringVar(&o.caCert, "grpc-server-cacert", "", "PEM `FILE` with the CA certificate to verify clients against")
	f.StringVar(&o.cert, "grpc-server-cert", "", "PEM `FILE` with the server certificate")
	f.StringVar(&o.key, "grpc-server-key", "", "PEM `FILE` with the server key")
	f.BoolVar(&o.clientAuth, "grpc-server-with-client-auth", false, "require clients to have a certificate")
	f.Uint32Var(&o.cpuPort, "cpu-port", 0, "`PORT` for packet-in and packet-out; without it there is no packet I/O")
	f.Uint32Var(&o.dropPort, "drop-port", 511, "`PORT` that means drop")
	f.StringVar(&o.dataplaneAddress, "dp-grpc-server-addr", "", "serve frames of all ports by gRPC (p4.bm.DataplaneInterface) on `ADDRESS`")
	f.UintVar(&o.priorityQueues, "priority-queues", 1, "`NUMBER` of priority queues")
	// These bmv2 does not have.
	f.StringVar(&o.gnmiAddress, "gnmi-server-addr", "", "say over gNMI on `ADDRESS` what the device can do with Geneve options")
	f.StringVar(&o.gnmiName, "gnmi-name", "", "`NAME` of the device; without it, device-ID")
	f.StringVar(&o.gnmiProfile, "gnmi-profile", "", "pose as a product: `NAME` of a shipped profile (keyway profiles list) or a file")
	for _, name := range []string{"max-mc-groups", "max-l1-entries", "max-l2-entries", "load-modules"} {
		f.String(name, "", "accepted and ignored")
	}
	f.Bool("disable-swap", false, "accepted and ignored")
	return f
}

// ignoredUsage marks flags that parse and do nothing.
const ignoredUsage = "accepted and ignored"

// parse reads a command line as bmv2 does: general options and the JSON file,
// then "--", then the options of the target. All faults are reported at once,
// as far as the line can be parsed.
func parse(args []string) (*options, error) {
	o := &options{}
	o.general, o.own = o.generalFlags(), o.targetFlags()
	general, own := args, []string(nil)
	if i := slices.Index(args, "--"); i >= 0 {
		general, own = args[:i], args[i+1:]
	}
	for _, f := range []*pflag.FlagSet{o.general, o.own} {
		f.SetNormalizeFunc(prefixes(f))
		f.Usage = func() {}
	}
	if err := o.general.Parse(joinPcap(general)); err != nil {
		return o, err
	}
	if err := o.own.Parse(own); err != nil {
		return o, fmt.Errorf("target options: %w", err)
	}
	for _, f := range []*pflag.FlagSet{o.general, o.own} {
		f.Visit(func(fl *pflag.Flag) {
			if fl.Usage == ignoredUsage {
				o.ignored = append(o.ignored, "--"+fl.Name)
			}
		})
	}
	if o.version || o.jsonVersion {
		return o, nil
	}
	return o, o.check()
}

func (o *options) check() error {
	var faults []error
	faultf := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	rest := append(o.general.Args(), o.own.Args()...)
	switch {
	case len(rest) > 0:
		o.json = rest[0]
		for _, extra := range rest[1:] {
			faultf("unexpected argument %q", extra)
		}
	case !o.noP4:
		faultf("specify a JSON file, or --no-p4")
	}
	if o.noP4 && o.json != "" {
		o.ignored = append(o.ignored, o.json)
		o.json = ""
	}
	seen := make(map[uint32]bool)
	for _, text := range o.interfaces {
		number, name, ok := strings.Cut(text, "@")
		port, err := strconv.ParseUint(number, 10, 32)
		switch {
		case !ok || err != nil || name == "":
			faultf("interface %q is not PORT@IFACE", text)
			continue
		case seen[uint32(port)]:
			faultf("port %d has two interfaces", port)
		case o.cpuPort != 0 && uint32(port) == o.cpuPort:
			faultf("CPU port %d is used as a data port", port)
		}
		seen[uint32(port)] = true
		o.ports = append(o.ports, attachment{uint32(port), name})
	}
	if o.own.Changed("cpu-port") && o.cpuPort == 0 {
		faultf("0 is no valid CPU port")
	}
	if o.cpuPort != 0 && o.cpuPort == o.dropPort {
		faultf("port %d cannot be both CPU port and drop port", o.cpuPort)
	}
	if o.priorityQueues == 0 || o.priorityQueues > math.MaxInt32 {
		faultf("--priority-queues %d", o.priorityQueues)
	}
	if o.logConsole && o.logFile != "" {
		faultf("--log-console and --log-file are exclusive")
	}
	if _, ok := levels[o.logLevel]; !ok {
		faultf("invalid value %q for --log-level", o.logLevel)
	}
	if o.pcap != "" {
		if s, err := os.Stat(o.pcap); err != nil || !s.IsDir() {
			faultf("directory %q of --pcap: %w", o.pcap, fs.ErrNotExist)
		}
	}
	if o.tls && (o.cert == "" || o.key == "") {
		faultf("--grpc-server-ssl needs --grpc-server-cert and --grpc-server-key")
	}
	if o.gnmiAddress == "" && (o.own.Changed("gnmi-name") || o.own.Changed("gnmi-profile")) {
		faultf("--gnmi-name and --gnmi-profile are for --gnmi-server-addr")
	}
	for _, name := range []string{"use-files", "packet-in", "restore-state"} {
		if o.general.Changed(name) {
			faultf("--%s is not supported by this target", name)
		}
	}
	return errors.Join(faults...)
}

// prefixes lets an option be shortened to any prefix that only it has, as
// bmv2 does.
func prefixes(f *pflag.FlagSet) func(*pflag.FlagSet, string) pflag.NormalizedName {
	var names []string
	f.VisitAll(func(fl *pflag.Flag) { names = append(names, fl.Name) })
	return func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		var found []string
		for _, n := range names {
			if n == name {
				return pflag.NormalizedName(name)
			}
			if strings.HasPrefix(n, name) {
				found = append(found, n)
			}
		}
		if len(found) == 1 {
			return pflag.NormalizedName(found[0])
		}
		return pflag.NormalizedName(name)
	}
}

// joinPcap lets the directory follow --pcap as a word of its own. Versions of
// bmv2 differ in this, and scripts are written for either.
func joinPcap(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		if args[i] == "--pcap" && i+1 < len(args) {
			if s, err := os.Stat(args[i+1]); err == nil && s.IsDir() {
				out = append(out, "--pcap="+args[i+1])
				i++
				continue
			}
		}
		out = append(out, args[i])
	}
	return out
}
