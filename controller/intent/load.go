package intent

import (
	"errors"
	"fmt"

	"github.com/keyway-nve/keyway/proto/manifest"
)

// Load reads an intent from a YAML file. The error lists all that is wrong with it: [manifest.Problems] takes it apart.
func Load(file string) (Intent, error) {
	doc, err := manifest.Load(file)
	if err != nil {
		return Intent{}, err
	}
	return fromDocument(doc)
}

// Parse is Load for a file that was read already; messages call it file.
func Parse(file string, src []byte) (Intent, error) {
	doc, err := manifest.Parse(file, src)
	if err != nil {
		return Intent{}, err
	}
	return fromDocument(doc)
}

func fromDocument(doc *manifest.Document) (Intent, error) {
	var in Intent
	doc.Decode(&in)
	in = in.Resolved()
	in.Check(func(path, format string, args ...any) { doc.Errorf(path, format, args...) })
	if err := doc.Err(); err != nil {
		return Intent{}, err
	}
	return in, nil
}

// Validate resolves the intent as Resolved does, and returns nil or every reason, joined, why that is not an intent.
func (in Intent) Validate() error {
	var errs []error
	in.Resolved().Check(func(path, format string, args ...any) {
		errs = append(errs, fmt.Errorf("intent: %s: %s", path, fmt.Sprintf(format, args...)))
	})
	return errors.Join(errs...)
}
