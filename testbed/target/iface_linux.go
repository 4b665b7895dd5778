package target

import (
	"errors"
	"fmt"
	"time"

	"github.com/keyway-nve/keyway/testbed/afpacket"
)

// AttachInterface gives a port to a network interface by AF_PACKET: what
// arrives there enters the port, and what leaves the port is sent there. in
// and out, unless nil, capture the frames. The interface is one of the network
// namespace in which it is called. It needs CAP_NET_RAW.
func (t *Target) AttachInterface(n uint32, name string, in, out *Pcap) error {
	c, err := afpacket.Open(name, afpacket.Options{Failed: func(frame []byte, err error) {
		t.opts.Log.Warn("frame not sent", "port", n, "interface", name, "bytes", len(frame), "err", err)
	}})
	if err != nil {
		return fmt.Errorf("port %d: %w", n, err)
	}
	sink := c.Send
	if out != nil {
		sink = func(frame []byte) {
			out.Frame(time.Now(), frame)
			c.Send(frame)
		}
	}
	if err := t.attach(n, sink, c); err != nil {
		return errors.Join(err, c.Close())
	}
	t.group.Go(func() error {
		err := c.Receive(func(frame []byte) {
			if in != nil {
				in.Frame(time.Now(), frame)
			}
			t.Inject(n, frame)
		}, t.ports.cork)
		if err != nil {
			t.opts.Log.Error("interface lost", "port", n, "interface", name, "err", err)
		}
		return nil
	})
	return nil
}
