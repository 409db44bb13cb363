package main

import (
	"bytes"
	"slices"
	"testing"
)

func TestConnectionsWithinTheFileLimit(t *testing.T) {
	for _, test := range []struct {
		name  string
		limit uint64
		want  []int
		told  bool
	}{
		{"enough", 20_100, []int{1000, 5000, 20000}, false},
		{"not for the last", 20_000, []int{1000, 5000, 19900}, true},
		{"not for the last two", 4096, []int{1000, 4000}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var said bytes.Buffer
			got := within([]int{1000, 5000, 20000}, test.limit, &said)
			if !slices.Equal(got, test.want) || said.Len() > 0 != test.told {
				t.Errorf("%v, %q", got, &said)
			}
		})
	}
}
