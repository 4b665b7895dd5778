package miss_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/controller/miss"
)

func TestLog(t *testing.T) {
	var b strings.Builder
	log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}}))
	n := newNetwork()
	n.at[endpoint{vni, vm2}] = "c"
	responder := miss.NewResponder(miss.ResponderOptions{})
	log.Info("miss", "answer", responder.Respond(n, punt(t, "b", miss.Moved, sent())))
	log.Info("miss", "answer", responder.Respond(n, punt(t, "b", miss.Moved, sentGeneve())))
	log.Info("miss", "answer", responder.Respond(n, miss.Punt{Device: "b", Reason: miss.OAM}))
	n.ways["b"][c4] = miss.Way{Port: 1}
	p := sent()
	p.src = c4
	n.at[endpoint{vni, vm2}] = "a"
	log.Info("miss", "answer", responder.Respond(n, punt(t, "b", miss.Moved, p)))
	n.at[endpoint{vni, vm2}] = "b"
	receiver := miss.NewReceiver(miss.ReceiverOptions{})
	log.Info("message", "verdict", receiver.Receive(n, got(redirect().frame(t))))
	log.Info("message", "verdict", receiver.Receive(n, got(nil)))

	want := `msg=miss answer.outcome=sent-redirect answer.peer=a answer.vni=20481 answer.mac=02:00:00:00:00:12 answer.target=192.0.2.3
msg=miss answer.outcome=no-message-geneve answer.peer=a answer.vni=20481 answer.mac=02:00:00:00:00:12 answer.refresh=a
msg=miss answer.outcome=never-not-a-miss
msg=miss answer.outcome=never-unrepresentable answer.peer=c answer.vni=20481 answer.mac=02:00:00:00:00:12 answer.error="nvgreext: bad parameters: link destination MAC 00:00:00:00:00:00\nnvgreext: bad parameters: link source MAC 00:00:00:00:00:00"
msg=message verdict.result=retargeted-provisional verdict.action=retarget verdict.message=REDIRECT verdict.form=standard verdict.vni=20481 verdict.mac=02:00:00:00:00:12 verdict.peer=b verdict.from=192.0.2.2 verdict.to=192.0.2.3
msg=message verdict.result=refused-malformed verdict.action=drop verdict.error="nvgreext: byte 0: outer Ethernet header: truncated"
`
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(b.String(), "\n")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
