package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/curfewhq/curfew/internal/axe"
)

// Do takes steps one after the other.
func (b *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.fail("%v", err)
	}
}

// fail ends the test, with a picture of the window and its address.
func (b *Tab) fail(format string, args ...any) {
	b.t.Helper()
	b.Shoot("failed-" + strings.ReplaceAll(b.t.Name(), "/", "-"))
	b.t.Fatalf("%s (at %s, console: %q)", fmt.Sprintf(format, args...), b.Location(), b.TakeErrors())
}

// Location returns the address of the page.
func (b *Tab) Location() string {
	url, _ := chromedp.Run(b.ctx, chromedp.Location())
	return url
}

// Eval returns the value of an expression; a promise is awaited.
func Eval[T any](b *Tab, js string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		b.fail("%s: %v", js, err)
	}
	return v
}

// Until waits for an expression to be true, without taking part in what the page does.
func (b *Tab) Until(what, js string, within time.Duration) {
	b.t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(50 * time.Millisecond) {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+js+")"))
		if ok {
			return
		}
		if time.Now().After(deadline) {
			b.fail("%s: not within %v: %v", what, within, err)
		}
	}
}

// UntilPath waits for a page, whole.
func (b *Tab) UntilPath(path string) {
	b.t.Helper()
	b.Until("reach "+path, fmt.Sprintf("location.pathname === %q && document.readyState === 'complete'", path), Patience)
}

// UntilText waits for a text that can be seen.
func (b *Tab) UntilText(text string) {
	b.t.Helper()
	b.Until("see "+text, fmt.Sprintf("document.body.innerText.includes(%q)", text), Patience)
}

// Go loads a page.
func (b *Tab) Go(path string) {
	b.t.Helper()
	b.Do(chromedp.Navigate(b.base + path))
}

// Click clicks with a real pointer, on what has come to rest: what slides in would be missed. The page may replace what is there between the look and
// the click: then it looks again.
func (b *Tab) Click(selector string) {
	b.t.Helper()
	b.Until("find at rest "+selector, fmt.Sprintf(`(e => e && !document.getAnimations().some(({ effect }) =>
		effect.target.contains(e) && isFinite(effect.getComputedTiming().endTime)))(document.querySelector(%q))`, selector), Patience)
	ctx, cancel := context.WithTimeout(b.ctx, Patience)
	defer cancel()
	err := chromedp.Do(ctx, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
	for err != nil && strings.Contains(err.Error(), "node with given id") {
		err = chromedp.Do(ctx, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
	}
	if err != nil {
		b.fail("click %s: %v", selector, err)
	}
}

// Fill types into a field. It takes the focus without the pointer, which could hit what moves there while the page settles.
func (b *Tab) Fill(selector, text string) {
	b.t.Helper()
	b.Until("type into "+selector, fmt.Sprintf(`(field => {
		if (!field?.checkVisibility()) return false;
		field.focus();
		field.select();
		return document.activeElement === field;
	})(document.querySelector(%q))`, selector), Patience)
	b.Press(text)
}

// Press presses keys: "\r" is Enter, "\t" is Tab, "\x1b" is Escape.
func (b *Tab) Press(keys string) {
	b.t.Helper()
	b.Do(chromedp.KeyEvent(keys))
}

// shots is where pictures go, if anywhere.
var shots = os.Getenv("CURFEW_TEST_SCREENSHOTS")

// Shoot takes a picture of the window, if CURFEW_TEST_SCREENSHOTS names a folder for it.
func (b *Tab) Shoot(name string) {
	if shots == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(shots, name+".png"), png, 0o644)
	}
	if err != nil {
		b.t.Logf("picture %s: %v", name, err)
	}
}

// LoadAxe loads what Axe needs into the page, if it is not there yet: it takes long, and what is on the page may not wait.
func (b *Tab) LoadAxe() {
	b.t.Helper()
	if !Eval[bool](b, "'axe' in window") {
		b.Do(chromedp.Evaluate[chromedp.Void](axe.Source))
	}
}

// Axe fails the test for each thing in the page that keeps people out.
func (b *Tab) Axe(what string) {
	b.t.Helper()
	b.runAxe(what, "['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa','best-practice']")
}

// AxeColours is Axe with the rules that look at colours: it is for a page that Axe has just seen in other colours.
func (b *Tab) AxeColours(what string) {
	b.t.Helper()
	b.runAxe(what, "{type: 'rule', values: ['color-contrast', 'link-in-text-block']}")
}

// runAxe has axe try the rules. It describes only what it finds wrong: to describe all that is well takes as long again.
func (b *Tab) runAxe(what, rules string) {
	b.t.Helper()
	b.LoadAxe()
	found := Eval[string](b, `axe.run(document, {resultTypes: ['violations'], runOnly: `+rules+`})
		.then(r => JSON.stringify(r.violations.map(v => v.id + ': ' + v.help + ' — ' + v.nodes.map(n => n.target.join(' ')).join(', '))))`)
	var violations []string
	if err := json.Unmarshal([]byte(found), &violations); err != nil {
		b.t.Fatal(err)
	}
	for _, v := range violations {
		b.t.Errorf("%s: axe: %s", what, v)
	}
}

// Fits fails the test if the page is wider than the window.
func (b *Tab) Fits(what string) {
	b.t.Helper()
	if over := Eval[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
		b.t.Errorf("%s: the page is %d px wider than the window", what, over)
	}
}
