package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/oodaa/signaling/bench/scale/measure"
)

// prepare returns the servers that are wanted, which are in bin, and in root.
func prepare(ctx context.Context, root, bin string, names []string, before string, stderr io.Writer) ([]measure.Program, error) {
	ours := []string{
		"HOST=127.0.0.1", "NODE_ENV=production", "LOG_LEVEL=warn",
		"RATE_LIMIT=0", "MESSAGE_RATE=0", "REGISTER_TIMEOUT=1h", "MAX_CONNECTIONS=0",
	}
	known := []measure.Program{
		{Name: "ours", Args: []string{filepath.Join(bin, "signald")}, Fixed: ours},
		{Name: "before", Args: []string{before}, Fixed: ours},
		{Name: "node", Dir: filepath.Join(root, "bench", "node"), Args: []string{"node", "server.mjs"}, Fixed: []string{"NODE_ENV=production"}},
		{Name: "bun", Dir: filepath.Join(root, "bench", "bun"), Args: []string{filepath.Join(root, "bench", "bun", "node_modules", ".bin", "bun"), "server.mjs"}, Fixed: []string{"NODE_ENV=production"}},
		{Name: "bare", Args: []string{filepath.Join(bin, "bare")}},
		{Name: "nginx", Dir: bin, Args: []string{"sh", "-c", `printf %s "$0" >nginx.conf && exec nginx -e stderr -p . -c nginx.conf`, nginxConf}},
	}
	if _, err := exec.LookPath("nginx"); err != nil && slices.Contains(names, "nginx") {
		fmt.Fprintln(stderr, "nginx is not installed (make setup installs it): TLS handshakes are measured without it")
		names = slices.DeleteFunc(names, func(name string) bool { return name == "nginx" })
	}
	if before != "" {
		names = append(names, "before")
	}
	var servers []measure.Program
	for _, s := range known {
		if slices.Contains(names, s.Name) {
			servers = append(servers, s)
		}
	}
	if len(servers) < len(names) {
		return nil, fmt.Errorf("among %v is an unknown server; there are ours, node, bun, bare and nginx", names)
	}
	for _, server := range servers {
		if server.Name != "node" && server.Name != "bun" {
			continue
		}
		if err := measure.InstallPackages(ctx, server.Dir, stderr); err != nil {
			return nil, err
		}
	}
	return servers, nil
}
