//go:build zishang

package volli_test

import "github.com/oodaa/signaling/server/zishang"

func init() { engines = append(engines, engine{"zishang", zishang.New}) }
