package p4rt_test

import (
	"context"
	"errors"
	"fmt"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/keyway-nve/keyway/controller/p4rt"
)

// What needs the primacy and the pipeline runs in a term. It ends when its
// context does, and begins anew when the device is back.
func ExampleSession_Run() {
	var pipeline *p4rt.Pipeline // of the program that the device shall run
	s, err := p4rt.Dial("192.0.2.1:9559", p4rt.Options{
		Name:       "leaf1",
		DeviceID:   1,
		ElectionID: p4rt.ElectionID{Low: 1},
		Pipeline:   pipeline,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	err = s.Run(context.Background(), func(ctx context.Context, r *p4rt.Ready) error {
		everything := &p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: &p4v1.TableEntry{}}}
		for e, err := range r.Read(ctx, everything) {
			if err != nil {
				return err
			}
			update := &p4v1.Update{Type: p4v1.Update_DELETE, Entity: e}
			var refused *p4rt.WriteError
			if err := r.Write(ctx, update); errors.As(err, &refused) {
				for _, f := range refused.Failed {
					fmt.Println(f.What, f.Code, f.Message)
				}
			}
		}
		for {
			select {
			case p := <-r.PacketsIn():
				fmt.Println("punted:", len(p.GetPayload()), "bytes")
			case <-ctx.Done():
				return nil // context.Cause(ctx) says why
			}
		}
	})
	fmt.Println(err)
}
