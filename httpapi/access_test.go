package httpapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/httpapi"
	"github.com/curfewhq/curfew/internal/mount"
)

// permission is a row of the table in docs/api.md: what each role may do with a call, in the table's words.
type permission struct {
	method, path string
	may          map[account.Role]string // "" for nobody
	asksProof    bool
	byKey        string // "yes" means as the role
}

func permissions(t *testing.T) []permission {
	t.Helper()
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	var list []permission
	for line := range strings.SplitSeq(string(text), "\n") {
		m := regexp.MustCompile("^\\| `([A-Z]+) (/api/[^`]*)` \\|(.*)\\|$").FindStringSubmatch(line)
		if m == nil {
			continue
		}
		cells := strings.Split(m[3], "|")
		if len(cells) != 6 {
			t.Fatalf("%d cells in %s", len(cells), line)
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		list = append(list, permission{m[1], m[2], map[account.Role]string{
			"": cells[0], account.User: cells[1], account.Auditor: cells[2], account.Admin: cells[3],
		}, cells[4] == "yes", cells[5]})
	}
	return list
}

// The table has each call that the document has, and no other.
func TestTableHasEachCall(t *testing.T) {
	text, err := os.ReadFile(documentPath)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]any
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for path, methods := range doc.Paths {
		for method := range methods {
			want = append(want, strings.ToUpper(method)+" "+path)
		}
	}
	for _, p := range permissions(t) {
		got = append(got, p.method+" "+p.path)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the table has\n%s\nthe document has\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// scene has somebody of a role, who calls in one of two sessions or by an API key, and eve, who has one. Both have one in history.
type scene struct {
	*kit
	caller, eve     account.Account
	session         curfew.Session
	token           curfew.Token
	secret          string // of the API key, if there is no session
	another, others curfew.Session
	key, eves       account.Key
	base            string // before each address
}

func onScene(t *testing.T, role account.Role, f func(*scene)) {
	t.Helper()
	run(t, func(k *kit) {
		s := &scene{kit: k, eve: k.user("eve", account.User)}
		k.user("root", account.Admin) // so that no admin here is the last one
		protection := http.NewCrossOriginProtection()
		k.api = protection.Handler(k.api)
		if role != "" {
			s.caller = k.user("caller", role)
			k.past(s.caller, curfew.Client{}, 1)
		}
		k.past(s.eve, curfew.Client{}, 1)
		s.others, _ = k.signIn("eve")
		s.eves, _ = k.key(s.eve, "eve's", account.User)
		if role != "" {
			s.key, _ = k.key(s.caller, "the caller's", role)
			s.another, _ = k.signIn("caller")
			s.session, s.token = k.signIn("caller")
		}
		f(s)
	})
}

// bodies are what the calls of the table are made with; those that are not here have none.
var bodies = map[string]string{
	"POST /api/v1/session/proof":      `{"current_password":"` + password + `"}`,
	"POST /api/v1/sessions/end":       `{"others":true}`,
	"PUT /api/v1/account":             `{"full_name":"X","lifetime_seconds":90}`,
	"PUT /api/v1/account/lifetime":    `{"seconds":90}`,
	"PUT /api/v1/account/password":    `{"current_password":"` + password + `","password":"another long password"}`,
	"POST /api/v1/keys":               newKey,
	"POST /api/v1/users/{id}/keys":    newKey,
	"POST /api/v1/users":              `{"username":"new","role":"user","password":"` + password + `"}`,
	"PATCH /api/v1/users/{id}":        `{"full_name":"X"}`,
	"PUT /api/v1/users/{id}/password": `{"password":"another long password"}`,
}

const newKey = `{"name":"nightly","role":"user"}`

// target is the address of the row, of something of the caller's or of eve's.
func (s *scene) target(p permission, own bool) string {
	user, session, key := s.eve.ID, s.others.ID, s.eves.ID
	if own {
		user, session, key = s.caller.ID, s.another.ID, s.key.ID
	}
	path := strings.NewReplacer("users/{id}", "users/"+string(user), "sessions/{id}", "sessions/"+string(session), "keys/{id}", "keys/"+string(key), "{key}", string(key), "{name}", "crm")
	return s.base + path.Replace(p.path)
}

func (s *scene) make(p permission, own bool) (status int, answer string) {
	if strings.HasSuffix(p.path, "/events") {
		return s.hear(s.request(p, own))
	}
	w := s.do(s.request(p, own))
	return w.Code, strings.TrimSpace(w.Body.String())
}

func (s *scene) request(p permission, own bool) *http.Request {
	r := request(p.method, s.target(p, own), bodies[p.method+" "+p.path], s.token)
	if s.secret != "" {
		r.Header.Set("Authorization", "Bearer "+s.secret)
	}
	return r
}

// hear listens to events while a session of eve's and one of the caller's change.
func (s *scene) hear(r *http.Request) (status int, answer string) {
	stream := s.listenTo(r)
	for _, id := range []curfew.SessionID{s.another.ID, s.others.ID} {
		if id == "" {
			continue
		}
		if _, err := s.sessions.Extend(s.t.Context(), id); err != nil {
			s.t.Fatal(err)
		}
	}
	answer = strings.Join(stream.heard(), "\n")
	stream.close()
	return stream.status, answer
}

func TestWhoMayDoWhat(t *testing.T) {
	for _, p := range permissions(t) {
		for role, cell := range p.may {
			t.Run(p.method+p.path+"/"+string(role), func(t *testing.T) {
				onScene(t, role, func(s *scene) { s.holds(p, cell) })
				if role != "" {
					onScene(t, role, func(s *scene) { s.holdsForOwn(p, cell) })
				}
			})
		}
	}
}

// TestWhoMayDoWhatByKey tries the same with API keys of each role, of owners of the same role and of admins.
func TestWhoMayDoWhatByKey(t *testing.T) {
	for _, p := range permissions(t) {
		for role, cell := range p.may {
			if role == "" {
				continue
			}
			if p.byKey != "yes" {
				cell = p.byKey
			}
			for _, owner := range []account.Role{role, account.Admin} {
				t.Run(p.method+p.path+"/"+string(role)+" of "+string(owner), func(t *testing.T) {
					onScene(t, owner, func(s *scene) { s.callByKey(role).holds(p, cell) })
					onScene(t, owner, func(s *scene) { s.callByKey(role).holdsForOwn(p, cell) })
				})
			}
		}
	}
}

// callByKey has the caller call by an API key instead of in a session, with an old cookie beside it.
func (s *scene) callByKey(role account.Role) *scene {
	s.t.Helper()
	if _, err := s.sessions.End(s.t.Context(), s.session.ID, curfew.Ending{Reason: curfew.ReasonSignedOut}); err != nil {
		s.t.Fatal(err)
	}
	_, s.secret = s.kit.key(s.caller, "in use", role)
	return s
}

func ok(status int) bool { return status/100 == 2 }

// holds tries what is eve's.
func (s *scene) holds(p permission, cell string) {
	status, answer := s.make(p, false)
	seesEve := strings.Contains(answer, `"eve"`)
	count := fields(answer, "count")
	one := strings.Contains(p.path, "{id}")
	switch cell {
	case "401", "403":
		s.judge(cell, status, answer, cell == strconv.Itoa(status))
	case "yes":
		s.judge(cell, status, answer, ok(status))
	case "own, else 404", "own, else 403":
		s.judge(cell, status, answer, strings.HasSuffix(cell, strconv.Itoa(status)) && !seesEve)
	case "own":
		s.judge(cell, status, answer, ok(status) && !seesEve && (p.method == "GET" || count == "1"))
	case "all":
		s.judge(cell, status, answer, ok(status) && (one || seesEve || count == "2"))
	default:
		s.t.Errorf("the table says %q", cell)
	}
}

// holdsForOwn tries what is the caller's.
func (s *scene) holdsForOwn(p permission, cell string) {
	status, answer := s.make(p, true)
	if strings.HasPrefix(cell, "own") || cell == "all" {
		s.judge(cell+" (one's own)", status, answer, ok(status))
	}
}

func (s *scene) judge(cell string, status int, answer string, right bool) {
	s.t.Helper()
	if !right {
		s.t.Errorf("the table says %q; got %d %s", cell, status, answer)
	}
	if !ok(status) && status != http.StatusNotFound && strings.Contains(answer, "eve") {
		s.t.Errorf("a refusal that tells of others: %s", answer)
	}
}

// What asks for the password is refused while it was given long ago, and below a base always.
func TestTableOfProof(t *testing.T) {
	for _, p := range permissions(t) {
		if p.may[account.Admin] == "401" || strings.HasSuffix(p.path, "/events") {
			continue
		}
		onScene(t, account.Admin, func(s *scene) {
			time.Sleep(200 * time.Second)
			s.call("POST", "/api/v1/session/activity", "", s.token)
			time.Sleep(250 * time.Second)
			s.call("POST", "/api/v1/session/activity", "", s.token)
			time.Sleep(200 * time.Second)
			s.user("later", account.User)
			s.others, s.another = s.start(s.eve, curfew.Client{}), s.start(s.caller, curfew.Client{})
			status, answer := s.make(p, false)
			if asked := status == 403 && strings.Contains(answer, httpapi.TypeProofNeeded); asked != p.asksProof || !asked && !ok(status) {
				t.Errorf("%s %s: %d %s", p.method, p.path, status, answer)
			}
		})
		onScene(t, account.Admin, func(s *scene) {
			s.api, s.base = mount.Under(s.api), mount.Base
			status, answer := s.make(p, false)
			if refused := status == 403 && strings.Contains(answer, httpapi.TypeProofNeeded); refused != p.asksProof || !refused && !ok(status) {
				t.Errorf("below a base: %s %s: %d %s", p.method, p.path, status, answer)
			}
		})
	}
}

func TestTableOfMethodsAndSites(t *testing.T) {
	known := map[string][]string{}
	for _, p := range permissions(t) {
		known[p.path] = append(known[p.path], p.method)
	}
	for _, role := range []account.Role{"", account.Admin} {
		onScene(t, role, func(s *scene) {
			for path, methods := range known {
				for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} {
					if slices.Contains(methods, method) {
						continue
					}
					w := s.do(request(method, s.target(permission{path: path}, false), "", s.token))
					slices.Sort(methods)
					if w.Code != 405 || w.Header().Get("Allow") != strings.Join(methods, ", ") {
						t.Errorf("%q: %s %s: %d, Allow %q", role, method, path, w.Code, w.Header().Get("Allow"))
					}
				}
			}
		})
	}
	for _, p := range permissions(t) {
		onScene(t, account.Admin, func(s *scene) {
			r := request(p.method, s.target(p, false), bodies[p.method+" "+p.path], s.token)
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			if p.method == "GET" {
				if strings.HasSuffix(p.path, "/events") {
					return
				}
				if w := s.do(r); w.Header().Get("Access-Control-Allow-Origin") != "" || w.Header().Get("Cross-Origin-Resource-Policy") != "same-origin" {
					t.Errorf("%s %s: another site may read: %v", p.method, p.path, w.Header())
				}
				return
			}
			w := httptest.NewRecorder()
			s.api.ServeHTTP(w, r)
			if w.Code != 403 {
				t.Errorf("%s %s from another site: %d", p.method, p.path, w.Code)
			}
			if _, err := s.sessions.Get(t.Context(), s.others.ID); err != nil {
				t.Errorf("%s %s from another site did something: %v", p.method, p.path, err)
			}
		})
	}
}
