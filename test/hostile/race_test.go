//go:build race

package hostile

const (
	scale         = 2
	residentScale = 8
)
