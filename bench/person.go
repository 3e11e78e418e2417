package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

var (
	hiddenField = regexp.MustCompile(`<input[^>]*type="hidden"[^>]*>`)
	fieldName   = regexp.MustCompile(`name="([^"]*)"`)
	fieldValue  = regexp.MustCompile(`value="([^"]*)"`)
	formAction  = regexp.MustCompile(`<form[^>]*action="([^"]*)"`)
)

// signIn makes the house's first administrator, as a person with a browser does; calls are then that person's.
func (r *rig) signIn(email string) error {
	if r.link == "" {
		return errors.New("the house printed no link for its first administrator")
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	browser := &http.Client{Transport: r.http.Transport, Jar: jar}
	page, err := r.open(browser, http.MethodGet, r.link, "", "")
	if err != nil {
		return err
	}
	form := url.Values{"email": {email}, "name": {"Ada Admin"}, "password": {"correct horse battery staple"}}
	for _, input := range hiddenField.FindAllString(page, -1) {
		name, value := fieldName.FindStringSubmatch(input), fieldValue.FindStringSubmatch(input)
		if name != nil && value != nil {
			form.Set(name[1], html.UnescapeString(value[1]))
		}
	}
	target := r.link
	if m := formAction.FindStringSubmatch(page); m != nil && m[1] != "" {
		target = html.UnescapeString(m[1])
		if strings.HasPrefix(target, "/") {
			target = r.url + target
		}
	}
	if _, err := r.open(browser, http.MethodPost, target, "application/x-www-form-urlencoded", form.Encode()); err != nil {
		return err
	}
	r.token = func() (string, error) {
		raw, err := r.open(browser, http.MethodPost, r.url+"/session/token", "application/json", "{}")
		if err != nil {
			return "", err
		}
		var answer struct{ AccessToken string }
		err = json.Unmarshal([]byte(raw), &answer)
		return answer.AccessToken, err
	}
	return nil
}

// open sends what a page of the house would send, and reads the answer.
func (r *rig) open(browser *http.Client, method, target, contentType, body string) (string, error) {
	req, err := r.request(method, target, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
		req.Header.Set("Origin", r.url)
	}
	res, err := browser.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", req.URL.Path, res.Status)
	}
	return string(raw), err
}
