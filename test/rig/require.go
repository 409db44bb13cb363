package rig

import (
	"os/exec"
	"testing"
)

// Require fails the test where one of these commands is missing. With -short,
// which is for those who have none of them, the test is left out.
func Require(t testing.TB, commands ...string) {
	t.Helper()
	if testing.Short() {
		t.Skipf("needs %v, which -short leaves out", commands)
	}
	for _, command := range commands {
		if _, err := exec.LookPath(command); err != nil {
			t.Fatalf("no %s: run `make setup` (%v)", command, err)
		}
	}
}
