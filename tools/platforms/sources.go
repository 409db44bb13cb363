package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/packages"
)

// sources are the files of all packages, each parsed once for all platforms.
type sources struct {
	set    *token.FileSet
	parsed memo[*ast.File]
}

func newSources() *sources { return &sources{set: token.NewFileSet()} }

// file is a file with all that it holds if it is the repository's own, and with
// what it declares if it is not.
func (s *sources) file(name string, own bool) (*ast.File, error) {
	return s.parsed.get(name, func() (*ast.File, error) {
		mode := parser.SkipObjectResolution
		if own {
			mode |= parser.ParseComments
		}
		file, err := parser.ParseFile(s.set, name, nil, mode)
		if err == nil && !own {
			leaveDeclarations(file)
		}
		return file, err
	})
}

// leaveDeclarations takes the bodies of functions, and the values of variables
// whose types stand beside them, out of a file. Tables are most of what there is.
func leaveDeclarations(file *ast.File) {
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Body != nil {
				decl.Body.List = nil
			}
		case *ast.GenDecl:
			if decl.Tok != token.VAR {
				continue
			}
			for _, spec := range decl.Specs {
				spec := spec.(*ast.ValueSpec)
				if spec.Type != nil {
					spec.Values = nil
				}
				for _, value := range spec.Values {
					leaveType(value)
				}
			}
		}
	}
}

// leaveType takes the elements out of a literal whose type does not depend on them.
func leaveType(value ast.Expr) {
	if address, ok := value.(*ast.UnaryExpr); ok {
		value = address.X
	}
	literal, ok := value.(*ast.CompositeLit)
	if !ok {
		return
	}
	if array, ok := literal.Type.(*ast.ArrayType); ok {
		if _, open := array.Len.(*ast.Ellipsis); open {
			return
		}
	}
	literal.Elts = nil
}

// read gives a package whose imports have theirs its types and, if it is the
// repository's own, its syntax.
func (s *sources) read(pkg *packages.Package) error {
	pkg.Fset = s.set
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
	var syntax []*ast.File
	for _, name := range pkg.GoFiles {
		file, err := s.file(name, own)
		if err != nil {
			return err
		}
		syntax = append(syntax, file)
	}
	config := types.Config{
		Importer:         imports(pkg.Imports),
		IgnoreFuncBodies: !own,
		Sizes:            pkg.TypesSizes,
	}
	var info *types.Info
	if own {
		pkg.Syntax, info = syntax, pkg.TypesInfo
	}
	if pkg.Module != nil && pkg.Module.GoVersion != "" {
		config.GoVersion = "go" + pkg.Module.GoVersion
	}
	checked, err := config.Check(pkg.PkgPath, s.set, syntax, info)
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
