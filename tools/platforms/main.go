// Command platforms runs go vet's checks on the repository, tests included, for
// each system and each processor that developers work on; with -all, for each
// pair of them.
//
// go vet itself compiles all dependencies for each platform first, which takes
// more than a minute of processor time. This reads only what they declare.
package main

import (
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"sync"

	"golang.org/x/tools/go/analysis/checker"
	"golang.org/x/tools/go/analysis/suite/vet"
	"golang.org/x/tools/go/packages"
)

type platform struct{ system, processor string }

var (
	usual  = []platform{{"linux", "arm64"}, {"darwin", "arm64"}, {"windows", "amd64"}, {"freebsd", "amd64"}}
	others = []platform{{"linux", "amd64"}, {"darwin", "amd64"}, {"windows", "arm64"}, {"freebsd", "arm64"}}
)

func main() {
	all := flag.Bool("all", false, "check every pair of system and processor")
	flag.Parse()
	list := usual
	if *all {
		list = append(list, others...)
	}
	failures := make([]error, len(list))
	var checks sync.WaitGroup
	for i, p := range list {
		checks.Go(func() { failures[i] = p.check() })
	}
	checks.Wait()
	for i, p := range list {
		if failures[i] != nil {
			fmt.Fprintf(os.Stderr, "%s/%s: %v\n", p.system, p.processor, failures[i])
		}
	}
	if errors.Join(failures...) != nil {
		os.Exit(1)
	}
}

func (p platform) check() error {
	list, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports |
			packages.NeedDeps | packages.NeedTypesSizes | packages.NeedModule | packages.NeedForTest,
		Dir:        "..",
		Env:        append(os.Environ(), "GOOS="+p.system, "GOARCH="+p.processor, "CGO_ENABLED=0", "GOWORK=off"),
		BuildFlags: []string{"-tags=zishang"}, // both engines
		Tests:      true,
	}, "./...")
	if err != nil {
		return err
	}
	if n := packages.PrintErrors(list); n > 0 {
		return fmt.Errorf("%d errors", n)
	}
	files := token.NewFileSet()
	var failed []error
	packages.Visit(list, nil, func(pkg *packages.Package) { // imports first
		for _, imported := range pkg.Imports {
			if imported.Types == nil {
				return // its error is enough
			}
		}
		if err := read(pkg, files); err != nil {
			failed = append(failed, err)
		}
	})
	if failed != nil {
		return errors.Join(failed...)
	}
	graph, err := checker.Analyze(vet.Suite, list, nil)
	if err != nil {
		return err
	}
	found := 0
	for action := range graph.All() {
		if !action.IsRoot {
			continue
		}
		if action.Err != nil {
			return action.Err
		}
		found += len(action.Diagnostics)
	}
	if found > 0 {
		if err := graph.PrintText(os.Stderr, 0); err != nil {
			return err
		}
		return fmt.Errorf("%d findings", found)
	}
	return nil
}

// read gives a package its types and, if it is the repository's own, its syntax.
// The functions of all others are not looked into.
func read(pkg *packages.Package, files *token.FileSet) error {
	pkg.Fset = files
	pkg.TypesInfo = &types.Info{
		Types:        map[ast.Expr]types.TypeAndValue{},
		Instances:    map[*ast.Ident]types.Instance{},
		Defs:         map[*ast.Ident]types.Object{},
		Uses:         map[*ast.Ident]types.Object{},
		Implicits:    map[ast.Node]types.Object{},
		Selections:   map[*ast.SelectorExpr]*types.Selection{},
		Scopes:       map[ast.Node]*types.Scope{},
		FileVersions: map[*ast.File]string{},
	}
	if pkg.PkgPath == "unsafe" {
		pkg.Types = types.Unsafe
		return nil
	}
	own := pkg.Module != nil && pkg.Module.Main
	mode := parser.SkipObjectResolution
	if own {
		mode |= parser.ParseComments
	}
	var syntax []*ast.File
	for _, name := range pkg.CompiledGoFiles {
		file, err := parser.ParseFile(files, name, nil, mode)
		if err != nil {
			return err
		}
		syntax = append(syntax, file)
	}
	if own {
		pkg.Syntax = syntax
	}
	config := types.Config{
		Importer:         imports(pkg.Imports),
		IgnoreFuncBodies: !own,
		Sizes:            pkg.TypesSizes,
	}
	if pkg.Module != nil && pkg.Module.GoVersion != "" {
		config.GoVersion = "go" + pkg.Module.GoVersion
	}
	checked, err := config.Check(pkg.PkgPath, files, syntax, pkg.TypesInfo)
	if err == nil {
		pkg.Types = checked
	}
	return err
}

// imports are the packages that one imports, by the paths that it spells.
type imports map[string]*packages.Package

func (i imports) Import(path string) (*types.Package, error) {
	if path == "unsafe" {
		return types.Unsafe, nil
	}
	if pkg, ok := i[path]; ok {
		return pkg.Types, nil
	}
	return nil, fmt.Errorf("no package %s", path)
}
