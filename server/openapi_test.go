package server

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"go.yaml.in/yaml/v2"
)

// docs/openapi.yaml has the routes that the server has, and no others.
func TestOpenAPIHasTheRoutes(t *testing.T) {
	text, err := os.ReadFile("../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var spec struct {
		Paths map[string]struct {
			Get, Post map[string]any
			Aliases   []string `yaml:"x-aliases"`
		}
	}
	if err := yaml.Unmarshal(text, &spec); err != nil {
		t.Fatal(err)
	}
	var documented []string
	for path, item := range spec.Paths {
		for _, p := range append(item.Aliases, path) {
			if item.Get != nil {
				documented = append(documented, "GET "+p)
			}
			if item.Post != nil {
				documented = append(documented, "POST "+p)
			}
		}
	}

	opts := options()
	opts.Metrics, opts.StatusPages = true, true
	s := run(t, opts)
	var served []string
	err = chi.Walk(s.routes().(chi.Routes), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if method == http.MethodGet || method == http.MethodPost {
			served = append(served, method+" "+strings.TrimSuffix(route, "*"))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(documented)
	slices.Sort(served)
	if !slices.Equal(documented, served) {
		t.Errorf("docs/openapi.yaml has\n%s\nthe server has\n%s", strings.Join(documented, "\n"), strings.Join(served, "\n"))
	}
}
