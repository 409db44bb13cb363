package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"strings"
	"testing"
)

const declarations = `package x

type point struct{ x, y int }

var (
	typed          []int = []int{1, 2, 3}
	open                 = [...]string{"a", "b"}
	fixed                = [4]int{1}
	keyed                = map[string][]int{"a": {1}}
	structure            = point{1, 2}
	address              = &point{x: 1}
	called               = f()
	first, second        = "a", f
)

const length = len(open)

func f() int { return len(typed) }

func g[T any](v T) *T { return &v }

func (p point) sum() int { return p.x + p.y }
`

// What is left of a file declares the same.
func TestLeaveDeclarations(t *testing.T) {
	declared := func(leave bool) string {
		t.Helper()
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, "x.go", declarations, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if leave {
			leaveDeclarations(file)
		}
		config := types.Config{IgnoreFuncBodies: true}
		pkg, err := config.Check("x", set, []*ast.File{file}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, name := range pkg.Scope().Names() {
			object := pkg.Scope().Lookup(name)
			all = append(all, object.String())
			for method := range types.NewMethodSet(object.Type()).Methods() {
				all = append(all, method.String())
			}
		}
		return strings.Join(all, "\n")
	}
	if whole, left := declared(false), declared(true); whole != left {
		t.Errorf("declares\n%s\nand not\n%s", left, whole)
	}
}
