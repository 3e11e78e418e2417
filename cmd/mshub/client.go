package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/microservicehub/mshub/authserver/v1/authserverv1connect"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/files/v1/filesv1connect"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
	"github.com/microservicehub/mshub/services/notify/v1/notifyv1connect"
	"github.com/microservicehub/mshub/services/records/v1/recordsv1connect"
	"github.com/microservicehub/mshub/services/runs/v1/runsv1connect"
)

const defaultURL = "http://localhost:8080"

// api is the command line's access to a house: the same public API that everyone uses.
type api struct {
	url     string
	http    *http.Client
	token   func(ctx context.Context) (string, error)
	runs    runsv1connect.RunsServiceClient
	records recordsv1connect.RecordsServiceClient
	files   filesv1connect.FilesServiceClient
	people  identityv1connect.IdentityServiceClient
	clients authserverv1connect.ClientServiceClient
	hooks   notifyv1connect.WebhookServiceClient
}

// api connects as MSHUB_TOKEN, as MSHUB_CLIENT_ID with MSHUB_CLIENT_SECRET, or as the person of `mshub login`, in that order.
func (c *cli) api() (*api, error) {
	address, err := c.address()
	if err != nil {
		return nil, err
	}
	token, err := c.tokens(address)
	if err != nil {
		return nil, err
	}
	bearer := connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			value, err := token(ctx)
			if err != nil {
				return nil, err
			}
			req.Header().Set("Authorization", "Bearer "+value)
			return next(ctx, req)
		}
	})
	options := []connect.ClientOption{connect.WithInterceptors(rpc.SendIdempotencyKey(), bearer), connect.WithProtoJSON()}
	client := rpc.HTTPClient()
	return &api{
		url: address, http: client, token: token,
		runs:    runsv1connect.NewRunsServiceClient(client, address, options...),
		records: recordsv1connect.NewRecordsServiceClient(client, address, options...),
		files:   filesv1connect.NewFilesServiceClient(client, address, options...),
		people:  identityv1connect.NewIdentityServiceClient(client, address, options...),
		clients: authserverv1connect.NewClientServiceClient(client, address, options...),
		hooks:   notifyv1connect.NewWebhookServiceClient(client, address, options...),
	}, nil
}

// address is MSHUB_URL, else the one of the last `mshub login`, else this machine's house.
func (c *cli) address() (string, error) {
	text := cmp.Or(c.environ["MSHUB_URL"], c.lastURL(), defaultURL)
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", fmt.Errorf("MSHUB_URL: %q is not an http(s) address", text)
	}
	return strings.TrimSuffix(text, "/"), nil
}

// named accepts "ID" where the API says "runs/ID": people paste both.
func named(collection, id string) string {
	if strings.HasPrefix(id, collection+"/") {
		return id
	}
	return collection + "/" + id
}

func clock(t interface{ AsTime() time.Time }) string {
	return t.AsTime().Local().Format("2006-01-02 15:04:05")
}
