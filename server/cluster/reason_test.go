package cluster

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// What is wrong is logged once, and also where the first attempt took so long that it
// did not come out.
func TestReasonBehindATimeout(t *testing.T) {
	refused, other := errors.New("certificate"), errors.New("other")
	for name, tt := range map[string]struct {
		reasons []error
		want    string
	}{
		"at once":           {[]error{refused, context.DeadlineExceeded, other}, "certificate"},
		"behind a timeout":  {[]error{context.DeadlineExceeded, context.DeadlineExceeded, refused, other, context.DeadlineExceeded, refused}, "context deadline exceeded, certificate"},
		"joined in between": {[]error{context.DeadlineExceeded, nil, refused, nil, refused}, "context deadline exceeded, , certificate, , certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			c := &Cluster{Options: Options{Log: slog.New(slog.NewTextHandler(&log, nil))}}
			for _, err := range tt.reasons {
				c.became("lost", slog.LevelWarn, err)
			}
			var got []string
			for line := range strings.Lines(log.String()) {
				_, reason, _ := strings.Cut(line, "reason=")
				got = append(got, strings.Trim(reason, "\"\n"))
			}
			if got := strings.Join(got, ", "); got != tt.want {
				t.Errorf("logged %q, want %q", got, tt.want)
			}
		})
	}
}
