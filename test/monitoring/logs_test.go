package monitoring

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A message is one that the server may log.
type message struct {
	places     []string
	levels     map[string]bool // those that stand at the call; a level may also be a variable
	attributes map[string]bool // those whose names stand there
}

// A source is the Go code that logs, as far as syntax tells.
type sources struct {
	fset     *token.FileSet
	packages map[string][]*ast.File // by directory
	messages map[string]*message
	problems []string
}

// levels are the methods of slog.Logger, with the place of the message among
// their arguments.
var levels = map[string]int{
	"Debug": 0, "Info": 0, "Warn": 0, "Error": 0,
	"DebugContext": 1, "InfoContext": 1, "WarnContext": 1, "ErrorContext": 1,
	"Log": 2, "LogAttrs": 2,
}

func readSources(t *testing.T, directories ...string) *sources {
	t.Helper()
	s := &sources{fset: token.NewFileSet(), packages: make(map[string][]*ast.File), messages: make(map[string]*message)}
	for _, dir := range directories {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.IsDir() && (entry.Name() == "testdata" || entry.Name() == "conformance") {
				return fs.SkipDir
			}
			if entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			file, err := parser.ParseFile(s.fset, path, nil, parser.SkipObjectResolution)
			s.packages[filepath.Dir(path)] = append(s.packages[filepath.Dir(path)], file)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, files := range s.packages {
		for _, file := range files {
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
					s.find(files, f)
				}
			}
		}
	}
	return s
}

// find takes note of the calls of a logger in a function.
func (s *sources) find(files []*ast.File, f *ast.FuncDecl) {
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !isLogger(method.X) {
			return true
		}
		at, ok := levels[method.Sel.Name]
		if !ok || len(call.Args) <= at {
			return true
		}
		texts := s.texts(files, f, call.Args[at], 0)
		if len(texts) == 0 {
			s.problems = append(s.problems, fmt.Sprintf("%s: what is logged cannot be told", s.fset.Position(call.Pos())))
		}
		for _, text := range texts {
			m := s.messages[text]
			if m == nil {
				m = &message{levels: make(map[string]bool), attributes: make(map[string]bool)}
				s.messages[text] = m
			}
			m.places = append(m.places, s.fset.Position(call.Pos()).String())
			if at < 2 {
				m.levels[strings.ToLower(strings.TrimSuffix(method.Sel.Name, "Context"))] = true
			}
			for _, name := range attributes(call.Args[at+1:]) {
				m.attributes[name] = true
			}
		}
		return true
	})
}

// isLogger tells loggers by their name: log, Log or logger, of whatever.
func isLogger(x ast.Expr) bool {
	name := ""
	switch x := x.(type) {
	case *ast.Ident:
		name = x.Name
	case *ast.SelectorExpr:
		name = x.Sel.Name
	case *ast.CallExpr: // log.With(…)
		if f, ok := x.Fun.(*ast.SelectorExpr); ok && (f.Sel.Name == "With" || f.Sel.Name == "WithGroup") {
			return isLogger(f.X)
		}
	}
	return name == "log" || name == "Log" || name == "logger" || name == "slog"
}

// attributes are the names among what follows a message: every other argument,
// or the first of slog.String and its like, wherever that stands.
func attributes(args []ast.Expr) (names []string) {
	for i := 0; i < len(args); i++ {
		if name, ok := literal(args[i]); ok {
			names = append(names, name)
			i++
			continue
		}
		ast.Inspect(args[i], func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && len(call.Args) == 2 {
				if f, ok := call.Fun.(*ast.SelectorExpr); ok && fmt.Sprint(f.X) == "slog" {
					if name, ok := literal(call.Args[0]); ok {
						names = append(names, name)
					}
				}
			}
			return true
		})
	}
	return names
}

func literal(x ast.Expr) (string, bool) {
	l, ok := x.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(l.Value)
	return text, err == nil
}

// texts are the values that an expression in f may have: a literal, what a
// variable is assigned, what a parameter is called with in the package, or the
// text of an error that the package declares.
func (s *sources) texts(files []*ast.File, f *ast.FuncDecl, x ast.Expr, depth int) []string {
	if text, ok := literal(x); ok {
		return []string{text}
	}
	if call, ok := x.(*ast.CallExpr); ok {
		if method, ok := call.Fun.(*ast.SelectorExpr); ok && method.Sel.Name == "Error" {
			return declared(files, fmt.Sprint(method.X))
		}
	}
	name, ok := x.(*ast.Ident)
	if !ok || depth > 3 {
		return nil
	}
	at := 0
	for _, field := range f.Type.Params.List {
		for _, p := range field.Names {
			if p.Name == name.Name {
				return s.passed(files, f.Name.Name, at, depth)
			}
			at++
		}
	}
	return append(assigned(f, name.Name), declared(files, name.Name)...)
}

// passed are the texts that a function of the package gets as an argument.
func (s *sources) passed(files []*ast.File, function string, at, depth int) (texts []string) {
	for _, file := range files {
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) <= at {
					return true
				}
				called := ""
				switch fun := call.Fun.(type) {
				case *ast.Ident:
					called = fun.Name
				case *ast.SelectorExpr:
					called = fun.Sel.Name
				}
				if called == function {
					texts = append(texts, s.texts(files, f, call.Args[at], depth+1)...)
				}
				return true
			})
		}
	}
	return texts
}

// assigned are the literals that a variable of a function gets.
func assigned(f *ast.FuncDecl, variable string) (texts []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		a, ok := n.(*ast.AssignStmt)
		if !ok || len(a.Lhs) != len(a.Rhs) {
			return true
		}
		for i, to := range a.Lhs {
			if name, ok := to.(*ast.Ident); ok && name.Name == variable {
				if text, ok := literal(a.Rhs[i]); ok {
					texts = append(texts, text)
				}
			}
		}
		return true
	})
	return texts
}

// declared are the literals in the declaration of a package's variable or
// constant, such as an error's.
func declared(files []*ast.File, variable string) (texts []string) {
	for _, file := range files {
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range g.Specs {
				v, ok := spec.(*ast.ValueSpec)
				if !ok {
					continue
				}
				for i, name := range v.Names {
					if name.Name != variable || i >= len(v.Values) {
						continue
					}
					if call, ok := v.Values[i].(*ast.CallExpr); ok && len(call.Args) == 1 {
						if text, ok := literal(call.Args[0]); ok {
							texts = append(texts, text)
						}
					} else if text, ok := literal(v.Values[i]); ok {
						texts = append(texts, text)
					}
				}
			}
		}
	}
	return texts
}

// A logRow is one of the table in docs/logs.md.
type logRow struct {
	levels, attributes []string
	meaning            string
}

var (
	code   = regexp.MustCompile("`([^`]*)`")
	logCol = regexp.MustCompile(`(?m)^\|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)\|$`)
)

func logTable(t *testing.T) map[string]logRow {
	t.Helper()
	rows := make(map[string]logRow)
	for _, col := range logCol.FindAllStringSubmatch(read(t, logs), -1) {
		name := code.FindStringSubmatch(col[1])
		if name == nil {
			continue // the heading
		}
		if _, twice := rows[name[1]]; twice {
			t.Errorf("the table has %q twice", name[1])
		}
		row := logRow{levels: strings.Split(strings.TrimSpace(col[2]), ", "), meaning: strings.TrimSpace(col[4])}
		for _, a := range code.FindAllStringSubmatch(col[3], -1) {
			row.attributes = append(row.attributes, a[1])
		}
		rows[name[1]] = row
	}
	return rows
}

func TestEveryLogMessageIsInTheTable(t *testing.T) {
	s := readSources(t, "cmd/signald", "server", "middleware", "events")
	for _, p := range s.problems {
		t.Error(p)
	}
	// If these are not found, nothing of their kind is: a literal, a parameter
	// of two functions, a variable, an error.
	for _, sure := range []string{"listening", "redirecting to HTTPS", "connection upgraded", "received a malformed message from another instance"} {
		if s.messages[sure] == nil {
			t.Errorf("%q was not found in the source", sure)
		}
	}
	rows := logTable(t)
	for _, text := range slices.Sorted(maps.Keys(s.messages)) {
		m := s.messages[text]
		row, ok := rows[text]
		if !ok {
			t.Errorf("docs/logs.md lacks the log message %q, of %s: levels %v, attributes %v", text, strings.Join(m.places, ", "),
				slices.Sorted(maps.Keys(m.levels)), slices.Sorted(maps.Keys(m.attributes)))
			continue
		}
		for level := range m.levels {
			if !slices.Contains(row.levels, level) {
				t.Errorf("%q is logged at %s, the table says %v", text, level, row.levels)
			}
		}
		for name := range m.attributes {
			if !slices.Contains(row.attributes, name) {
				t.Errorf("%q has the attribute %s, the table says %v", text, name, row.attributes)
			}
		}
		if row.meaning == "" {
			t.Errorf("the table does not say what %q means", text)
		}
	}
	for text := range rows {
		if s.messages[text] == nil {
			t.Errorf("docs/logs.md has the log message %q, which nothing logs", text)
		}
	}
}

// quotedLog is how documents speak of a log message.
var quotedLog = regexp.MustCompile("\\b(?:logs?|lines?|log says) `([^`]+)`")

func TestDocumentsQuoteLogMessagesThatExist(t *testing.T) {
	rows := logTable(t)
	var found int
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".md" {
			return err
		}
		for _, m := range quotedLog.FindAllStringSubmatch(read(t, path), -1) {
			found++
			known := slices.ContainsFunc(slices.Collect(maps.Keys(rows)), func(text string) bool { return strings.HasPrefix(text, m[1]) })
			if !known {
				t.Errorf("%s quotes the log message %q, which docs/logs.md does not have", path, m[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 5 {
		t.Errorf("found %d messages only", found)
	}
}
