package engine

import (
	"github.com/keyway-nve/keyway/testbed/engine/bmjson"
)

// Program is a compiled program. It does not change and may be shared.
type Program struct {
	words       int // of the header vector
	metaWords   int
	vlBytes     int
	maxKeyWords int

	errors  map[int32]string
	core    core
	std     standard
	parsers []*parser

	deparsers []*deparser
	pipelines []*pipeline
	parser    *parser
	deparser  *deparser
	ingress   *pipeline
	egress    *pipeline

	actions      []*action
	actionByID   map[int]*action
	tables       []*tableDef
	tableIndex   map[string]int
	profiles     []*profileDef
	profileIndex map[string]int
	directMeters map[string]*directMeter

	counters, meters, registers, valueSets                 []arrayDef
	counterIndex, meterIndex, registerIndex, valueSetIndex map[string]int
	setUses                                                []setUse
	calculations                                           []*calculation
	calculationIndex                                       map[string]int
	fieldLists, learnLists                                 map[uint16]*fieldList
}

// standard is where a program keeps what simple_switch reads and writes itself; nil where it does not have it.
type standard struct {
	ingressPort, packetLength, instanceType, egressSpec, egressPort *field
	parserError, checksumError                                      *field
	ingressTime, egressTime                                         *field
	mcastGroup, egressRID, priority                                 *field
	enqTime, enqDepth, deqTime, deqDepth, queueID                   *field
}

// deparser puts a packet together again.
type deparser struct {
	name   string
	update []*checksum
	code   []instruction
	order  []*header
}

// minor is the newest minor version of bmv2's JSON that is known, of major version 2.
const (
	major = 2
	minor = 24
)

// Load compiles a configuration. All faults are joined in one error, each with its JSON path.
func Load(config []byte) (*Program, error) {
	faults := &bmjson.Faults{}
	root, err := bmjson.Parse(config, faults)
	if err != nil {
		return nil, err
	}
	l := &loader{p: &Program{}}
	if v := root.Get("__meta__"); v.Has("version") {
		ver := v.Get("version").Tuple(2)
		ver[0].Int(major, major)
		ver[1].Int(0, minor)
	}
	l.load(root)
	if faults.Len() > 0 {
		return nil, faults.Err() // what follows would only repeat them
	}
	p := l.p
	p.words, p.metaWords, p.vlBytes = l.words, l.metaWords, l.vlBytes
	l.loadErrors(root)
	l.loadArrays(root)
	l.loadValueSets(root)
	l.loadFieldLists(root)
	l.loadCalculations(root)
	l.loadLengths()
	l.loadParsers(root)
	l.loadDeparsers(root)
	l.loadActions(root)
	l.loadPipelines(root)
	l.loadChecksums(root)
	if len(root.List("extern_instances")) > 0 {
		root.Get("extern_instances").Faultf("simple_switch has no extern types")
	}
	l.loadStandard(root)
	l.choose(root)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return p, nil
}

// loadLengths compiles the length expressions that header types carry in older files, where locals are fields of the
// header.
func (l *loader) loadLengths() {
	for _, h := range l.headers {
		if h.typ.length == nil {
			continue
		}
		l.local = h
		if e := l.exprOf(h.typ.length, kindData); e != nil {
			h.vlLength = e.low()
		} else {
			h.vlLength = func(*packet) uint64 { return 0 }
		}
		l.local = nil
	}
}

func (l *loader) loadDeparsers(root *bmjson.Value) {
	for _, v := range root.List("deparsers") {
		d := &deparser{name: v.Get("name").String()}
		for _, hv := range v.List("order") {
			if h := l.header[hv.String()]; h != nil {
				d.order = append(d.order, h)
			} else {
				hv.Faultf("no such header")
			}
		}
		for _, pv := range v.List("primitives") {
			in, ok := l.primitive(pv)
			if ok && in.op == opJump {
				pv.Faultf("a deparser cannot jump")
				continue
			}
			if ok {
				d.code = append(d.code, in)
			}
		}
		l.p.deparsers = append(l.p.deparsers, d)
	}
}

func (l *loader) loadStandard(root *bmjson.Value) {
	s := &l.p.std
	for _, x := range []struct {
		to        **field
		hdr, name string
		required  bool
	}{
		{&s.ingressPort, "standard_metadata", "ingress_port", true},
		{&s.packetLength, "standard_metadata", "packet_length", true},
		{&s.instanceType, "standard_metadata", "instance_type", true},
		{&s.egressSpec, "standard_metadata", "egress_spec", true},
		{&s.egressPort, "standard_metadata", "egress_port", true},
		{&s.parserError, "standard_metadata", "parser_error", false},
		{&s.checksumError, "standard_metadata", "checksum_error", false},
		{&s.ingressTime, "intrinsic_metadata", "ingress_global_timestamp", false},
		{&s.egressTime, "intrinsic_metadata", "egress_global_timestamp", false},
		{&s.mcastGroup, "intrinsic_metadata", "mcast_grp", false},
		{&s.egressRID, "intrinsic_metadata", "egress_rid", false},
		{&s.priority, "intrinsic_metadata", "priority", false},
		{&s.enqTime, "queueing_metadata", "enq_timestamp", false},
		{&s.enqDepth, "queueing_metadata", "enq_qdepth", false},
		{&s.deqTime, "queueing_metadata", "deq_timedelta", false},
		{&s.deqDepth, "queueing_metadata", "deq_qdepth", false},
		{&s.queueID, "queueing_metadata", "qid", false},
	} {
		f := l.std(x.hdr, x.name)
		if f == nil && x.required {
			root.Get("headers").Faultf("no field %s.%s", x.hdr, x.name)
		}
		if f != nil && (f.words > 1 || f.vl) {
			root.Get("headers").Faultf("field %s.%s is wider than 64 bits", x.hdr, x.name)
		}
		*x.to = f
	}
}

// choose finds what simple_switch runs by its fixed names.
func (l *loader) choose(root *bmjson.Value) {
	p := l.p
	for _, ps := range p.parsers {
		if ps.name == "parser" {
			p.parser = ps
		}
	}
	for _, d := range p.deparsers {
		if d.name == "deparser" {
			p.deparser = d
		}
	}
	for _, pl := range p.pipelines {
		switch pl.name {
		case "ingress":
			p.ingress = pl
		case "egress":
			p.egress = pl
		}
	}
	for _, x := range []struct {
		missing    bool
		list, name string
	}{
		{p.parser == nil, "parsers", "parser"},
		{p.deparser == nil, "deparsers", "deparser"},
		{p.ingress == nil, "pipelines", "ingress"},
		{p.egress == nil, "pipelines", "egress"},
	} {
		if x.missing {
			root.Get(x.list).Faultf("no %q", x.name)
		}
	}
}
