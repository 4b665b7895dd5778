package layouts

import (
	"fmt"

	"github.com/keyway-nve/keyway/capabilities"
)

// Exception is pairs of NVEs that do not have what would be best for them: all
// whose senders, and whose receivers, are of one kind.
type Exception struct {
	// Sender and Receiver are the first two of them, and Pairs is how many there are.
	Sender, Receiver string
	Pairs            int
	Trouble          Trouble
}

// Trouble is what is the matter with a pair.
type Trouble uint8

const (
	// Degraded: fewer options, because the receiver has too little room for those of all its senders.
	Degraded Trouble = iota + 1
	// Refused: no options, because the operator's layout cannot be.
	Refused
	// Impossible: nothing is sent, because what is required cannot be.
	Impossible
)

// Troubles returns all of them.
func Troubles() []Trouble { return []Trouble{Degraded, Refused, Impossible} }

func (t Trouble) String() string {
	switch t {
	case Degraded:
		return "degraded"
	case Refused:
		return "refused"
	case Impossible:
		return "impossible"
	}
	return fmt.Sprintf("trouble(%d)", uint8(t))
}

func (x Exception) String() string {
	s := fmt.Sprintf("%s to %s is %v", x.Sender, x.Receiver, x.Trouble)
	if x.Pairs > 1 {
		s += fmt.Sprintf(", and %d pairs like it", x.Pairs-1)
	}
	return s
}

// Because returns a rule that makes an exception one. Of several that contradict
// each other it is the last; [Plan.Solve] has all.
func (p *Plan) Because(x Exception) (capabilities.Rule, bool) {
	if a := p.Between(x.Sender, x.Receiver); a.Degraded != nil {
		return *a.Degraded, true
	}
	_, why, _ := p.Solve(x.Sender, x.Receiver)
	if len(why.Conflict) == 0 {
		return capabilities.Rule{}, false
	}
	return why.Conflict[len(why.Conflict)-1], true
}

// Exceptions returns what is not as one might wish among NVEs of which something
// is known, in the order of the intent's devices. Whether two of them have a
// virtual network in common is not asked.
func (p *Plan) Exceptions() []Exception {
	names := make([][]string, len(p.fleet.Classes)) // the first two of each class
	for i, class := range p.fleet.ClassOf {
		if len(names[class]) < 2 {
			names[class] = append(names[class], p.devices[i].Name)
		}
	}
	var out []Exception
	for r, receivers := range p.fleet.Classes {
		for s, senders := range p.fleet.Classes {
			x := Exception{Sender: names[s][0], Receiver: names[r][0], Pairs: senders.Devices * receivers.Devices}
			if s == r {
				if senders.Devices == 1 {
					continue
				}
				x.Receiver, x.Pairs = names[r][1], senders.Devices*(senders.Devices-1)
			}
			a := p.Between(x.Sender, x.Receiver)
			switch {
			case a.Impossible:
				x.Trouble = Impossible
			case a.Refused:
				x.Trouble = Refused
			case a.Degraded != nil:
				x.Trouble = Degraded
			default:
				continue
			}
			out = append(out, x)
		}
	}
	return out
}
