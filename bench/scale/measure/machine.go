package measure

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Machine says where figures are from.
type Machine struct {
	Time     string `json:"time"`
	CPU      string `json:"cpu"`
	Cores    int    `json:"cores"`
	Kernel   string `json:"kernel"`
	Platform string `json:"platform"`
	Go       string `json:"go"`
	Node     string `json:"node,omitempty"`
	Redis    string `json:"redis,omitempty"`
	// Others is the share of all CPU time that processes took which have
	// nothing to do with the measurement.
	Others  float64 `json:"othersShareOfCPU"`
	Seconds float64 `json:"seconds"` // that the measurement took

	begun time.Time
	busy  time.Duration
}

// ThisMachine begins a measurement.
func ThisMachine(ctx context.Context) *Machine {
	m := &Machine{
		Time: time.Now().UTC().Format(time.RFC3339), Cores: runtime.NumCPU(), Kernel: version(ctx, "uname", "-r"),
		Platform: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(),
		begun: time.Now(), busy: Busy(),
	}
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		_, name, _ := strings.Cut(string(b), "model name")
		name, _, _ = strings.Cut(name, "\n")
		m.CPU = strings.TrimLeft(name, "\t :")
	}
	return m
}

// End takes note of how busy the machine was meanwhile. All processes that this
// one has started must have ended.
func (m *Machine) End() {
	m.Seconds = time.Since(m.begun).Seconds()
	m.Others = (Busy() - m.busy).Seconds() / m.Seconds / float64(m.Cores)
}

func version(ctx context.Context, name string, args ...string) string {
	b, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// Versions adds those of Node and Redis.
func (m *Machine) Versions(ctx context.Context) {
	m.Node = version(ctx, "node", "--version")
	m.Redis = version(ctx, "redis-server", "--version")
}

// Build builds packages of the repository into a new directory, which the
// caller removes, as `make build` builds the server. root is the repository's.
func Build(ctx context.Context, packages ...string) (root, bin string, err error) {
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", "", fmt.Errorf("go env GOMOD: %w", err)
	}
	root = filepath.Dir(strings.TrimSpace(string(mod)))
	if bin, err = os.MkdirTemp("", "signaling-bench-"); err != nil {
		return "", "", err
	}
	build := exec.CommandContext(ctx, "go", append([]string{"build", "-pgo=cmd/signald/relays.pgo", "-trimpath", "-ldflags", "-s -w", "-o", bin + "/"}, packages...)...)
	build.Dir, build.Stderr, build.Env = root, os.Stderr, append(os.Environ(), "CGO_ENABLED=0")
	if err := build.Run(); err != nil {
		_ = os.RemoveAll(bin)
		return "", "", fmt.Errorf("go build: %w", err)
	}
	return root, bin, nil
}

// Save writes what was measured as JSON.
func Save(file string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

// Median is the middle one, or of an even number the mean of the two.
func Median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(all))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
