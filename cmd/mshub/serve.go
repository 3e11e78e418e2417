package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/config"
	"github.com/microservicehub/mshub/internal/lifecycle"
	"github.com/microservicehub/mshub/observability"
)

const (
	// housePatience and serverPatience are within the ten seconds that SIGTERM may take.
	housePatience  = 5 * time.Second
	serverPatience = 4 * time.Second
)

func serveCommand(c *cli) *cobra.Command {
	var roles, listen string
	cmd := &cobra.Command{
		Use:   "serve --roles identity,records,…",
		Short: "Run chosen roles against configured engines; every role can run and scale alone",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			chosen, err := parseRoles(roles)
			if err != nil {
				return err
			}
			rooms := newRoomSettings()
			if err := config.Load(c.environ, rooms.list()...); err != nil {
				return err
			}
			if err := rooms.house.complete(chosen); err != nil {
				return err
			}
			keys, err := config.ParseKeys(rooms.house.SecretKeys)
			if err != nil {
				return err
			}
			rooms.house.Listen = cmp.Or(listen, rooms.house.Listen, ":8080")
			rooms.house.OpsListen = cmp.Or(rooms.house.OpsListen, ":9464")
			h := &house{set: rooms.house, rooms: rooms, keys: keys, roles: chosen, data: c.dataDir("")}
			return c.operate(cmd.Context(), h, nil, func(ready) {})
		},
	}
	cmd.Flags().StringVar(&roles, "roles", "", "which roles: "+strings.Join(roleNames(), ", ")+"; or all")
	cmd.Flags().StringVar(&listen, "listen", "", "address to serve on (MSHUB_LISTEN, :8080)")
	_ = cmd.MarkFlagRequired("roles")
	return cmd
}

// ready is what a started house tells.
type ready struct {
	url, ops string
}

// operate runs a house from telemetry to the last goodbye: engines (if any), roles, listeners; and back in reverse order.
func (c *cli) operate(ctx context.Context, h *house, e *engines, announce func(ready)) error {
	h.rooms.telemetry.Service, h.rooms.telemetry.Version, h.rooms.telemetry.Commit = "mshub", version, commit
	h.rooms.telemetry.Text, h.rooms.telemetry.Output, h.rooms.telemetry.Context = h.up, c.stderr, callerAttributes
	telemetry, err := observability.Setup(ctx, *h.rooms.telemetry)
	if err != nil {
		return err
	}
	defer func() {
		flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = telemetry.Shutdown(flush)
	}()
	otel.SetTracerProvider(telemetry.Tracer)
	otel.SetTextMapPropagator(telemetry.Propagator)
	h.telemetry, h.log, h.health = telemetry, telemetry.Logger, lifecycle.NewHealth()

	group := lifecycle.NewGroup(h.log)
	if e != nil {
		e.log, e.died = h.log, group.Watch
		group.Add(lifecycle.Unit{Name: "engines", Start: e.start, Stop: e.stop, StartTimeout: enginesTimeout})
	}
	group.Add(lifecycle.Unit{
		Name:        "roles",
		Start:       func(ctx context.Context) error { return h.start(ctx, group.Fail) },
		Stop:        h.stop,
		StopTimeout: housePatience,
	})
	public := &server{address: h.set.Listen, handler: func() http.Handler { return h.public() }, log: h.log, failed: group.Fail, variable: "MSHUB_LISTEN (--listen)"}
	ops := &server{address: h.set.OpsListen, handler: h.operations, log: h.log, failed: group.Fail, variable: "MSHUB_OPS_LISTEN"}
	if err := errors.Join(public.listen(), ops.listen()); err != nil { // before anything is started: a taken port is told at once
		return err
	}
	if h.set.PublicURL == "" {
		h.set.PublicURL = "http://" + public.local()
	}
	group.Add(lifecycle.Unit{Name: "operations listener", Start: ops.start, Stop: ops.stop, StopTimeout: serverPatience})
	group.Add(lifecycle.Unit{Name: "public listener", Start: public.start, Stop: func(ctx context.Context) error {
		h.health.Stopping()
		for _, drain := range h.draining {
			drain()
		}
		return public.stop(ctx)
	}, StopTimeout: serverPatience})
	group.Add(lifecycle.Unit{Name: "ready", Start: func(context.Context) error {
		announce(ready{url: h.set.PublicURL, ops: "http://" + ops.local()})
		return nil
	}})
	return group.Run(ctx)
}

// callerAttributes says in each log line for whom the work was done.
func callerAttributes(ctx context.Context) []slog.Attr {
	caller := auth.From(ctx)
	if caller.Kind == auth.Anonymous {
		return nil
	}
	attributes := []slog.Attr{slog.String("organisation", caller.Organisation.String()), slog.String("actor", caller.Actor)}
	if caller.Kind == auth.Run {
		attributes = append(attributes, slog.String("run", caller.Run.String()))
	}
	return attributes
}

// server is one listener.
type server struct {
	address  string
	variable string
	handler  func() http.Handler
	log      *slog.Logger
	failed   func(error)
	listener net.Listener
	http     *http.Server
}

func (s *server) listen() error {
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		return fmt.Errorf("%s: %s is taken or not ours; choose another address (%w)", s.variable, s.address, err)
	}
	s.listener = listener
	return nil
}

// local is the address as a browser on this machine would write it.
func (s *server) local() string {
	_, port, _ := net.SplitHostPort(s.listener.Addr().String())
	host, _, _ := net.SplitHostPort(s.address)
	if host == "" || host == "0.0.0.0" || host == "::" {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

func (s *server) start(context.Context) error {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true) // gRPC without TLS, behind the edge that has it
	s.http = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		Protocols:         protocols,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	go func() {
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.failed(err)
		}
	}()
	return nil
}

// stop lets requests under way end, then cuts the rest off.
func (s *server) stop(ctx context.Context) error {
	graceful, cancel := context.WithTimeout(ctx, serverPatience-time.Second)
	defer cancel()
	if err := s.http.Shutdown(graceful); err != nil {
		return s.http.Close()
	}
	return nil
}

// indent writes lines below the ready line.
func indent(w io.Writer, what, value string) { fmt.Fprintf(w, "  %-14s %s\n", what, value) }
