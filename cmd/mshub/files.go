package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"text/tabwriter"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"

	filesv1 "github.com/microservicehub/mshub/services/files/v1"
)

func filesCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{Use: "files", Short: "Upload, list and download files"}
	cmd.AddCommand(&cobra.Command{
		Use:   "put FILE",
		Short: "Upload a file; prints files/ID",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			house, err := c.api()
			if err != nil {
				return err
			}
			file, err := house.put(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return c.print(file, func(w io.Writer) { fmt.Fprintln(w, file.GetName()) })
		},
	}, &cobra.Command{
		Use:   "get FILE_NAME",
		Short: "Download files/ID to standard output",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			house, err := c.api()
			if err != nil {
				return err
			}
			return house.get(cmd.Context(), named("files", args[0]), c.stdout)
		},
	}, &cobra.Command{
		Use:   "list",
		Short: "List uploaded files, newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			house, err := c.api()
			if err != nil {
				return err
			}
			list, err := house.files.ListFiles(cmd.Context(), &filesv1.ListFilesRequest{})
			if err != nil {
				return err
			}
			return c.print(list, func(w io.Writer) {
				table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				for _, f := range list.GetFiles() {
					fmt.Fprintf(table, "%s\t%d\t%s\t%s\n", f.GetName(), f.GetSize(), clock(f.GetCreateTime()), f.GetFileName())
				}
				_ = table.Flush()
			})
		},
	})
	return cmd
}

// put streams a file in one call; the service checks size and hash as the bytes arrive.
func (a *api) put(ctx context.Context, path string) (*filesv1.File, error) {
	source, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = source.Close() }()
	info, err := source.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file", path)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url+"/v1/files?name="+url.QueryEscape(filepath.Base(path)), source)
	if err != nil {
		return nil, err
	}
	req.ContentLength = info.Size()
	req.Header.Set("Content-Type", "application/octet-stream")
	token, err := a.token(ctx)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := a.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, plainError(res.Status, body)
	}
	file := &filesv1.File{}
	return file, protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(body, file)
}

func (a *api) get(ctx context.Context, name string, to io.Writer) error {
	link, err := a.files.CreateDownload(ctx, &filesv1.CreateDownloadRequest{Name: name})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link.GetUrl(), nil)
	if err != nil {
		return err
	}
	res, err := a.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the download answered %s", res.Status)
	}
	_, err = io.Copy(to, res.Body)
	return err
}

// plainError reads Connect's JSON error from an answer that no Connect client received.
func plainError(status string, body []byte) error {
	var e struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(body, &e); err != nil || e.Message == "" {
		return fmt.Errorf("the server answered %s", status)
	}
	var code connect.Code
	_ = code.UnmarshalText([]byte(e.Code))
	return connect.NewError(code, errors.New(e.Message))
}
