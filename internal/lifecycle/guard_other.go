//go:build !linux

package lifecycle

import "syscall"

// dieWithGuard does nothing: only Linux has a parent death signal.
func dieWithGuard(*syscall.SysProcAttr, []Signal) {}
