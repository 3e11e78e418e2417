package lifecycle

import "syscall"

// dieWithGuard asks the kernel to stop the child should the guard itself be killed: a second net, Linux only.
func dieWithGuard(attributes *syscall.SysProcAttr, signals []Signal) {
	attributes.Pdeathsig = syscall.SIGKILL
	if len(signals) > 0 {
		attributes.Pdeathsig = signals[0].Number
	}
}
