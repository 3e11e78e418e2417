// Command mshub is the whole product in one binary: the house (`up`, `serve`, `migrate`) and its command line
// (`login`, `run`, `runs`, …), which is an OAuth2 client of the same API that everyone uses.
//
//	main.go      the process: guard, signals, exit code
//	root.go      the list of subcommands; a file each
//	up.go serve.go migrate.go        the house
//	engines.go roles.go routes.go    how it is put together: engines, then roles, then one route table
//	client.go signin.go              the command line's half: address, token, Connect clients
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/microservicehub/mshub/internal/config"
	"github.com/microservicehub/mshub/internal/lifecycle"
)

// Set by the build.
var (
	version = "dev"
	commit  = "unknown"
)

func main() {
	lifecycle.MaybeGuard()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], config.Environ(os.Environ()), os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main without the process around it, so that tests can call it.
func run(ctx context.Context, args []string, environ map[string]string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := rootCommand(&cli{environ: environ, stdin: stdin, stdout: stdout, stderr: stderr})
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(stderr, "mshub:", explain(err))
		return 1
	}
	return 0
}
