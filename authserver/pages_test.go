package authserver_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	authserverv1 "github.com/microservicehub/mshub/authserver/v1"
)

var idOf = regexp.MustCompile(` id="([^"]*)"`)

func TestEveryPageIsGuarded(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	admin := h.administrator()
	rp := h.relyingParty(h.application(admin.console(), authserverv1.Client_CONFIDENTIAL, callback, "openid"), callback, "openid")
	for name, p := range map[string]page{
		"sign-in":        h.browser().get("/signin"),
		"sign-up":        h.browser().get("/signup"),
		"reset":          h.browser().get("/reset"),
		"link":           h.browser().get(h.administratorLink()),
		"dead link":      h.browser().get("/verify?link=nonsense"),
		"sign-out":       admin.get("/signout"),
		"consent":        admin.get(rp.start()),
		"sent":           h.browser().get("/signin/sent"),
		"wrong password": h.browser().signIn("ada@example.com", "wrong"),
		"unknown client": h.browser().get("/oauth2/authorize?client_id=nobody"),
	} {
		want := map[string]string{
			"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Content-Type": "text/html; charset=utf-8",
		}
		for header, value := range want {
			if got := p.header.Get(header); got != value {
				t.Errorf("%s: %s is %q, want %q", name, header, got, value)
			}
		}
		policy := p.header.Get("Content-Security-Policy")
		for _, rule := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "style-src 'nonce-"} {
			if !strings.Contains(policy, rule) {
				t.Errorf("%s: the policy lacks %s: %s", name, rule, policy)
			}
		}
		if strings.Contains(p.body, "<script") || strings.Contains(policy, "unsafe") || strings.Contains(p.body, "style=") {
			t.Errorf("%s: a script, or a style that the policy blocks", name)
		}
		if strings.Contains(p.body, "<form") && !strings.Contains(p.body, `name="form" value="`) {
			t.Errorf("%s: a form without a token", name)
		}
		for _, input := range inputTag.FindAllString(p.body, -1) {
			if strings.Contains(input, `type="hidden"`) || strings.Contains(input, " hidden") {
				continue
			}
			if id := idOf.FindStringSubmatch(input)[1]; !strings.Contains(p.body, `<label for="`+id+`">`) {
				t.Errorf("%s: the field %s has no label", name, id)
			}
		}
	}
}

func TestCookies(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.administrator()
	b := h.browser()
	p := b.get("/signin")
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	p = b.submit(p, url.Values{"email": {"ada@example.com"}, "password": {password}})
	if p.status != http.StatusSeeOther || p.location != "/" {
		t.Fatalf("after the form: %d %s", p.status, p.location)
	}
	seen := map[string]bool{}
	for _, c := range (&http.Response{Header: p.header}).Cookies() {
		seen[c.Name] = true
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.Secure {
			t.Errorf("cookie %s: %+v", c.Name, c)
		}
	}
	if !seen["mshub"] || !seen["mshub-device"] {
		t.Errorf("cookies: %v", seen)
	}
}

func TestASessionIsNewAtEverySignIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.administrator()
	b := h.browser()
	at, err := url.Parse(h.url)
	if err != nil {
		t.Fatal(err)
	}
	cookie := func() string {
		for _, c := range b.client.Jar.Cookies(at) {
			if c.Name == "mshub" {
				return c.Value
			}
		}
		return ""
	}
	// Somebody planted a cookie before.
	const planted = "plantedplantedplantedplantedplantedplanted0"
	b.client.Jar.SetCookies(at, []*http.Cookie{{Name: "mshub", Value: planted, Path: "/"}})
	b.signIn("ada@example.com", password)
	first := cookie()
	b.signIn("ada@example.com", password)
	second := cookie()
	if first == planted || first == "" || second == first {
		t.Fatal("the session was not new")
	}
	for name, old := range map[string]string{"planted": planted, "first": first} {
		other := h.browser()
		other.client.Jar.SetCookies(at, []*http.Cookie{{Name: "mshub", Value: old, Path: "/"}})
		if status, _ := other.token("{}", nil); status != http.StatusUnauthorized {
			t.Errorf("the %s session still works: %d", name, status)
		}
	}
	if status, _ := b.token("{}", nil); status != http.StatusOK {
		t.Errorf("the second session: %d", status)
	}
}

func TestFormsOfOtherSites(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.administrator()
	in := url.Values{"email": {"ada@example.com"}, "password": {password}}
	with := func(more ...string) url.Values {
		form := url.Values{"email": in["email"], "password": in["password"]}
		for i := 0; i < len(more); i += 2 {
			form.Set(more[i], more[i+1])
		}
		return form
	}
	stranger := h.browser()
	foreign := valueOf.FindStringSubmatch(inputTag.FindString(stranger.get("/signin").body))[1]
	for name, c := range map[string]struct {
		form   url.Values
		header http.Header
	}{
		"no token":             {with("form", ""), nil},
		"a wrong token":        {with("form", "AAAA"), nil},
		"another browser's":    {with("form", foreign), nil},
		"a foreign origin":     {in, http.Header{"Origin": {"https://evil.example"}}},
		"the origin's prefix":  {in, http.Header{"Origin": {h.url + ".evil.example"}}},
		"a cross-site request": {in, http.Header{"Sec-Fetch-Site": {"cross-site"}}},
		"a sibling's request":  {in, http.Header{"Sec-Fetch-Site": {"same-site"}}},
	} {
		b := h.browser()
		p := b.post(b.get("/signin"), c.form, c.header)
		if p.status != http.StatusForbidden {
			t.Errorf("%s: %d at %s", name, p.status, p.path)
		}
		if status, _ := b.token("{}", nil); status != http.StatusUnauthorized {
			t.Errorf("%s: signed in", name)
		}
		// The form that came back works.
		if name != "another browser's" && name != "no token" && name != "a wrong token" {
			continue
		}
		if p := b.submit(p, in); p.path != "/" {
			t.Errorf("%s: the next try: %d %s", name, p.status, p.path)
		}
	}
	// Without its cookie a form is nobody's.
	b := h.browser()
	p := b.get("/signin")
	b.client.Jar = nil
	if p := b.submit(p, in); p.status != http.StatusForbidden {
		t.Errorf("without cookies: %d", p.status)
	}
	// The other forms are guarded as well.
	for _, path := range []string{"/signup", "/reset", "/verify", "/consent", "/signout"} {
		b := h.administratorAgain()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+path, strings.NewReader("decision=allow&link=x"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		p := b.do(req)
		if p.status == http.StatusOK && p.path == path {
			t.Errorf("POST %s without a token: %d %s", path, p.status, p.text())
		}
		if status, _ := b.token("{}", nil); status != http.StatusOK {
			t.Errorf("POST %s without a token signed out", path)
		}
	}
}

func (h *house) administratorAgain() *browser {
	h.t.Helper()
	b := h.browser()
	b.signIn("ada@example.com", password)
	return b
}

func TestNoWayOutOfTheHouse(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.administrator()
	for _, target := range []string{
		"https://evil.example", "//evil.example", "/\\evil.example", "/%5Cevil.example", "/\t/evil.example", "javascript:alert(1)", "/%2F/evil.example", "evil.example",
	} {
		b := h.browser()
		b.stop = "https://evil.example"
		p := b.submit(b.get("/signin?return_to="+url.QueryEscape(target)), url.Values{"email": {"ada@example.com"}, "password": {password}})
		if p.path != "/" || p.url.Host != strings.TrimPrefix(h.url, "http://") {
			t.Errorf("return_to=%s leads to %s", target, p.url)
		}
		// Nor by changing the form.
		p = b.submit(b.get("/signin"), url.Values{"email": {"ada@example.com"}, "password": {password}, "return_to": {target}})
		if p.path != "/" {
			t.Errorf("a form with return_to=%s leads to %s", target, p.url)
		}
	}
	b := h.browser()
	b.stop = h.url + "/runs" // which belongs to the console
	p := b.submit(b.get("/signin?return_to="+url.QueryEscape("/runs?filter=a")), url.Values{"email": {"ada@example.com"}, "password": {password}})
	if p.location != "/runs?filter=a" {
		t.Errorf("a local address: %s", p.location)
	}
}

func TestForeignRedirectURIsAreNeverFollowed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.administrator()
	rp := h.relyingParty(h.application(b.console(), authserverv1.Client_CONFIDENTIAL, "https://app.example/cb", "openid"), "https://app.example/cb", "openid")
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, uri := range []string{
		"", "https://evil.example/cb", "https://app.example/cb/../evil", "https://app.example/cb?x=1", "https://app.example/cb#x", "https://app.example/cb/",
		"https://app.example@evil.example/cb", "https://app.example.evil.example/cb", "https://APP.example/cb", "http://app.example/cb", "https://app.example/%63b",
		"https://app.example/..;/cb", "https://app.example:443/cb", "https://app.example\\@evil.example/cb", "//app.example/cb", "javascript:alert(1)",
	} {
		rp.RedirectURL = uri
		for _, start := range []string{rp.start(), rp.start() + "&prompt=none", rp.start() + "&request=x"} {
			p := b.get(start)
			if p.status != http.StatusBadRequest || p.location != "" {
				t.Errorf("%q: %d, redirected to %q", uri, p.status, p.location)
			}
		}
	}
	if p := b.get(rp.start() + "&redirect_uri=https%3A%2F%2Fapp.example%2Fcb"); p.status != http.StatusBadRequest {
		t.Errorf("two redirect URIs: %d %s", p.status, p.location)
	}
}

func TestSignUpAndResetTellNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.administrator()
	type shown struct {
		Status         int
		Path, Text     string
		Cookies, Cache string
	}
	show := func(b *browser, p page) shown {
		return shown{p.status, p.path, p.text(), strings.Join(p.header.Values("Set-Cookie"), ";"), p.header.Get("Cache-Control")}
	}
	signUp := func(email string) shown {
		b := h.browser()
		return show(b, b.submit(b.get("/signup"), url.Values{"name": {"Bob"}, "email": {email}}))
	}
	reset := func(email string) shown {
		b := h.browser()
		return show(b, b.submit(b.get("/reset"), url.Values{"email": {email}}))
	}
	if diff := cmp.Diff(signUp("bob@example.com"), signUp("ada@example.com")); diff != "" {
		t.Errorf("sign-up of an unknown and a known address differ:\n%s", diff)
	}
	got := map[string]string{}
	for range 2 {
		mail := h.nextMail()
		got[mail.GetRecipient()] = mail.GetTemplate()
		if !strings.HasPrefix(mail.GetValues()["link"], h.url+"/verify?link=") {
			t.Errorf("mail %s: %v", mail.GetTemplate(), mail.GetValues())
		}
	}
	if diff := cmp.Diff(map[string]string{"bob@example.com": "verification", "ada@example.com": "known-address"}, got); diff != "" {
		t.Errorf("mails (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(reset("nobody@example.com"), reset("ada@example.com")); diff != "" {
		t.Errorf("reset of an unknown and a known address differ:\n%s", diff)
	}
	if mail := h.nextMail(); mail.GetTemplate() != "reset" || mail.GetRecipient() != "ada@example.com" {
		t.Errorf("mail %v", mail)
	}
	for _, email := range []string{"", "ada", "ada@", "Ada <ada@example.com>", "a@b@c"} {
		if s := reset(email); s.Status != http.StatusUnprocessableEntity {
			t.Errorf("reset of %q: %d", email, s.Status)
		}
	}
}

func TestLinksByMail(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	admin := h.administrator()
	b := h.browser()
	b.submit(b.get("/signup"), url.Values{"name": {"Bob"}, "email": {"bob@example.com"}})
	link := h.nextMail().GetValues()["link"]
	if p := b.get(link); !strings.Contains(p.text(), "bob@example.com") || p.status != http.StatusOK {
		t.Fatalf("%d %s", p.status, p.text())
	}
	p := b.submit(b.get(link+"&return_to=/inbox"), url.Values{"password": {"another quiet river"}})
	if p.path != "/inbox" {
		t.Fatalf("after the password: %d %s %s", p.status, p.path, p.text())
	}
	if status, answer := b.token("{}", nil); status != http.StatusOK || answer.Organisation != "" {
		t.Errorf("a person without membership: %d %+v", status, answer)
	}
	// A forgotten password: every other browser is signed out, this one is in.
	admin.submit(admin.get("/reset"), url.Values{"email": {"ada@example.com"}})
	fresh := h.browser()
	if p := fresh.submit(fresh.get(h.nextMail().GetValues()["link"]), url.Values{"password": {"a third quiet river"}}); p.path != "/" {
		t.Fatalf("reset: %d %s", p.status, p.text())
	}
	if status, _ := admin.token("{}", nil); status != http.StatusUnauthorized {
		t.Errorf("the old browser after a reset: %d", status)
	}
	if status, _ := fresh.token("{}", nil); status != http.StatusOK {
		t.Errorf("the new browser after a reset: %d", status)
	}
	if p := h.browser().signIn("ada@example.com", password); p.status != http.StatusUnauthorized {
		t.Errorf("the old password: %d", p.status)
	}
}

func TestGuessingIsSlowedDown(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.administrator()
	guesser := h.browser()
	form := guesser.get("/signin")
	var last page
	for range 30 {
		if last = guesser.submit(form, url.Values{"email": {"ada@example.com"}, "password": {"wrong wrong wrong"}}); last.status == http.StatusTooManyRequests {
			break
		}
	}
	if last.status != http.StatusTooManyRequests || last.header.Get("Retry-After") == "" {
		t.Fatalf("after many wrong passwords: %d, Retry-After %q", last.status, last.header.Get("Retry-After"))
	}
}

func TestTheHostHeaderChangesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.administrator()
	b := h.browser()
	b.post(b.get("/reset"), url.Values{"email": {"ada@example.com"}}, http.Header{
		"X-Forwarded-Host": {"evil.example"}, "Forwarded": {"host=evil.example"}, "X-Forwarded-Proto": {"https"}, "X-Original-Url": {"//evil.example"},
	})
	if link := h.nextMail().GetValues()["link"]; !strings.HasPrefix(link, h.url+"/") {
		t.Errorf("the link is %s", link)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/.well-known/openid-configuration", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "evil.example"
	req.Header.Set("X-Forwarded-Host", "evil.example")
	if got := b.do(req); strings.Contains(got.body, "evil.example") {
		t.Errorf("discovery repeats the Host header: %s", got.body)
	}
}
