package miss

import "log/slog"

// LogValue implements [slog.LogValuer] with what an operator wants to know of an answer; the message itself is left out.
func (a Answer) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("outcome", a.Outcome.String())}
	if a.Peer != "" {
		attrs = append(attrs, slog.String("peer", a.Peer))
	}
	if a.VNI != 0 || !a.MAC.IsZero() {
		attrs = append(attrs, slog.Uint64("vni", uint64(a.VNI)), slog.String("mac", a.MAC.String()))
	}
	if a.Target.IsValid() {
		attrs = append(attrs, slog.String("target", a.Target.String()))
	}
	if a.Refresh.Device != "" {
		attrs = append(attrs, slog.String("refresh", a.Refresh.Device))
	}
	if a.Err != nil {
		attrs = append(attrs, slog.String("error", a.Err.Error()))
	}
	return slog.GroupValue(attrs...)
}

// LogValue implements [slog.LogValuer].
func (d Verdict) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("result", d.Result.String()), slog.String("action", d.Action.String())}
	if d.Kind != 0 {
		attrs = append(attrs, slog.String("message", d.Kind.String()), slog.String("form", d.Form.String()),
			slog.Uint64("vni", uint64(d.Place.VNI)), slog.String("mac", d.Place.MAC.String()))
	}
	if d.Peer != "" {
		attrs = append(attrs, slog.String("peer", d.Peer))
	}
	if d.Override.To.IsValid() {
		attrs = append(attrs, slog.String("from", d.Override.From.String()), slog.String("to", d.Override.To.String()))
	}
	if d.Err != nil {
		attrs = append(attrs, slog.String("error", d.Err.Error()))
	}
	return slog.GroupValue(attrs...)
}
