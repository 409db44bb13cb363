package main

import (
	"iter"
	"slices"
	"strings"
)

// An environment is the process's environment, as os.Environ returns it.
type environment []string

// get is the value of a variable, or "".
func (e environment) get(name string) string {
	for _, entry := range slices.Backward(e) { // the last one counts, as in a shell
		if n, value, ok := strings.Cut(entry, "="); ok && n == name {
			return value
		}
	}
	return ""
}

// misspelled returns variables that are not settings but look like one, with the
// setting that may be meant.
func (e environment) misspelled() iter.Seq2[string, string] {
	return func(yield func(name, meant string) bool) {
		for _, entry := range e {
			name, _, _ := strings.Cut(entry, "=")
			if isSetting(name) {
				continue
			}
			for _, s := range settings {
				if alike(name, s.name) && !yield(name, s.name) {
					return
				}
			}
		}
	}
}

func isSetting(name string) bool {
	return slices.ContainsFunc(settings, func(s setting) bool { return s.name == name })
}

// alike reports whether one name becomes the other by one letter more, less or
// changed, or by two of them where the names are long. Short ones, such as PORT,
// have too many neighbors that mean something else.
func alike(a, b string) bool {
	a, b = strings.ToUpper(a), strings.ToUpper(b)
	switch n := min(len(a), len(b)); {
	case n < 6:
		return false
	case n < 12:
		return distance(a, b) <= 1
	}
	return distance(a, b) <= 2
}

// distance is how many letters have to be added, removed or changed (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
