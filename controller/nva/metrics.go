package nva

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyway-nve/keyway/capabilities/gnmi"
	"github.com/keyway-nve/keyway/controller/device"
	"github.com/keyway-nve/keyway/controller/layouts"
)

// collector shows an NVA to Prometheus.
type collector struct {
	n                               *NVA
	misses, messages, events        *prometheus.Desc
	state, revision, watermark      *prometheus.Desc
	wanted, held                    *prometheus.Desc
	updates, refused, repaired, ins *prometheus.Desc
	told, pairs                     *prometheus.Desc
}

// NewCollector returns a collector of what n counts. All series of a device are
// there from its first moment on, and all outcomes from the NVA's.
func NewCollector(n *NVA) prometheus.Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("keyway_"+name, help, labels, nil)
	}
	return &collector{
		n:         n,
		misses:    desc("misses_total", "Punted packets, by what was done about them.", "outcome"),
		messages:  desc("nvgre_ext_messages_total", "NVGRE-EXT messages received, by what was done about them.", "result"),
		events:    desc("events_total", "Other events.", "event"),
		state:     desc("device_state", "1 for the state that the device is in.", "device", "state"),
		revision:  desc("device_revision", "Revision of the device's desired state.", "device"),
		watermark: desc("device_watermark", "Highest revision that the device's tables reflect.", "device"),
		wanted:    desc("device_entities_wanted", "Entities that the device should hold.", "device"),
		held:      desc("device_entities_held", "Entities that the device holds.", "device"),
		updates:   desc("device_updates_total", "Updates that the device took.", "device", "op"),
		refused:   desc("device_refused_total", "Updates that were refused, by the device or for lack of room.", "device", "by"),
		repaired:  desc("device_differences_total", "Differences that a read-back found.", "device", "kind"),
		ins:       desc("device_packet_ins_total", "Packets that the device punted.", "device"),
		told:      desc("device_capability", "1 for what the device answers when it is asked what it can do; stale if it does not confirm it now.", "device", "answer"),
		pairs:     desc("pairs_troubled", "Pairs of NVEs that do not have the layout that would be best for them, by what is the matter.", "trouble"),
	}
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements [prometheus.Collector].
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for outcome, v := range c.n.responder.Stats().All() {
		count(c.misses, v, outcome.String())
	}
	for result, v := range c.n.receiver.Stats().All() {
		count(c.messages, v, result.String())
	}
	count(c.events, c.n.n.refreshes, "refresh")
	count(c.events, c.n.n.unsent, "packet-out-lost")
	count(c.events, c.n.n.malformedPunts, "malformed-punt")
	count(c.events, c.n.traces.total, "path-trace")
	troubled := map[layouts.Trouble]int{}
	for _, x := range c.n.plan.Exceptions() {
		troubled[x.Trouble] += x.Pairs
	}
	for _, t := range layouts.Troubles() {
		gauge(c.pairs, float64(troubled[t]), t.String())
	}
	for name, a := range c.n.asked {
		now := a.known()
		for _, answer := range []string{gnmi.Untold.String(), gnmi.Supported.String(), gnmi.Unsupported.String(), "stale"} {
			is := 0.0
			if answer == now.Answer.String() && !now.Stale || answer == "stale" && now.Stale {
				is = 1
			}
			gauge(c.told, is, name, answer)
		}
	}
	for name, m := range c.n.devices {
		status, stats := m.Status(), m.Stats()
		for s := device.Connecting; s <= device.Degraded; s++ {
			is := 0.0
			if s == status.State {
				is = 1
			}
			gauge(c.state, is, name, s.String())
		}
		gauge(c.revision, float64(status.Revision), name)
		gauge(c.watermark, float64(status.Watermark), name)
		gauge(c.wanted, float64(status.Wanted), name)
		gauge(c.held, float64(status.Held), name)
		count(c.updates, stats.Inserts, name, "insert")
		count(c.updates, stats.Modifies, name, "modify")
		count(c.updates, stats.Deletes, name, "delete")
		count(c.refused, stats.Refused, name, "device")
		count(c.refused, stats.NoRoom, name, "no room")
		count(c.repaired, stats.Missing, name, device.Missing.String())
		count(c.repaired, stats.Changed, name, device.Changed.String())
		count(c.repaired, stats.Foreign, name, device.Foreign.String())
		count(c.ins, m.handled, name)
	}
}
