//go:build zishang

package main

import "github.com/oodaa/signaling/server/zishang"

func init() { engines["zishang"] = engine{start: zishang.New} }
